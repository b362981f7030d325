//! Each law is broken once on purpose: a law that cannot fail proves nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Context, Dot, Events, LoadError, Malformed, Object, Refusal, Stable, postcard_bytes};

const NONE: u8 = 0;
const KEEPS_WHAT_COMES_LAST: u8 = 1;
const REMEMBERS_ARRIVALS: u8 = 2;
const FORGETS_WHEN_LOADED: u8 = 3;
const COUNTS_REFUSALS: u8 = 4;
const COUNTS_READS: u8 = 5;
const DOES_NOT_APPLY_ITS_OWN: u8 = 6;
const COUNTS_DAMAGED_OPS: u8 = 7;
const FORGETS_TOO_EARLY: u8 = 8;
const FORGETS_TOO_MUCH: u8 = 9;
const EXPECTS_THE_UNKNOWN: u8 = 10;
const FORGETS_IN_SECRET: u8 = 11;
const CANNOT_SAMPLE: u8 = 12;

/// Posts that reply to posts. Posts can be hidden, and what was replied to them stays.
#[derive(Default, Serialize, Deserialize)]
struct Thread<const FAULT: u8> {
    posts: BTreeMap<Dot, Post>,
    arrivals: Vec<Dot>,
    count: Cell<u64>,
}

/// A post and the ops that hid it: it is forgotten when one of them is stable, since nobody can
/// reply to it from then on.
#[derive(Serialize, Deserialize)]
struct Post {
    to: Option<Dot>,
    hidden: BTreeSet<Dot>,
}

#[derive(Serialize, Deserialize)]
enum Command {
    Post,
    Reply(usize),
    Hide(usize),
}

#[derive(Serialize, Deserialize)]
enum Op {
    Post(Option<Dot>),
    Hide(Dot),
}

impl<const FAULT: u8> Thread<FAULT> {
    fn visible(&self) -> impl Iterator<Item = (&Dot, &Post)> {
        self.posts.iter().filter(|(_, post)| post.hidden.is_empty())
    }

    fn nth(&self, index: usize) -> Result<Dot, Refusal> {
        self.visible()
            .nth(index)
            .map(|(dot, _)| *dot)
            .ok_or("there is no such post".into())
    }

    fn bump(&self) {
        self.count.set(self.count.get() + 1);
    }
}

impl<const FAULT: u8> Crdt for Thread<FAULT> {
    const NAME: &'static str = "thread";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Posts that reply to posts.";
    type Command = Command;
    type Op = Op;
    type Query = ();
    type Answer = ();
    type Value = (Vec<(Dot, Option<Dot>)>, u64);
    type Event = Dot;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        Ok(Some(match command {
            Command::Post => Op::Post(None),
            Command::Reply(index) => Op::Post(Some(self.nth(index)?)),
            Command::Hide(index) => Op::Hide(self.nth(index)?),
        }))
    }

    fn effect(&mut self, context: &Context, op: Op, events: &mut Events<Dot>) {
        if FAULT == REMEMBERS_ARRIVALS {
            self.arrivals.push(context.dot);
        }
        if FAULT == KEEPS_WHAT_COMES_LAST {
            self.count.set(context.dot.replica);
        }
        match op {
            Op::Post(Some(to)) if !self.posts.contains_key(&to) => {
                assert!(FAULT != EXPECTS_THE_UNKNOWN, "the post is not there");
            }
            Op::Post(to) => {
                self.posts.insert(
                    context.dot,
                    Post {
                        to,
                        hidden: BTreeSet::new(),
                    },
                );
                events.emit(|| context.dot);
            }
            Op::Hide(dot) => {
                if let Some(post) = self.posts.get_mut(&dot) {
                    post.hidden.insert(context.dot);
                    events.emit(|| dot);
                }
            }
        }
    }

    fn value(&self) -> Self::Value {
        if FAULT == COUNTS_READS {
            self.bump();
        }
        let count = if FAULT == KEEPS_WHAT_COMES_LAST {
            self.count.get()
        } else {
            0
        };
        (
            self.visible().map(|(dot, post)| (*dot, post.to)).collect(),
            count,
        )
    }

    fn sample(&self, random: &mut Random) -> Command {
        let count = self.visible().count() + usize::from(FAULT == CANNOT_SAMPLE);
        match random.below(3) {
            1 if count > 0 => Command::Reply(random.index(count)),
            2 if count > 0 => Command::Hide(random.index(count)),
            _ => Command::Post,
        }
    }

    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        self.posts.retain(|_, post| match FAULT {
            FORGETS_TOO_EARLY => post.hidden.is_empty(),
            FORGETS_TOO_MUCH => post.to.is_none(),
            _ => !post.hidden.iter().any(|dot| stable.contains(*dot)),
        });
        FAULT != FORGETS_IN_SECRET && self.posts.values().any(|post| !post.hidden.is_empty())
    }

    fn load(saved: &[u8], _from_version: &str) -> Result<Self, LoadError> {
        let mut thread: Self =
            postcard_bytes::read(saved).map_err(|error| LoadError::new(error.to_string()))?;
        if FAULT == FORGETS_WHEN_LOADED {
            thread
                .posts
                .values_mut()
                .for_each(|post| post.hidden.clear());
        }
        Ok(thread)
    }

    fn update_bytes(
        &mut self,
        context: &Context,
        command: &[u8],
        op: &mut Vec<u8>,
        events: &mut Events<Dot>,
    ) -> Result<bool, Refusal> {
        if FAULT == COUNTS_REFUSALS {
            self.bump();
        }
        let command =
            crate::cbor::decode(command).map_err(|error| Refusal::new(error.to_string()))?;
        let Some(made) = self.prepare(context, command)? else {
            return Ok(false);
        };
        postcard_bytes::append(&made, op);
        if FAULT != DOES_NOT_APPLY_ITS_OWN {
            self.effect(context, made, events);
        }
        Ok(true)
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<Dot>,
    ) -> Result<(), Malformed> {
        if FAULT == COUNTS_DAMAGED_OPS {
            self.bump();
        }
        self.effect(context, postcard_bytes::read(op)?, events);
        Ok(())
    }
}

mod faultless {
    use super::{NONE, Thread};

    crate::laws!(Thread<NONE>);
}

#[test]
#[should_panic(expected = "have different values")]
fn a_state_that_keeps_what_comes_last_is_found() {
    replicas_converge::<Thread<KEEPS_WHAT_COMES_LAST>>();
}

#[test]
#[should_panic(expected = "different saved bytes")]
fn a_state_that_remembers_the_order_of_arrival_is_found() {
    replicas_converge::<Thread<REMEMBERS_ARRIVALS>>();
}

#[test]
#[should_panic(expected = "saving what was loaded gives other bytes")]
fn a_state_that_is_not_saved_in_full_is_found() {
    saved_states_come_back::<Thread<FORGETS_WHEN_LOADED>>();
}

#[test]
#[should_panic(expected = "but changed the state")]
fn a_refusal_that_leaves_a_trace_is_found() {
    refused_commands_change_nothing::<Thread<COUNTS_REFUSALS>>();
}

#[test]
#[should_panic(expected = "asking for the value changed the state")]
fn a_read_that_leaves_a_trace_is_found() {
    queries_change_nothing::<Thread<COUNTS_READS>>();
}

#[test]
#[should_panic(expected = "update_bytes leads to another state than effect")]
fn an_update_that_is_not_applied_at_its_source_is_found() {
    updating_is_preparing_and_applying::<Thread<DOES_NOT_APPLY_ITS_OWN>>();
}

#[test]
#[should_panic(expected = "the sample {\"Hide\": 0} is refused: there is no such post")]
fn a_sample_that_is_refused_is_found() {
    updating_is_preparing_and_applying::<Thread<CANNOT_SAMPLE>>();
}

#[test]
#[should_panic(expected = "changed the state")]
fn a_malformed_op_that_leaves_a_trace_is_found() {
    damaged_ops_do_no_harm::<Thread<COUNTS_DAMAGED_OPS>>();
}

#[test]
#[should_panic(expected = "the post is not there")]
fn an_op_that_relies_on_a_void_one_is_found() {
    void_ops_do_not_part_replicas::<Thread<EXPECTS_THE_UNKNOWN>>();
}

#[test]
#[should_panic(expected = "reads differently from its twin that never compacted")]
fn a_compaction_that_forgets_too_early_is_found() {
    compaction_is_invisible::<Thread<FORGETS_TOO_EARLY>>();
}

#[test]
#[should_panic(expected = "compact changed the value")]
fn a_compaction_that_forgets_too_much_is_found() {
    compaction_is_invisible::<Thread<FORGETS_TOO_MUCH>>();
}

#[test]
#[should_panic(expected = "compact said that nothing was left to forget, and forgot")]
fn a_compaction_that_forgets_in_secret_is_found() {
    compaction_is_invisible::<Thread<FORGETS_IN_SECRET>>();
}

#[test]
fn the_same_seed_lives_through_the_same_history() {
    let bytes = |seed| {
        let mut random = Random::new(seed);
        let mut cluster = Cluster::<Thread<NONE>>::new(&mut random);
        cluster.live(&mut random, 100).unwrap();
        let saved = |object: &Object<_>| object.save();
        cluster
            .replicas
            .iter()
            .flat_map(|replica| saved(&replica.object))
            .collect::<Vec<u8>>()
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

#[test]
fn compaction_does_forget() {
    let mut thread = Object::<Thread<NONE>>::new();
    let first = Context {
        dot: Dot {
            replica: 1,
            counter: 1,
        },
        timestamp: 1,
        schema: 1,
    };
    let mut commands = crate::Packed::default();
    commands.push(b"\x64Post");
    commands.push(b"\xa1\x64Hide\x00");
    assert_eq!(thread.update(&first, &commands, false).ops.len(), 2);
    assert!(thread.compact(&Stable::default(), 0, 1));
    assert_eq!(thread.state().posts.len(), 1);
    assert!(!thread.compact(
        &Stable::new(vec![Dot {
            replica: 1,
            counter: 2
        }]),
        1,
        2
    ));
    assert!(thread.state().posts.is_empty());
}
