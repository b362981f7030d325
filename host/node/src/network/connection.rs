//! One established session: its socket is read and written side by side, so that a peer that does
//! not read can still be heard, and one that does not write can still be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replicant_protocol::session::{CloseReason, OutEvent, Session, SessionError};
use replicant_protocol::wire::WireError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::oneshot;

use super::driver::{ControlInput, DataInput};
use super::outbox::Next;
use super::rate::Rate;
use super::routing;
use super::sessions::Link;
use super::shared::Shared;
use super::statistics::Count;

/// Bytes read at a time, and about as many are encrypted ahead of the socket: one frame. What is
/// encrypted is not dropped any more, and failure detection waits behind it.
const BLOCK_BYTES: usize = 64 * 1024;

/// How long the end of a session may take: rest of a frame and goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a session is over.
#[derive(Debug)]
enum End {
    /// The peer said goodbye.
    PeerClosed(CloseReason),
    /// Everything was sent, and the goodbye too.
    Closed,
    /// Another task wants it closed.
    Told,
    /// The network is shutting down and does not wait any longer.
    Killed,
    /// The connection broke off.
    Broken,
    /// The peer does not read.
    Stalled,
    /// The session's own rules were broken.
    Failed(SessionError),
    /// The peer sent a message that no correct node sends.
    Malicious(WireError),
}

/// Runs a session until it is over, by whichever side. The table of sessions has it already.
pub(super) async fn run(shared: &Shared, link: Arc<Link>, mut stream: TcpStream, session: Session) {
    shared.counters.add(Count::SessionsOpened);
    let (known, is_known) = oneshot::channel();
    let up = ControlInput::Up(link.clone(), known);
    let _ = shared.inbox.control.send(up).await;
    let connection = Connection {
        shared,
        link: &link,
        session: Mutex::new(session),
    };
    let mut outgoing = Outgoing::default();
    let (mut reading, mut writing) = stream.split();
    // Reader and writer take turns: neither can use up what tokio lets a task do at a time.
    let exchange = async {
        tokio::select! {
            end = connection.read(&mut reading, is_known) => end,
            end = connection.write(&mut writing, &mut outgoing) => end,
        }
    };
    let end = tokio::select! {
        biased;
        () = shared.stop.killed() => End::Killed,
        () = link.ended.cancelled() => End::Told,
        end = exchange => end,
    };
    shared.sessions.remove(&link);
    let reason = connection.account(&end);
    if matches!(end, End::Told) {
        connection.say_last();
    }
    if matches!(
        end,
        End::Told | End::Closed | End::Failed(_) | End::Malicious(_)
    ) {
        let goodbye = connection.say_goodbye(&mut writing, &mut outgoing, reason);
        tokio::select! {
            () = shared.stop.killed() => {}
            _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbye) => {}
        }
    }
    // So that whoever still holds the link does not think that it is in use.
    link.outbox.close_at_once(reason);
    if matches!(end, End::PeerClosed(_) | End::Broken) {
        settle(shared).await;
    }
    let _ = shared.inbox.control.send(ControlInput::Down(link)).await;
}

/// Waits until the driver has heard what the peer said before it went.
async fn settle(shared: &Shared) {
    let (reached, is_reached) = oneshot::channel();
    if shared
        .inbox
        .data
        .send(DataInput::Fence(reached))
        .await
        .is_ok()
    {
        // An error means that the driver has ended.
        let _ = is_reached.await;
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    link: &'a Arc<Link>,
    session: Mutex<Session>,
}

impl Connection<'_> {
    /// Reads until the session is over. Nobody hears of a message before they know of the session:
    /// to those who do not know the peer it would mean nothing.
    async fn read(&self, half: &mut ReadHalf<'_>, is_known: oneshot::Receiver<()>) -> End {
        if is_known.await.is_err() {
            // Another session took its place, or the driver has ended.
            return End::Told;
        }
        let limits = &self.shared.config.limits;
        let now = self.shared.clock.now();
        let mut bytes_rate = Rate::new(now, limits.receive_bytes_per_second);
        let mut messages_rate = Rate::new(now, limits.receive_messages_per_second);
        let mut control_rate = Rate::new(now, limits.receive_control_bytes_per_second);
        let mut buffer = vec![0; BLOCK_BYTES];
        let (mut count, mut result) = (0, Ok(()));
        loop {
            // Also before the first read: messages may have come with the handshake.
            let (messages, control_bytes) = match self.deliver().await {
                Ok(delivered) => delivered,
                Err(end) => return end,
            };
            if let Err(error) = result {
                return End::Failed(error);
            }
            let now = self.shared.clock.now();
            let pause = bytes_rate.charge(now, count);
            let pause = pause.max(messages_rate.charge(now, messages));
            let pause = pause.max(control_rate.charge(now, control_bytes));
            if !pause.is_zero() {
                self.shared.counters.add(Count::RateLimited);
                tokio::time::sleep(pause).await;
            }
            count = half.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                return End::Broken;
            }
            self.shared
                .counters
                .add_many(Count::BytesReceived, count as u64);
            let now = self.shared.clock.now();
            result = self.session().handle_bytes(now, &buffer[..count]);
        }
    }

    /// Hands out what the session received; says how many messages, and how many bytes of them are
    /// failure detection.
    async fn deliver(&self) -> Result<(usize, usize), End> {
        let (mut count, mut control_bytes) = (0, 0);
        loop {
            let event = self.session().poll_event();
            match event {
                None => return Ok((count, control_bytes)),
                Some(OutEvent::Established(_)) => {}
                Some(OutEvent::Closed(reason)) => return Err(End::PeerClosed(reason)),
                Some(OutEvent::Message(bytes)) => {
                    count += 1;
                    self.shared.counters.add(Count::MessagesReceived);
                    let delivered = routing::deliver(self.shared, self.link, &bytes).await;
                    control_bytes += delivered.map_err(End::Malicious)?;
                }
            }
        }
    }

    /// Writes, and watches the time, until the session is over.
    async fn write(&self, half: &mut WriteHalf<'_>, outgoing: &mut Outgoing) -> End {
        loop {
            let now = self.shared.clock.now();
            if let Err(error) = self.session().handle_timeout(now) {
                return End::Failed(error);
            }
            if self.session().is_over() {
                // The reader says why, after it has handed out what came before the end.
                return std::future::pending().await;
            }
            let is_last = self.fill(now, outgoing);
            let is_idle = outgoing.is_empty();
            if let Err(end) = outgoing.write(half, self.shared).await {
                return end;
            }
            if is_last {
                return End::Closed;
            }
            if !is_idle {
                continue;
            }
            let due = self.session().next_timeout().unwrap_or(now);
            tokio::select! {
                () = self.link.outbox.changed() => {}
                () = self.link.doubted.notified() => {
                    let now = self.shared.clock.now();
                    self.session().handle_doubt(now);
                }
                () = tokio::time::sleep_until(self.shared.clock.instant(due)) => {}
            }
        }
    }

    /// Encrypts up to a block of what waits. Says whether nothing will follow.
    fn fill(&self, now: Duration, outgoing: &mut Outgoing) -> bool {
        let mut session = self.session();
        let mut encrypted_bytes = 0;
        let mut is_last = false;
        while encrypted_bytes < BLOCK_BYTES && !is_last {
            match self.link.outbox.pop() {
                Next::Nothing => break,
                Next::Close(reason) => {
                    session.close(reason);
                    is_last = true;
                }
                Next::Message(message) => {
                    encrypted_bytes += message.bytes().len();
                    match session.send(now, message.bytes()) {
                        Ok(()) => self.shared.counters.add(Count::MessagesSent),
                        // Larger than a message may be; the outbox was empty of others.
                        Err(_) => self.shared.counters.add(Count::DroppedPeerSlow),
                    }
                }
            }
        }
        outgoing.add(session.poll_transmit());
        is_last
    }

    /// Counts an end, punishes for it where that is due, and says what to tell the peer.
    fn account(&self, end: &End) -> CloseReason {
        let counters = &self.shared.counters;
        let peer = self.link.peer.node;
        let misbehaved = |what: &dyn std::fmt::Display| {
            tracing::warn!(peer = %peer.short(), "session closed for misbehaviour: {what}");
            self.shared.punish_node(peer);
            counters.add(Count::SessionsMalicious);
            CloseReason::Misbehaviour
        };
        match end {
            End::PeerClosed(CloseReason::Misbehaviour) => {
                tracing::warn!(peer = %peer.short(), "the peer says that this node misbehaved");
                CloseReason::Shutdown
            }
            End::PeerClosed(CloseReason::Duplicate) => {
                counters.add(Count::SessionsDuplicate);
                CloseReason::Duplicate
            }
            End::PeerClosed(CloseReason::Refused) => {
                self.note_refusal();
                CloseReason::Shutdown
            }
            End::PeerClosed(_) => CloseReason::Shutdown,
            End::Told | End::Closed | End::Killed => {
                let reason = self.link.outbox.closing();
                let reason = reason.unwrap_or(CloseReason::Shutdown);
                if reason == CloseReason::Duplicate {
                    counters.add(Count::SessionsDuplicate);
                }
                reason
            }
            End::Broken => {
                counters.add(Count::SessionsBroken);
                CloseReason::Shutdown
            }
            End::Stalled => {
                counters.add(Count::SessionsStalled);
                CloseReason::Idle
            }
            End::Failed(error) if error.malicious() => misbehaved(error),
            End::Failed(SessionError::IdleTimeout) => {
                counters.add(Count::SessionsIdle);
                CloseReason::Idle
            }
            End::Failed(_) => {
                counters.add(Count::SessionsBroken);
                CloseReason::Shutdown
            }
            End::Malicious(error) => misbehaved(error),
        }
    }

    /// The peer does not want this session.
    fn note_refusal(&self) {
        self.shared.counters.add(Count::RefusedByPeer);
        // It comes again with every attempt.
        let count = self.shared.counters.get(Count::RefusedByPeer);
        if count.is_power_of_two() {
            tracing::warn!(
                peer = %self.link.peer.node.short(),
                count,
                "a peer refuses sessions with this node: it has as many as it may, or a fact \
                 revokes this node (ask the peer: `replicant fact list --kind node-revocation`)"
            );
        }
    }

    /// Encrypts what was to be said last, if anything: the rest of the outbox is forgotten by now.
    fn say_last(&self) {
        let now = self.shared.clock.now();
        while let Next::Message(message) = self.link.outbox.pop() {
            // An error means that the session is over at the other end.
            if self.session().send(now, message.bytes()).is_ok() {
                self.shared.counters.add(Count::MessagesSent);
            }
        }
    }

    async fn say_goodbye(
        &self,
        half: &mut WriteHalf<'_>,
        outgoing: &mut Outgoing,
        reason: CloseReason,
    ) {
        {
            let mut session = self.session();
            session.close(reason);
            outgoing.add(session.poll_transmit());
        }
        if outgoing.write(half, self.shared).await.is_ok() {
            // The peer reads the goodbye before it sees the end.
            let _ = half.shutdown().await;
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // Reader and writer run in one task: the lock is never contended, and never held while
        // either waits.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Encrypted bytes on their way into the socket. Whoever is interrupted while writing leaves here
/// how far it came, so that a goodbye does not end up inside a frame.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    fn add(&mut self, bytes: Option<Vec<u8>>) {
        let bytes = bytes.unwrap_or_default();
        if self.is_empty() {
            (self.bytes, self.written) = (bytes, 0);
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Writes everything. Each block has to be taken within the write timeout, so that answering
    /// just under it does not help. May be dropped at any point and called again.
    async fn write(&mut self, half: &mut WriteHalf<'_>, shared: &Shared) -> Result<(), End> {
        let timeout = shared.config.limits.write_timeout;
        while !self.is_empty() {
            let until = (self.written + BLOCK_BYTES).min(self.bytes.len());
            let deadline = tokio::time::Instant::now() + timeout;
            while self.written < until {
                let writing = half.write(&self.bytes[self.written..until]);
                match tokio::time::timeout_at(deadline, writing).await {
                    Err(_) => return Err(End::Stalled),
                    Ok(Err(_) | Ok(0)) => return Err(End::Broken),
                    Ok(Ok(count)) => {
                        self.written += count;
                        shared.counters.add_many(Count::BytesSent, count as u64);
                    }
                }
            }
        }
        *self = Self::default();
        Ok(())
    }
}
