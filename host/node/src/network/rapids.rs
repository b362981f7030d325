//! The rapid broadcasts of a node: one state for what is for all members, one for what is for the
//! audiences of topics.
//!
//! All audiences share a state, so that what it holds has one bound however many topics there are.
//! Facts have one of their own: nobody's publications take their place. Whom a topic's messages are
//! for is looked up when the first of them comes, and forgotten when others are of more interest.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use replicant_protocol::broadcast::acknowledgement::{Ask, AskError, ShortId};
use replicant_protocol::broadcast::rapid::{self, Counts, MessageError, OutEvent, Rapid};
use replicant_protocol::broadcast::{BroadcastError, Delivery};
use replicant_protocol::ids::{Hash, NodeId, TopicName};
use replicant_protocol::{facts, topics};

use super::overlays::Scope;

/// Of how many nodes of audiences is known who they are, over all topics; the last audience that
/// was looked up always counts. 32 bytes each.
const AUDIENCES_NODES_MAX: usize = 65_536;

/// How many bytes of facts are held for others to fetch, and fetched at once, each. Of the largest
/// facts 62.
const FACTS_BYTES_MAX: usize = 4 << 20;

/// How many bytes of publications, likewise. Of the largest publications 15.
const PUBLICATIONS_BYTES_MAX: usize = 16 << 20;

/// Rapid broadcasts.
pub(super) struct Rapids {
    everybody: Rapid<Scope>,
    topics: Rapid<Scope>,
    members: BTreeSet<NodeId>,
    /// Whether the view of all members is older than `members`.
    is_stale: bool,
    /// The audiences that are known, oldest first, and how many nodes each has.
    audiences: VecDeque<(TopicName, usize)>,
    rng: ChaCha20Rng,
    counted: Counts,
}

impl Rapids {
    /// Starts with this node alone.
    pub(super) fn new(own: NodeId, config: &rapid::Config, rng: &mut ChaCha20Rng) -> Self {
        Self {
            everybody: Rapid::new(own, config_of_facts(config)),
            topics: Rapid::new(own, config_of_topics(config)),
            members: BTreeSet::from([own]),
            is_stale: true,
            audiences: VecDeque::new(),
            rng: ChaCha20Rng::from_rng(rng),
            counted: Counts::default(),
        }
    }

    pub(super) fn handle_session_up(&mut self, now: Duration, peer: NodeId) {
        self.everybody.handle_neighbour_up(now, peer);
        self.topics.handle_neighbour_up(now, peer);
    }

    pub(super) fn handle_session_down(&mut self, now: Duration, peer: NodeId) {
        self.everybody.handle_neighbour_down(now, peer);
        self.topics.handle_neighbour_down(now, peer);
    }

    /// A member is there, or subscribes to something else.
    pub(super) fn handle_member(&mut self, node: NodeId) {
        self.is_stale |= self.members.insert(node);
        self.forget_audiences();
    }

    pub(super) fn handle_member_gone(&mut self, now: Duration, node: &NodeId) {
        self.is_stale |= self.members.remove(node);
        self.topics.handle_gone(now, node);
        self.forget_audiences();
    }

    /// Who subscribes to what has changed.
    pub(super) fn forget_audiences(&mut self) {
        for (path, _) in std::mem::take(&mut self.audiences) {
            self.topics.handle_view_gone(&Some(path));
        }
    }

    /// Looks up who all members are, or the audience of a path.
    fn look_up(&mut self, scope: &Scope, topics: &topics::State) {
        let Some(path) = scope else {
            if std::mem::take(&mut self.is_stale) {
                let members = self.members.iter().copied().collect();
                self.everybody.handle_view(None, members);
            }
            return;
        };
        if self.audiences.iter().any(|(known, _)| known == path) {
            return;
        }
        let audience: Arc<[NodeId]> = topics.audience(path).into_iter().collect();
        self.audiences.push_back((path.clone(), audience.len()));
        self.topics.handle_view(scope.clone(), audience);
        let mut nodes_count: usize = self.audiences.iter().map(|(_, count)| count).sum();
        while nodes_count > AUDIENCES_NODES_MAX
            && self.audiences.len() > 1
            && let Some((path, count)) = self.audiences.pop_front()
        {
            nodes_count -= count;
            self.topics.handle_view_gone(&Some(path));
        }
    }

    fn state(&mut self, scope: &Scope) -> &mut Rapid<Scope> {
        match scope {
            None => &mut self.everybody,
            Some(_) => &mut self.topics,
        }
    }

    /// Whether anybody can be reached.
    pub(super) fn leads_anywhere(&mut self, scope: &Scope, topics: &topics::State) -> bool {
        self.look_up(scope, topics);
        self.state(scope).leads_anywhere(scope)
    }

    /// Takes a peer's message.
    pub(super) fn on_message(
        &mut self,
        now: Duration,
        from: NodeId,
        scope: &Scope,
        topics: &topics::State,
        message: rapid::Message,
    ) -> Result<(), MessageError> {
        self.look_up(scope, topics);
        let state = match scope {
            None => &mut self.everybody,
            Some(_) => &mut self.topics,
        };
        state.on_message(now, from, scope, message, &mut self.rng)
    }

    /// Says something to everybody.
    pub(super) fn broadcast(
        &mut self,
        now: Duration,
        payload: Arc<[u8]>,
        topics: &topics::State,
    ) -> Result<(), BroadcastError> {
        self.look_up(&None, topics);
        let said = self
            .everybody
            .handle_broadcast(now, &None, payload, &mut self.rng);
        said.map(|_| ())
    }

    /// Says something to the audience of a path, and asks who has it if that is wanted.
    pub(super) fn publish(
        &mut self,
        now: Duration,
        scope: &Scope,
        payload: Arc<[u8]>,
        ask: Option<Ask>,
        topics: &topics::State,
    ) -> Result<Hash, AskError> {
        self.look_up(scope, topics);
        let (state, rng) = (&mut self.topics, &mut self.rng);
        Ok(match ask {
            None => state.handle_broadcast(now, scope, payload, rng)?,
            Some(ask) => state.handle_broadcast_asking(now, scope, payload, ask, rng)?,
        })
    }

    /// Passes something on that turned out to hold; to be acknowledged only if its author asked.
    pub(super) fn accept(
        &mut self,
        now: Duration,
        scope: &Scope,
        delivery: Delivery,
        is_asked: bool,
        topics: &topics::State,
    ) {
        self.look_up(scope, topics);
        let state = match scope {
            None => &mut self.everybody,
            Some(_) => &mut self.topics,
        };
        if !is_asked {
            state.handle_unasked(&delivery.id);
        }
        state.handle_accepted(now, scope, delivery, &mut self.rng);
    }

    /// Takes who has a publication that came from here this way, as others heard it along the tree.
    /// Whether it did.
    pub(super) fn acknowledge(&mut self, now: Duration, id: Hash, names: &[ShortId]) -> bool {
        let is_gathered = self.topics.gathers(&id);
        if is_gathered {
            self.topics.on_acknowledge(now, id, names.to_vec());
        }
        is_gathered
    }

    /// A publication came along the tree: it is not fetched any more.
    pub(super) fn handle_heard(&mut self, payload: &[u8]) {
        if self.topics.is_fetching() {
            self.topics.handle_known(&Hash::of(payload));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.everybody.handle_timeout(now, &mut self.rng);
        self.topics.handle_timeout(now, &mut self.rng);
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let timers = [self.everybody.next_timeout(), self.topics.next_timeout()];
        timers.into_iter().flatten().min()
    }

    /// What a broadcast wants done.
    pub(super) fn poll_event(&mut self) -> Option<OutEvent<Scope>> {
        let event = self.everybody.poll_event();
        event.or_else(|| self.topics.poll_event())
    }

    /// What happened since this was last asked.
    pub(super) fn take_counts(&mut self) -> Counts {
        let mut now = self.everybody.counts();
        now.add(&self.topics.counts(), &Counts::default());
        let mut since = Counts::default();
        since.add(&now, &self.counted);
        self.counted = now;
        since
    }
}

/// What is for everybody are facts.
fn config_of_facts(config: &rapid::Config) -> rapid::Config {
    rapid::Config {
        // With the byte that says that it is one.
        payload_bytes_max: facts::SIGNED_BYTES_MAX + 1,
        held_bytes_max: FACTS_BYTES_MAX,
        pulled_bytes_max: FACTS_BYTES_MAX,
        ..config_of_nodes(config)
    }
}

/// What is for the audiences of topics are publications. Numbers tell what was heard long ago.
fn config_of_topics(config: &rapid::Config) -> rapid::Config {
    rapid::Config {
        payload_bytes_max: topics::PUBLICATION_BYTES_MAX,
        seen_max: 4_096,
        held_bytes_max: PUBLICATIONS_BYTES_MAX,
        pulled_bytes_max: PUBLICATIONS_BYTES_MAX,
        ..config_of_nodes(config)
    }
}

/// A node sends to whom there is a session.
fn config_of_nodes(config: &rapid::Config) -> rapid::Config {
    rapid::Config {
        is_dialing: false,
        ..config.clone()
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::environment::Environment;

    use super::*;

    fn node(number: u32) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    fn path(number: u32) -> TopicName {
        format!("shop/{number}").parse().unwrap()
    }

    #[test]
    fn audiences_are_known_up_to_a_number_of_nodes_and_forgotten_when_somebody_comes() {
        let mut topics = topics::State::new(topics::Config::default(), node(0), 1);
        let members = AUDIENCES_NODES_MAX as u32 / 4;
        for number in 1..=members {
            topics.handle_member(node(number), &["shop".parse().unwrap()]);
        }
        let config = rapid::Config::from(&Environment::lan().parameters().rapid);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut rapids = Rapids::new(node(0), &config, &mut rng);
        rapids.handle_session_up(Duration::ZERO, node(1));
        for number in 0..40 {
            let scope = Some(path(number));
            assert!(rapids.leads_anywhere(&scope, &topics));
        }
        assert_eq!(rapids.audiences.len(), 4);
        assert_eq!(rapids.audiences.back().unwrap().0, path(39));
        let first = Some(path(0));
        assert!(rapids.leads_anywhere(&first, &topics), "looked up again");
        rapids.handle_member(node(members + 1));
        assert!(rapids.audiences.is_empty());
    }
}
