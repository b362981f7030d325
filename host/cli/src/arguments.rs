//! The command line as a whole; each command's own arguments stand beside the command.

use std::fmt::Display;
use std::io;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use replicant::ids::{ObjectId, TopicName, TypeName};
use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::{commands, exit, output};

/// Replicates data types that you write yourself.
#[derive(Parser)]
#[command(name = "replicant", version, arg_required_else_help = true, after_help = exit::HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a folder for a node's data, with a key of its own
    Init(commands::init::InitArguments),
    /// Run a node
    Serve(Box<commands::serve::ServeArguments>),
    /// Show how the node is doing
    Status(commands::status::StatusArguments),
    /// List the members of the cluster
    Members(commands::members::MembersArguments),
    /// Take the node off the network, or put it back
    Network(commands::network::NetworkArguments),
    /// Load and list the modules that implement types
    #[command(subcommand)]
    Module(commands::module::ModuleCommand),
    /// Publish and list facts: signed statements that everybody comes to know
    #[command(subcommand)]
    Fact(commands::fact::FactCommand),
    /// Carry out commands on an object
    Update(commands::update::UpdateArguments),
    /// Print an object's value
    Get(commands::get::GetArguments),
    /// Ask an object a question
    Query(commands::query::QueryArguments),
    /// Follow the changes of a topic or of one object
    Watch(commands::watch::WatchArguments),
    /// List the objects of a topic
    Objects(commands::objects::ObjectsArguments),
    /// Say something in a topic, listen to it, see who listens to what
    #[command(subcommand)]
    Topic(commands::topic::TopicCommand),
    /// Say something to one member
    Send(commands::messages::SendArguments),
    /// Listen to what is said to this node
    Receive(commands::messages::ReceiveArguments),
    /// List the topics that hold objects
    Topics(commands::topics::TopicsArguments),
    /// Hash a topic's contents, to compare nodes
    Digest(commands::digest::DigestArguments),
    /// Make a folder with a small type of your own, ready to be built
    New(commands::new::NewArguments),
    /// Build a type into a component
    Build(commands::build::BuildArguments),
    /// Run a node, and load a type into it anew whenever its sources change
    Dev(commands::dev::DevArguments),
    /// Find out whether a component converges
    Check(commands::check::CheckArguments),
    /// See three nodes on this machine replicate, fail and recover
    Demo(commands::demo::DemoArguments),
    /// Simulate thousands of nodes
    Sim(commands::sim::SimArguments),
    /// See what follows from where nodes run: all parameters, and what to expect
    Tune(commands::tune::TuneArguments),
    /// Measure a cluster on this machine
    Bench(commands::bench::BenchArguments),
    /// Write a script that completes commands and options in a shell
    Completions(commands::completions::CompletionsArguments),
}

/// Which node a command talks to.
#[derive(Args)]
pub(crate) struct NodeArguments {
    /// The API of the node
    #[arg(
        long,
        env = "REPLICANT_API",
        default_value = API,
        value_name = "URL",
        value_parser = or_default
    )]
    api: String,
}

/// Where a node serves its API if nobody says otherwise.
const API: &str = "http://127.0.0.1:8080";

/// A variable that is empty is as good as none, as in shells.
fn or_default(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(match text {
        "" => API.to_owned(),
        text => text.to_owned(),
    })
}

impl NodeArguments {
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Client::new(&self.api)
    }
}

/// For commands that read: which node, and how to print.
#[derive(Args)]
pub(crate) struct ReadArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Print the API's answer as it is, in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ReadArguments {
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        self.node.client()
    }

    /// Reads a path and prints the answer: as it is, or as `print` shows it to people.
    pub(crate) fn read(
        &self,
        path: &str,
        print: impl FnOnce(&Value) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let client = self.client()?;
        let answer = client.get_text(path)?;
        self.print(&client, &answer, print)
    }

    /// Prints an answer: as it is, or as `print` shows it to people.
    pub(crate) fn print(
        &self,
        client: &Client,
        answer: &str,
        print: impl FnOnce(&Value) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        match self.json {
            true => output::json(answer)?,
            false => print(&client.parse(answer)?)?,
        }
        Ok(())
    }
}

/// Which object.
#[derive(Args)]
pub(crate) struct ObjectArguments {
    /// The topic, as in shop/eu/carts
    #[arg(value_parser = written::<TopicName>)]
    pub(crate) topic: String,
    /// The object's id
    #[arg(value_parser = written::<ObjectId>)]
    pub(crate) id: String,
    /// The object's type; needed if several objects have this id, and to make one by an update
    #[arg(long = "type", value_name = "NAME", value_parser = written::<TypeName>)]
    pub(crate) type_name: Option<String>,
}

/// Passes text on as it is written, once it is right: what is wrong in itself is found before
/// anything is sent.
pub(crate) fn written<T: FromStr<Err: Display>>(text: &str) -> Result<String, String> {
    let right = text.parse::<T>();
    right.map_or_else(|wrong| Err(wrong.to_string()), |_| Ok(text.to_owned()))
}

/// The beginning of an id or hash, of at least so many digits.
pub(crate) fn digits<const LEAST: usize>(text: &str) -> Result<String, String> {
    let are_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match are_digits && (LEAST..=ID_DIGITS).contains(&text.len()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "write {LEAST} to {ID_DIGITS} of the digits 0-9 and a-f"
        )),
    }
}

/// Digits of an id or hash.
const ID_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn versions_and_cursors_may_begin_with_a_hyphen() {
        let version = "-ZD2TcrBV4gAAAAAAAAAAQ";
        for arguments in [
            vec!["get", "t", "x", "--after", version],
            vec!["query", "t", "x", "-1", "--after", version],
            vec!["watch", "t", "--from", version],
            vec!["objects", "t", "--after", "-AUg"],
            vec!["update", "t", "x", "-1"],
        ] {
            let line = std::iter::once(&"replicant").chain(&arguments);
            assert!(Arguments::try_parse_from(line).is_ok(), "{arguments:?}");
        }
    }

    #[test]
    fn the_page_for_people_has_every_command_and_every_option_of_serve() {
        let page = include_str!("../../../docs/cli.md");
        let command = Arguments::command();
        for command in command.get_subcommands() {
            let name = command.get_name();
            assert!(page.contains(&format!("`replicant {name}")), "{name}");
        }
        let serve = command.find_subcommand("serve").unwrap();
        for option in serve
            .get_arguments()
            .filter_map(|argument| argument.get_long())
        {
            assert!(
                page.contains(&format!("`--{option}")) || option == "data",
                "{option}"
            );
        }
    }
}
