//! How connections between nodes are set up.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// How long what was sent may go without a sign that it came. Sessions are quiet for minutes, and
/// membership takes a member for alive whom others reach; that this way to it is broken shows
/// here.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Sets a connection up. What cannot be set is left as the system has it.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    set_user_timeout(&SockRef::from(stream));
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn set_user_timeout(socket: &SockRef<'_>) {
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

/// Other systems give up after minutes by themselves.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn set_user_timeout(_: &SockRef<'_>) {
    let _ = UNACKNOWLEDGED_MAX;
}
