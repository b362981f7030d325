//! From a connection to a session.

use replicant_protocol::session::{OutEvent, Peer, Session, SessionError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::shared::Clock;
use super::statistics::{Count, Counters};

/// Bytes read at a time: two statements.
const READ_BYTES: usize = 1_024;

/// Runs a handshake to its end, which the session's configuration sets a time for. What the peer
/// sent behind the handshake stays in the session, and so does the last message of whoever dialed:
/// as long as that is not sent the peer has no session, and hears nothing of one that is dropped.
///
/// # Errors
/// Why there is no session. The peer is told if that can be done without waiting.
pub(super) async fn establish(
    stream: &mut TcpStream,
    session: &mut Session,
    clock: &Clock,
    counters: &Counters,
) -> Result<Peer, SessionError> {
    let deadline = session.next_timeout().unwrap_or_default();
    let exchange = exchange(stream, session, clock, counters);
    let result = match tokio::time::timeout_at(clock.instant(deadline), exchange).await {
        Ok(result) => result,
        Err(_) => Err(SessionError::HandshakeTimeout),
    };
    if result.is_err()
        && let Some(bytes) = session.poll_transmit()
    {
        // A few hundred bytes: they fit the socket's buffer, or the peer does not read at all.
        let _ = stream.try_write(&bytes);
    }
    result
}

async fn exchange(
    stream: &mut TcpStream,
    session: &mut Session,
    clock: &Clock,
    counters: &Counters,
) -> Result<Peer, SessionError> {
    let mut buffer = [0; READ_BYTES];
    loop {
        if let Some(OutEvent::Established(peer)) = session.poll_event() {
            return Ok(peer);
        }
        if let Some(bytes) = session.poll_transmit() {
            if stream.write_all(&bytes).await.is_err() {
                return Err(SessionError::Truncated);
            }
            counters.add_many(Count::BytesSent, bytes.len() as u64);
        }
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return Err(SessionError::Truncated);
        }
        counters.add_many(Count::BytesReceived, count as u64);
        session.handle_bytes(clock.now(), &buffer[..count])?;
    }
}
