//! The HTTP API of a node: everything that [`Node`] does, in JSON or CBOR.
//!
//! One request is one call of the node. This module keeps what a client may cost within bounds
//! ([`ApiConfig`]), turns names, tokens and bodies into the node's types, and its errors into
//! statuses; `docs/http-api.md` describes it for those who use it, and `/openapi.json` for
//! programs. A reader who looks for who may do what finds nothing: whoever reaches the port may do
//! everything, and so it is a loopback port unless the operator says otherwise.

mod admission;
mod body;
mod code;
mod config;
mod error;
mod format;
mod guard;
mod idle;
mod metrics;
mod names;
mod routes;
mod server;
pub mod views;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

pub use config::ApiConfig;
pub use routes::openapi;
pub use server::{ApiError, ApiServer, BoundApi};

use crate::Node;

/// What every request can use.
pub(crate) struct Api {
    node: Node,
    config: ApiConfig,
    address: SocketAddr,
    metrics: metrics::Metrics,
    /// A permit for each request that may be under way.
    requests: Arc<Semaphore>,
    /// A permit for each digest that may be computed.
    digests: Arc<Semaphore>,
    /// A permit for each watch that may be open.
    watches: Arc<Semaphore>,
    /// The budget for bodies.
    body_bytes: Arc<Semaphore>,
    /// Becomes true when the server stops.
    stopped: watch::Receiver<bool>,
}

impl Api {
    fn new(
        node: Node,
        config: ApiConfig,
        address: SocketAddr,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            metrics: metrics::Metrics::new(node.clone()),
            requests: Arc::new(Semaphore::new(config.requests_max)),
            digests: Arc::new(Semaphore::new(config.digests_max)),
            watches: Arc::new(Semaphore::new(config.watches_max)),
            body_bytes: body::budget(config.bodies_bytes_max),
            node,
            config,
            address,
            stopped,
        }
    }
}
