//! Who is there, as this node sees it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::hyparview::Entry;
use replicant_protocol::membership::{self, Member, StrategyKind};
use tokio::sync::watch;

use super::Node;
use crate::network::{Behaviour, NetworkHandle, Revoked};
use crate::vocabulary::{MemberInfo, MemberState, NodeError};

impl Node {
    /// Lists the members that this node knows of, itself included, by id. With partial views:
    /// itself, its neighbours, and those that are only known.
    pub fn members(&self) -> Vec<MemberInfo> {
        let Ok(running) = self.running() else {
            return Vec::new();
        };
        let connected = running.network.peers();
        let behaviour = running.network.behaviour();
        let mut all = describe_all(self.id(), &running.network, &running.network.members());
        for member in &mut all {
            member.connected = connected.contains(&member.id);
            member.revoked = running.network.is_revoked(&member.id);
            member.bad_seconds = behaviour.bad_seconds(&member.id);
        }
        all
    }

    /// Follows the members: first each that is known now, then each about which something
    /// changed.
    ///
    /// # Errors
    /// [`NodeError::ShuttingDown`].
    pub fn watch_members(&self) -> Result<MemberWatch, NodeError> {
        let network = self.running()?.network.clone();
        let mut members = network.members_watch();
        members.mark_changed();
        Ok(MemberWatch {
            peers: network.peers_watch(),
            revoked: network.revoked(),
            behaviour: network.behaviour(),
            own: self.id(),
            strategy: network.strategy(),
            known_nodes: network.known_watch(),
            members,
            known: BTreeMap::new(),
            changed: VecDeque::new(),
        })
    }
}

/// Members and, with partial views, those that are only known, by id.
fn describe_all(own: NodeId, network: &NetworkHandle, members: &[Member]) -> Vec<MemberInfo> {
    let known = network.known();
    describe(own, network.strategy(), members, &known)
}

fn describe(
    own: NodeId,
    strategy: StrategyKind,
    members: &[Member],
    known: &[Entry],
) -> Vec<MemberInfo> {
    let is_measured = |of: &Member| strategy == StrategyKind::Swim && of.node != own;
    let known = known.iter().map(|entry| MemberInfo {
        id: entry.node,
        address: entry.address.to_string(),
        state: MemberState::Known,
        incarnation: 0,
        is_self: false,
        connected: false,
        revoked: false,
        bad_seconds: 0,
        reliability: None,
        metadata: String::new(),
    });
    let members = members.iter().map(|member| MemberInfo {
        id: member.node,
        address: member.address.to_string(),
        state: match (strategy, member.status) {
            (StrategyKind::HyParView, _) if member.node != own => MemberState::Neighbour,
            (_, membership::Status::Alive) => MemberState::Alive,
            (_, membership::Status::Suspect) => MemberState::Suspect,
            (_, membership::Status::Dead) => MemberState::Dead,
            (_, membership::Status::Left) => MemberState::Left,
        },
        incarnation: member.incarnation,
        is_self: member.node == own,
        connected: false,
        revoked: false,
        bad_seconds: 0,
        reliability: is_measured(member).then_some(member.reliability),
        metadata: String::from_utf8_lossy(member.metadata.application()).into_owned(),
    });
    // Whoever became a neighbour in between counts as one.
    let by_id: BTreeMap<NodeId, MemberInfo> =
        known.chain(members).map(|info| (info.id, info)).collect();
    by_id.into_values().collect()
}

/// Follows the members of the cluster. Whoever reads late hears the latest of each member, and not
/// all that lay between.
#[derive(Debug)]
pub struct MemberWatch {
    own: NodeId,
    strategy: StrategyKind,
    /// Whom facts keep out.
    revoked: Revoked,
    behaviour: Behaviour,
    members: watch::Receiver<Arc<[Member]>>,
    /// Who there are sessions with.
    peers: watch::Receiver<Arc<[NodeId]>>,
    known_nodes: watch::Receiver<Arc<[Entry]>>,
    known: BTreeMap<NodeId, MemberInfo>,
    changed: VecDeque<MemberInfo>,
}

impl MemberWatch {
    /// Waits for the next change. None once the node has shut down. May be dropped while it waits
    /// without losing a change.
    pub async fn next(&mut self) -> Option<MemberInfo> {
        loop {
            if let Some(member) = self.changed.pop_front() {
                return Some(member);
            }
            let changed = tokio::select! {
                changed = self.members.changed() => changed,
                changed = self.peers.changed() => changed,
            };
            changed.ok()?;
            let members = self.members.borrow_and_update().clone();
            let known = self.known_nodes.borrow_and_update().clone();
            let peers = self.peers.borrow_and_update().clone();
            let all = describe(self.own, self.strategy, &members, &known);
            self.forget(&all);
            for mut info in all {
                info.connected = peers.binary_search(&info.id).is_ok();
                info.revoked = self.revoked.contains(&info.id);
                info.bad_seconds = self.behaviour.bad_seconds(&info.id);
                // What is measured is never twice the same, and nothing to wake anybody for.
                let seen = MemberInfo {
                    bad_seconds: 0,
                    reliability: None,
                    ..info.clone()
                };
                if self.known.get(&info.id) != Some(&seen) {
                    self.known.insert(info.id, seen);
                    self.changed.push_back(info);
                }
            }
        }
    }

    /// Whoever is not there any more is forgotten; with partial views that is told.
    fn forget(&mut self, all: &[MemberInfo]) {
        let is_gone = |id: &NodeId| all.binary_search_by_key(id, |info| info.id).is_err();
        let gone = self.known.extract_if(.., |id, _| is_gone(id));
        let told = gone.filter(|_| self.strategy == StrategyKind::HyParView);
        self.changed.extend(told.map(|(_, info)| MemberInfo {
            state: MemberState::Forgotten,
            connected: false,
            ..info
        }));
    }
}
