//! Small rooms: lines per file, lines per function, columns per line.

use std::collections::BTreeMap;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Source, exceptions, sources};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;
const COLUMNS_MAX: usize = 100;

#[test]
fn files_are_short() {
    let measured = sources().into_iter().map(|source| {
        let lines = source.without_tests().lines().count();
        (source.path, lines)
    });
    judge("file-lines", FILE_LINES_MAX, measured);
}

#[test]
fn functions_are_short() {
    let measured = sources()
        .into_iter()
        .filter(|source| !source.is_test())
        .flat_map(|source| {
            let functions = functions(&source);
            functions
                .into_iter()
                .map(move |(name, lines)| (format!("{}::{name}", source.path), lines))
        });
    judge("function-lines", FUNCTION_LINES_MAX, measured);
}

#[test]
fn lines_are_narrow() {
    let measured = sources().into_iter().flat_map(|source| {
        let wide = source
            .text
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0);
        Some((source.path, wide))
    });
    judge("columns", COLUMNS_MAX, measured);
}

/// Fails on what is over the limit and not excepted, and on exceptions that are wider than needed.
fn judge(rule: &str, limit: usize, measured: impl Iterator<Item = (String, usize)>) {
    let mut excepted: BTreeMap<String, usize> = exceptions()
        .into_iter()
        .filter(|((of, _), _)| of == rule)
        .map(|((_, path), allowed)| (path, allowed))
        .collect();
    let mut complaints = Vec::new();
    for (path, size) in measured {
        match excepted.remove(&path) {
            None if size > limit => complaints.push(format!("{path}: {size}, over {limit}")),
            Some(allowed) if size > allowed => {
                complaints.push(format!("{path}: {size}, over its exception of {allowed}"));
            }
            Some(allowed) if size <= limit || size + limit / 10 < allowed => {
                complaints.push(format!(
                    "{path}: is down to {size}; lower its exception ({allowed})"
                ));
            }
            _ => {}
        }
    }
    complaints.extend(
        excepted
            .keys()
            .map(|path| format!("{path}: excepted, but not there")),
    );
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

fn functions(source: &Source) -> Vec<(String, usize)> {
    let file = syn::parse_file(&source.text)
        .unwrap_or_else(|error| panic!("{} does not parse: {error}", source.path));
    let mut finder = Functions::default();
    finder.visit_file(&file);
    finder.found
}

#[derive(Default)]
struct Functions {
    found: Vec<(String, usize)>,
}

impl Functions {
    fn add(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        self.found
            .push((name.to_string(), span.end().line - span.start().line + 1));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}
