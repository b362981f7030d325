//! What a scenario file may say.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::tables::*;
use super::values::{NODES, Number, Share, Time};
use crate::{Index, Network, Transport};

/// Longer files are not read.
pub const FILE_BYTES_MAX: usize = 64 * 1024;

/// Why a scenario file cannot be used. Its writer's fault; nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is too long.
    #[error("the file has {length} bytes; at most {max} are read")]
    Length {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// Something in it is wrong.
    #[error("line {line}, `{text}`: {reason}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}

/// A scenario as its file tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// What it does, in a line.
    pub about: String,
    pub(super) world: World,
    nodes: Number<{ *NODES.start() }, { *NODES.end() }>,
    /// How long the world is left alone first.
    #[serde(default = "no_time")]
    pub(super) settle: Time,
    /// How long it is looked at after that.
    pub(super) length: Time,
    #[serde(default)]
    network: NetworkTable,
    #[serde(default)]
    pub(super) crash: Vec<Spanned<CrashTable>>,
    #[serde(default)]
    pub(super) churn: Vec<Spanned<ChurnTable>>,
    #[serde(default)]
    pub(super) partition: Vec<Spanned<PartitionTable>>,
    #[serde(default)]
    pub(super) slow: Vec<Spanned<SlowTable>>,
    #[serde(default)]
    pub(super) stall: Vec<Spanned<StallTable>>,
    #[serde(default)]
    pub(super) skew: Vec<Spanned<SkewTable>>,
    #[serde(default)]
    pub(super) loss: Vec<Spanned<LossTable>>,
    #[serde(default)]
    pub(super) broadcast: Vec<Spanned<BroadcastTable>>,
    #[serde(default)]
    pub(super) expect: Vec<Spanned<ExpectTable>>,
}

impl ScenarioFile {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`FileError`]: its writer's fault.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let (length, max) = (text.len(), FILE_BYTES_MAX);
        if length > max {
            return Err(FileError::Length { length, max });
        }
        let file: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            at(text, start, error.message())
        })?;
        match file.fault() {
            Some((start, reason)) => Err(at(text, start, &reason)),
            None => Ok(file),
        }
    }

    /// With how many nodes it is run if nobody says.
    pub fn nodes(&self) -> Index {
        self.nodes.0
    }

    /// The network as it is at first.
    pub(super) fn network(&self) -> Network {
        let table = &self.network;
        let mut network = Network::default();
        if let Some(latency) = &table.latency {
            network.latency = latency.get_ref().latency();
        }
        if let Some(Share(loss)) = table.loss {
            network.loss = loss;
        }
        if let Some(Share(duplication)) = table.duplication {
            network.duplication = duplication;
        }
        if let Some(Time(after)) = table.retransmission {
            network.transport = Transport::Streams(after);
        }
        if let Some(Time(silence_max)) = table.silence_max {
            network.silence_max = silence_max;
        }
        network
    }

    /// What does not fit together, and where it stands.
    fn fault(&self) -> Option<(usize, String)> {
        let latency = self.network.latency.as_slice();
        faults(latency, LatencyTable::fault)
            .or_else(|| faults(&self.churn, ChurnTable::fault))
            .or_else(|| faults(&self.partition, PartitionTable::fault))
            .or_else(|| faults(&self.broadcast, |it| self.fault_of_broadcast(it)))
            .or_else(|| faults(&self.expect, |it| self.fault_of_expectation(it)))
            .or_else(|| overlap(&self.partition))
            .or_else(|| overlap(&self.loss))
            .or_else(|| self.late())
    }

    /// An entry that begins when all is over.
    fn late(&self) -> Option<(usize, String)> {
        let length = self.length.0;
        late(&self.crash, length)
            .or_else(|| late(&self.churn, length))
            .or_else(|| late(&self.partition, length))
            .or_else(|| late(&self.slow, length))
            .or_else(|| late(&self.stall, length))
            .or_else(|| late(&self.skew, length))
            .or_else(|| late(&self.loss, length))
            .or_else(|| late(&self.broadcast, length))
    }

    fn fault_of_broadcast(&self, table: &BroadcastTable) -> Option<String> {
        let same = self
            .broadcast
            .iter()
            .filter(|it| it.get_ref().name == table.name);
        if same.count() > 1 {
            return Some(format!("two broadcasts are called `{}`", table.name));
        }
        match self.world.says() {
            true => None,
            false => Some("nodes of this world do not broadcast".to_owned()),
        }
    }

    fn fault_of_expectation(&self, table: &ExpectTable) -> Option<String> {
        if table.at_least.is_some() == table.at_most.is_some() {
            return Some("one of `at_least` and `at_most` is needed".to_owned());
        }
        if !table.figure.needs(self.world.views()) {
            return Some("this world has no such figure".to_owned());
        }
        let known = |name: &String| self.broadcast.iter().any(|it| it.get_ref().name == *name);
        match (&table.of, table.figure.is_of_broadcast()) {
            (Some(name), true) if known(name) => None,
            (None, false) => None,
            (_, true) => Some("`of` has to name a broadcast of this file".to_owned()),
            (_, false) => Some("this figure is not of a broadcast: leave out `of`".to_owned()),
        }
    }
}

/// The first entry that is wrong, and why.
fn faults<T>(
    entries: &[Spanned<T>],
    fault: impl Fn(&T) -> Option<String>,
) -> Option<(usize, String)> {
    let mut faults = entries
        .iter()
        .filter_map(|it| Some((it.span().start, fault(it.get_ref())?)));
    faults.next()
}

fn late<T: Timed>(entries: &[Spanned<T>], length: Duration) -> Option<(usize, String)> {
    faults(entries, |it| match it.at() > length {
        true => Some("it begins after the `length` of the scenario".to_owned()),
        false => None,
    })
}

/// An entry that begins before another of its kind has ended.
fn overlap<T: Timed>(entries: &[Spanned<T>]) -> Option<(usize, String)> {
    let mut spans = Vec::from_iter(entries.iter().map(|it| {
        let entry = it.get_ref();
        (entry.at(), entry.at() + entry.lasts(), it.span().start)
    }));
    spans.sort_unstable();
    let mut pairs = spans.windows(2);
    let found = pairs.find(|pair| pair[0].1 > pair[1].0)?;
    let reason = "it begins before another of its kind has ended";
    Some((found[1].2, reason.to_owned()))
}

fn at(text: &str, start: usize, reason: &str) -> FileError {
    let start = start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count();
    let shown = text.lines().nth(line).unwrap_or_default().trim();
    FileError::Line {
        line: line + 1,
        text: shown.chars().take(80).collect(),
        reason: reason.trim().replace('\n', "; "),
    }
}
