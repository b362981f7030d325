//! `replicant fact`: signed statements that everybody comes to know.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use replicant::ids::{FactKind, Hash, NodeId};
use serde_json::{Value, json};

use crate::arguments::{ReadArguments, digits, written};
use crate::client::{Event, fact_path, with_query};
use crate::exit::WrongArgument;
use crate::output::{self, Table, number, one_line, short, text};

#[derive(Subcommand)]
pub(crate) enum FactCommand {
    /// Sign a fact as the node, and tell everybody
    Publish(PublishArguments),
    /// Revoke a node: its sessions are closed everywhere, and it is kept out
    Revoke(RevokeArguments),
    /// List the facts that the node knows
    List(ListArguments),
    /// Print a fact
    Show(ShowArguments),
    /// Follow facts as they come and go
    Watch(WatchArguments),
}

#[derive(Args)]
pub(crate) struct PublishArguments {
    /// Its kind, as declared with `replicant serve --fact-kind`
    #[arg(value_parser = written::<FactKind>)]
    kind: String,
    /// What it says, in JSON
    #[arg(allow_hyphen_values = true)]
    body: String,
    /// How long it counts, as in 90s, 30m, 12h or 7d; left out: as long as its kind allows
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct RevokeArguments {
    /// The node's id, all of it
    #[arg(value_parser = written::<NodeId>)]
    node: String,
    /// Why, for people: it is for ever, and they will ask
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Revoke it as a publisher of modules only
    #[arg(long)]
    publisher: bool,
    /// NODE is the node that is asked to do this: it shuts itself out of its cluster
    #[arg(long, conflicts_with = "publisher")]
    yes_this_node: bool,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    /// Only of this kind
    #[arg(long, value_parser = written::<FactKind>)]
    kind: Option<String>,
    /// Only of this issuer: a node's id, all of it
    #[arg(long, value_name = "ID", value_parser = issuer)]
    issuer: Option<String>,
    /// Only behind this: the `next` of an earlier page, as `--json` prints it
    #[arg(long, value_name = "ID", value_parser = written::<Hash>)]
    after: Option<String>,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    /// Its id, or the first 8 digits of it or more
    #[arg(value_parser = digits::<8>)]
    id: String,
    #[command(flatten)]
    read: ReadArguments,
}

#[derive(Args)]
pub(crate) struct WatchArguments {
    /// End after this many events
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    #[command(flatten)]
    read: ReadArguments,
}

pub(crate) fn run(command: &FactCommand) -> Result<()> {
    match command {
        FactCommand::Publish(arguments) => publish(arguments),
        FactCommand::Revoke(arguments) => revoke(arguments),
        FactCommand::List(arguments) => list(arguments),
        FactCommand::Show(arguments) => arguments.read.read(&fact_path(&arguments.id), print_whole),
        FactCommand::Watch(arguments) => watch(arguments),
    }
}

fn publish(arguments: &PublishArguments) -> Result<()> {
    let body = super::json_argument("body", &arguments.body)?;
    let (kind, body) = (json!(arguments.kind), body.get());
    let ttl = json!(arguments.ttl.map(|ttl| ttl.as_secs()));
    // The body goes as it is written.
    let draft = format!("{{\"kind\":{kind},\"body\":{body},\"ttl_seconds\":{ttl}}}");
    post(&arguments.read, &draft)
}

fn revoke(arguments: &RevokeArguments) -> Result<()> {
    if !arguments.publisher {
        check_whom(arguments)?;
        warn_of_a_stranger(arguments)?;
    }
    let (kind, who) = match arguments.publisher {
        true => ("publisher-revocation", "publisher"),
        false => ("node-revocation", "node"),
    };
    let draft = json!({
        "kind": kind,
        "body": { who: arguments.node, "reason": arguments.reason },
    });
    post(&arguments.read, &draft.to_string())
}

/// A node that revokes itself is to mean it: nothing takes that back.
fn check_whom(arguments: &RevokeArguments) -> Result<()> {
    let asked = arguments.read.client()?.status()?;
    let is_itself = text(&asked, "node").eq_ignore_ascii_case(&arguments.node);
    let id = short(&arguments.node);
    match (is_itself, arguments.yes_this_node) {
        (true, false) => bail!(WrongArgument(format!(
            "{id} is the node that would do this: it would shut itself out of its cluster for ten \
             years, and nothing takes that back; write --yes-this-node if that is meant"
        ))),
        (false, true) => bail!(WrongArgument(format!(
            "--yes-this-node is for the node that does this, which is {}; {id} is another one: \
             leave it out, or ask that node with --api",
            short(text(&asked, "node"))
        ))),
        _ => Ok(()),
    }
}

/// An id that is wrong by a digit is nobody's, and the fact cannot be taken back.
fn warn_of_a_stranger(arguments: &RevokeArguments) -> Result<()> {
    let members = arguments.read.client()?.members()?;
    let mut members = members.as_array().into_iter().flatten();
    if !members.any(|member| text(member, "id").eq_ignore_ascii_case(&arguments.node)) {
        output::aside(&format!(
            "note: the node that is asked knows no member {}; if that is a slip of the pen, revoke \
             the right one too",
            short(&arguments.node)
        ));
    }
    Ok(())
}

fn post(read: &ReadArguments, draft: &str) -> Result<()> {
    let client = read.client()?;
    let answer = client.post_text("/v1/facts", draft)?;
    read.print(&client, &answer, |fact| {
        let id = text(fact, "id");
        output::line(&match fact["already"] == true {
            true => format!(
                "nothing is published: this node has revoked it before, by fact {id} ({}), which \
                 counts for {}",
                one_line(text(&fact["body"], "reason")),
                left(fact)
            ),
            false => format!("published {id}"),
        })
    })
}

/// Why a node is revoked.
fn reason(given: &str) -> Result<String, String> {
    match given.trim().is_empty() {
        true => Err("say why in a few words, as in \"stolen laptop\"".to_owned()),
        false => Ok(given.to_owned()),
    }
}

/// A node by its whole id.
fn issuer(given: &str) -> Result<String, String> {
    written::<NodeId>(given).map_err(|wrong| {
        format!(
            "{wrong}; all 64 digits are needed here: `replicant members --json` has them, and \
             `replicant fact show` of any of its facts"
        )
    })
}

fn list(arguments: &ListArguments) -> Result<()> {
    let parameters = [
        ("kind", arguments.kind.as_deref()),
        ("issuer", arguments.issuer.as_deref()),
        ("after", arguments.after.as_deref()),
    ];
    arguments
        .read
        .read(&with_query("/v1/facts", &parameters), |page| {
            let mut table = Table::new(&["fact", "kind", "issuer", "expires in", "says"]);
            for fact in page["facts"].as_array().into_iter().flatten() {
                let (expires, says) = (left(fact), one_line(&fact["body"].to_string()));
                table.row(&[
                    short(text(fact, "id")),
                    text(fact, "kind"),
                    short(text(fact, "issuer")),
                    &expires,
                    &says,
                ]);
            }
            table.print("no facts")?;
            match page["next"].as_str() {
                Some(next) => output::line(&format!("more with --after {next}")),
                None => Ok(()),
            }
        })
}

/// How long a fact still counts, by this machine's clock.
fn left(fact: &Value) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let expires = Duration::from_millis(number(fact, "expires_at_ms"));
    output::duration(expires.saturating_sub(now).as_secs())
}

fn print_whole(fact: &Value) -> io::Result<()> {
    output::line(&format!("id         {}", text(fact, "id")))?;
    output::line(&format!("kind       {}", text(fact, "kind")))?;
    output::line(&format!("issuer     {}", text(fact, "issuer")))?;
    output::line(&format!("expires in {}", left(fact)))?;
    output::value(&fact["body"])
}

fn watch(arguments: &WatchArguments) -> Result<()> {
    let client = arguments.read.client()?;
    let mut events = client.events("/v1/facts/watch")?;
    for _ in 0..arguments.count.unwrap_or(u64::MAX) {
        let event = events.next()?;
        match arguments.read.json {
            true => output::json(&event.data)?,
            false => print_event(&event, &client.parse(&event.data)?)?,
        }
    }
    Ok(())
}

fn print_event(event: &Event, told: &Value) -> io::Result<()> {
    let id = short(text(told, "id"));
    output::line(&match event.name.as_str() {
        "fact" => {
            let says = one_line(&told["body"].to_string());
            format!(
                "{id} {} by {}: {says}",
                text(told, "kind"),
                short(text(told, "issuer"))
            )
        }
        "gone" => format!("{id} is gone"),
        _ => "(some were missed: list the facts)".to_owned(),
    })
}

/// A time as in `90s`, `30m`, `12h`, `7d`.
pub(super) fn time(given: &str) -> Result<Duration, String> {
    let wrong = || format!("`{given}` is not a time such as 90s, 30m, 12h or 7d");
    let unit = given.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = given[..given.len() - 1].parse().map_err(|_| wrong())?;
    let total = count.checked_mul(seconds).filter(|total| *total > 0);
    total.map(Duration::from_secs).ok_or_else(wrong)
}

/// A kind of facts as `serve --fact-kind` takes it: `NAME=any` or `NAME=ID,ID`, then perhaps
/// `:TTL` and `:BYTES`.
pub(super) fn declaration(
    given: &str,
) -> Result<(replicant::ids::FactKind, replicant::facts::KindRule)> {
    use replicant::facts::{BODY_BYTES_MAX, Issuers, KindRule, TTL_MAX, is_built_in};
    let wrong = |why: &str| WrongArgument(format!("--fact-kind {given}: {why}"));
    let (name, rest) = given
        .split_once('=')
        .ok_or_else(|| wrong("write NAME=any or NAME=ID,ID"))?;
    let mut parts = rest.split(':');
    let issuers = parts.next().unwrap_or_default();
    let mut rule = KindRule::default();
    if issuers != "any" {
        rule.issuers = Issuers::Listed(listed(issuers).map_err(|why| wrong(&why))?);
    }
    if let Some(ttl) = parts.next() {
        rule.ttl_max = time(ttl).map_err(|why| wrong(&why))?;
        if rule.ttl_max > TTL_MAX {
            let days = TTL_MAX.as_secs() / 86_400;
            return Err(wrong(&format!("the longest time that a fact counts is {days}d")).into());
        }
    }
    if let Some(bytes) = parts.next() {
        rule.body_bytes_max = bytes
            .parse()
            .with_context(|| wrong("the size is no number"))?;
        if !(1..=BODY_BYTES_MAX).contains(&rule.body_bytes_max) {
            return Err(wrong(&format!("the size has to be 1 to {BODY_BYTES_MAX}")).into());
        }
    }
    if parts.next().is_some() {
        return Err(wrong("nothing can follow the size").into());
    }
    let kind = name
        .parse()
        .with_context(|| wrong("this cannot be a kind's name"))?;
    if is_built_in(&kind) {
        let why = "this name has a meaning of its own, or is kept for one";
        return Err(wrong(why).into());
    }
    Ok((kind, rule))
}

/// Nodes that may issue a kind, each once.
fn listed(ids: &str) -> Result<BTreeSet<NodeId>, String> {
    let mut listed = BTreeSet::new();
    for id in ids.split(',') {
        let node = id.parse();
        let node = node.map_err(|_| format!("`{id}` is no node's id; write any, or ids"))?;
        if !listed.insert(node) {
            return Err(format!("node {node} is named twice; name each once"));
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in [
            "",
            "7",
            "d",
            "-1s",
            "0s",
            "1w",
            "9é",
            "99999999999999999999d",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_are_declared_with_issuers_time_and_size() {
        let id = "ab".repeat(32);
        let (name, rule) = declaration(&format!("price={id}:7d:100")).unwrap();
        assert_eq!(name.as_str(), "price");
        assert_eq!(
            (rule.ttl_max.as_secs(), rule.body_bytes_max),
            (604_800, 100)
        );
        assert!(declaration("price=any").is_ok());
        for wrong in [
            "price",
            "Price=any",
            "price=x",
            "price=any:1",
            "price=any:1d:x",
            "p=any:1d:1:1",
            "p=any:1d:65537",
            "p=any:1d:0",
            "p=any:36526d",
            &format!("p={id},{id}"),
            "node-revocation=any",
            "later-revocation=any",
            "equivocation=any",
        ] {
            assert!(declaration(wrong).is_err(), "{wrong}");
        }
    }
}
