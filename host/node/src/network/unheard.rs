//! What this node said in topics to which nobody listened, as far as it knew: whoever begins to
//! listen soon after may have begun before, and the news of it was on its way.

use std::collections::VecDeque;
use std::time::Duration;

use replicant_protocol::ids::NodeId;
use replicant_protocol::topics::SignedPublication;

use super::overlays::Overlays;
use super::trees::Reach;

/// For how long it is kept: as long as neighbours in a tree keep what they passed on.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// How many publications are kept; the oldest give way.
const COUNT_MAX: usize = 256;

/// How many bytes they may have; the oldest give way.
const BYTES_MAX: usize = 8 << 20;

/// Publications that nobody heard, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    kept: VecDeque<(Duration, SignedPublication)>,
    bytes: usize,
}

impl Unheard {
    fn keep(&mut self, now: Duration, signed: SignedPublication) {
        self.bytes += signed.as_bytes().len();
        self.kept.push_back((now, signed));
        self.expire(now);
    }

    /// Lets go of what is too old, or too much.
    fn expire(&mut self, now: Duration) {
        while let Some((said_at, oldest)) = self.kept.front() {
            let is_old = now.saturating_sub(*said_at) > KEPT_FOR;
            if !is_old && self.kept.len() <= COUNT_MAX && self.bytes <= BYTES_MAX {
                return;
            }
            self.bytes -= oldest.as_bytes().len();
            self.kept.pop_front();
        }
    }
}

impl Overlays {
    /// Keeps something of this node that nobody is known to listen to. With partial views nobody
    /// knows who listens, and what is said takes other ways.
    pub(super) fn keep_unheard(&mut self, now: Duration, signed: &SignedPublication) {
        if self.everybody.is_some() {
            self.unheard.keep(now, signed.clone());
        }
    }

    /// What a member did not listen to until now.
    pub(super) fn unheard_by(&mut self, now: Duration, node: &NodeId) -> Vec<SignedPublication> {
        self.unheard.expire(now);
        let kept = self.unheard.kept.iter().map(|(_, signed)| signed);
        let is_missed = |signed: &&SignedPublication| !self.is_heard_by(signed, node);
        kept.filter(is_missed).cloned().collect()
    }

    /// Hands in what a member listens to now.
    pub(super) fn hand_in_late(
        &mut self,
        now: Duration,
        node: &NodeId,
        missed: Vec<SignedPublication>,
    ) {
        for signed in missed {
            if self.is_heard_by(&signed, node) {
                self.hand_around(now, &signed, Reach::Nobody);
            }
        }
    }

    fn is_heard_by(&self, signed: &SignedPublication, node: &NodeId) -> bool {
        let topic = &signed.publication().topic;
        self.topics.audience(topic).contains(node)
    }
}
