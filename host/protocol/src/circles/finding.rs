//! How circles are found: neighbours are asked, then all are called; members answer, and announce
//! their circle now and then.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use rand::seq::IteratorRandom;

use crate::ids::{NodeId, TopicName};
use crate::membership::hyparview::Entry;

use super::callers::Heed;
use super::circle::later;
use super::known::Standing;
use super::{CALLED_PATHS_MAX, Call, Circles, KNOWN_MAX, Message, OutEvent, Wish};

/// How many neighbours are asked about a circle.
const ASKED_COUNT: usize = 3;

/// How many members answer a call, on average, if each knows all.
const ANSWERS_COUNT: u32 = 4;

/// How many members mix views with who announces a circle that is whole, on average.
const MIXING_COUNT: u32 = 4;

/// The least pause between two calls of this node.
const CALL_PAUSE: Duration = Duration::from_secs(1);

/// How many circles are sought at once that this node is no part of.
const SEEKS_MAX: usize = 256;

/// Of how many paths to which nobody listens a new neighbour is asked.
const DOUBTS_COUNT: usize = 64;

/// How many questions and calls are answered in a second, and at once.
const ANSWERS_PER_SECOND: u32 = 256;

/// So many intervals of announcements without any, and a circle counts as unknown.
const SILENT_INTERVALS: u32 = 3;

/// A circle that is being sought.
#[derive(Debug)]
pub(super) struct Seek {
    /// When to call: neighbours were asked before.
    call_at: Option<Duration>,
    /// When nobody counts as having answered.
    verdict_at: Option<Duration>,
    /// How long to wait before the next call.
    pause: Duration,
}

impl Seek {
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.call_at.into_iter().chain(self.verdict_at).min()
    }
}

impl Circles {
    /// Until when something heard now counts.
    fn until(&self, now: Duration) -> Duration {
        now + self.config.announce_interval * SILENT_INTERVALS
    }

    /// Begins to seek a circle. A member goes to those that it knows of at once.
    pub(super) fn seek(&mut self, now: Duration, path: &TopicName) {
        let is_member = self.circles.contains_key(path);
        if self.seeks.contains_key(path) || !is_member && self.seeks.len() >= SEEKS_MAX {
            return;
        }
        // Many may begin at once: one calls, and the others hear it.
        let pause = later(self.config.patience / 6, &mut self.rng);
        let seek = Seek {
            call_at: Some(now + pause),
            verdict_at: None,
            pause: self.config.patience * 2,
        };
        self.seeks.insert(path.clone(), seek);
        let standing = self
            .known
            .standing(now, path.as_str(), KNOWN_MAX, &mut self.rng);
        match standing {
            Standing::Found(entries) => self.join(now, path, &entries),
            Standing::Unknown | Standing::Nobody => {
                let neighbours = self.neighbours.iter().copied();
                let asked: Vec<NodeId> = neighbours.sample(&mut self.rng, ASKED_COUNT);
                for peer in asked {
                    self.reply(peer, path, Message::Ask);
                }
            }
        }
    }

    /// Something is to be said in a circle that is not found: calls at once if the last call is
    /// long ago.
    pub(super) fn seek_again(&mut self, now: Duration, path: &TopicName) {
        self.seek(now, path);
        let soon = now + self.config.patience;
        if let Some(call_at) = self.seeks.get_mut(path).and_then(|it| it.call_at.as_mut()) {
            *call_at = (*call_at).min(soon);
        }
    }

    /// A member without neighbours seeks; one that has some does not any more.
    pub(super) fn seek_if_alone(&mut self, now: Duration, path: &TopicName) {
        let Some(circle) = self.circles.get(path) else {
            return;
        };
        match circle.has_neighbours() {
            true => {
                self.seeks.remove(path);
            }
            false => self.seek(now, path),
        }
    }

    /// Tells the view of a circle of some that are part of it, if it has nobody.
    fn join(&mut self, now: Duration, path: &TopicName, entries: &[Entry]) {
        let Some(circle) = self.circles.get_mut(path) else {
            return;
        };
        if circle.has_neighbours() {
            return;
        }
        for entry in entries {
            circle.view.handle_contact(now, *entry, &mut self.rng);
        }
        self.drain(now, path);
    }

    /// Calls, or finds that nobody answered.
    pub(super) fn go_on_seeking(&mut self, now: Duration) {
        let due = self.seeks.iter();
        let due = due.filter(|(_, seek)| seek.due_at().is_some_and(|at| at <= now));
        let due: Vec<TopicName> = due.map(|(path, _)| path.clone()).collect();
        for path in due {
            let is_member = self.circles.contains_key(&path);
            let standing = self.known.standing(now, path.as_str(), 1, &mut self.rng);
            let is_found = !is_member && matches!(standing, Standing::Found(_));
            let Some(seek) = self.seeks.get_mut(&path).filter(|_| !is_found) else {
                self.seeks.remove(&path);
                continue;
            };
            if seek.call_at.take_if(|at| *at <= now).is_some() {
                seek.verdict_at = Some(now + self.config.patience);
                let wish = match is_member {
                    true => Wish::Alone,
                    false => Wish::Seeks,
                };
                self.wanted.insert((wish, path));
                continue;
            }
            seek.verdict_at = None;
            seek.call_at = Some(now + later(seek.pause, &mut self.rng) / 2);
            seek.pause = (seek.pause * 2).min(self.config.announce_interval);
            if !is_member {
                self.seeks.remove(&path);
            }
            let until = now + self.config.announce_interval;
            self.known.set_nobody(&path, self.own.node, until);
        }
    }

    /// Announces circles that nobody announced for long, and what is listened to outside of them.
    pub(super) fn announce(&mut self, now: Duration) {
        let interval = self.config.announce_interval;
        for (path, circle) in &mut self.circles {
            if circle.announce_at <= now {
                circle.set_announced(now, &self.config, &mut self.rng);
                // Who is alone calls anyhow.
                if circle.has_neighbours() {
                    self.wanted.insert((Wish::Listens, path.clone()));
                }
            }
        }
        for (path, at) in &mut self.outside {
            if *at <= now {
                *at = now + later(interval, &mut self.rng);
                self.wanted.insert((Wish::Outside, path.clone()));
            }
        }
    }

    /// Calls for what is wanted, of one wish at a time.
    pub(super) fn call(&mut self, now: Duration) {
        if self.neighbours.is_empty() || now < self.call_at {
            return;
        }
        let Some((wish, _)) = self.wanted.first().cloned() else {
            return;
        };
        let mut paths = Vec::new();
        while paths.len() < CALLED_PATHS_MAX
            && self.wanted.first().is_some_and(|(next, _)| *next == wish)
            && let Some((_, path)) = self.wanted.pop_first()
        {
            paths.push(path);
        }
        if matches!(wish, Wish::Listens | Wish::Alone) {
            for path in &paths {
                self.known.set_called(path, self.own.node, self.until(now));
            }
        }
        self.call_at = now + CALL_PAUSE;
        self.counts.calls_count += 1;
        self.events.push_back(OutEvent::Call(Call {
            caller: self.own,
            start: self.start,
            number: self.counts.calls_count,
            wish,
            paths,
        }));
    }

    /// A call came along the shared tree, signed by its caller. Whether to pass it on.
    pub fn on_call(&mut self, now: Duration, call: &Call) -> bool {
        if call.caller.node == self.own.node {
            return false;
        }
        match self.callers.heed(now, call) {
            Heed::Again => return false,
            Heed::TooMany => {
                self.counts.excess_calls_count += 1;
                return false;
            }
            Heed::Taken => {}
        }
        for path in call.paths.iter().take(CALLED_PATHS_MAX) {
            let may = self.config.rules.may_subscribe(call.caller.node, path);
            if may || call.wish == Wish::Seeks {
                self.on_called(now, path, call);
            }
        }
        true
    }

    fn on_called(&mut self, now: Duration, path: &TopicName, call: &Call) {
        let (caller, until) = (call.caller, self.until(now));
        match call.wish {
            Wish::Outside => {
                self.known.set_outside(path, caller.node, until);
                if let Some(at) = self.outside.get_mut(path) {
                    *at = now + later(self.config.announce_interval, &mut self.rng);
                }
            }
            Wish::Listens | Wish::Alone => {
                self.known.add(path, caller, caller.node, until);
                self.known.set_called(path, caller.node, until);
                self.meet(now, path, call);
            }
            Wish::Seeks => {}
        }
        if matches!(call.wish, Wish::Alone | Wish::Seeks) {
            self.answer_call(now, path, caller);
        }
    }

    /// Somebody listens to what this node listens to: it becomes known in the circle.
    fn meet(&mut self, now: Duration, path: &TopicName, call: &Call) {
        let Some(circle) = self.circles.get_mut(path) else {
            return;
        };
        let (caller, rng) = (call.caller, &mut self.rng);
        circle.set_announced(now, &self.config, rng);
        if circle.view.is_neighbour(&caller.node) {
            return;
        }
        if !circle.has_neighbours() {
            circle.view.handle_contact(now, caller, rng);
        } else if call.wish == Wish::Listens
            && rng.random_ratio(MIXING_COUNT.min(circle.seen_count()), circle.seen_count())
        {
            circle.view.handle_other_part(now, caller, rng);
        }
        circle.view.handle_acquaintance(now, caller, rng);
        self.drain(now, path);
    }

    /// A few members answer a call.
    fn answer_call(&mut self, now: Duration, path: &TopicName, caller: Entry) {
        let Some(circle) = self.circles.get(path) else {
            return;
        };
        let seen_count = circle.seen_count();
        let is_chosen = self
            .rng
            .random_ratio(ANSWERS_COUNT.min(seen_count), seen_count);
        if is_chosen && !circle.view.is_neighbour(&caller.node) {
            self.tell_known(now, path, caller);
        }
    }

    /// A neighbour asks about a circle.
    pub(super) fn on_ask(&mut self, now: Duration, path: &TopicName, from: NodeId) {
        let (node, address) = (from, self.own.address);
        self.tell_known(now, path, Entry { node, address });
    }

    fn tell_known(&mut self, now: Duration, path: &TopicName, to: Entry) {
        let (rate, rng) = (ANSWERS_PER_SECOND, &mut self.rng);
        if !self.answers.take(now, rate, rate) {
            self.counts.ignored_count += 1;
            return;
        }
        let mut entries = match self.circles.get(path) {
            Some(circle) => circle.some(self.own, rng),
            None => Vec::new(),
        };
        let count = KNOWN_MAX - entries.len();
        if let Standing::Found(known) = self.known.standing(now, path.as_str(), count, rng) {
            entries.extend(known);
        }
        let mut named = BTreeSet::from([to.node]);
        entries.retain(|entry| named.insert(entry.node));
        let is_called = self.known.is_called(now, path);
        let is_outside = self.known.is_outside(now, path.as_str());
        if is_outside || !entries.is_empty() {
            let message = Message::Known {
                is_called,
                is_outside,
                entries,
            };
            self.send(to.node, to.address, path, message);
        }
    }

    /// Somebody answers.
    pub(super) fn on_known(
        &mut self,
        now: Duration,
        path: &TopicName,
        from: NodeId,
        (is_called, is_outside): (bool, bool),
        entries: &[Entry],
    ) {
        if !self.seeks.contains_key(path) && !self.known.is_nobody(now, path) {
            // Several answer, and the first may have been enough.
            self.counts.ignored_count += 1;
            return;
        }
        let until = self.until(now);
        if is_outside {
            self.known.set_outside(path, from, until);
        }
        if let Some(circle) = self.circles.get_mut(path).filter(|_| is_called) {
            circle.set_formed(now, &self.config, &mut self.rng);
        }
        let own = self.own.node;
        let others = entries.iter().filter(|entry| entry.node != own);
        let others: Vec<Entry> = others.copied().collect();
        for entry in &others {
            self.known.add(path, *entry, from, until);
        }
        self.join(now, path, &others);
    }

    /// A node is not part of a circle.
    pub(super) fn on_not_here(&mut self, now: Duration, path: &TopicName, from: NodeId) {
        self.known.remove(path, &from);
        self.lose(now, path, from);
        self.refused(Some(path), &from);
    }

    /// Another node is a neighbour among all nodes now: it is asked about what is sought, and where
    /// nobody listens, since it may belong to another part. What a node found that had no
    /// neighbours does not count any more.
    pub fn handle_neighbour_up(&mut self, now: Duration, peer: NodeId) {
        if self.neighbours.is_empty() {
            self.known.doubt_nobody();
        }
        self.neighbours.insert(peer);
        for path in self.known.nobody_paths(now, DOUBTS_COUNT) {
            self.reply(peer, &path, Message::Ask);
        }
        let paths: Vec<TopicName> = self.seeks.keys().cloned().collect();
        for path in paths {
            self.reply(peer, &path, Message::Ask);
            let pause = later(self.config.patience / 6, &mut self.rng);
            if let Some(seek) = self.seeks.get_mut(&path)
                && seek.verdict_at.take().is_some()
            {
                seek.call_at = Some(now + pause);
            }
        }
    }

    /// It is none any more.
    pub fn handle_neighbour_down(&mut self, peer: &NodeId) {
        self.neighbours.remove(peer);
    }
}
