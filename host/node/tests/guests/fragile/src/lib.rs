//! A counter that fails on purpose: in a command, in applying an op, or by taking memory.

use replicant_sdk::{Context, Crdt, Events, LoadError, Malformed, Random, Refusal};
use serde::{Deserialize, Serialize};

/// The state: a sum, and memory that is taken and not saved.
#[derive(Default, Serialize, Deserialize)]
pub struct Fragile {
    sum: u64,
    ballast_mib: u32,
    #[serde(skip)]
    ballast: Vec<u8>,
}

/// What it can be asked to do.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds.
    Add(u64),
    /// Traps where it is given.
    Trap,
    /// Makes an op that every replica but the author's running instance traps on.
    Bomb,
    /// Takes memory.
    Hoard(u32),
    /// Computes for this many rounds.
    Toil(u32),
}

/// What is replicated.
#[derive(Serialize, Deserialize)]
pub enum Op {
    /// Adds.
    Add(u64),
    /// See [`Command::Bomb`].
    Bomb,
    /// Takes memory.
    Hoard(u32),
    /// Computes, then adds one.
    Toil(u32),
}

impl Fragile {
    fn toil(&mut self, rounds: u32) {
        let computed = (0..rounds).fold(1_u32, |x, n| std::hint::black_box(x.rotate_left(5) ^ n));
        self.sum += 1 + u64::from(computed / u32::MAX);
    }

    fn hoard(&mut self, mib: u32) {
        self.ballast_mib += mib;
        self.ballast = vec![1; self.ballast_mib as usize * 1024 * 1024];
    }
}

impl Crdt for Fragile {
    const NAME: &'static str = "fragile";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "A counter that fails on purpose.";
    type Command = Command;
    type Op = Op;
    type Query = ();
    type Answer = ();
    type Value = u64;
    type Event = u64;

    fn prepare(&self, _: &Context, command: Command) -> Result<Option<Op>, Refusal> {
        match command {
            Command::Add(n) => Ok(Some(Op::Add(n))),
            Command::Trap => panic!("as asked"),
            Command::Bomb => Ok(Some(Op::Bomb)),
            Command::Hoard(mib) => Ok(Some(Op::Hoard(mib))),
            Command::Toil(rounds) => Ok(Some(Op::Toil(rounds))),
        }
    }

    fn effect(&mut self, _: &Context, op: Op, events: &mut Events<u64>) {
        match op {
            Op::Add(n) => self.sum += n,
            Op::Bomb => {}
            Op::Hoard(mib) => self.hoard(mib),
            Op::Toil(rounds) => self.toil(rounds),
        }
        events.emit(|| self.sum);
    }

    fn apply_bytes(
        &mut self,
        context: &Context,
        op: &[u8],
        events: &mut Events<u64>,
    ) -> Result<(), Malformed> {
        let op = replicant_sdk::postcard_bytes::read(op)?;
        assert!(!matches!(op, Op::Bomb), "as asked");
        self.effect(context, op, events);
        Ok(())
    }

    fn value(&self) -> u64 {
        self.sum
    }

    fn load(saved: &[u8], _: &str) -> Result<Self, LoadError> {
        let read = replicant_sdk::postcard_bytes::read(saved);
        let mut state: Self = read.map_err(|_| LoadError::new("not a state"))?;
        state.hoard(0);
        Ok(state)
    }

    fn sample(&self, _: &mut Random) -> Command {
        Command::Add(1)
    }
}

replicant_sdk::export!(Fragile);
