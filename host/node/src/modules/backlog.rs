//! What the network told of modules while the librarian's queue was full.
//!
//! The network layer tells each thing once, so nothing of it may be lost. It is kept by what it is
//! about: a statement that is learned and forgotten again is nothing, and of a name only the
//! last activation counts. So a flood of statements takes no more room here than the network
//! layer's catalogue has for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use replicant_protocol::content::{ModuleName, Statement};
use replicant_protocol::ids::Hash;

use crate::network::ModuleEvent;

/// Statements, and names, that are kept of each kind: twice what catalogues hold by default.
const KEPT_MAX: usize = 16_384;

/// What waits beside the queue. Empty unless that was full a moment ago.
#[derive(Debug, Default)]
pub(super) struct Backlog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    learned: BTreeMap<Hash, Statement>,
    forgotten: BTreeMap<Hash, Statement>,
    activated: BTreeMap<ModuleName, ModuleEvent>,
}

impl Backlog {
    /// Takes what the queue has no room for, or what comes after something that it had no room
    /// for. `queue` tries the queue, and gives the event back if that is full.
    ///
    /// False if it is lost: a bound is hit, or it is of a kind that comes again by itself.
    pub(super) fn take_or_queue(
        &self,
        event: ModuleEvent,
        queue: impl FnOnce(ModuleEvent) -> Result<(), ModuleEvent>,
    ) -> bool {
        // Held while the queue is tried, so that nothing overtakes.
        let mut state = self.lock();
        let refused = match state.is_empty() {
            true => queue(event).err(),
            false => Some(event),
        };
        refused.is_none_or(|event| state.add(event))
    }

    /// Everything that waits, in an order in which it can be worked off.
    pub(super) fn take(&self) -> Vec<ModuleEvent> {
        let State {
            learned,
            forgotten,
            activated,
        } = std::mem::take(&mut *self.lock());
        let learned = learned.into_values().map(ModuleEvent::Learned);
        let forgotten = forgotten.into_values().map(ModuleEvent::Forgotten);
        learned
            .chain(forgotten)
            .chain(activated.into_values())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.learned.is_empty() && self.forgotten.is_empty() && self.activated.is_empty()
    }

    fn add(&mut self, event: ModuleEvent) -> bool {
        match event {
            ModuleEvent::Learned(statement) => {
                let id = statement.id();
                // What was forgotten before is known again.
                self.forgotten.remove(&id);
                insert(&mut self.learned, id, statement)
            }
            ModuleEvent::Forgotten(statement) => {
                let id = statement.id();
                self.learned.remove(&id).is_some() || insert(&mut self.forgotten, id, statement)
            }
            ModuleEvent::Activated {
                ref announcement, ..
            } => {
                let name = announcement.announcement().name.clone();
                insert(&mut self.activated, name, event)
            }
            // Said in the log only; asked for again; and nobody has it later either.
            ModuleEvent::Conflict { .. }
            | ModuleEvent::Fetched { .. }
            | ModuleEvent::Stalled { .. } => false,
        }
    }
}

/// Inserts or replaces; false if there is no room.
fn insert<K: Ord, V>(kept: &mut BTreeMap<K, V>, key: K, value: V) -> bool {
    if kept.len() >= KEPT_MAX && !kept.contains_key(&key) {
        return false;
    }
    kept.insert(key, value);
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use replicant_protocol::clock::Hlc;
    use replicant_protocol::content::{Announcement, ModuleLimits, SignedAnnouncement};
    use replicant_protocol::identity::NodeIdentity;
    use replicant_protocol::ids::ModuleHash;

    use super::*;

    fn announced(name: &str, module: u8) -> Arc<SignedAnnouncement> {
        let publisher = NodeIdentity::from_secret(&[1; 32]);
        let announcement = Announcement {
            name: ModuleName {
                name: name.parse().unwrap(),
                version: "1.0.0".parse().unwrap(),
            },
            module: ModuleHash::from_bytes([module; 32]),
            size_bytes: 1,
            limits: ModuleLimits {
                fuel_per_call: 1,
                memory_bytes_max: 1,
                output_bytes_max: 1,
            },
            publisher: publisher.id(),
            hlc: Hlc::ZERO,
        };
        Arc::new(SignedAnnouncement::sign(announcement, &publisher).unwrap())
    }

    fn activated(announcement: &Arc<SignedAnnouncement>) -> ModuleEvent {
        ModuleEvent::Activated {
            announcement: announcement.clone(),
            replaced: None,
        }
    }

    #[test]
    fn while_the_queue_is_full_what_counts_is_kept_once_and_in_order() {
        let (backlog, full) = (Backlog::default(), Err::<(), _>);
        let [a, b] = [announced("a", 1), announced("a", 2)];
        let learned = |of: &Arc<SignedAnnouncement>| ModuleEvent::Learned(Arc::clone(of).into());
        let forgotten =
            |of: &Arc<SignedAnnouncement>| ModuleEvent::Forgotten(Arc::clone(of).into());
        assert!(backlog.take_or_queue(learned(&a), |_| Ok(())));
        assert_eq!(backlog.take(), []);
        assert!(backlog.take_or_queue(forgotten(&a), full));
        // From here on the queue is not tried: nothing overtakes.
        let tried = |_| panic!("the queue was tried");
        for event in [activated(&a), learned(&b), activated(&b)] {
            assert!(backlog.take_or_queue(event, tried));
        }
        assert_eq!(backlog.take(), [learned(&b), forgotten(&a), activated(&b)]);
        // A flood that comes and goes leaves nothing.
        for module in 3..200 {
            let passing = announced("flood", module);
            assert!(backlog.take_or_queue(learned(&passing), full));
            assert!(backlog.take_or_queue(forgotten(&passing), full));
        }
        assert_eq!(backlog.take(), []);
    }

    #[test]
    fn beyond_the_bound_and_what_comes_again_by_itself_is_lost_and_that_is_said() {
        let mut kept = BTreeMap::new();
        assert!((0..KEPT_MAX).all(|key| insert(&mut kept, key, 0)));
        assert!(!insert(&mut kept, KEPT_MAX, 0));
        assert!(insert(&mut kept, 7, 1));
        let stalled = ModuleEvent::Stalled {
            module: ModuleHash::from_bytes([1; 32]),
        };
        assert!(!Backlog::default().take_or_queue(stalled, Err));
    }
}
