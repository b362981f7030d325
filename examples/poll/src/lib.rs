//! A poll. Anyone proposes options, and every voter has one vote: the last one counts.

use std::collections::{BTreeMap, BTreeSet};

use replicant_sdk::{Context, Crdt, Dot, Events, Random, Refusal, Stable};
use serde::{Deserialize, Serialize};

/// The state of one poll: what every replica holds, and what is saved.
#[derive(Default, Serialize, Deserialize)]
pub struct Poll {
    options: BTreeSet<String>,
    votes: BTreeMap<String, Vote>,
    closed: bool,
}

/// A voter's last vote. It is none once it was retracted.
#[derive(Serialize, Deserialize)]
struct Vote {
    time: (u64, Dot),
    option: Option<String>,
}

/// What people ask for: `{"vote": {"voter": "ann", "option": "pizza"}}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    Propose(String),
    Vote { voter: String, option: String },
    Retract(String),
    Close,
}

/// What is sent to all replicas; people who watch the poll are told the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    Propose(String),
    Vote(String, Option<String>),
    Close,
}

/// What people can ask besides the value: `{"vote-of": "ann"}`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    VoteOf(String),
}

/// What people read: `{"open": true, "tally": {"pasta": 0, "pizza": 1}}`.
#[derive(Debug, PartialEq, Serialize)]
pub struct Value {
    pub open: bool,
    pub tally: BTreeMap<String, u32>,
}

impl Crdt for Poll {
    const NAME: &'static str = "poll";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A poll. Each voter's last vote counts. A vote that was given \
        before its voter knew that the poll was closed still counts.";
    const COMMAND_SCHEMA: &'static str = include_str!("command.json");
    const QUERY_SCHEMA: &'static str = include_str!("query.json");
    type Command = Command;
    type Op = Op;
    type Query = Query;
    type Answer = Option<String>;
    type Value = Value;
    type Event = Op;

    /// Decides, where a command is given, what happens: refuse it, or make an op.
    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        match command {
            Command::Close if self.closed => Ok(None),
            _ if self.closed => Err("the poll is closed".into()),
            Command::Propose(name) if self.options.contains(&name) => Ok(None),
            Command::Propose(name) => Ok(Some(Op::Propose(name))),
            Command::Vote { option, .. } if !self.options.contains(&option) => {
                Err(format!("{option:?} is none of {:?}", self.options).into())
            }
            Command::Vote { voter, option } => Ok(Some(Op::Vote(voter, Some(option)))),
            Command::Retract(voter) if self.vote_of(&voter).is_none() => Ok(None),
            Command::Retract(voter) => Ok(Some(Op::Vote(voter, None))),
            Command::Close => Ok(Some(Op::Close)),
        }
    }

    /// Applies an op on every replica. Whatever order concurrent ops come in, the outcome is the
    /// same: sets only grow, and of two votes the later one counts.
    fn effect(&mut self, context: &Context, op: Op, events: &mut Events<Op>) {
        let told = op.clone();
        let has_changed = match op {
            Op::Propose(option) => self.options.insert(option),
            Op::Vote(voter, option) => {
                let time = (context.timestamp, context.dot);
                let is_later = self.votes.get(&voter).is_none_or(|vote| vote.time < time);
                if is_later {
                    self.votes.insert(voter, Vote { time, option });
                }
                is_later
            }
            Op::Close => !std::mem::replace(&mut self.closed, true),
        };
        if has_changed {
            events.emit(|| told);
        }
    }

    fn value(&self) -> Value {
        let mut tally: BTreeMap<_, _> = self.options.iter().map(|name| (name.clone(), 0)).collect();
        for option in self.votes.values().filter_map(|vote| vote.option.as_ref()) {
            if let Some(count) = tally.get_mut(option) {
                *count += 1;
            }
        }
        Value {
            open: !self.closed,
            tally,
        }
    }

    fn query(&self, Query::VoteOf(voter): Query) -> Result<Option<String>, Refusal> {
        Ok(self.vote_of(&voter).cloned())
    }

    /// A retracted vote is kept only to win over older votes that are still on their way. Once
    /// everybody has seen it, there are none.
    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        self.votes
            .retain(|_, vote| vote.option.is_some() || !stable.contains(vote.time.1));
        self.votes.values().any(|vote| vote.option.is_none())
    }

    /// Makes up a command, so that the laws can be tested with random histories.
    fn sample(&self, random: &mut Random) -> Command {
        let options: Vec<&String> = self.options.iter().collect();
        let voter = random.word();
        match (random.below(30), random.pick(&options)) {
            _ if self.closed => Command::Close,
            (0, _) => Command::Close,
            (1..10, _) => Command::Retract(voter),
            (10..25, Some(&option)) => Command::Vote {
                voter,
                option: option.clone(),
            },
            _ => Command::Propose(random.word()),
        }
    }
}

impl Poll {
    fn vote_of(&self, voter: &str) -> Option<&String> {
        self.votes.get(voter)?.option.as_ref()
    }
}

replicant_sdk::export!(Poll);

#[cfg(test)]
mod tests;
