//! A node: replication of some topics, and the disk below.

use std::time::Duration;

use rand::Rng;
use replicant_protocol::bundle::{LocalOp, SignedBundle};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ClusterId, Generation, LineageId, NodeId, ObjectKey, TopicName};
use replicant_protocol::replication::{Config, State, Writer, anti_entropy};

use crate::disk::Disk;

/// Wall clock at virtual time zero.
pub(crate) const EPOCH_MS: u64 = 1_800_000_000_000;

pub(crate) struct Node {
    pub(crate) identity: NodeIdentity,
    pub(crate) skew_ms: i64,
    pub(crate) disks: Vec<Disk>,
    /// None while crashed.
    pub(crate) running: Option<Running>,
    /// Grows with every crash, so that what was under way is recognised as gone.
    pub(crate) life: u64,
}

pub(crate) struct Running {
    pub(crate) topics: Vec<Topic>,
    pub(crate) anti_entropy: anti_entropy::State,
}

pub(crate) struct Topic {
    pub(crate) state: State,
    /// Commands that wait for the next batch.
    pub(crate) commands: u32,
    /// What is on its way to the disk.
    pub(crate) storing: Option<Job>,
}

/// One transaction: bundles of others, then own ones.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) remote: Vec<SignedBundle>,
    pub(crate) local: Vec<SignedBundle>,
}

pub(crate) fn topic_name(index: usize) -> TopicName {
    format!("topic/{index}").parse().unwrap()
}

pub(crate) fn lineage(topic: &TopicName) -> LineageId {
    LineageId::first(&ClusterId::from_bytes([9; 32]), topic)
}

pub(crate) fn op(text: &str) -> LocalOp {
    let id = text.get(..1).unwrap_or("x").parse().unwrap();
    let object = ObjectKey {
        type_name: "g-counter".parse().unwrap(),
        id,
    };
    LocalOp {
        object,
        schema: 1,
        bytes: text.as_bytes().to_vec(),
    }
}

impl Node {
    pub(crate) fn new(number: u8, topics: usize) -> Self {
        Self {
            identity: NodeIdentity::from_secret(&[number; 32]),
            skew_ms: 0,
            disks: vec![Disk::default(); topics],
            running: None,
            life: 0,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.identity.id()
    }

    pub(crate) fn wall_ms(&self, now: Duration) -> u64 {
        (EPOCH_MS + now.as_millis() as u64).saturating_add_signed(self.skew_ms)
    }

    /// Starts with what is on the disks.
    pub(crate) fn start(&mut self, now: Duration, config: &Config, rng: &mut impl Rng) {
        let of_topics = anti_entropy::Config::default();
        let mut anti_entropy = anti_entropy::State::new(now, of_topics, rng);
        let mut topics = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            let state = restored(index, self.identity.id(), disk, config.clone());
            // As a newcomer, who does not know of the topic yet.
            if !state.version().is_empty() {
                anti_entropy.handle_version(&topic_name(index), state.version());
            }
            topics.push(Topic {
                state,
                commands: 0,
                storing: None,
            });
        }
        self.running = Some(Running {
            topics,
            anti_entropy,
        });
    }

    pub(crate) fn crash(&mut self) -> Option<Running> {
        self.life += 1;
        self.running.take()
    }
}

pub(crate) fn restored(index: usize, author: NodeId, disk: &Disk, config: Config) -> State {
    let topic = topic_name(index);
    let lineage = lineage(&topic);
    let writer = Writer {
        author,
        generation: Generation::new(0),
    };
    State::restore(topic, lineage, writer, config, disk.heads()).unwrap()
}

impl Topic {
    /// Begins a batch with everything that waits.
    pub(crate) fn begin(
        &mut self,
        now: Duration,
        wall_ms: u64,
        identity: &NodeIdentity,
        disk: &Disk,
    ) -> Option<Job> {
        if self.storing.is_some() || (!self.state.has_deliverable() && self.commands == 0) {
            return None;
        }
        let remote = self.state.begin_batch(now, wall_ms, disk).unwrap();
        let mut local = Vec::new();
        if self.commands > 0 {
            let opened = self.state.open(wall_ms).unwrap();
            let ops = (0..self.commands)
                .map(|n| op(&format!("{n} at {opened:?}")))
                .collect();
            local = self.state.seal(identity, ops).unwrap();
            self.commands = 0;
        }
        let job = Job { remote, local };
        self.storing = Some(job.clone());
        Some(job)
    }
}
