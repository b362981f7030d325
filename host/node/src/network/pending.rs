//! Payloads that came by broadcast and wait for the node's word that they hold.

use std::collections::{BTreeMap, VecDeque};

use replicant_protocol::broadcast::Delivery;
use replicant_protocol::ids::Hash;

/// How many payloads wait. A bundle whose dependencies are late may give way to others; it is not
/// passed on then, and comparing versions takes it further.
const COUNT_MAX: usize = 1_024;

/// How many bytes of payloads wait.
const BYTES_MAX: usize = 64 << 20;

/// The payloads, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    deliveries: BTreeMap<Hash, Delivery>,
    order: VecDeque<Hash>,
    bytes: usize,
}

impl Pending {
    /// Adds a payload; the oldest give way.
    pub(super) fn add(&mut self, delivery: Delivery) {
        let id = delivery.id;
        self.bytes += delivery.payload.len();
        match self.deliveries.insert(id, delivery) {
            Some(before) => self.bytes -= before.payload.len(),
            None => self.order.push_back(id),
        }
        while self.order.len() > COUNT_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.forget(&oldest);
        }
    }

    /// Takes a payload out.
    pub(super) fn take(&mut self, id: &Hash) -> Option<Delivery> {
        let delivery = self.forget(id)?;
        // Most are taken soon after they came: near the end.
        if let Some(at) = self.order.iter().rposition(|other| other == id) {
            self.order.remove(at);
        }
        Some(delivery)
    }

    fn forget(&mut self, id: &Hash) -> Option<Delivery> {
        let delivery = self.deliveries.remove(id)?;
        self.bytes -= delivery.payload.len();
        Some(delivery)
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::ids::NodeId;

    use super::*;

    fn delivery(number: u64, length: usize) -> Delivery {
        Delivery {
            id: Hash::of(&number.to_le_bytes()),
            from: NodeId::from_bytes([1; 32]),
            hops: 1,
            payload: vec![0; length].into(),
        }
    }

    #[test]
    fn a_payload_is_taken_once() {
        let mut pending = Pending::default();
        let delivery = delivery(1, 10);
        pending.add(delivery.clone());
        pending.add(delivery.clone());
        assert_eq!(pending.take(&delivery.id), Some(delivery.clone()));
        assert_eq!(pending.take(&delivery.id), None);
        assert_eq!((pending.bytes, pending.order.len()), (0, 0));
    }

    #[test]
    fn the_oldest_give_way_at_either_bound() {
        let mut pending = Pending::default();
        for number in 0..=COUNT_MAX as u64 {
            pending.add(delivery(number, 1));
        }
        assert_eq!(pending.take(&delivery(0, 1).id), None);
        assert_eq!(pending.deliveries.len(), COUNT_MAX);
        pending.add(delivery(u64::MAX, BYTES_MAX));
        assert_eq!(pending.deliveries.len(), 1);
        assert_eq!(pending.bytes, BYTES_MAX);
    }
}
