//! `replicant update`: carries out commands on an object.

mod lines;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::Value;
use serde_json::value::RawValue;

use self::lines::{Batch, Lines, input_length};
use super::json_argument;
use crate::arguments::{ObjectArguments, ReadArguments};
use crate::client::{Client, ClientError, batch_body, update_path};
use crate::output::{self, grouped, one_line, text};
use crate::progress;

#[derive(Args)]
pub(crate) struct UpdateArguments {
    #[command(flatten)]
    object: ObjectArguments,
    /// The command, in JSON, as the type's command schema says (see `replicant module show`); `-`
    /// reads many from standard input, one a line
    #[arg(value_name = "COMMAND_JSON", allow_hyphen_values = true)]
    command: String,
    #[command(flatten)]
    read: ReadArguments,
}

impl UpdateArguments {
    fn path(&self) -> String {
        let object = &self.object;
        update_path(&object.topic, &object.id, object.type_name.as_deref())
    }
}

pub(crate) fn run(arguments: &UpdateArguments) -> Result<()> {
    let client = arguments.read.client()?;
    match arguments.command.as_str() {
        "-" => Stream::new(arguments, &client).run(),
        command => one(arguments, &client, json_argument("command", command)?),
    }
}

fn one(arguments: &UpdateArguments, client: &Client, command: &RawValue) -> Result<()> {
    let body = batch_body(&[command]);
    let answer = client.post_text(&arguments.path(), &body)?;
    arguments.read.print(client, &answer, |updated| {
        match &updated["outcomes"][0]["applied"] {
            Value::Null => output::line("nothing to change"),
            _ => output::line(&format!("done, version {}", text(updated, "version"))),
        }
    })
}

/// Many commands from standard input.
struct Stream<'a> {
    arguments: &'a UpdateArguments,
    client: &'a Client,
    path: String,
    progress: ProgressBar,
    applied: u64,
    unchanged: u64,
    refused: u64,
    version: String,
}

impl<'a> Stream<'a> {
    fn new(arguments: &'a UpdateArguments, client: &'a Client) -> Self {
        Self {
            arguments,
            client,
            path: arguments.path(),
            progress: match input_length() {
                Some(length) => progress::bytes(length, "0 commands"),
                None => progress::counter("0 commands"),
            },
            applied: 0,
            unchanged: 0,
            refused: 0,
            version: String::new(),
        }
    }

    fn run(mut self) -> Result<()> {
        let sent = self.send_all(&Lines::of_standard_input());
        self.progress.finish_and_clear();
        let summary = format!(
            "{} applied, {} without effect, {} refused",
            grouped(self.applied),
            grouped(self.unchanged),
            grouped(self.refused)
        );
        if let Err(error) = sent {
            output::aside(&format!("before that: {summary}"));
            return Err(error);
        }
        self.print(&summary)?;
        match self.refused {
            0 => Ok(()),
            1 => bail!("1 command was refused; the others are done"),
            count => bail!(
                "{} commands were refused; the others are done",
                grouped(count)
            ),
        }
    }

    fn tell(&self, text: &str) {
        self.progress.suspend(|| output::aside(text));
    }

    fn print(&self, summary: &str) -> Result<()> {
        if !self.arguments.read.json {
            return Ok(output::line(summary)?);
        }
        let counts = serde_json::json!({
            "applied": self.applied,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "version": self.version,
        });
        Ok(output::line(&counts.to_string())?)
    }

    fn send_all(&mut self, lines: &Lines) -> Result<()> {
        while let Some(batch) = lines.next_batch() {
            self.send(&batch)?;
            self.progress.inc(batch.bytes as u64);
            if let Some(error) = batch.then {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends a batch; where the node refuses the request as such, line by line, so that the line
    /// at fault can be named.
    fn send(&mut self, batch: &Batch) -> Result<()> {
        match self.request(&batch.commands) {
            Ok(outcomes) => self.count(&batch.numbers, &outcomes),
            Err(ClientError::Refused {
                status: 400 | 413, ..
            }) if batch.commands.len() > 1 => {
                for (number, command) in batch.numbers.iter().zip(&batch.commands) {
                    let outcomes = self
                        .request(std::slice::from_ref(command))
                        .with_context(|| format!("line {number}"))?;
                    self.count(&[*number], &outcomes)?;
                }
                Ok(())
            }
            Err(error) => {
                let lines = match batch.numbers[..] {
                    [number] => format!("line {number}"),
                    [first, .., last] => format!("lines {first} to {last}"),
                    [] => String::new(),
                };
                let is_known = matches!(error, ClientError::Refused { .. });
                Err(error).with_context(|| match is_known {
                    true => lines,
                    false => format!("{lines} may have been carried out or not"),
                })
            }
        }
    }

    fn request(&mut self, commands: &[Box<RawValue>]) -> Result<Vec<Value>, ClientError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        match self.client.post_text(&self.path, &batch_body(commands)) {
            Ok(answer) => {
                let mut answer = self.client.parse(&answer)?;
                text(&answer, "version").clone_into(&mut self.version);
                match answer["outcomes"].take() {
                    Value::Array(outcomes) => Ok(outcomes),
                    _ => Ok(Vec::new()),
                }
            }
            // Every command was refused; the answer says why for each.
            Err(ClientError::Refused {
                status: 422,
                outcomes,
                ..
            }) if !outcomes.is_empty() => Ok(outcomes),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, numbers: &[u64], outcomes: &[Value]) -> Result<()> {
        if numbers.len() != outcomes.len() {
            bail!(
                "the node answered {} commands with {}",
                numbers.len(),
                outcomes.len()
            );
        }
        for (number, outcome) in numbers.iter().zip(outcomes) {
            let of = |kind: &str| outcome[kind].as_str().map(one_line);
            if let Some(message) = of("refused") {
                self.refused += 1;
                self.tell(&format!("line {number} was refused: {message}"));
            } else if let Some(message) = of("failed") {
                self.refused += 1;
                self.tell(&format!("line {number} failed: {message}"));
            } else if outcome.get("applied").is_some() {
                self.applied += 1;
            } else {
                self.unchanged += 1;
            }
        }
        let done = self.applied + self.unchanged + self.refused;
        self.progress
            .set_message(format!("{} commands", grouped(done)));
        Ok(())
    }
}
