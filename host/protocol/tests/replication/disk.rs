//! What survives a crash: the log of one topic on one node.

use std::collections::BTreeMap;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{Counter, Generation, NodeId, ReplicaId};
use replicant_protocol::replication::{
    Boundary, BoundaryLog, ChainHead, ChunkBuilder, LogUnavailable, Served,
};
use replicant_protocol::version::VersionVector;

#[derive(Default, Clone)]
pub(crate) struct Disk {
    pub(crate) bundles: Vec<SignedBundle>,
    ends: BTreeMap<(ReplicaId, Counter), Boundary>,
    authors: BTreeMap<ReplicaId, (NodeId, Generation)>,
}

impl Disk {
    pub(crate) fn store(&mut self, bundles: &[SignedBundle]) {
        for bundle in bundles {
            let end = Boundary {
                hash: bundle.hash(),
                hlc: bundle.hlc(),
            };
            let body = bundle.body();
            self.ends.insert((bundle.replica(), bundle.last()), end);
            self.authors
                .insert(bundle.replica(), (body.author, body.generation));
            self.bundles.push(bundle.clone());
        }
    }

    /// The ends of all chains, each with its last two boundaries.
    pub(crate) fn heads(&self) -> Vec<ChainHead> {
        let head = |(replica, (author, generation)): (&ReplicaId, &(NodeId, Generation))| {
            let all = (*replica, Counter::ZERO)..=(*replica, Counter::new(u64::MAX));
            let mut recent: Vec<_> = self
                .ends
                .range(all)
                .rev()
                .take(2)
                .map(|((_, last), end)| (*last, *end))
                .collect();
            recent.reverse();
            let (last, end) = *recent.last().unwrap();
            ChainHead {
                author: *author,
                generation: *generation,
                last,
                end,
                recent,
            }
        };
        self.authors.iter().map(head).collect()
    }

    pub(crate) fn serve(&self, from: VersionVector, bytes_max: usize, count_max: usize) -> Served {
        let mut chunk = ChunkBuilder::new(from, bytes_max, count_max);
        for bundle in &self.bundles {
            if !chunk.offer(bundle.end(), bundle.as_bytes().to_vec()) {
                break;
            }
        }
        chunk.finish()
    }
}

impl BoundaryLog for Disk {
    fn boundary(
        &self,
        replica: ReplicaId,
        last: Counter,
    ) -> Result<Option<Boundary>, LogUnavailable> {
        Ok(self.ends.get(&(replica, last)).copied())
    }
}
