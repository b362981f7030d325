//! The state machine of one session.

use std::collections::VecDeque;
use std::time::Duration;

use rand::CryptoRng;

use crate::ids::NodeId;

use super::frame::{FRAME_BYTES_MAX, FrameReader, Plain, TAG_BYTES};
use super::handshake::{Handshake, Step};
use super::statement::Role;
use super::transport::{Received, Transport};
use super::{CloseReason, Config, Local, MESSAGE_BYTES_MAX, OutEvent, SendError, SessionError};

/// No timeout is shorter: with one of zero a session would end, or speak, without a pause.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// One end of a connection between two nodes: bytes in, bytes out, messages in, messages out.
///
/// # Operating it
///
/// Make one per connection: [`Session::initiator`] for a connection that this node opened,
/// [`Session::responder`] for one that it accepted. Then, after every input, in this order:
///
/// 1. drain [`poll_event`](Session::poll_event);
/// 2. write what [`poll_transmit`](Session::poll_transmit) gives to the connection;
/// 3. arm one timer for [`next_timeout`](Session::next_timeout).
///
/// Inputs: [`handle_bytes`](Session::handle_bytes) with whatever was read, cut anywhere;
/// [`handle_end`](Session::handle_end) when the connection ended;
/// [`handle_timeout`](Session::handle_timeout) when the timer fired;
/// [`send`](Session::send) and [`close`](Session::close) from this side.
///
/// An input that returns an error has ended the session: drain and transmit as always, then close
/// the connection. Events from before the error are still there and valid.
///
/// `now` is monotonic and never goes back; it may stand still. The generator is used by the
/// constructors only and makes the session's keys: it has to be seeded by the operating system
/// wherever secrecy matters.
pub struct Session {
    config: Config,
    phase: Phase,
    reader: FrameReader,
    events: VecDeque<OutEvent>,
    outgoing: Vec<u8>,
    deadline: Duration,
    last_received: Duration,
    last_sent: Duration,
    /// When it ends unless the peer is heard before.
    doubted_until: Option<Duration>,
}

enum Phase {
    Handshake(Box<Handshake>),
    Open(Box<Transport>),
    Over,
}

impl Session {
    /// Opens a session over a connection that this node made. If `expected` is given, any other
    /// node is refused.
    ///
    /// # Errors
    /// [`SessionError::Internal`] only.
    pub fn initiator(
        config: Config,
        local: Local,
        expected: Option<NodeId>,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let mut handshake = Handshake::new(Role::Initiator, local, expected, rng)?;
        let mut outgoing = Vec::new();
        handshake.start(&mut outgoing)?;
        Ok(Self::new(config, handshake, outgoing, now))
    }

    /// Answers on a connection that this node accepted.
    ///
    /// # Errors
    /// [`SessionError::Internal`] only.
    pub fn responder(
        config: Config,
        local: Local,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let handshake = Handshake::new(Role::Responder, local, None, rng)?;
        Ok(Self::new(config, handshake, Vec::new(), now))
    }

    fn new(mut config: Config, handshake: Handshake, outgoing: Vec<u8>, now: Duration) -> Self {
        config.message_bytes_max = config.message_bytes_max.clamp(1, MESSAGE_BYTES_MAX);
        config.handshake_timeout = config.handshake_timeout.max(TIMEOUT_MIN);
        config.keep_alive_interval = config.keep_alive_interval.max(TIMEOUT_MIN);
        config.idle_timeout = config.idle_timeout.max(TIMEOUT_MIN);
        config.doubt_timeout = config.doubt_timeout.max(TIMEOUT_MIN);
        let one = Transport::wire_bytes(config.message_bytes_max);
        config.outgoing_bytes_max = config.outgoing_bytes_max.max(one);
        Self {
            deadline: now.saturating_add(config.handshake_timeout),
            config,
            phase: Phase::Handshake(Box::new(handshake)),
            reader: FrameReader::default(),
            events: VecDeque::new(),
            outgoing,
            last_received: now,
            last_sent: now,
            doubted_until: None,
        }
    }

    /// Takes bytes from the connection.
    ///
    /// # Errors
    /// See [`SessionError`]. The session is over.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), SessionError> {
        if matches!(self.phase, Phase::Over) {
            return Err(SessionError::Over);
        }
        let result = self.read_frames(now, bytes);
        self.end_on_error(result)
    }

    /// Takes note that the connection ended or failed.
    ///
    /// # Errors
    /// [`SessionError::Truncated`] unless a goodbye was said before.
    pub fn handle_end(&mut self) -> Result<(), SessionError> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => Ok(()),
            Phase::Handshake(_) | Phase::Open(_) => Err(SessionError::Truncated),
        }
    }

    /// Takes note that the peer may be gone: the session ends soon unless it is heard.
    pub fn handle_doubt(&mut self, now: Duration) {
        let until = now.saturating_add(self.config.doubt_timeout);
        self.doubted_until.get_or_insert(until);
    }

    /// Does what is due. May be called at any time.
    ///
    /// # Errors
    /// [`SessionError::HandshakeTimeout`], [`SessionError::IdleTimeout`]. The session is over.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), SessionError> {
        let (idle_at, keep_alive_at) = (self.idle_at(), self.keep_alive_at());
        let result = match &mut self.phase {
            Phase::Over => Ok(()),
            Phase::Handshake(_) if now >= self.deadline => Err(SessionError::HandshakeTimeout),
            Phase::Handshake(_) => Ok(()),
            Phase::Open(_) if now >= idle_at => Err(SessionError::IdleTimeout),
            Phase::Open(transport) if now >= keep_alive_at => {
                self.last_sent = now;
                transport.write(&Plain::KeepAlive, &mut self.outgoing)
            }
            Phase::Open(_) => Ok(()),
        };
        self.end_on_error(result)
    }

    /// When [`handle_timeout`](Session::handle_timeout) is due at the latest; `None` once over.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Over => None,
            Phase::Handshake(_) => Some(self.deadline),
            Phase::Open(_) => Some(self.idle_at().min(self.keep_alive_at())),
        }
    }

    fn idle_at(&self) -> Duration {
        let idle_at = self.last_received.saturating_add(self.config.idle_timeout);
        self.doubted_until.map_or(idle_at, |at| at.min(idle_at))
    }

    fn keep_alive_at(&self) -> Duration {
        let interval = self.config.keep_alive_interval;
        self.last_sent.saturating_add(interval)
    }

    /// Encrypts a message for the peer. About 0.8 ns a byte.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent and the session goes on.
    pub fn send(&mut self, now: Duration, message: &[u8]) -> Result<(), SendError> {
        let Phase::Open(transport) = &mut self.phase else {
            return Err(SendError::NotEstablished);
        };
        let (length, max) = (message.len(), self.config.message_bytes_max);
        if length == 0 || length > max {
            return Err(SendError::Length { length, max });
        }
        let waiting = self.outgoing.len();
        if waiting + Transport::wire_bytes(length) > self.config.outgoing_bytes_max {
            return Err(SendError::Backlog { waiting });
        }
        self.last_sent = now;
        if transport
            .write_message(message, &mut self.outgoing)
            .is_err()
        {
            // The only cause is a nonce at its end, after 2^64 frames.
            self.phase = Phase::Over;
            return Err(SendError::NotEstablished);
        }
        Ok(())
    }

    /// Says goodbye, if the session is established, and ends it.
    pub fn close(&mut self, reason: CloseReason) {
        if let Phase::Open(mut transport) = std::mem::replace(&mut self.phase, Phase::Over) {
            // If even this cannot be written the peer sees a connection that ends.
            let _ = transport.write(&Plain::Close(reason), &mut self.outgoing);
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<OutEvent> {
        self.events.pop_front()
    }

    /// All bytes that are to be written to the connection, if any.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let bytes = std::mem::take(&mut self.outgoing);
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Whether messages can be sent.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether nothing more will come or go, but for what
    /// [`poll_transmit`](Session::poll_transmit) holds.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn read_frames(&mut self, now: Duration, mut bytes: &[u8]) -> Result<(), SessionError> {
        loop {
            let (min, max) = match &self.phase {
                Phase::Over => return Ok(()),
                Phase::Handshake(handshake) => handshake.frame_bounds(),
                Phase::Open(_) => (TAG_BYTES + 1, FRAME_BYTES_MAX),
            };
            let Some(frame) = self.reader.read(&mut bytes, min, max)? else {
                return Ok(());
            };
            self.last_received = now;
            self.doubted_until = None;
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => {}
                Phase::Handshake(handshake) => {
                    match handshake.step(frame, &self.config, &mut self.outgoing)? {
                        Step::Wait(handshake) => self.phase = Phase::Handshake(handshake),
                        Step::Done(transport, peer) => {
                            self.phase = Phase::Open(transport);
                            self.last_sent = now;
                            self.events.push_back(OutEvent::Established(peer));
                        }
                    }
                }
                Phase::Open(mut transport) => {
                    let received = transport.read(frame, self.config.message_bytes_max);
                    self.phase = Phase::Open(transport);
                    self.take(received?);
                }
            }
        }
    }

    fn take(&mut self, received: Received) {
        match received {
            Received::Nothing => {}
            Received::Message(message) => self.events.push_back(OutEvent::Message(message)),
            Received::Close(reason) => {
                self.events.push_back(OutEvent::Closed(reason));
                self.phase = Phase::Over;
            }
        }
    }

    /// Ends the session after an error; an established peer is told why.
    fn end_on_error(&mut self, result: Result<(), SessionError>) -> Result<(), SessionError> {
        if let Err(error) = &result {
            self.close(match error {
                SessionError::IdleTimeout => CloseReason::Idle,
                _ => CloseReason::Misbehaviour,
            });
        }
        result
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let phase = match self.phase {
            Phase::Handshake(_) => "handshake",
            Phase::Open(_) => "open",
            Phase::Over => "over",
        };
        f.debug_struct("Session")
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}
