//! `replicant module`: the modules that implement types.

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use replicant::LoadLimits;
use replicant::ids::TypeName;
use serde_json::Value;

use crate::arguments::{ReadArguments, digits, written};
use crate::client::{module_path, with_query};
use crate::environment::from_to;
use crate::output::{Table, ago, aside, counted, line, number, printable, short, size, text, yes};
use crate::{files, progress};

#[derive(Subcommand)]
pub(crate) enum ModuleCommand {
    /// Load a component into the cluster
    ///
    /// The node compiles it first, in a process of its own, one component after the other: 5
    /// minutes of processor time and 4 GiB of memory at most. What takes more, or has a shape that
    /// compiles too slowly, is refused, and the same bytes are not tried again; docs/cli.md has the
    /// limits. A slow one holds up those that are loaded after it.
    Load(LoadArguments),
    /// List the modules that the node knows
    List(ListArguments),
    /// Show what a module takes and gives, and the limits it runs under
    Show(ShowArguments),
    /// Have objects of a type run on a higher version, on every node
    Upgrade(SwitchArguments),
    /// Have objects of a type run on a lower version again, on every node
    Rollback(SwitchArguments),
}

#[derive(Args)]
pub(crate) struct LoadArguments {
    /// The component (.wasm)
    file: PathBuf,
    /// Fuel of one call, before what its items and bytes add [default: 200000000]
    #[arg(long, value_name = "NUMBER",
          value_parser = from_to(LoadLimits::FUEL_PER_CALL_MIN, LoadLimits::FUEL_PER_CALL_MAX))]
    fuel_per_call: Option<u64>,
    /// Memory of one instance [default: 268435456]
    #[arg(long, value_name = "BYTES",
          value_parser = from_to(LoadLimits::MEMORY_BYTES_MIN, LoadLimits::MEMORY_BYTES_MAX))]
    memory_bytes: Option<u64>,
    /// Output of one call [default: 67108864]
    #[arg(long, value_name = "BYTES",
          value_parser = from_to(LoadLimits::OUTPUT_BYTES_MIN, LoadLimits::OUTPUT_BYTES_MAX))]
    output_bytes: Option<u64>,
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
    /// The type's name, name@version, or the first digits of a hash
    #[arg(value_parser = module_name)]
    name: String,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct SwitchArguments {
    /// The type's name, or name@version; without a version: the highest that is loaded, or the one
    /// that ran before
    #[arg(value_parser = type_and_version)]
    name: String,
    /// Also if there may be ops that the version does not read; their objects wait then
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    read: ReadArguments,
}

/// A type's name, and perhaps `@` and a version.
fn type_and_version(text: &str) -> Result<String, String> {
    let (name, version) = text.split_once('@').unwrap_or((text, "0"));
    written::<TypeName>(name)?;
    match version.starts_with(|first: char| first.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("write NAME or NAME@VERSION, as in poll@1.2.0".to_owned()),
    }
}

/// The same, or the first digits of a hash.
fn module_name(text: &str) -> Result<String, String> {
    let hash = digits::<8>(text);
    let name = hash.clone().or_else(|_| type_and_version(text));
    // No name begins with a digit, so that one was meant for a hash.
    let is_hash = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.map_err(|error| match hash {
        Err(wanted) if is_hash => format!("{wanted} of a hash, or the name of a type"),
        _ => error,
    })
}

pub(crate) fn run(command: &ModuleCommand) -> Result<()> {
    match command {
        ModuleCommand::Load(arguments) => load(arguments),
        ModuleCommand::List(arguments) => arguments.read.read("/v1/modules", list),
        ModuleCommand::Show(arguments) => arguments.read.read(&module_path(&arguments.name), show),
        ModuleCommand::Upgrade(arguments) => switch(arguments, "upgrade"),
        ModuleCommand::Rollback(arguments) => switch(arguments, "rollback"),
    }
}

fn load(arguments: &LoadArguments) -> Result<()> {
    let file = arguments.file.display();
    let component = files::component(&arguments.file)?;
    let client = arguments.read.client()?;
    let limits = [
        ("fuel_per_call", arguments.fuel_per_call),
        ("memory_bytes", arguments.memory_bytes),
        ("output_bytes", arguments.output_bytes),
    ];
    let waiting = progress::counter(&format!("{file}: the node compiles it"));
    let answer = client.load_module_text(&component, &limits);
    waiting.finish_and_clear();
    let answer = answer.map_err(|error| match error.is_timeout() {
        true => anyhow::Error::new(error.of_loading()).context(format!("{file} is not loaded yet")),
        false => anyhow::Error::new(error).context(format!("{file} was not loaded")),
    })?;
    arguments.read.print(&client, &answer, |module| {
        let (name, version) = (text(module, "name"), text(module, "version"));
        line(&format!(
            "loaded {name}@{version}, hash {}",
            text(module, "hash")
        ))?;
        match module["active"].as_bool() {
            Some(false) => line(&format!(
                "{name} runs another version: `replicant module upgrade {name}@{version}`"
            )),
            _ => Ok(()),
        }
    })
}

fn switch(arguments: &SwitchArguments, direction: &str) -> Result<()> {
    let (name, version) = match arguments.name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (arguments.name.as_str(), None),
    };
    let force = arguments.force.then_some("true");
    let path = format!("{}/{direction}", module_path(name));
    let path = with_query(&path, &[("version", version), ("force", force)]);
    let client = arguments.read.client()?;
    let answer = client.post_text(&path, "")?;
    arguments.read.print(&client, &answer, |module| {
        let (name, version) = (text(module, "name"), text(module, "version"));
        line(&format!("{name} runs on {name}@{version}"))?;
        if let Some(unread) = unread_encodings(module) {
            aside(&format!("warning: {unread}"));
        }
        Ok(())
    })
}

fn list(modules: &Value) -> io::Result<()> {
    let mut table = Table::new(&[
        "type",
        "version",
        "runs",
        "here",
        "size",
        "hash",
        "publisher",
    ]);
    let mut notes = Vec::new();
    for module in modules.as_array().into_iter().flatten() {
        table.row(&[
            text(module, "name"),
            text(module, "version"),
            yes(module, "active"),
            here(module),
            &size(number(module, "size_bytes")),
            short(text(module, "hash")),
            short(text(module, "publisher")),
        ]);
        notes.extend(module["waits"].as_str().map(printable));
        notes.extend(unread_ops(module));
        notes.extend(others(module));
    }
    table.print("no modules")?;
    notes.iter().try_for_each(|note| line(note))
}

/// How a module came to this node, if it did.
fn here(module: &Value) -> &'static str {
    match (module["loaded"].as_bool(), module["built_in"].as_bool()) {
        (Some(false), _) if module["waits_for"] == "compilation" => "compiling",
        (Some(false), _) => "waits",
        (_, Some(true)) => "built in",
        _ => "loaded",
    }
}

/// Which objects wait for another version than this one, if it runs or is to run.
fn unread_encodings(module: &Value) -> Option<String> {
    let unread = module["unread_encodings"].as_array()?;
    let unread: Vec<String> = unread.iter().map(Value::to_string).collect();
    let label = format!("{}@{}", text(module, "name"), text(module, "version"));
    (!unread.is_empty()).then(|| {
        printable(&format!(
            "{label} does not read op encoding {}, in which there may be ops: objects that have \
             such ops wait for a version that reads them",
            unread.join(", ")
        ))
    })
}

/// How many ops a module could not read.
fn unread_ops(module: &Value) -> Option<String> {
    let label = format!("{}@{}", text(module, "name"), text(module, "version"));
    let count = number(module, "ops_unread");
    (count > 0).then(|| {
        printable(&format!(
            "{label} could not read ops {}: they have no effect; `replicant get` says of an \
             object how many of its ops that concerns",
            counted(count, "time", "times")
        ))
    })
}

/// What else is announced under a module's name and version, a line each.
fn others(module: &Value) -> impl Iterator<Item = String> {
    let label = format!("{}@{}", text(module, "name"), text(module, "version"));
    let others = module["others"].as_array().into_iter().flatten();
    others.map(move |other| {
        format!(
            "{label} is also announced by node {} with other bytes or limits (hash {}); no node \
             runs that: give it a version of its own",
            text(other, "publisher"),
            text(other, "hash"),
        )
    })
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
    table.row(&["runs", yes(module, "active")]);
    table.row(&["here", here(module)]);
    table.row(&["publisher", text(module, "publisher")]);
    table.row(&["writes op encoding", &module["writes"].to_string()]);
    table.row(&["reads op encodings", &module["reads"].to_string()]);
    table.row(&["ops not read", &number(module, "ops_unread").to_string()]);
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
    for switch in module["switches"].as_array().into_iter().flatten() {
        let when = ago(number(switch, "at_ms"));
        let by = format!("{when} by node {}", text(switch, "issuer"));
        table.row(&[format!("switch to {}", text(switch, "version")), by]);
    }
    table.print("")?;
    if let Some(waits) = module["waits"].as_str() {
        line(&printable(waits))?;
    }
    let notes = unread_ops(module).into_iter().chain(others(module));
    for note in unread_encodings(module).into_iter().chain(notes) {
        line(&printable(&note))?;
    }
    for (name, schema) in module["schemas"].as_object().into_iter().flatten() {
        line(&format!(
            "\nJSON Schema, {name}:\n{}",
            printable(&format!("{schema:#}"))
        ))?;
    }
    Ok(())
}
