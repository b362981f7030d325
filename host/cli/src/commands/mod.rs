//! The commands, one file or folder each.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod digest;
pub(crate) mod fact;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod module;
pub(crate) mod network;
pub(crate) mod new;
pub(crate) mod objects;
pub(crate) mod query;
mod said;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod status;
pub(crate) mod topic;
pub(crate) mod topics;
pub(crate) mod tune;
pub(crate) mod update;
pub(crate) mod watch;

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;

use crate::arguments::{Arguments, Command};
use crate::exit::WrongArgument;

/// Does what the command line says.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Init(arguments) => init::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Members(arguments) => members::run(arguments),
        Command::Network(arguments) => network::run(arguments),
        Command::Module(command) => module::run(command),
        Command::Fact(command) => fact::run(command),
        Command::Update(arguments) => update::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Query(arguments) => query::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Objects(arguments) => objects::run(arguments),
        Command::Topic(command) => topic::run(command),
        Command::Send(arguments) => messages::send(arguments),
        Command::Receive(arguments) => messages::receive(arguments),
        Command::Topics(arguments) => topics::run(arguments),
        Command::Digest(arguments) => digest::run(arguments),
        Command::New(arguments) => new::run(arguments),
        Command::Build(arguments) => build::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Sim(arguments) => sim::run(arguments),
        Command::Tune(arguments) => tune::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
    }
}

/// A JSON document that was given as an argument, kept as it is written.
fn json_argument<'a>(what: &str, text: &'a str) -> Result<&'a RawValue> {
    serde_json::from_str(text).with_context(|| {
        WrongArgument(format!(
            "the {what} is not JSON (in a shell, a word needs both quotes: '\"clear\"')"
        ))
    })
}
