//! The facts that this node shows: those that are on its disk.
//!
//! Changes gather in memory, and one task writes all that there are at a time; then they are shown,
//! and whoever watches is told. What gathers is bounded by what the protocol keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use replicant_protocol::facts::{SignedFact, Statement};
use replicant_protocol::ids::{FactKind, Hash, NodeId};
use tokio::sync::{Notify, broadcast};

use super::NodeError;
use crate::network::FactEvent;
use crate::storage::{General, Job, Writer};
use crate::vocabulary::RevocationInfo;

/// Changes that a watch may be behind before it misses some.
const WATCH_EVENTS_MAX: usize = 1_024;

/// Changes that are written at a time.
const WRITTEN_MAX: usize = 512;

/// How long it takes to try again after the disk refused.
const RETRY: Duration = Duration::from_millis(500);

/// The shortest beginning of an id that names a fact.
const PREFIX_MIN: usize = 8;

/// A change of the facts that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactChange {
    /// A fact is known now.
    Published(Arc<SignedFact>),
    /// A fact is no longer kept: it expired, or made room.
    Gone(Hash),
    /// The watch was too slow: what it missed is not known any more. List the facts.
    Missed,
}

/// Which facts to list.
#[derive(Debug, Clone, Default)]
pub struct FactFilter {
    /// Only of this kind.
    pub kind: Option<FactKind>,
    /// Only of this issuer.
    pub issuer: Option<NodeId>,
    /// Only behind this id.
    pub after: Option<Hash>,
}

/// Follows the facts from now on.
#[derive(Debug)]
pub struct FactWatch {
    news: broadcast::Receiver<FactChange>,
}

impl FactWatch {
    /// Waits for the next change. `None` once the node is shut down.
    pub async fn next(&mut self) -> Option<FactChange> {
        match self.news.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(FactChange::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// See above.
#[derive(Debug)]
pub(super) struct FactBoard {
    shown: RwLock<BTreeMap<Hash, Arc<SignedFact>>>,
    /// What is not on disk as it is here; `None` for what is to be taken out.
    unwritten: Mutex<BTreeMap<Hash, Option<Arc<SignedFact>>>>,
    changed: Notify,
    news: broadcast::Sender<FactChange>,
}

impl FactBoard {
    /// Shows what is stored. What cannot be read is passed over; the network says so.
    pub(super) fn new(stored: &[Vec<u8>]) -> Self {
        let facts = stored
            .iter()
            .filter_map(|bytes| SignedFact::decode(bytes).ok());
        let shown = facts.map(|fact| (fact.id(), Arc::new(fact))).collect();
        Self {
            shown: RwLock::new(shown),
            unwritten: Mutex::default(),
            changed: Notify::new(),
            news: broadcast::channel(WATCH_EVENTS_MAX).0,
        }
    }

    /// Something happened to a fact.
    pub(super) fn tell(&self, event: FactEvent) {
        match event {
            FactEvent::Learned(fact) => drop(self.lock().insert(fact.id(), Some(fact))),
            FactEvent::Forgotten { id, .. } => drop(self.lock().insert(id, None)),
            FactEvent::Revoked(_) => return,
        }
        self.changed.notify_one();
    }

    /// Writes what changes, and shows it then, for ever.
    pub(super) async fn keep(&self, writer: &Writer) {
        loop {
            self.changed.notified().await;
            while !self.write(writer).await {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Writes what has changed. Gives whether all of it is written.
    pub(super) async fn write(&self, writer: &Writer) -> bool {
        loop {
            let batch: Vec<_> = {
                let unwritten = self.lock();
                let first = unwritten.iter().take(WRITTEN_MAX);
                first.map(|(id, fact)| (*id, fact.clone())).collect()
            };
            if batch.is_empty() {
                return true;
            }
            let general = batch.iter().map(|(id, fact)| match fact {
                Some(fact) => General::Fact(*id, fact.as_bytes().to_vec()),
                None => General::ForgetFact(*id),
            });
            let (topics, general) = (Vec::new(), general.collect());
            if let Err(error) = writer.commit_async(Job { topics, general }).await {
                tracing::debug!(%error, "facts are not kept for now");
                return false;
            }
            batch.into_iter().for_each(|(id, fact)| self.show(id, fact));
        }
    }

    fn show(&self, id: Hash, fact: Option<Arc<SignedFact>>) {
        {
            let mut unwritten = self.lock();
            // It may have changed again meanwhile.
            if unwritten.get(&id) == Some(&fact) {
                unwritten.remove(&id);
            }
        }
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let change = match fact {
            Some(fact) => match shown.insert(id, fact.clone()) {
                Some(_) => return,
                None => FactChange::Published(fact),
            },
            None => match shown.remove(&id) {
                Some(_) => FactChange::Gone(id),
                None => return,
            },
        };
        // Nobody may be watching.
        let _ = self.news.send(change);
    }

    /// Follows the facts.
    pub(super) fn watch(&self) -> FactWatch {
        FactWatch {
            news: self.news.subscribe(),
        }
    }

    /// Facts by id, at most `limit`.
    pub(super) fn list(&self, filter: &FactFilter, limit: usize) -> Vec<Arc<SignedFact>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let behind = match &filter.after {
            Some(after) => shown.range((
                std::ops::Bound::Excluded(*after),
                std::ops::Bound::Unbounded,
            )),
            None => shown.range(..),
        };
        let is_asked = |fact: &&Arc<SignedFact>| {
            filter
                .kind
                .as_ref()
                .is_none_or(|kind| fact.fact().kind == *kind)
                && filter
                    .issuer
                    .is_none_or(|issuer| fact.fact().issuer == issuer)
        };
        let asked = behind.map(|(_, fact)| fact).filter(is_asked);
        asked.take(limit).cloned().collect()
    }

    /// The fact whose id is, or alone begins with, this.
    ///
    /// # Errors
    /// [`NodeError::UnknownFact`], [`NodeError::AmbiguousFact`].
    pub(super) fn find(&self, name: &str) -> Result<Arc<SignedFact>, NodeError> {
        let name = &name.to_ascii_lowercase();
        let unknown = || NodeError::UnknownFact {
            id: name.to_owned(),
        };
        if name.len() < PREFIX_MIN || name.len() > 64 {
            return Err(unknown());
        }
        let first: Hash = format!("{name:0<64}").parse().map_err(|_| unknown())?;
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = shown.range(first..).map(|(_, fact)| fact);
        let is_named = |fact: &&Arc<SignedFact>| fact.id().to_string().starts_with(name);
        match (found.next().filter(is_named), found.next().filter(is_named)) {
            (Some(fact), None) => Ok(fact.clone()),
            (None, _) => Err(unknown()),
            (Some(_), Some(_)) => Err(NodeError::AmbiguousFact {
                id: name.to_owned(),
            }),
        }
    }

    /// A fact that revokes a node, on disk or on its way there. One is reason enough.
    pub(super) fn revocation_of(&self, subject: &NodeId) -> Option<RevocationInfo> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let unwritten = self.lock();
        let mut all = shown.values().chain(unwritten.values().flatten());
        all.find_map(|signed| match signed.statement() {
            Statement::NodeRevocation { node, reason } if node == subject => Some(RevocationInfo {
                fact: signed.id(),
                issuer: signed.fact().issuer,
                reason: reason.clone(),
                expires_at_ms: signed.fact().expires_at_ms(),
            }),
            _ => None,
        })
    }

    /// The revocation of a node that one issuer made, and that counts for longest.
    pub(super) fn revocation_by(
        &self,
        issuer: &NodeId,
        kind: &FactKind,
        subject: &NodeId,
    ) -> Option<Arc<SignedFact>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let of_issuer = shown
            .values()
            .filter(|signed| signed.fact().issuer == *issuer && signed.fact().kind == *kind);
        let of_subject = of_issuer.filter(|signed| match signed.statement() {
            Statement::NodeRevocation { node, .. } => node == subject,
            Statement::PublisherRevocation { publisher, .. } => publisher == subject,
            _ => false,
        });
        of_subject
            .max_by_key(|signed| signed.fact().expires_at_ms())
            .cloned()
    }

    /// How many facts are shown.
    pub(super) fn len(&self) -> usize {
        self.shown
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Option<Arc<SignedFact>>>> {
        // Nothing panics while the lock is held.
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
