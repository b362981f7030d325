//! `replicant status`: how the node is doing.

use std::io;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::arguments::ReadArguments;
use crate::output::{Table, duration, number, one_line, short, text};

#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(arguments: &StatusArguments) -> Result<()> {
    arguments.read.read("/v1/status", print)
}

fn print(status: &Value) -> io::Result<()> {
    let storage = match status["storage"]["writable"].as_bool() {
        Some(true) => "takes writes".to_owned(),
        _ => format!("takes no writes: {}", text(&status["storage"], "reason")),
    };
    let mut table = Table::new(&["what", "value"]);
    for field in ["node", "cluster", "version", "listen", "advertised", "api"] {
        table.row(&[field, text(status, field)]);
    }
    table.row(&["up", &duration(number(status, "uptime_seconds"))]);
    table.row(&["storage", &storage]);
    table.row(&["network", &super::network::describe(&status["network"])]);
    if let Some(revoked) = status.get("revoked").filter(|it| it.is_object()) {
        let (fact, issuer) = (text(revoked, "fact"), short(text(revoked, "issuer")));
        table.row(&[
            "revoked",
            &format!(
                "by fact {fact} of {issuer} ({}): the others keep this node out; to take part \
                 again, make a new one with `replicant init`",
                one_line(text(revoked, "reason"))
            ),
        ]);
    }
    let counters = status["counters"].as_object().into_iter().flatten();
    for (name, count) in counters.filter(|(_, count)| **count != 0) {
        table.row(&[name.as_str(), &count.to_string()]);
    }
    table.print("")
}
