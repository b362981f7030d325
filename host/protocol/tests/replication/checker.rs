//! What must hold, judged from the disks alone and without looking into the implementation.

use std::collections::{BTreeMap, BTreeSet};

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{Counter, Hash, ReplicaId};

use crate::disk::Disk;

/// Where a bundle ends.
type End = (ReplicaId, Counter);

#[derive(Default)]
pub(crate) struct Checker {
    /// For each node and topic: what is stored, in order.
    stored: BTreeMap<(usize, usize), Delivered>,
    /// For each topic: the bundle that ends at a dot, whoever stored it.
    ends: BTreeMap<(usize, End), Hash>,
    /// Ops that a client was told are safe.
    acknowledged: BTreeSet<(usize, End)>,
    pub(crate) failures: Vec<String>,
}

#[derive(Default, Clone)]
struct Delivered {
    count: usize,
    last: BTreeMap<ReplicaId, Counter>,
    ends: BTreeMap<End, (Hash, Hlc)>,
}

impl Checker {
    fn fail(&mut self, node: usize, topic: usize, bundle: &SignedBundle, what: &str) {
        self.failures
            .push(format!("node {node}, topic {topic}, {bundle:?}: {what}"));
    }

    /// Looks at what a disk has gained: gap-free chains, dependencies first, time forwards.
    pub(crate) fn stored(&mut self, node: usize, topic: usize, disk: &Disk) {
        let mut delivered = self.stored.remove(&(node, topic)).unwrap_or_default();
        for bundle in &disk.bundles[delivered.count..] {
            for what in delivered.complaints(bundle) {
                self.fail(node, topic, bundle, what);
            }
            let end = (bundle.replica(), bundle.last());
            let known = *self.ends.entry((topic, end)).or_insert(bundle.hash());
            if known != bundle.hash() {
                self.fail(
                    node,
                    topic,
                    bundle,
                    "another node has another bundle for this dot",
                );
            }
            delivered.add(bundle);
        }
        delivered.count = disk.bundles.len();
        self.stored.insert((node, topic), delivered);
    }

    /// Own bundles were confirmed to clients.
    pub(crate) fn acknowledged(&mut self, topic: usize, bundles: &[SignedBundle]) {
        for bundle in bundles {
            self.acknowledged
                .insert((topic, (bundle.replica(), bundle.last())));
        }
    }

    /// After healing: every node has the same, and everything that was acknowledged.
    pub(crate) fn healed(&mut self, nodes: usize, topics: usize) {
        for topic in 0..topics {
            let of = |node| self.stored.get(&(node, topic)).map(|d| d.ends.clone());
            let first = of(0).unwrap_or_default();
            let different = (1..nodes)
                .filter(|node| of(*node).unwrap_or_default() != first)
                .count();
            let acknowledged = self.acknowledged.iter().filter(|(of, _)| *of == topic);
            let lost = acknowledged
                .filter(|(_, end)| !first.contains_key(end))
                .count();
            if different > 0 {
                self.failures.push(format!(
                    "topic {topic}: {different} nodes differ from node 0"
                ));
            }
            if lost > 0 {
                self.failures.push(format!(
                    "topic {topic}: {lost} acknowledged bundles are lost"
                ));
            }
        }
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }
}

impl Delivered {
    fn last(&self, replica: ReplicaId) -> u64 {
        self.last.get(&replica).map_or(0, |counter| counter.get())
    }

    fn complaints(&self, bundle: &SignedBundle) -> Vec<&'static str> {
        let body = bundle.body();
        let replica = bundle.replica();
        let mut complaints = Vec::new();
        if bundle.first().get() != self.last(replica) + 1 {
            complaints.push("not the next op of its replica");
        }
        let before = Counter::new(bundle.first().get() - 1);
        let (previous, time) = self
            .ends
            .get(&(replica, before))
            .copied()
            .unwrap_or((Hash::ZERO, Hlc::ZERO));
        if previous != body.previous {
            complaints.push("not the predecessor that it names");
        }
        if time > body.hlc {
            complaints.push("earlier than its predecessor");
        }
        for dependency in &body.dependencies {
            match self.ends.get(&(dependency.replica, dependency.counter)) {
                None => complaints.push("before something it depends on"),
                Some((hash, _)) if *hash != dependency.hash => {
                    complaints.push("depends on another history");
                }
                Some((_, hlc)) if *hlc >= body.hlc => {
                    complaints.push("not later than something it depends on");
                }
                Some(_) => {}
            }
        }
        complaints
    }

    fn add(&mut self, bundle: &SignedBundle) {
        self.last.insert(bundle.replica(), bundle.last());
        self.ends.insert(
            (bundle.replica(), bundle.last()),
            (bundle.hash(), bundle.hlc()),
        );
    }
}
