//! The facts that are kept, and which may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{FactKind, Hash, NodeId};

use super::body::Statement;
use super::shelf::{AtBound, Bounds, Shelf};
use super::{Config, Issuers, Refusal, SignedFact};

/// Which facts share a bound: a kind, and whether an authority issued it.
type Sort = (FactKind, bool);

/// Proofs about one node, and revocations of itself, that are kept of each kind.
const PER_NODE_MAX: usize = 4;

/// All facts, by id.
#[derive(Debug)]
pub(super) struct Store {
    facts: BTreeMap<Hash, Arc<SignedFact>>,
    shelves: BTreeMap<Sort, Shelf>,
    /// How many facts revoke a node.
    revoked: BTreeMap<NodeId, usize>,
    revoked_publishers: BTreeMap<NodeId, usize>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            facts: BTreeMap::new(),
            shelves: BTreeMap::new(),
            revoked: BTreeMap::new(),
            revoked_publishers: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, id: &Hash) -> Option<&Arc<SignedFact>> {
        self.facts.get(id)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<SignedFact>> {
        self.facts.values()
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn is_revoked(&self, node: &NodeId) -> bool {
        self.revoked.contains_key(node)
    }

    pub(super) fn is_publisher_revoked(&self, publisher: &NodeId) -> bool {
        self.revoked_publishers.contains_key(publisher)
    }

    pub(super) fn revoked(&self) -> impl Iterator<Item = &NodeId> {
        self.revoked.keys()
    }

    /// Takes a permitted fact in that is not here. Gives those that had to go, perhaps itself.
    pub(super) fn insert(
        &mut self,
        config: &Config,
        fact: &Arc<SignedFact>,
    ) -> Result<Vec<Arc<SignedFact>>, Refusal> {
        let sort = sort_of(config, fact);
        let shelf = self.shelves.entry(sort).or_insert_with_key(|sort| {
            let bounds = bounds_of(config, sort);
            Shelf::new(bounds)
        });
        let gone = shelf.insert(owner_of(fact), fact).ok_or(Refusal::Full)?;
        self.facts.insert(fact.id(), fact.clone());
        self.count(fact, |count| count + 1);
        let gone: Vec<_> = gone
            .into_iter()
            .filter_map(|id| self.facts.remove(&id))
            .collect();
        gone.iter().for_each(|fact| self.uncount(fact));
        Ok(gone)
    }

    /// Takes a fact out.
    pub(super) fn remove(&mut self, config: &Config, id: &Hash) -> Option<Arc<SignedFact>> {
        let fact = self.facts.remove(id)?;
        if let Some(shelf) = self.shelves.get_mut(&sort_of(config, &fact)) {
            shelf.remove(owner_of(&fact), &fact);
        }
        self.uncount(&fact);
        Some(fact)
    }

    fn uncount(&mut self, fact: &SignedFact) {
        self.count(fact, |count| count.saturating_sub(1));
    }

    fn count(&mut self, fact: &SignedFact, change: impl FnOnce(usize) -> usize) {
        let (counts, subject) = match fact.statement() {
            Statement::NodeRevocation { node, .. } => (&mut self.revoked, *node),
            Statement::PublisherRevocation { publisher, .. } => {
                (&mut self.revoked_publishers, *publisher)
            }
            Statement::Equivocation(_) | Statement::Declared => return,
        };
        match change(counts.get(&subject).copied().unwrap_or(0)) {
            0 => drop(counts.remove(&subject)),
            count => drop(counts.insert(subject, count)),
        }
    }
}

/// Whose load a fact is: a proof could be issued by anybody, so it is the load of whom it is about.
fn owner_of(fact: &SignedFact) -> NodeId {
    match fact.statement() {
        Statement::Equivocation(equivocation) => equivocation.place.author,
        _ => fact.fact().issuer,
    }
}

fn sort_of(config: &Config, fact: &SignedFact) -> Sort {
    let is_by_authority = match fact.statement() {
        Statement::NodeRevocation { .. } | Statement::PublisherRevocation { .. } => {
            config.authorities.contains(&fact.fact().issuer)
        }
        Statement::Equivocation(_) | Statement::Declared => false,
    };
    (fact.fact().kind.clone(), is_by_authority)
}

fn bounds_of(config: &Config, (kind, is_by_authority): &Sort) -> Bounds {
    let kinds_count = config.kinds.len().max(1);
    match (config.kinds.contains_key(kind), is_by_authority) {
        (true, _) => Bounds {
            count_max: (config.facts_max / kinds_count).max(1),
            bytes_max: config.bytes_max / kinds_count,
            per_owner_max: config.per_issuer_max,
            at_bound: AtBound::Displace,
        },
        (false, true) => Bounds {
            count_max: config.revocations_max,
            bytes_max: usize::MAX,
            per_owner_max: usize::MAX,
            at_bound: AtBound::Refuse,
        },
        (false, false) => Bounds {
            count_max: config.others_max,
            bytes_max: usize::MAX,
            per_owner_max: PER_NODE_MAX,
            at_bound: AtBound::Displace,
        },
    }
}

/// Whether a fact may be kept here now.
pub(super) fn permit(config: &Config, fact: &SignedFact, wall_ms: u64) -> Result<(), Refusal> {
    let of = fact.fact();
    match fact.statement() {
        Statement::NodeRevocation { node: subject, .. }
        | Statement::PublisherRevocation {
            publisher: subject, ..
        } => {
            if of.issuer != *subject && !config.authorities.contains(&of.issuer) {
                return Err(Refusal::Unauthorised);
            }
        }
        Statement::Equivocation(_) => {}
        Statement::Declared => {
            let rule = config.kinds.get(&of.kind).ok_or(Refusal::UnknownKind)?;
            if let Issuers::Listed(issuers) = &rule.issuers
                && !issuers.contains(&of.issuer)
            {
                return Err(Refusal::Unauthorised);
            }
            if of.body.len() > rule.body_bytes_max {
                return Err(Refusal::BodyLength);
            }
            if Duration::from_millis(of.ttl_ms) > rule.ttl_max {
                return Err(Refusal::Ttl);
            }
        }
    }
    if of.expires_at_ms() <= wall_ms {
        return Err(Refusal::Expired);
    }
    let ahead_max_ms = u64::try_from(config.ahead_max.as_millis()).unwrap_or(u64::MAX);
    if of.issued_at_ms > wall_ms.saturating_add(ahead_max_ms) {
        return Err(Refusal::Ahead);
    }
    Ok(())
}
