//! Who is there, as this node sees it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::{self, Member};
use tokio::sync::watch;

use super::Node;
use crate::vocabulary::{MemberInfo, MemberState, NodeError};

impl Node {
    /// Lists the members that this node knows of, itself included, by id.
    pub fn members(&self) -> Vec<MemberInfo> {
        let Ok(running) = self.running() else {
            return Vec::new();
        };
        let connected = running.network.peers();
        let members = running.network.members();
        let info = members.iter().map(|member| MemberInfo {
            connected: connected.contains(&member.node),
            ..self.describe(member)
        });
        info.collect()
    }

    /// Follows the members: first each that is known now, then each about which something
    /// changed.
    ///
    /// # Errors
    /// [`NodeError::ShuttingDown`].
    pub fn watch_members(&self) -> Result<MemberWatch, NodeError> {
        let mut members = self.running()?.network.members_watch();
        members.mark_changed();
        Ok(MemberWatch {
            own: self.id(),
            members,
            known: BTreeMap::new(),
            changed: VecDeque::new(),
        })
    }

    fn describe(&self, member: &Member) -> MemberInfo {
        describe(self.id(), member)
    }
}

fn describe(own: NodeId, member: &Member) -> MemberInfo {
    MemberInfo {
        id: member.node,
        address: member.address.to_string(),
        state: match member.status {
            membership::Status::Alive => MemberState::Alive,
            membership::Status::Suspect => MemberState::Suspect,
            membership::Status::Dead => MemberState::Dead,
            membership::Status::Left => MemberState::Left,
        },
        incarnation: member.incarnation,
        is_self: member.node == own,
        connected: false,
    }
}

/// Follows the members of the cluster. Whoever reads late hears the latest of each member, and not
/// all that lay between.
#[derive(Debug)]
pub struct MemberWatch {
    own: NodeId,
    members: watch::Receiver<Arc<[Member]>>,
    known: BTreeMap<NodeId, MemberInfo>,
    changed: VecDeque<MemberInfo>,
}

impl MemberWatch {
    /// Waits for the next change; `connected` is never set. None once the node has shut down. May
    /// be dropped while it waits without losing a change.
    pub async fn next(&mut self) -> Option<MemberInfo> {
        loop {
            if let Some(member) = self.changed.pop_front() {
                return Some(member);
            }
            self.members.changed().await.ok()?;
            let members = self.members.borrow_and_update().clone();
            self.known
                .retain(|id, _| members.iter().any(|member| member.node == *id));
            for member in members.iter() {
                let info = describe(self.own, member);
                if self.known.get(&info.id) != Some(&info) {
                    self.known.insert(info.id, info.clone());
                    self.changed.push_back(info);
                }
            }
        }
    }
}
