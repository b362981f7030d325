//! A shard's queues: one for each kind of input, each bounded, taken all at once.
//!
//! What may be refused is refused at the bound (updates, reads); what may be lost is dropped and
//! repaired by synchronising (inputs of peers); what must not be lost is state, not a queue: the
//! newest value counts (sessions, changed types, shutdown).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replicant_protocol::ids::{NodeId, TypeName};

use super::input::{PeerInput, ReadRequest, UpdateRequest};

/// Open sessions: peer → number of the session. Another number means that there was a break.
pub(super) type Peers = BTreeMap<NodeId, u64>;

/// Gives sessions their numbers, each only once.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Peers,
    last: u64,
}

impl Sessions {
    /// A session with a peer opened, also in place of another.
    pub(super) fn open(&mut self, peer: NodeId) -> Arc<Peers> {
        self.last += 1;
        self.open.insert(peer, self.last);
        Arc::new(self.open.clone())
    }

    /// The session with a peer closed.
    pub(super) fn close(&mut self, peer: NodeId) -> Arc<Peers> {
        self.open.remove(&peer);
        Arc::new(self.open.clone())
    }
}

/// Bounds of the queues.
#[derive(Debug, Clone)]
pub(super) struct InboxLimits {
    pub(super) commands_max: usize,
    pub(super) command_bytes_max: usize,
    pub(super) reads_max: usize,
    pub(super) read_bytes_max: usize,
    pub(super) peer_inputs_max: usize,
    pub(super) peer_bytes_max: usize,
}

/// What has come in since the last time.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) updates: Vec<UpdateRequest>,
    pub(super) reads: Vec<ReadRequest>,
    pub(super) peer_inputs: Vec<PeerInput>,
    /// The open sessions, if they changed.
    pub(super) peers: Option<Arc<Peers>>,
    /// Types whose module changed or came.
    pub(super) changed_types: BTreeSet<TypeName>,
    pub(super) shutdown: bool,
}

#[derive(Debug, Default)]
struct Queues {
    taken: Taken,
    commands: usize,
    command_bytes: usize,
    read_bytes: usize,
    peer_bytes: usize,
    closed: bool,
}

/// The way into a shard.
#[derive(Debug)]
pub(super) struct Inbox {
    limits: InboxLimits,
    queues: Mutex<Queues>,
    ready: Condvar,
}

/// Why an input was not taken. It is dropped.
#[derive(Debug)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl Inbox {
    pub(super) fn new(limits: InboxLimits) -> Self {
        Self {
            limits,
            queues: Mutex::new(Queues::default()),
            ready: Condvar::new(),
        }
    }

    /// Queues an update. A single update is taken however large it is, if nothing else waits.
    pub(super) fn push_update(&self, request: UpdateRequest) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.closed {
            return Err(Refused::Closed);
        }
        let commands = queues.commands + request.update.commands.len();
        let bytes = queues.command_bytes + request.size_bytes();
        let over = commands > self.limits.commands_max || bytes > self.limits.command_bytes_max;
        if over && !queues.taken.updates.is_empty() {
            return Err(Refused::Full);
        }
        (queues.commands, queues.command_bytes) = (commands, bytes);
        queues.taken.updates.push(request);
        self.ready.notify_one();
        Ok(())
    }

    /// Queues a read. A single one is taken however large it is, if nothing else waits.
    pub(super) fn push_read(&self, request: ReadRequest) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.closed {
            return Err(Refused::Closed);
        }
        let bytes = queues.read_bytes + request.size_bytes();
        let full = queues.taken.reads.len() >= self.limits.reads_max
            || bytes > self.limits.read_bytes_max && !queues.taken.reads.is_empty();
        if full {
            return Err(Refused::Full);
        }
        queues.read_bytes = bytes;
        queues.taken.reads.push(request);
        self.ready.notify_one();
        Ok(())
    }

    /// Queues something from a peer; false if it is dropped.
    pub(super) fn push_peer(&self, input: PeerInput) -> bool {
        let mut queues = self.lock();
        let bytes = queues.peer_bytes + input.size_bytes();
        let full = queues.taken.peer_inputs.len() >= self.limits.peer_inputs_max
            || bytes > self.limits.peer_bytes_max && !queues.taken.peer_inputs.is_empty();
        if full || queues.closed {
            return false;
        }
        queues.peer_bytes = bytes;
        queues.taken.peer_inputs.push(input);
        self.ready.notify_one();
        true
    }

    pub(super) fn set_peers(&self, peers: Arc<Peers>) {
        self.lock().taken.peers = Some(peers);
        self.ready.notify_one();
    }

    pub(super) fn change_type(&self, name: TypeName) {
        self.lock().taken.changed_types.insert(name);
        self.ready.notify_one();
    }

    /// Lets the shard finish what waits and end. Later inputs are refused.
    pub(super) fn close(&self) {
        let mut queues = self.lock();
        queues.closed = true;
        queues.taken.shutdown = true;
        self.ready.notify_one();
    }

    /// Takes everything that waits; if nothing does, waits for it until `deadline`.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut queues = self.lock();
        while queues.is_empty() {
            queues = match deadline {
                None => self
                    .ready
                    .wait(queues)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left == Duration::ZERO {
                        break;
                    }
                    let waited = self.ready.wait_timeout(queues, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        (queues.commands, queues.command_bytes) = (0, 0);
        (queues.read_bytes, queues.peer_bytes) = (0, 0);
        std::mem::take(&mut queues.taken)
    }

    /// Refuses everything from now on, also what waits: the shard is gone.
    pub(super) fn abandon(&self) {
        let mut queues = self.lock();
        queues.closed = true;
        queues.taken = Taken::default();
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn is_empty(&self) -> bool {
        let taken = &self.taken;
        taken.updates.is_empty()
            && taken.reads.is_empty()
            && taken.peer_inputs.is_empty()
            && taken.peers.is_none()
            && taken.changed_types.is_empty()
            && !taken.shutdown
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::topics::input::Read;
    use crate::vocabulary::{NodeError, Update, Updated};

    type Answer = oneshot::Receiver<Result<Updated, NodeError>>;

    fn update(commands: usize) -> (UpdateRequest, Answer) {
        let (reply, answer) = oneshot::channel();
        let update = Update {
            topic: "t".parse().unwrap(),
            id: "x".parse().unwrap(),
            type_name: None,
            commands: vec![vec![0; 10]; commands],
        };
        (UpdateRequest { update, reply }, answer)
    }

    fn inbox() -> Inbox {
        Inbox::new(InboxLimits {
            commands_max: 3,
            command_bytes_max: 25,
            reads_max: 2,
            read_bytes_max: 1_000,
            peer_inputs_max: 2,
            peer_bytes_max: 1 << 20,
        })
    }

    #[test]
    fn updates_beyond_the_bound_are_refused_but_a_single_one_is_taken() {
        let inbox = inbox();
        assert!(inbox.push_update(update(2).0).is_ok());
        assert!(matches!(inbox.push_update(update(2).0), Err(Refused::Full)));
        assert_eq!(inbox.take(None).updates.len(), 1);
        assert!(inbox.push_update(update(9).0).is_ok());
        assert!(matches!(inbox.push_update(update(1).0), Err(Refused::Full)));
    }

    #[test]
    fn inputs_of_peers_beyond_the_bound_are_dropped() {
        let inbox = inbox();
        let peer = NodeId::from_bytes([1; 32]);
        let input = || PeerInput::Differs {
            peer,
            topic: "t".parse().unwrap(),
        };
        assert!(inbox.push_peer(input()) && inbox.push_peer(input()));
        assert!(!inbox.push_peer(input()));
        assert_eq!(inbox.take(None).peer_inputs.len(), 2);
        assert!(inbox.push_peer(input()));
    }

    #[test]
    fn sessions_are_state_and_never_lost() {
        let inbox = inbox();
        for session in 1..100 {
            inbox.set_peers(Arc::new([(NodeId::from_bytes([1; 32]), session)].into()));
        }
        let peers = inbox.take(None).peers.unwrap();
        assert_eq!(peers.values().copied().collect::<Vec<_>>(), [99]);
        assert!(inbox.take(Some(Instant::now())).peers.is_none());
    }

    fn read(query_bytes: usize) -> ReadRequest {
        ReadRequest {
            topic: "t".parse().unwrap(),
            after: None,
            deadline: Instant::now(),
            read: Read::Query {
                id: "x".parse().unwrap(),
                type_name: None,
                query: vec![0; query_bytes],
                reply: oneshot::channel().0,
            },
        }
    }

    #[test]
    fn reads_beyond_the_bound_are_refused_but_a_single_one_is_taken() {
        let inbox = inbox();
        assert!(inbox.push_read(read(1)).is_ok());
        assert!(matches!(inbox.push_read(read(900)), Err(Refused::Full)));
        assert!(inbox.push_read(read(1)).is_ok());
        assert!(matches!(inbox.push_read(read(1)), Err(Refused::Full)));
        assert_eq!(inbox.take(None).reads.len(), 2);
        assert!(inbox.push_read(read(5_000)).is_ok());
    }

    #[test]
    fn a_session_that_is_opened_again_has_another_number() {
        let (mut sessions, peer) = (Sessions::default(), NodeId::from_bytes([1; 32]));
        let first = sessions.open(peer);
        assert!(sessions.close(peer).is_empty());
        let second = sessions.open(peer);
        let third = sessions.open(peer);
        assert!(first[&peer] < second[&peer] && second[&peer] < third[&peer]);
    }

    #[test]
    fn an_abandoned_inbox_lets_nobody_wait() {
        let inbox = inbox();
        let (request, mut answer) = update(1);
        assert!(inbox.push_update(request).is_ok());
        inbox.abandon();
        let closed = oneshot::error::TryRecvError::Closed;
        assert_eq!(answer.try_recv().unwrap_err(), closed);
        assert!(matches!(inbox.push_read(read(1)), Err(Refused::Closed)));
    }

    #[test]
    fn a_closed_inbox_gives_what_waited_and_takes_no_more() {
        let inbox = inbox();
        assert!(inbox.push_update(update(1).0).is_ok());
        inbox.close();
        assert!(matches!(
            inbox.push_update(update(1).0),
            Err(Refused::Closed)
        ));
        let taken = inbox.take(None);
        assert!(taken.shutdown && taken.updates.len() == 1);
    }
}
