//! What circles are told at their start.

use std::time::Duration;

use crate::broadcast::plumtree;
use crate::membership::hyparview;
use crate::topics::{PUBLICATION_BYTES_MAX, Rules};

/// How long a circle's tree keeps what was said for those that missed it. Longer, and who begins
/// to listen, or comes back, would hear more of what was said before.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Circles of so many are whole with four links each after a third of their nodes went at once.
const ACTIVE_TARGET: usize = 4;

/// The settings of circles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Of how many circles a node is part; at least 1. A node has at most so many times
    /// `view.active_max` links in circles. What it listens to beyond, it hears along the shared
    /// tree. Default 12: 60 links.
    pub circles_max: usize,
    /// The views of each circle.
    pub view: hyparview::Config,
    /// The tree of each circle.
    pub tree: plumtree::Config,
    /// How often a circle is announced along the shared tree: once in one to two of these. Smaller:
    /// parts of a circle find each other sooner; one message to every node for each circle and
    /// interval. Default 5 min.
    pub announce_interval: Duration,
    /// How long answers of neighbours are waited for, and then answers to a call. Above two round
    /// trips and a dial. Default 3 s.
    pub patience: Duration,
    /// How many paths are remembered with some of those that listen to them. Default 4,096, at
    /// 600 bytes each.
    pub known_paths_max: usize,
    /// Who may subscribe to what.
    pub rules: Rules,
}

impl Config {
    /// The settings beside a view and a tree of all nodes with these settings.
    pub fn beside(view: &hyparview::Config, tree: &plumtree::Config, rules: Rules) -> Self {
        let active_max = ACTIVE_TARGET + 1;
        let passive_max = view.passive_max.min(32);
        Self {
            circles_max: 12,
            view: hyparview::Config {
                active_target: ACTIVE_TARGET,
                active_max,
                own_min: 1,
                passive_max,
                passive_share_max: passive_max.div_ceil(4),
                join_walks_count: 2,
                shuffle_interval: view.shuffle_interval * 3,
                ..view.clone()
            },
            tree: plumtree::Config {
                payload_bytes_max: PUBLICATION_BYTES_MAX,
                seen_max: 4_096,
                missing_max: 1_024,
                i_have_queue_max: 256,
                cache_count_max: 256,
                cache_bytes_max: 2 * PUBLICATION_BYTES_MAX,
                cache_retention: KEPT_FOR,
                // Few links: what is copied beside the tree is soon everybody.
                spread_count: 0,
                ..tree.clone()
            },
            announce_interval: Duration::from_secs(300),
            patience: Duration::from_secs(3),
            known_paths_max: 4_096,
            rules,
        }
    }

    /// How many links a node has in circles at most.
    pub fn links_max(&self) -> usize {
        self.circles_max * self.view.active_max
    }

    /// The settings with nonsense taken out.
    pub(super) fn within_range(mut self) -> Self {
        self.circles_max = self.circles_max.max(1);
        self.known_paths_max = self.known_paths_max.max(1);
        self.patience = self.patience.max(Duration::from_millis(10));
        self.announce_interval = self.announce_interval.max(self.patience * 2);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        let (view, tree) = (hyparview::Config::default(), plumtree::Config::default());
        Self::beside(&view, &tree, Rules::default())
    }
}
