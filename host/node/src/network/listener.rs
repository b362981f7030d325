//! Accepts connections and answers their handshakes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::session::{CloseReason, Peer, Session, SessionError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection;
use super::handshake;
use super::penalties::Source;
use super::rate::Rate;
use super::sessions::{Candidate, Link};
use super::shared::{Shared, seeded_rng};
use super::socket;
use super::statistics::Count;

/// The pause after accepting failed, which is for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the network stops.
pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    let per_second = shared.config.limits.accepts_per_second;
    let mut rate = Rate::new(shared.clock.now(), per_second);
    loop {
        let accepted = tokio::select! {
            () = shared.stop.begun() => return,
            accepted = listener.accept() => accepted,
        };
        let pause = match accepted {
            Ok((stream, remote)) => {
                accept(&shared, stream, remote);
                rate.charge(shared.clock.now(), 1)
            }
            Err(_) => {
                shared.counters.add(Count::AcceptFailed);
                ACCEPT_PAUSE
            }
        };
        if !pause.is_zero() {
            tokio::select! {
                () = shared.stop.begun() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Answers a connection in a task of its own, or drops it.
fn accept(shared: &Arc<Shared>, stream: TcpStream, remote: SocketAddr) {
    let source = Source::from(remote.ip());
    if !shared.sessions.is_open() {
        return shared.counters.add(Count::RefusedDisabled);
    }
    if shared.is_source_refused(&source) {
        return shared.counters.add(Count::RefusedPenalty);
    }
    let token = shared.era().child_token();
    let (number, is_crowded) = shared.half_open().insert(source, token.clone());
    if is_crowded {
        shared.counters.add(Count::HalfOpenEvicted);
    }
    let shared = shared.clone();
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let session = answer(&shared, stream, remote, number, token).await;
        if let Some((link, stream, session)) = session {
            connection::run(&shared, link, stream, session).await;
        }
    });
}

/// Runs the handshake of an accepted connection.
async fn answer(
    shared: &Shared,
    mut stream: TcpStream,
    remote: SocketAddr,
    number: u64,
    token: CancellationToken,
) -> Option<(Arc<Link>, TcpStream, Session)> {
    let handshake = async {
        let mut session = responder(shared)?;
        socket::prepare(&stream);
        let (clock, counters) = (&shared.clock, &shared.counters);
        let peer = handshake::establish(&mut stream, &mut session, clock, counters).await?;
        Ok((peer, session))
    };
    let result = tokio::select! {
        biased;
        () = shared.stop.begun() => None,
        () = token.cancelled() => None,
        result = handshake => Some(result),
    };
    shared.half_open().remove(number);
    let (peer, session) = match result? {
        Ok(established) => established,
        Err(error) => {
            count_failure(shared, &error);
            if error.malicious() {
                shared.count_offence(Source::from(remote.ip()));
            }
            return None;
        }
    };
    let candidate = Candidate {
        peer,
        remote: remote.ip(),
        is_dialed: false,
    };
    admit(shared, candidate, stream, session).ok()
}

fn responder(shared: &Shared) -> Result<Session, SessionError> {
    let mut rng = seeded_rng().map_err(|_| SessionError::Internal {
        what: "the operating system gives no random numbers",
    })?;
    let config = shared.config.session.clone();
    Session::responder(config, shared.local(), shared.clock.now(), &mut rng)
}

/// Counts a failed handshake under its cause.
pub(super) fn count_failure(shared: &Shared, error: &SessionError) {
    tracing::debug!("handshake failed: {error}");
    shared.counters.add(Count::of_handshake(error));
    if matches!(error, SessionError::View { .. }) {
        let count = shared.counters.get(Count::HandshakeView);
        // It comes again with every attempt.
        if count.is_power_of_two() {
            tracing::warn!(count, "a node is refused: {error}");
        }
    }
}

/// Puts an established session into use, or closes it: an accepted one with the reason, a dialed
/// one before the peer has it.
///
/// # Errors
/// Why it was closed.
pub(super) fn admit(
    shared: &Shared,
    candidate: Candidate,
    stream: TcpStream,
    mut session: Session,
) -> Result<(Arc<Link>, TcpStream, Session), CloseReason> {
    let Peer { node, .. } = candidate.peer;
    let admitted = match shared.is_node_refused(&node) {
        true if shared.is_node_revoked(&node) => Err(CloseReason::Refused),
        true => Err(CloseReason::Misbehaviour),
        false => {
            let now = shared.clock.now();
            shared.sessions.admit(now, candidate)
        }
    };
    let reason = match admitted {
        Ok(link) => return Ok((link, stream, session)),
        Err(reason) => reason,
    };
    shared.counters.add(match reason {
        CloseReason::Misbehaviour => Count::RefusedPenalty,
        CloseReason::Duplicate => Count::SessionsDuplicate,
        CloseReason::Shutdown => Count::RefusedDisabled,
        _ if shared.is_node_revoked(&node) => Count::RefusedRevoked,
        _ => Count::RefusedFull,
    });
    if !candidate.is_dialed {
        session.close(reason);
        if let Some(bytes) = session.poll_transmit() {
            // A fresh socket has room for a goodbye.
            let _ = stream.try_write(&bytes);
        }
    }
    Err(reason)
}
