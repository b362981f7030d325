//! This node's topics, as elements of a set that is compared by ranges.

use std::collections::{BTreeMap, BTreeSet};

use super::message::TopicDigest;
use crate::ids::{Hash, TopicName};
use crate::reconciliation::{self, Key};
use crate::version::VersionVector;

/// So many changes are taken into the set at once; else they wait until somebody compares, since a
/// topic that is written to changes far more often than that.
const CHANGES_MAX: usize = 1_024;

/// A version, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) hash: Hash,
    pub(super) ops_count: u64,
}

impl From<&VersionVector> for Version {
    fn from(version: &VersionVector) -> Self {
        Self {
            hash: version.hash(),
            ops_count: version.ops_since(&VersionVector::default()),
        }
    }
}

#[derive(Debug)]
struct Topic {
    version: Version,
    /// What stands for it in the set.
    element: Option<Key>,
}

/// Every topic with its version.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: BTreeMap<TopicName, Topic>,
    /// By the ids of their elements.
    names: BTreeMap<Hash, TopicName>,
    /// Those whose element is not that of their version yet.
    changed: BTreeSet<TopicName>,
}

impl Topics {
    /// The version of a topic is this one. Gives whether it is another one than before.
    pub(super) fn set(&mut self, name: &TopicName, version: Version) -> bool {
        let topic = self.topics.entry(name.clone()).or_insert(Topic {
            version,
            element: None,
        });
        let is_new = topic.element.is_none() && !self.changed.contains(name);
        let is_changed = is_new || topic.version != version;
        topic.version = version;
        if is_changed {
            self.changed.insert(name.clone());
        }
        is_changed
    }

    /// Whether enough changes wait to be taken into the set.
    pub(super) fn has_many_changes(&self) -> bool {
        self.changed.len() >= CHANGES_MAX
    }

    /// Brings the set to the present versions.
    pub(super) fn take_in_changes(&mut self, set: &mut reconciliation::State) {
        for name in std::mem::take(&mut self.changed) {
            let Some(topic) = self.topics.get_mut(&name) else {
                continue;
            };
            let element = element(&name, &topic.version.hash);
            let before = topic.element.replace(element);
            if before == Some(element) {
                continue;
            }
            if let Some(before) = before {
                set.remove(&before);
                self.names.remove(&before.id);
            }
            set.insert(element, digest_bytes(&name));
            self.names.insert(element.id, name);
        }
    }

    /// What to tell a peer that lacks this element.
    pub(super) fn digest(&self, element: &Key) -> Option<TopicDigest> {
        let name = self.names.get(&element.id)?;
        let Version { hash, ops_count } = self.topics.get(name)?.version;
        Some(TopicDigest {
            topic: name.clone(),
            version: hash,
            ops_count,
        })
    }

    /// Whether somebody who has this version may have what is missing here.
    pub(super) fn lacks(&self, topic: &TopicName, version: &Version) -> bool {
        let Some(own) = self.topics.get(topic).map(|topic| topic.version) else {
            return true;
        };
        own.hash != version.hash && own.ops_count <= version.ops_count
    }
}

/// What stands for a version of a topic in the set. All versions of a topic stand at one place, so
/// that one range shows a change; names are hashed, so that places are evenly far apart.
fn element(name: &TopicName, version: &Hash) -> Key {
    let place = Hash::of(name.as_str().as_bytes());
    let [a, b, c, d, ..] = *place.as_bytes();
    // No topic contains a zero byte.
    let parts = [name.as_str().as_bytes(), &[0], version.as_bytes()];
    Key {
        timestamp: u64::from(u32::from_be_bytes([a, b, c, d])),
        id: Hash::derive("replicant 2026-11 topic and version", &parts),
    }
}

/// About how many bytes a peer is sent for a topic.
fn digest_bytes(name: &TopicName) -> u32 {
    // No name is longer than 256 bytes.
    48 + u32::try_from(name.as_str().len()).unwrap_or(256)
}
