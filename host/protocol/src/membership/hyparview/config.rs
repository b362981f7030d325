//! What a partial view is told at its start.

use std::time::Duration;

use crate::environment::HyParViewParameters;

use super::ENTRIES_MAX;

/// The settings of HyParView. [`Config::from`] takes what depends on the number of nodes and the
/// network from [`HyParViewParameters`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many neighbours a node looks for. Links are mutual, so nodes have between this and
    /// `active_max`. Larger: shorter paths, and fewer nodes cut off at a crash; more sessions to
    /// hold and more announcements for each broadcast. ⌈ln n⌉ + 3: with ln n links a random graph
    /// is connected (Erdős and Rényi), and three more make its paths a hop shorter at 10,000.
    pub active_target: usize,
    /// How many neighbours a node takes at most. Above the target by what lets newcomers find
    /// room without anybody being sent away. Default `active_target` + 2.
    pub active_max: usize,
    /// How many neighbours have to be of the node's own choice: so many places no stranger can
    /// take or empty (GossipSub v1.1 calls it the outbound quota). Below `active_target`. A
    /// newcomer that has fewer neighbours calls its requests urgent. Default a third of
    /// `active_max`.
    pub own_min: usize,
    /// How many nodes are known besides. A node is cut off for good only if all of them die at
    /// once: ⌈ln δ / ln φ⌉ for the share φ of nodes that die and the chance δ that is taken; 132
    /// for nine in ten and one in a million. About 100 bytes each.
    pub passive_max: usize,
    /// How many of them one peer can have named. Larger: views fill faster; smaller: less that a
    /// liar can put there. Each false one costs one failed dial. Default a quarter.
    pub passive_share_max: usize,
    /// How far a walk goes that looks for neighbours: *ARWL*. A caller's larger number is taken as
    /// this one. ⌈log n / log (`active_target` - 1)⌉ + 1, the depth of the graph and one.
    pub walk_length: u8,
    /// With how many steps left a walk leaves the newcomer in a passive view: *PRWL*.
    pub passive_walk_length: u8,
    /// How many walks a contact starts for a newcomer. Default half of `active_target`: it finds
    /// as many places as others will want of it.
    pub join_walks_count: usize,
    /// How often views are mixed; four times as often while the passive view is not full. Smaller:
    /// fresher views, `walk_length` + 2 messages each time. Varied by a quarter. Default 20 s.
    pub shuffle_interval: Duration,
    /// How many neighbours are named in a shuffle. Default 3.
    pub shuffle_active_count: usize,
    /// How many others are named in it. Default 12.
    pub shuffle_passive_count: usize,
    /// How long an answer may take before its node is given up. Above a dial and a round trip.
    /// Default 1 s.
    pub request_timeout: Duration,
    /// How many nodes are asked at once. More: faster repair after a large crash, more needless
    /// dials. Default 8.
    pub requests_max: usize,
    /// How long a node that had no room is not asked again; also the longest pause between
    /// searches for more neighbours when there are enough to live with. Default 30 s.
    pub retry_interval: Duration,
    /// How long neither side asks again after one let go of the other. Default 60 s.
    pub backoff: Duration,
    /// How often a stranger in need may take the place of a neighbour that is not of this node's
    /// choice. Smaller: faster joins into a full overlay; larger: slower attacks. Default 1 s.
    pub eviction_interval: Duration,
    /// How long to wait before joining again when cut off; doubles up to `retry_interval`. Default
    /// 1 s.
    pub join_interval: Duration,
    /// How often views are mixed with a contact, or with a node known from long ago: what finds
    /// parts of the overlay that know nothing of each other. Default 5 min, varied by a quarter;
    /// a contact of 10,000 nodes is asked 33 times a second.
    pub contact_interval: Duration,
    /// How often a neighbour of the node's own choice is exchanged for another. Smaller: who
    /// surrounds a node has less time; each exchange moves an edge of the broadcast's tree.
    /// Default 10 min, varied by a quarter.
    pub rotation_interval: Duration,
    /// How many contacts are kept. Default 16.
    pub contacts_max: usize,
    /// How many walks of one neighbour are passed on in a second; others are dropped and counted.
    /// Default 1,000: a contact whom 2,000 nodes a second join.
    pub walks_per_second_max: u32,
    /// How many requests of strangers are answered in a second. Default 2,000.
    pub requests_per_second_max: u32,
}

impl Config {
    /// The settings with nonsense taken out: every field within its range.
    pub(crate) fn within_range(mut self) -> Self {
        let least = Duration::from_millis(10);
        self.active_target = self.active_target.clamp(1, 256);
        self.active_max = self.active_max.clamp(self.active_target, 256);
        self.own_min = self.own_min.min(self.active_target - 1);
        self.passive_max = self.passive_max.clamp(1, 4_096);
        self.passive_share_max = self.passive_share_max.clamp(1, self.passive_max);
        self.passive_walk_length = self.passive_walk_length.min(self.walk_length);
        self.shuffle_active_count = self.shuffle_active_count.min(ENTRIES_MAX / 2 - 1);
        self.shuffle_passive_count = self.shuffle_passive_count.min(ENTRIES_MAX / 2);
        self.requests_max = self.requests_max.max(1);
        self.contacts_max = self.contacts_max.max(1);
        for interval in [
            &mut self.shuffle_interval,
            &mut self.request_timeout,
            &mut self.retry_interval,
            &mut self.join_interval,
            &mut self.contact_interval,
            &mut self.rotation_interval,
        ] {
            *interval = (*interval).max(least);
        }
        self
    }
}

impl From<&HyParViewParameters> for Config {
    fn from(parameters: &HyParViewParameters) -> Self {
        Self {
            active_target: parameters.active_view_target,
            active_max: parameters.active_view_max,
            own_min: parameters.own_view_min,
            passive_max: parameters.passive_view_max,
            passive_share_max: parameters.passive_view_max / 4,
            walk_length: parameters.active_walk_length,
            passive_walk_length: parameters.passive_walk_length,
            join_walks_count: parameters.active_view_target / 2,
            shuffle_interval: parameters.shuffle_interval,
            contact_interval: parameters.contact_interval,
            rotation_interval: parameters.contact_interval * 2,
            shuffle_active_count: parameters.shuffle_active_count,
            shuffle_passive_count: parameters.shuffle_passive_count,
            request_timeout: parameters.request_timeout,
            ..Self::default()
        }
    }
}

impl Default for Config {
    /// For 10,000 nodes of which nine in ten may die at once.
    fn default() -> Self {
        Self {
            active_target: 13,
            active_max: 15,
            own_min: 5,
            passive_max: 132,
            passive_share_max: 33,
            walk_length: 5,
            passive_walk_length: 2,
            join_walks_count: 6,
            shuffle_interval: Duration::from_secs(20),
            shuffle_active_count: 3,
            shuffle_passive_count: 12,
            request_timeout: Duration::from_secs(1),
            requests_max: 8,
            retry_interval: Duration::from_secs(30),
            backoff: Duration::from_secs(60),
            eviction_interval: Duration::from_secs(1),
            join_interval: Duration::from_secs(1),
            contact_interval: Duration::from_secs(300),
            rotation_interval: Duration::from_secs(600),
            contacts_max: 16,
            walks_per_second_max: 1_000,
            requests_per_second_max: 2_000,
        }
    }
}
