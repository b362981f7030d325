//! Sessions between nodes: they open, close, and take each other's place.

use crate::world::{Event, World};

/// How long it takes at most until a node hears that a session ended, and again until it hears of
/// the next one.
const HEARING_MS_MAX: u64 = 30;

impl World {
    pub(crate) fn session_up(&mut self, index: usize, other: usize) {
        let (now, peer) = (self.now, self.nodes[other].id());
        let Some(running) = &mut self.nodes[index].running else {
            return;
        };
        running
            .topics
            .iter_mut()
            .for_each(|topic| topic.state.handle_peer_up(peer));
        running
            .anti_entropy
            .handle_peer_up(now, peer, &mut self.rng);
        self.drain(index);
    }

    pub(crate) fn session_down(&mut self, index: usize, other: usize) {
        let (now, peer) = (self.now, self.nodes[other].id());
        let Some(running) = &mut self.nodes[index].running else {
            return;
        };
        running
            .topics
            .iter_mut()
            .for_each(|topic| topic.state.handle_peer_down(now, peer));
        running
            .anti_entropy
            .handle_peer_down(now, peer, &mut self.rng);
        self.drain(index);
    }

    pub(crate) fn session(&self, a: usize, b: usize) -> u64 {
        let number = self.sessions.get(&(a.min(b), a.max(b)));
        number.copied().unwrap_or_default()
    }

    /// Replaces a session. Both sides hear of it, but neither at once nor at the same time; what
    /// one sends meanwhile in the new session finds the other unprepared.
    pub(crate) fn replace(&mut self, a: usize, b: usize) {
        if !self.links.contains(&(a.min(b), a.max(b))) || !self.is_open(a, b) {
            return;
        }
        self.record("replace", &[a as u8, b as u8]);
        let session = self.session(a, b) + 1;
        self.sessions.insert((a.min(b), a.max(b)), session);
        for (node, other) in [(a, b), (b, a)] {
            let down = self.random_ms(HEARING_MS_MAX);
            let up = down + self.random_ms(HEARING_MS_MAX);
            for (ms, is_up) in [(down, false), (up, true)] {
                self.after_ms(
                    ms,
                    Event::Session {
                        node,
                        other,
                        session,
                        is_up,
                    },
                );
            }
        }
    }

    pub(crate) fn hear_of_session(&mut self, node: usize, other: usize, session: u64, is_up: bool) {
        if !self.is_open(node, other) || self.session(node, other) != session {
            return;
        }
        match is_up {
            true => self.session_up(node, other),
            false => self.session_down(node, other),
        }
    }
}
