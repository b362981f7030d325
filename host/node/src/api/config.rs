//! Where the API listens and what it lets a client use.

use std::net::SocketAddr;
use std::time::Duration;

/// How to serve the API. [`ApiConfig::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where to listen. Port 0 takes a free one. Must be a loopback address unless
    /// [`any_address`](Self::any_address) is set: whoever reaches the port may do everything.
    pub listen: SocketAddr,
    /// Listen on an address that other machines reach. Nothing asks a client who it is. Default
    /// false.
    pub any_address: bool,
    /// Host names that a client may use besides `localhost` and plain addresses, in lower case.
    /// Any other name in a `Host` header is refused, since a web page could have pointed it here
    /// (DNS rebinding). Default none.
    pub host_names: Vec<String>,
    /// Bytes of one request's body. Default 16 MiB: a full batch of commands of common size.
    pub body_bytes_max: usize,
    /// Bytes of a component. Default 32 MiB: what peers hand on at most.
    pub module_bytes_max: usize,
    /// Bytes of all bodies that are held at a time; beyond, requests are refused as busy. Default
    /// 256 MiB. A body is held twice for a moment, as it came and as CBOR.
    pub bodies_bytes_max: usize,
    /// Requests under way at a time, without open watches; beyond, requests are refused as busy.
    /// Default 256.
    pub requests_max: usize,
    /// Digests computed at a time; beyond, they are refused as busy. Each loads every object of a
    /// topic while all topics that share its thread wait. Default 2.
    pub digests_max: usize,
    /// Connections open at a time; beyond, a new one takes the place of the one that has waited
    /// longest for a request ([`give_way_after`](Self::give_way_after)), and waits if there is
    /// none. Default 1,024. Each may hold [`head_bytes_max`](Self::head_bytes_max), and takes one
    /// of the files that the process may have open: the node needs some for its disk and its
    /// peers.
    pub connections_max: usize,
    /// Watches open at a time; beyond, they are refused as busy. Each takes a connection. Default
    /// 512, so that as many connections are left for everything else.
    pub watches_max: usize,
    /// Bytes of a request's line and headers. Default 128 KiB: version tokens of large clusters
    /// stand in the line.
    pub head_bytes_max: usize,
    /// How long a client may take to send the head of a request, and how long a connection may
    /// be idle. Default 30 s: longer than common clients keep an idle connection.
    pub head_wait: Duration,
    /// How long a connection may wait for a request, or for the rest of a request's head, while
    /// all connections are taken and another client wants in. Default 1 s: shorter could cut off
    /// who is slow, longer lets whoever opens many connections keep the others out.
    pub give_way_after: Duration,
    /// How long a client may take to send a body. Default 30 s.
    pub body_wait: Duration,
    /// How long a request may take from its head to its answer. Default 60 s, above all that a
    /// request waits for inside. What it was to do may happen all the same.
    pub request_wait: Duration,
    /// How long a connection that has something to send may make no progress. Default 30 s.
    pub write_wait: Duration,
    /// How often a quiet watch sends a comment, so that both sides notice a broken connection.
    /// Default 15 s.
    pub heartbeat: Duration,
    /// How long requests under way may take to finish when the server stops. Default 5 s.
    pub shutdown_wait: Duration,
}

/// Header fields of one request: more than any browser sends.
pub(crate) const HEADERS_MAX: usize = 64;

impl ApiConfig {
    /// Defaults, for an address to listen on.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            any_address: false,
            host_names: Vec::new(),
            body_bytes_max: 16 << 20,
            module_bytes_max: 32 << 20,
            bodies_bytes_max: 256 << 20,
            requests_max: 256,
            digests_max: 2,
            connections_max: 1_024,
            watches_max: 512,
            head_bytes_max: 128 << 10,
            head_wait: Duration::from_secs(30),
            give_way_after: Duration::from_secs(1),
            body_wait: Duration::from_secs(30),
            request_wait: Duration::from_secs(60),
            write_wait: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            shutdown_wait: Duration::from_secs(5),
        }
    }
}
