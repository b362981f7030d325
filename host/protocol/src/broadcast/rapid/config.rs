//! The settings of rapid broadcasting.

use std::time::Duration;

use crate::broadcast::PAYLOAD_BYTES_MAX;
use crate::chunks::CHUNK_BYTES;
use crate::environment::{RAPID_FANOUT_MAX, RapidParameters};

/// More peers than this get no message from one node.
pub const FANOUT_MAX: usize = RAPID_FANOUT_MAX;

/// The settings of rapid broadcasting. [`Config::default`] is for links of up to 50 ms one way;
/// [`Config::for_latency`] makes the times fit others.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// ρ: the share of time that a node is up, 0.1 to 1. Lower: larger fan-out. Default 0.9.
    pub reliability: f64,
    /// ε: the share of messages that are lost, 0 to 0.9. Higher: larger fan-out. Default 0.05;
    /// sessions over TCP lose less, but full queues do.
    pub loss: f64,
    /// δ: with which chance a message may miss a node, if all peers are drawn at random. Smaller:
    /// larger fan-out, by 1 / (ρ (1 - ε)) for each factor of e. Default 0.01. Where the view is
    /// full the chance is far smaller (see [`rapid`](super)).
    pub miss_probability: f64,
    /// Says the fan-out instead of the three above; at most [`FANOUT_MAX`]. Default none.
    pub fanout: Option<usize>,
    /// Whether nodes of a full view can be sent to that are no neighbours: the driver dials them.
    /// If not, messages go to those of the view that are neighbours. Default true.
    pub is_dialing: bool,
    /// The largest payload, in bytes; at most [`PAYLOAD_BYTES_MAX`], which is the default.
    pub payload_bytes_max: usize,
    /// Payloads up to this go out whole. Larger ones are announced, and fetched by whoever has
    /// none yet. Higher: faster, but every node gets such a payload as many times as the fan-out.
    /// Default 1 KiB.
    pub push_bytes_max: usize,
    /// The first nodes push larger payloads too, as long as that makes copies for at most this
    /// share of all nodes. Higher: faster, more copies that nobody needs. Default 0.6.
    pub eager_share: f64,
    /// To how many times the fan-out a larger payload is announced. Announcements are small, and
    /// whoever hears of a payload late gets it late. Default 2.
    pub announce_factor: usize,
    /// How many sessions a payload may cross; 4 to 255. Default 32.
    pub hops_max: u8,
    /// How many hashes are surely remembered; up to twice as many are held. Default 16,384.
    pub seen_max: usize,
    /// How many payloads may wait for the driver; more are dropped, counted, and not marked as
    /// seen. Default 1,024.
    pub events_max: usize,
    /// How many bytes of payloads are held for others to fetch; the oldest give way. At least the
    /// largest payload. Default 32 MiB.
    pub held_bytes_max: usize,
    /// How long they are held: until whoever heard of one has fetched it or given it up. Default
    /// 30 s.
    pub held_for: Duration,
    /// How many payloads are fetched at once; more announcements are ignored and counted. Default
    /// 64.
    pub pulls_max: usize,
    /// How many of them may have been announced first by one peer, so that one peer cannot take
    /// all. Default 16.
    pub pulls_per_peer_max: usize,
    /// How many bytes the payloads that are fetched may have together. At least the largest
    /// payload. Default 32 MiB.
    pub pulled_bytes_max: usize,
    /// How many chunks may be asked of one peer and not here yet. Default 8.
    pub requests_per_peer_max: usize,
    /// How long after a first holder the next one is asked too, when a payload of one chunk has
    /// not come. Shorter: faster, and more copies that nobody needs. Default 45 ms.
    pub hedge_delay: Duration,
    /// How long a holder may take for a chunk before the next one is asked. At least a round trip.
    /// Default 120 ms.
    pub pull_timeout: Duration,
    /// How long a payload is fetched before it is given up; then a new announcement begins anew.
    /// Default 10 s.
    pub pull_duration_max: Duration,
    /// When a node says for the second time who has a message that is acknowledged: long enough
    /// after the first that most who push it here have done so. Default 75 ms: 1.5 times the
    /// longest way.
    pub report_delay: Duration,
    /// The share of nodes that do say it a second time; those that come late all do. Higher:
    /// surer under loss, more messages. Default 0.6.
    pub report_share: f64,
    /// How long collectors gather before they pass on; twice as long where the payload was
    /// announced. Shorter: faster, more messages. Default 25 ms: half the longest way.
    pub gather_interval: Duration,
    /// How many messages with acknowledgements are in memory at once, each until its deadline; at
    /// the bound the oldest of the sender that has most of them is forgotten. Default 256.
    pub asked_max: usize,
    /// How many names are held for all of them; at the bound the oldest message is forgotten.
    /// Default 1,048,576.
    pub names_max: usize,
}

impl Config {
    /// The settings where a message takes up to `latency_max` one way.
    pub fn for_latency(latency_max: Duration) -> Self {
        let latency_max = latency_max.max(Duration::from_millis(1));
        Self {
            hedge_delay: latency_max * 9 / 10,
            pull_timeout: latency_max * 12 / 5,
            report_delay: latency_max * 3 / 2,
            gather_interval: latency_max / 2,
            ..Self::default()
        }
    }

    /// To how many of `count` nodes each passes a message on: ⌈(ln(nρ) + c) / (ρ (1 - ε))⌉ with
    /// c = ln 1/δ. After Erdős and Rényi: with that many chances on average, each of nρ nodes
    /// misses all with e^-c / nρ.
    pub fn fanout(&self, count: usize) -> usize {
        if let Some(fanout) = self.fanout {
            return fanout.clamp(1, FANOUT_MAX);
        }
        let live = (count as f64 * self.reliability).max(1.0);
        let chances = live.ln() - self.miss_probability.ln();
        let fanout = chances / (self.reliability * (1.0 - self.loss));
        // Rounded to a billionth first, so that no machine decides otherwise by a hair.
        let fanout = ((fanout * 1e9).round() / 1e9).ceil();
        (fanout as usize).clamp(1, FANOUT_MAX)
    }

    /// To how many of its peers a node sends the payload itself that crosses its `hops`-th session
    /// so, among `count` nodes; the others get an announcement.
    pub(super) fn eager_count(&self, hops: u8, count: usize) -> usize {
        let fanout = self.fanout(count);
        let budget = count as f64 * self.eager_share;
        // How many may pass it on by then, each for the first time.
        let senders = (fanout as f64).powi(i32::from(hops) - 1);
        fanout.min((budget / senders) as usize)
    }

    /// The settings with nonsense taken out: every field within its range.
    pub(super) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(1);
        let within = |value: f64, least: f64, most: f64| match value.is_finite() {
            true => value.clamp(least, most),
            false => most,
        };
        self.reliability = within(self.reliability, 0.1, 1.0);
        self.loss = within(self.loss, 0.0, 0.9);
        self.miss_probability = within(self.miss_probability, 1e-12, 1.0);
        self.eager_share = within(self.eager_share, 0.0, 1.0);
        self.report_share = within(self.report_share, 0.0, 1.0);
        self.payload_bytes_max = self.payload_bytes_max.clamp(1, PAYLOAD_BYTES_MAX);
        // What is pushed or served whole fits one chunk.
        self.announce_factor = self.announce_factor.clamp(1, FANOUT_MAX);
        self.push_bytes_max = self.push_bytes_max.min(CHUNK_BYTES);
        self.hops_max = self.hops_max.max(4);
        self.seen_max = self.seen_max.max(1);
        self.events_max = self.events_max.max(1);
        self.held_bytes_max = self.held_bytes_max.max(self.payload_bytes_max);
        self.pulls_max = self.pulls_max.max(1);
        self.pulls_per_peer_max = self.pulls_per_peer_max.max(1);
        self.pulled_bytes_max = self.pulled_bytes_max.max(self.payload_bytes_max);
        self.requests_per_peer_max = self.requests_per_peer_max.max(1);
        self.hedge_delay = self.hedge_delay.max(least);
        self.pull_timeout = self.pull_timeout.max(least);
        self.pull_duration_max = self.pull_duration_max.max(self.pull_timeout);
        self.gather_interval = self.gather_interval.max(least);
        self.asked_max = self.asked_max.max(1);
        self
    }
}

impl From<&RapidParameters> for Config {
    /// The fan-out follows from the environment for however many nodes there are, unless it was
    /// overridden; all times from that for a chunk.
    fn from(parameters: &RapidParameters) -> Self {
        Self {
            reliability: parameters.reliability,
            loss: parameters.loss,
            miss_probability: parameters.miss,
            fanout: parameters.overridden_fanout(),
            pull_timeout: parameters.pull_timeout,
            ..Self::for_latency(parameters.pull_timeout * 5 / 12)
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reliability: 0.9,
            loss: 0.05,
            miss_probability: 0.01,
            fanout: None,
            is_dialing: true,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            push_bytes_max: 1_024,
            eager_share: 0.6,
            announce_factor: 2,
            hops_max: 32,
            seen_max: 16_384,
            events_max: 1_024,
            held_bytes_max: 32 * 1024 * 1024,
            held_for: Duration::from_secs(30),
            pulls_max: 64,
            pulls_per_peer_max: 16,
            pulled_bytes_max: 32 * 1024 * 1024,
            requests_per_peer_max: 8,
            hedge_delay: Duration::from_millis(45),
            pull_timeout: Duration::from_millis(120),
            pull_duration_max: Duration::from_secs(10),
            report_delay: Duration::from_millis(75),
            report_share: 0.6,
            gather_interval: Duration::from_millis(25),
            asked_max: 256,
            names_max: 1 << 20,
        }
    }
}
