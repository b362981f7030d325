//! The state machine of discovery.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::{Rng, RngExt as _};

use crate::ids::{ClusterId, NodeId};

use super::{Beacon, BeaconError, Config};

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutEvent {
    /// Send this to the group.
    Send(Vec<u8>),
    /// Dial this address; only this node is right there.
    Dial {
        /// Who claims to be there.
        node: NodeId,
        /// Where.
        address: SocketAddr,
    },
}

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Its id.
    pub node: NodeId,
    /// Its cluster; none if it looks for one.
    pub cluster: Option<ClusterId>,
    /// Where others find it.
    pub address: SocketAddr,
}

/// Whom this node heard, and when it speaks next.
///
/// # Operating it
///
/// Make it with [`new`](State::new). Say with [`set_alone`](State::set_alone) whether membership
/// knows of others; give it datagrams with [`on_datagram`](State::on_datagram). After every input
/// drain [`poll_event`](State::poll_event) and arm one timer for
/// [`next_timeout`](State::next_timeout). Dials are not answered: whoever could not be reached is
/// given again when its beacon comes again.
#[derive(Debug)]
pub struct State {
    config: Config,
    local: Local,
    is_alone: bool,
    beacon_at: Duration,
    answer_at: Option<Duration>,
    /// No answer before.
    silent_until: Duration,
    /// Who was heard, and when it was given to be dialed. At most `candidates_max`.
    candidates: BTreeMap<NodeId, Duration>,
    dials_since: Duration,
    dials_count: u32,
    events: VecDeque<OutEvent>,
}

impl State {
    /// Starts alone, with a beacon that is due.
    pub fn new(config: Config, local: Local, now: Duration) -> Self {
        Self {
            config: config.within_range(),
            local,
            is_alone: true,
            beacon_at: now,
            answer_at: None,
            silent_until: now,
            candidates: BTreeMap::new(),
            dials_since: now,
            dials_count: 0,
            events: VecDeque::new(),
        }
    }

    /// Says whether this node knows of no other that is there. Left by all, it speaks at once.
    pub fn set_alone(&mut self, now: Duration, is_alone: bool) {
        if is_alone && !self.is_alone {
            self.beacon_at = self.beacon_at.min(now.max(self.silent_until));
        }
        self.is_alone = is_alone;
    }

    /// Hears a datagram that came from `source`.
    ///
    /// # Errors
    /// [`BeaconError`]: it is none; nothing changed.
    pub fn on_datagram(
        &mut self,
        now: Duration,
        source: IpAddr,
        bytes: &[u8],
        rng: &mut impl Rng,
    ) -> Result<(), BeaconError> {
        let beacon = Beacon::from_bytes(bytes)?;
        // An address that means another machine to each is of use on the sender's own only.
        let is_elsewhere = beacon.address.ip().is_loopback() && !source.is_loopback();
        if beacon.node == self.local.node || is_elsewhere || !self.fits(&beacon) {
            return Ok(());
        }
        let has_answer = self.local.cluster.is_some();
        if beacon.is_alone && has_answer && self.answer_at.is_none() {
            let pause = self
                .config
                .answer_interval
                .mul_f64(rng.random::<f64>() / 4.0);
            self.answer_at = Some(self.silent_until.max(now + pause));
        }
        // Who has no cluster yet dials by itself when it hears the answer.
        if beacon.cluster.is_some() {
            self.consider(now, &beacon);
        }
        Ok(())
    }

    /// Whether the two may be in one cluster.
    fn fits(&self, beacon: &Beacon) -> bool {
        match (self.local.cluster, beacon.cluster) {
            (Some(own), Some(other)) => own == other,
            (own, other) => own.is_some() || other.is_some(),
        }
    }

    fn consider(&mut self, now: Duration, beacon: &Beacon) {
        let time = self.config.candidate_time;
        self.candidates.retain(|_, given_at| now < *given_at + time);
        let is_full = self.candidates.len() >= self.config.candidates_max;
        if is_full || self.candidates.contains_key(&beacon.node) {
            return;
        }
        if now >= self.dials_since + Duration::from_secs(1) {
            (self.dials_since, self.dials_count) = (now, 0);
        }
        if self.dials_count >= self.config.dials_per_second {
            return;
        }
        self.dials_count += 1;
        self.candidates.insert(beacon.node, now);
        let (node, address) = (beacon.node, beacon.address);
        self.events.push_back(OutEvent::Dial { node, address });
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Duration, rng: &mut impl Rng) {
        let is_answer_due = self.answer_at.is_some_and(|at| at <= now);
        if now < self.beacon_at && !is_answer_due {
            return;
        }
        let interval = match self.is_alone {
            true => self.config.alone_interval,
            false => self.config.together_interval,
        };
        // A beacon is an answer and an answer is a beacon.
        self.beacon_at = now + interval.mul_f64(rng.random_range(0.75..1.25));
        self.answer_at = None;
        self.silent_until = now + self.config.answer_interval;
        let beacon = Beacon {
            node: self.local.node,
            cluster: self.local.cluster,
            address: self.local.address,
            is_alone: self.is_alone,
        };
        self.events.push_back(OutEvent::Send(beacon.to_bytes()));
    }

    /// What to do next.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Duration {
        let answer = self.answer_at.unwrap_or(self.beacon_at);
        self.beacon_at.min(answer)
    }

    /// How many candidates are remembered.
    pub fn candidates_count(&self) -> usize {
        self.candidates.len()
    }
}
