//! `replicant module`: the modules that implement types.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::client::module_path;
use crate::output::{Table, line, number, printable, short, size, text, yes};

#[derive(Subcommand)]
pub(crate) enum ModuleCommand {
    /// Load a component into the cluster
    Load(LoadArguments),
    /// List the modules that the node knows
    List(ListArguments),
    /// Show what a module takes and gives, and the limits it runs under
    Show(ShowArguments),
}

#[derive(Args)]
pub(crate) struct LoadArguments {
    /// The component (.wasm)
    file: PathBuf,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    /// The type's name, or name@version
    name: String,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(command: &ModuleCommand) -> Result<()> {
    match command {
        ModuleCommand::Load(arguments) => load(arguments),
        ModuleCommand::List(arguments) => arguments.read.read("/v1/modules", list),
        ModuleCommand::Show(arguments) => arguments.read.read(&module_path(&arguments.name), show),
    }
}

fn load(arguments: &LoadArguments) -> Result<()> {
    let file = arguments.file.display();
    let component =
        std::fs::read(&arguments.file).with_context(|| format!("cannot read {file}"))?;
    let client = arguments.read.client()?;
    let answer = client
        .load_module_text(&component)
        .with_context(|| format!("{file} was not loaded"))?;
    arguments.read.print(&client, &answer, |module| {
        let (name, version) = (text(module, "name"), text(module, "version"));
        line(&format!(
            "loaded {name}@{version}, hash {}",
            text(module, "hash")
        ))
    })
}

fn list(modules: &Value) -> io::Result<()> {
    let mut table = Table::new(&["type", "version", "active", "built in", "size", "hash"]);
    for module in modules.as_array().into_iter().flatten() {
        table.row(&[
            text(module, "name"),
            text(module, "version"),
            yes(module, "active"),
            yes(module, "built_in"),
            &size(number(module, "size_bytes")),
            short(text(module, "hash")),
        ]);
    }
    table.print("no modules")
}

fn show(module: &Value) -> io::Result<()> {
    line(&format!(
        "{}@{}",
        text(module, "name"),
        text(module, "version")
    ))?;
    line(&printable(text(module, "summary")))?;
    line("")?;
    let mut table = Table::new(&["what", "value"]);
    table.row(&["hash", text(module, "hash")]);
    table.row(&["size", &size(number(module, "size_bytes"))]);
    table.row(&["active", yes(module, "active")]);
    table.row(&["built in", yes(module, "built_in")]);
    table.row(&["writes op encoding", &module["writes"].to_string()]);
    table.row(&["reads op encodings", &module["reads"].to_string()]);
    for list in ["imports", "exports"] {
        let items = module[list]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        table.row(&[list, &items.collect::<Vec<_>>().join(", ")]);
    }
    for (name, limit) in module["limits"].as_object().into_iter().flatten() {
        table.row(&[format!("limit {name}"), limit.to_string()]);
    }
    table.print("")?;
    for (name, schema) in module["schemas"].as_object().into_iter().flatten() {
        line(&format!(
            "\nJSON Schema, {name}:\n{}",
            printable(&format!("{schema:#}"))
        ))?;
    }
    Ok(())
}
