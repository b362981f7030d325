//! Opens connections: resolves names, connects, runs the handshake.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::select_ok;
use replicant_protocol::ids::{ClusterId, NodeId};
use replicant_protocol::session::{CloseReason, Local, Peer, Session, SessionError};
use tokio::net::TcpStream;

use super::config::NetworkConfig;
use super::connection;
use super::dial_plan::{Dial, DialAddress, Dialed, Target};
use super::driver::ControlInput;
use super::found::Place;
use super::handshake;
use super::listener;
use super::lookup;
use super::seed_name::SeedName;
use super::sessions::{Candidate, Link};
use super::shared::{Clock, Shared, seeded_rng};
use super::socket;
use super::statistics::{Count, Counters};

/// Why a dial led to no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// The name service, or whoever wrote the name.
    #[error("{name} could not be resolved: {reason}")]
    Name { name: String, reason: String },
    /// There is no address but this node's own.
    #[error("{name} has no address but this node's own; others may be listed later")]
    NoAddress { name: String },
    /// Nobody answers there, or not in time.
    #[error("{address} could not be reached: {reason}")]
    Unreachable { address: SocketAddr, reason: String },
    /// Somebody answers, but does not become a peer.
    #[error("{address}: {error}")]
    Handshake {
        address: SocketAddr,
        error: SessionError,
    },
}

/// Resolves what was given as `host:port` to at most `addresses_max` addresses, at least one.
///
/// # Errors
/// [`DialError::Name`].
pub(super) async fn resolve(
    name: &str,
    config: &NetworkConfig,
) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |reason: String| DialError::Name {
        name: name.to_owned(),
        reason,
    };
    let lookup = tokio::time::timeout(config.limits.dial_timeout, tokio::net::lookup_host(name));
    let found = match lookup.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(failed("the name service does not answer".to_owned())),
    };
    let found: Vec<SocketAddr> = found.take(config.limits.addresses_max.max(1)).collect();
    match found.is_empty() {
        true => Err(failed("it has no address".to_owned())),
        false => Ok(found),
    }
}

/// Nodes that are asked for their cluster side by side: some of many addresses lead nowhere.
const ASKED_AT_ONCE: usize = 8;

fn no_address() -> DialError {
    DialError::NoAddress {
        name: "what was to be dialed".to_owned(),
    }
}

/// What a dial needs to know of this node.
pub(super) struct Dialer<'a> {
    pub(super) config: &'a NetworkConfig,
    pub(super) local: Local,
    pub(super) clock: &'a Clock,
    pub(super) counters: &'a Counters,
}

/// An open session and its connection.
pub(super) struct Dialled {
    pub(super) peer: Peer,
    pub(super) address: SocketAddr,
    pub(super) stream: TcpStream,
    pub(super) session: Session,
}

impl Dialer<'_> {
    /// Tries the addresses in order until one gives a session.
    ///
    /// # Errors
    /// Why the last one did not.
    pub(super) async fn dial(
        &self,
        addresses: &[SocketAddr],
        expected: Option<NodeId>,
    ) -> Result<Dialled, DialError> {
        let mut last = None;
        for address in addresses {
            match self.dial_one(*address, expected).await {
                Ok(dialled) => return Ok(dialled),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Tries one address.
    ///
    /// # Errors
    /// Why it gives no session.
    pub(super) async fn dial_one(
        &self,
        address: SocketAddr,
        expected: Option<NodeId>,
    ) -> Result<Dialled, DialError> {
        let unreachable = |reason: String| {
            self.counters.add(Count::DialUnreachable);
            DialError::Unreachable { address, reason }
        };
        let connecting = TcpStream::connect(address);
        let limit = self.config.limits.dial_timeout;
        let mut stream = match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable("no answer in time".to_owned())),
        };
        socket::prepare(&stream);
        let failed = |error| DialError::Handshake { address, error };
        let mut session = self.initiator(expected).map_err(failed)?;
        let peer = handshake::establish(&mut stream, &mut session, self.clock, self.counters);
        let peer = peer.await.map_err(failed)?;
        Ok(Dialled {
            peer,
            address,
            stream,
            session,
        })
    }

    fn initiator(&self, expected: Option<NodeId>) -> Result<Session, SessionError> {
        let mut rng = seeded_rng().map_err(|_| SessionError::Internal {
            what: "the operating system gives no random numbers",
        })?;
        let config = self.config.session.clone();
        let now = self.clock.now();
        Session::initiator(config, self.local.clone(), expected, now, &mut rng)
    }

    /// Asks the nodes at these addresses which cluster they are in, a few at a time, until one
    /// answers, and hangs up before there is a session: whoever asks is nobody's peer yet.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask_cluster(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<ClusterId, DialError> {
        let mut last = None;
        for some in addresses.chunks(ASKED_AT_ONCE) {
            let asking = some.iter().map(|at| Box::pin(self.dial_one(*at, None)));
            match select_ok(asking).await {
                Ok((dialled, _)) => return Ok(dialled.peer.cluster),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }
}

/// Carries out a dial of the plan, reports, and if there is a session runs it to its end.
pub(super) async fn run(shared: Arc<Shared>, dial: Dial) {
    if let DialAddress::Lookup(seed) = &dial.address {
        return look_up(&shared, dial.target, seed).await;
    }
    let era = shared.era();
    let target = dial.target;
    let connected = tokio::select! {
        biased;
        () = shared.stop.begun() => Err(Dialed::Cancelled),
        () = era.cancelled() => Err(Dialed::Cancelled),
        connected = connect(&shared, &dial) => connected,
    };
    let (dialed, established) = match connected {
        Ok(established) => {
            let node = established.0.peer.node;
            (Dialed::Connected(node), Some(established))
        }
        Err(dialed) => (dialed, None),
    };
    let report = ControlInput::Dialed { target, dialed };
    let _ = shared.inbox.control.send(report).await;
    if let Some((link, stream, session)) = established {
        connection::run(&shared, link, stream, session).await;
    }
}

async fn look_up(shared: &Shared, target: Target, seed: &SeedName) {
    let looked = tokio::select! {
        biased;
        () = shared.stop.begun() => return,
        looked = lookup::addresses(seed, &shared.config) => looked,
    };
    let dialed = match looked {
        Ok(addresses) => {
            let places = addresses.into_iter();
            let places = places.map(|address| Place {
                address,
                node: None,
            });
            let found = ControlInput::Found(places.collect());
            let _ = shared.inbox.control.send(found).await;
            Dialed::LookedUp
        }
        Err(error) => {
            tracing::warn!("nobody new is found: {error}");
            shared.counters.add(Count::LookupsFailed);
            Dialed::Failed
        }
    };
    let report = ControlInput::Dialed { target, dialed };
    let _ = shared.inbox.control.send(report).await;
}

async fn connect(shared: &Shared, dial: &Dial) -> Result<(Arc<Link>, TcpStream, Session), Dialed> {
    let dialer = Dialer {
        config: &shared.config,
        local: shared.local(),
        clock: &shared.clock,
        counters: &shared.counters,
    };
    let dialled = match &dial.address {
        DialAddress::Node(node, address) => dialer.dial(&[*address], Some(*node)).await,
        DialAddress::Name(name) => match resolve(name, &shared.config).await {
            Ok(addresses) => dialer.dial(&addresses, None).await,
            Err(error) => Err(error),
        },
        DialAddress::Lookup(_) => return Err(Dialed::Failed),
    };
    let dialled = dialled.map_err(|error| failed(shared, dial.target, &error))?;
    let candidate = Candidate {
        peer: dialled.peer,
        remote: dialled.address.ip(),
        is_dialed: true,
    };
    let node = dialled.peer.node;
    let admitted = listener::admit(shared, candidate, dialled.stream, dialled.session);
    admitted.map_err(|reason| match reason {
        CloseReason::Duplicate => Dialed::Connected(node),
        CloseReason::Shutdown => Dialed::Cancelled,
        _ => Dialed::Failed,
    })
}

fn failed(shared: &Shared, target: Target, error: &DialError) -> Dialed {
    tracing::debug!("dialing {target:?} failed: {error}");
    match error {
        DialError::Handshake { error, .. } => {
            listener::count_failure(shared, error);
            match error {
                SessionError::Oneself => Dialed::Oneself,
                _ => Dialed::Failed,
            }
        }
        _ => Dialed::Failed,
    }
}
