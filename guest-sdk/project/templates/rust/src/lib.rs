//! A score board: every player's best score counts, whoever reports it, on whatever node, online or
//! not. Change it into a type of your own: the comments say what each part must do.

use std::collections::BTreeMap;

use replicant_sdk::{Context, Crdt, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The best score that is accepted.
const SCORE_MAX: u32 = 1_000;

/// The state of one object, on one replica. `Default` is what every object starts from.
///
/// It is saved as it stands here, and equal states must give equal bytes on every replica. So use
/// `BTreeMap` and `BTreeSet`, not `HashMap`, and keep nothing that depends on the order in which
/// concurrent ops came.
#[derive(Default, Serialize, Deserialize)]
pub struct ScoreBoard {
    best: BTreeMap<String, u32>,
}

/// What people send: `{"player": "ann", "score": 340}`.
#[derive(Serialize, Deserialize)]
pub struct Command {
    player: String,
    score: u32,
}

/// What goes to all replicas, which is not always what people sent. Here the two look alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    player: String,
    score: u32,
}

/// What people can ask for besides the whole value: `{"best-of": "ann"}`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    BestOf(String),
}

impl Crdt for ScoreBoard {
    const NAME: &'static str = "my-type";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Every player's best score. Of concurrent reports the best counts.";
    const COMMAND_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {"player": {"type": "string"}, "score": {"type": "integer", "minimum": 0}},
        "required": ["player", "score"]
    }"#;
    const QUERY_SCHEMA: &'static str = r#"{
        "oneOf": [
            {"const": "value"},
            {
                "type": "object",
                "properties": {"best-of": {"type": "string"}},
                "required": ["best-of"]
            }
        ]
    }"#;
    type Command = Command;
    type Op = Op;
    type Query = Query;
    type Answer = Option<u32>;
    type Value = BTreeMap<String, u32>;
    type Event = Op;

    /// Runs once, where the command is given. It looks at the state and changes nothing. It makes
    /// the op, or says that there is nothing to do, or refuses: the sender reads why.
    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        let Command { player, score } = command;
        if score > SCORE_MAX {
            return Err(format!("{score} is too good: at most {SCORE_MAX}").into());
        }
        if self.best.get(&player).is_some_and(|best| *best >= score) {
            return Ok(None);
        }
        Ok(Some(Op { player, score }))
    }

    /// Runs on every replica, once for each op, and never before the ops that its author had seen.
    /// Concurrent ops come in different orders on different replicas, so they must commute: the
    /// larger of two numbers is the same in either order. (The last one that came is not: try
    /// `self.best.insert(op.player, op.score)` and run `cargo test`.)
    ///
    /// It cannot refuse. What `prepare` checked may have changed elsewhere in the meantime.
    fn effect(&mut self, _: &Context, op: Op, events: &mut Events<Op>) {
        let best = self.best.entry(op.player.clone()).or_default();
        if op.score > *best {
            *best = op.score;
            events.emit(|| op);
        }
    }

    /// What people read.
    fn value(&self) -> BTreeMap<String, u32> {
        self.best.clone()
    }

    /// Answers a question. It changes nothing.
    fn query(&self, Query::BestOf(player): Query) -> Result<Option<u32>, Refusal> {
        Ok(self.best.get(&player).copied())
    }

    /// Makes up a command that would be accepted now, so that the laws can be tested with random
    /// histories. Few different players, so that their scores meet.
    fn sample(&self, random: &mut Random) -> Command {
        Command {
            player: random.word(),
            score: random.below(u64::from(SCORE_MAX) + 1) as u32,
        }
    }

    // Nothing here ever becomes superfluous. A type that keeps what will be, such as the marks of
    // removed elements, also implements `compact`.
    //
    // A later version whose ops are others says so (`WRITES` and `READS`), and has `apply_bytes`,
    // which looks at `context.schema`; one whose saved state is another has `load`.
}

// Makes this crate a component. Compiled for your own machine it is plain Rust.
replicant_sdk::export!(ScoreBoard);

#[cfg(test)]
mod tests {
    use super::*;

    // One test for each law that a type must keep to, on random histories.
    replicant_sdk::laws!(ScoreBoard);

    #[test]
    fn a_score_that_is_too_good_is_refused() {
        let command = Command {
            player: "ann".into(),
            score: SCORE_MAX + 1,
        };
        let refusal = ScoreBoard::default().prepare(&Context::default(), command);
        assert_eq!(refusal, Err("1001 is too good: at most 1000".into()));
    }
}
