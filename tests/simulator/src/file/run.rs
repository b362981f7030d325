//! Running a scenario file.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::seq::IteratorRandom;
use replicant_protocol::ids::Hash;

use super::agenda::{Agenda, Step};
use super::figures;
use super::format::ScenarioFile;
use super::nodes::drawn;
use super::tables::{Direction, DiskWord, How, Timed as _};
use super::values::Share;
use crate::checkers::Said;
use crate::worlds::{Disk, Subject};
use crate::{Counts, Crash, Engine, Index, Outcome, Progress};

/// A run of a scenario file so far.
pub(super) struct Run<'f, S: Subject> {
    pub(super) file: &'f ScenarioFile,
    pub(super) engine: Engine<S>,
    /// When the world had settled, and what had happened by then.
    start: Duration,
    pub(super) settled: Counts,
    agenda: Agenda,
    /// Nodes that are down, as they were.
    away: BTreeMap<Index, S>,
    /// When each node last started.
    pub(super) started: Vec<Duration>,
    /// What was said, by broadcast.
    pub(super) said: Vec<Vec<Said>>,
}

/// Runs a scenario in a world.
pub(super) fn run<S: Subject>(
    file: &ScenarioFile,
    nodes: Index,
    seed: u64,
    progress: &mut Progress<'_>,
) -> Outcome {
    let mut engine = Engine::new(seed, file.network());
    progress("starting nodes", 0.0);
    S::start(nodes, &mut engine);
    let start = engine.now + file.settle.0;
    let started = vec![engine.now; nodes as usize];
    let all = (file.settle.0 + file.length.0).as_secs_f64();
    let done =
        |now: Duration| 1.0 - (start + file.length.0).saturating_sub(now).as_secs_f64() / all;
    pass(&mut engine, start, &mut |now| {
        progress("settling", done(now))
    });
    let mut run = Run {
        file,
        start,
        settled: engine.counts(),
        engine,
        agenda: Agenda::of(file),
        away: BTreeMap::new(),
        started,
        said: vec![Vec::new(); file.broadcast.len()],
    };
    let mut tell = |now| progress("running", done(now));
    while let Some((at, step)) = run.agenda.next(file.length.0) {
        pass(&mut run.engine, start + at, &mut tell);
        run.take(at, step);
    }
    pass(&mut run.engine, start + file.length.0, &mut tell);
    figures::outcome(&run)
}

/// Lets time pass, and tells of it each second.
fn pass<S: Subject>(engine: &mut Engine<S>, until: Duration, tell: &mut impl FnMut(Duration)) {
    while engine.now < until {
        tell(engine.now);
        engine.run_until(until.min(engine.now + Duration::from_secs(1)));
    }
}

impl<S: Subject> Run<'_, S> {
    fn take(&mut self, at: Duration, step: Step) {
        match step {
            Step::Crash(place) => self.crash(place),
            Step::Churn(place) => self.churn(at, place),
            Step::Return(node, disk) => self.bring_back(node, disk),
            Step::Cut(place) => self.cut(place),
            Step::Heal => {
                self.engine.network.parts.clear();
                self.engine.network.cuts.clear();
            }
            Step::Slow(place) => self.slow(place),
            Step::Fast(nodes) => {
                let slow = &mut self.engine.network.slow;
                slow.retain(|node, _| !nodes.contains(node));
            }
            Step::Stall(place) => {
                let entry = self.file.stall[place].get_ref();
                for node in drawn(&mut self.engine, entry.share) {
                    self.engine.stall(node, entry.lasts.0);
                }
            }
            Step::Skew(place) => self.skew(place),
            Step::Lose(place) => {
                self.engine.network.loss = self.file.loss[place].get_ref().rate.0;
            }
            Step::LoseNoMore => self.engine.network.loss = self.file.network().loss,
            Step::Say(place) => self.say(at, place),
        }
    }

    fn crash(&mut self, place: usize) {
        let entry = self.file.crash[place].get_ref();
        for node in drawn(&mut self.engine, entry.share) {
            let away = entry.returns_after.map(|it| it.0);
            self.send_away(node, entry.how, entry.at(), away, entry.disk);
        }
    }

    fn send_away(
        &mut self,
        node: Index,
        how: How,
        at: Duration,
        away: Option<Duration>,
        disk: DiskWord,
    ) {
        let crash = match how {
            How::Silent => Crash::Silent,
            How::Noticed => Crash::Noticed,
        };
        let Some(before) = self.engine.crash(node, crash) else {
            return;
        };
        self.away.insert(node, before);
        if let Some(away) = away {
            let disk = match disk {
                DiskWord::Kept => Disk::Kept,
                DiskWord::Lost => Disk::Lost,
            };
            self.agenda.add(at + away, Step::Return(node, disk));
        }
    }

    fn bring_back(&mut self, node: Index, disk: Disk) {
        if let Some(before) = self.away.remove(&node) {
            self.started[node as usize] = self.engine.now;
            S::again(node, before, disk, &mut self.engine);
        }
    }

    /// One node goes, and the next will after a time that is exponentially distributed: each
    /// moment is as likely as any other.
    fn churn(&mut self, at: Duration, place: usize) {
        let entry = self.file.churn[place].get_ref();
        let chance: f64 = self.engine.rng.random_range(f64::MIN_POSITIVE..1.0);
        let per_second = entry.per_minute / 60.0 * self.engine.len() as f64;
        let next = at + Duration::from_secs_f64(-chance.ln() / per_second);
        if next <= entry.at() + entry.lasts() {
            self.agenda.add(next, Step::Churn(place));
        }
        if let Some(node) = self.anyone() {
            self.send_away(node, entry.how, at, Some(entry.away.0), entry.disk);
        }
    }

    fn anyone(&mut self) -> Option<Index> {
        let up = Vec::from_iter(self.engine.nodes().map(|(node, _)| node));
        up.into_iter().choose(&mut self.engine.rng)
    }

    fn cut(&mut self, place: usize) {
        let entry = self.file.partition[place].get_ref();
        let mut nodes = drawn(&mut self.engine, Share(1.0)).into_iter();
        let count = nodes.len() as f64;
        let network = &mut self.engine.network;
        for (part, share) in (1..).zip(&entry.parts) {
            let size = (count * share.0).round() as usize;
            let members = nodes.by_ref().take(size);
            network.parts.extend(members.map(|node| (node, part)));
            for other in (1..).take(entry.parts.len()).filter(|other| *other != part) {
                if entry.direction == Direction::Both || part < other {
                    network.cuts.insert((part, other));
                }
            }
        }
    }

    fn slow(&mut self, place: usize) {
        let entry = self.file.slow[place].get_ref();
        let nodes = drawn(&mut self.engine, entry.share);
        let slowed = nodes.iter().map(|node| (*node, entry.by.0));
        self.engine.network.slow.extend(slowed);
        self.agenda.add(
            entry.at() + entry.lasts(),
            Step::Fast(nodes.into_iter().collect()),
        );
    }

    fn skew(&mut self, place: usize) {
        let entry = self.file.skew[place].get_ref();
        for node in drawn(&mut self.engine, entry.share) {
            let ahead = entry
                .ahead
                .0
                .mul_f64(self.engine.rng.random_range(0.0..=1.0));
            let most = entry.drift_ppm.0 as i32;
            let drift_ppm = self.engine.rng.random_range(-most..=most);
            self.engine.skew(node, ahead, drift_ppm);
        }
    }

    fn say(&mut self, at: Duration, place: usize) {
        let entry = self.file.broadcast[place].get_ref();
        let number = self.said[place].len();
        if number + 1 < entry.count.0 as usize {
            self.agenda.add(at + entry.every.0, Step::Say(place));
        }
        let mut payload = format!("{place} {number} ").into_bytes();
        payload.resize(entry.bytes.0 as usize, b'.');
        let id = Hash::of(&payload);
        let said = Said {
            id,
            at: self.engine.now,
        };
        self.said[place].push(said);
        if let (Some(node), Some(input)) = (self.anyone(), S::say(payload.into())) {
            self.engine.input(node, input);
        }
    }

    /// How long the scenario went on after the world had settled.
    pub(super) fn length(&self) -> Duration {
        self.engine.now.saturating_sub(self.start)
    }
}
