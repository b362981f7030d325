//! Starting: listen, find the cluster, run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::select_ok;
use futures::stream::FuturesUnordered;
use rand::RngExt;
use replicant_protocol::ids::ClusterId;
use replicant_protocol::session::SessionError;
use replicant_protocol::{discovery, session};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::beacons::{self, BeaconSocket, Beacons};
use super::budget::Budget;
use super::config::NetworkConfig;
use super::dialer::{self, DialError, Dialer};
use super::driver::Driver;
use super::error::NetworkError;
use super::events::NetworkEvents;
use super::handle::{BROADCASTS_MAX, NetworkHandle, REQUESTS_MAX};
use super::inputs::Inputs;
use super::listener;
use super::lookup;
use super::seed_name::SeedName;
use super::shared::{Clock, Inbox, Shared, seeded_rng};
use super::statistics::Counters;

/// Nodes that are heard and asked side by side.
const ASKED_MAX: usize = 16;

/// After so long without an answer a person is told what this node waits for.
const LOOKING_SAID_AFTER: Duration = Duration::from_secs(3);

/// A node that has its address and does not take part yet: connections wait to be accepted.
#[derive(Debug)]
pub struct BoundNetwork {
    config: NetworkConfig,
    listener: TcpListener,
    listen: SocketAddr,
    advertised: SocketAddr,
    seeds: Vec<SeedName>,
    beacons: Option<BeaconSocket>,
}

impl BoundNetwork {
    /// Begins to listen, and finds out under which address others find this node.
    ///
    /// # Errors
    /// [`NetworkError::Listen`], [`NetworkError::Advertise`], [`NetworkError::Seed`],
    /// [`NetworkError::Discover`].
    pub async fn bind(config: NetworkConfig) -> Result<Self, NetworkError> {
        let config = config.within_range();
        let seeds = config.seeds.iter().map(|seed| parsed(seed));
        let seeds = seeds.collect::<Result<_, _>>()?;
        let failed = |error: std::io::Error| NetworkError::Listen {
            address: config.listen,
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let advertised = match &config.advertise {
            None => listen,
            Some(name) => advertised(name, &config).await?,
        };
        check_advertised(advertised, config.advertise.as_deref())?;
        let beacons = config.discover;
        let beacons = beacons.map(|group| BeaconSocket::open(group, advertised.ip()));
        let beacons = beacons.transpose()?;
        Ok(Self {
            beacons,
            config,
            listener,
            listen,
            advertised,
            seeds,
        })
    }

    /// Where the node listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Whom the node was told to join.
    pub fn seeds(&self) -> &[String] {
        &self.config.seeds
    }

    /// Whether the node was told where to look for others.
    pub fn is_to_join(&self) -> bool {
        !self.seeds.is_empty() || self.beacons.is_some()
    }

    /// Asks the seeds, and whoever is heard on the local network, which cluster they are in, again
    /// and again until one answers or [`join_wait`](NetworkConfig::join_wait) is over. For a node
    /// that has no cluster yet: it stores the answer, then starts.
    ///
    /// # Errors
    /// [`NetworkError::Join`]; asking again is possible. [`NetworkError::OtherStrategy`].
    pub async fn find_cluster(&self) -> Result<ClusterId, NetworkError> {
        self.find(self.beacons.as_ref()).await
    }

    /// The same of the seeds alone: for a node that has a cluster. Others on the local network may
    /// be in any.
    ///
    /// # Errors
    /// [`NetworkError::Join`]; asking again is possible. [`NetworkError::OtherStrategy`].
    pub async fn ask_cluster(&self) -> Result<ClusterId, NetworkError> {
        self.find(None).await
    }

    async fn find(&self, socket: Option<&BeaconSocket>) -> Result<ClusterId, NetworkError> {
        let (clock, counters) = (Clock::start(), Counters::default());
        let dialer = Dialer {
            config: &self.config,
            local: session::Local {
                identity: self.config.identity.clone(),
                cluster: None,
                address: self.advertised,
                view: self.config.view(),
            },
            clock: &clock,
            counters: &counters,
        };
        let waited = self.config.join_wait;
        let nobody = match socket {
            Some(_) => "no node was heard on the local network",
            None => "there is no seed",
        };
        if self.seeds.is_empty() && socket.is_none() {
            let (waited, last) = (Duration::ZERO, nobody.to_owned());
            return Err(NetworkError::Join { waited, last });
        }
        let (mut asked, mut heard) = (nobody.to_owned(), String::new());
        let finding = async {
            tokio::select! {
                cluster = self.ask_seeds(&dialer, &mut asked), if !self.seeds.is_empty() => cluster,
                cluster = self.hear_cluster(&dialer, socket, &mut heard), if socket.is_some() => {
                    cluster
                }
            }
        };
        match tokio::time::timeout(waited, finding).await {
            Ok(result) => result,
            Err(_) => {
                let heard = if heard.is_empty() {
                    heard
                } else {
                    format!("; {heard}")
                };
                let last = asked + &heard;
                Err(NetworkError::Join { waited, last })
            }
        }
    }

    /// Asks whoever is heard on the local network; returns when one answered.
    async fn hear_cluster(
        &self,
        dialer: &Dialer<'_>,
        socket: Option<&BeaconSocket>,
        last: &mut String,
    ) -> Result<ClusterId, NetworkError> {
        let Some(socket) = socket else {
            return std::future::pending().await;
        };
        let local = discovery::Local {
            node: self.config.identity.id(),
            cluster: None,
            address: self.advertised,
        };
        let mut beacons = Beacons::new(socket, local, dialer.clock, dialer.counters)?;
        let mut asking = FuturesUnordered::new();
        let quiet = tokio::time::sleep(LOOKING_SAID_AFTER);
        tokio::pin!(quiet);
        let mut is_said = false;
        loop {
            tokio::select! {
                () = &mut quiet, if !is_said => {
                    is_said = true;
                    self.say_looking();
                }
                place = beacons.next(), if asking.len() < ASKED_MAX => {
                    asking.push(dialer.dial_one(place.address, place.node));
                }
                Some(answer) = asking.next() => match answer {
                    Ok(dialled) => return Ok(dialled.peer.cluster),
                    Err(error) => {
                        *last = error.to_string();
                        tracing::warn!("a node was heard that cannot be joined: {last}");
                    }
                }
            }
        }
    }

    /// Says that this node has no cluster yet, and what begins one.
    fn say_looking(&self) {
        tracing::warn!(
            "no node of the local network has answered yet; this one goes on looking for {} \
             seconds in all. If there is no cluster to join, start one node with --new-cluster: \
             the others find it",
            self.config.join_wait.as_secs()
        );
    }

    /// Asks all seeds again and again; returns when one answered.
    async fn ask_seeds(
        &self,
        dialer: &Dialer<'_>,
        last: &mut String,
    ) -> Result<ClusterId, NetworkError> {
        let limits = &self.config.limits;
        let mut rng = seeded_rng()?;
        let mut pause = limits.redial_min.max(Duration::from_millis(1));
        loop {
            let seeds = self.seeds.iter();
            let asking = seeds.map(|seed| Box::pin(self.ask_seed(dialer, seed)));
            match select_ok(asking).await {
                Ok((cluster, _)) => return Ok(cluster),
                Err(DialError::Handshake {
                    address,
                    error: error @ SessionError::View { .. },
                }) => {
                    let (seed, reason) = (address.to_string(), error.to_string());
                    return Err(NetworkError::OtherStrategy { seed, reason });
                }
                Err(error) => {
                    let reason = error.to_string();
                    if reason != *last {
                        tracing::warn!("no node to join has answered yet: {reason}");
                    }
                    *last = reason;
                }
            }
            tokio::time::sleep(pause.mul_f64(rng.random_range(0.5..1.5))).await;
            // A person waits for this: no longer pauses than a few seconds.
            pause = (pause * 2)
                .min(limits.redial_max)
                .min(Duration::from_secs(2));
        }
    }

    async fn ask_seed(&self, dialer: &Dialer<'_>, seed: &SeedName) -> Result<ClusterId, DialError> {
        let mut addresses = lookup::addresses(seed, &self.config).await?;
        // Nobody would answer: this node does not accept connections yet.
        addresses.retain(|address| *address != self.listen && *address != self.advertised);
        if addresses.is_empty() {
            let name = seed.to_string();
            return Err(DialError::NoAddress { name });
        }
        dialer.ask_cluster(&addresses).await
    }

    /// Takes part in the network as a member of `cluster`. Runs within the present tokio runtime.
    ///
    /// # Errors
    /// [`NetworkError::Entropy`].
    pub fn start(
        self,
        cluster: ClusterId,
        events: Arc<dyn NetworkEvents>,
    ) -> Result<NetworkHandle, NetworkError> {
        let rng = seeded_rng()?;
        let inbox_max = self.config.limits.inbox_messages_max.max(1);
        let (control, control_inputs) = mpsc::channel(inbox_max);
        let (data, data_inputs) = mpsc::channel(inbox_max);
        let inbox_bytes_max = self.config.limits.inbox_bytes_max;
        let inbox = Inbox {
            control,
            control_bytes: Budget::new(inbox_bytes_max),
            data,
            data_bytes: Budget::new(inbox_bytes_max),
        };
        let (requests, request_inputs) = mpsc::channel(REQUESTS_MAX);
        let (broadcasts, broadcast_inputs) = mpsc::channel(BROADCASTS_MAX);
        let shared = Arc::new(Shared::new(
            self.config,
            cluster,
            (self.listen, self.advertised),
            Clock::start(),
            events,
            inbox,
        ));
        let driver = Driver::new(shared.clone(), rng);
        let inputs = Inputs {
            control: control_inputs,
            data: data_inputs,
            requests: request_inputs,
            broadcasts: broadcast_inputs,
        };
        let guard = shared.vital.guard();
        shared.tasks.spawn(async move {
            let _guard = guard;
            driver.run(inputs).await;
        });
        if let Some(socket) = self.beacons {
            shared.tasks.spawn(beacons::run(shared.clone(), socket));
        }
        let listener = listener::run(shared.clone(), self.listener);
        shared.tasks.spawn(listener);
        shared.tasks.close();
        Ok(NetworkHandle::new(shared, requests, broadcasts))
    }
}

fn parsed(seed: &str) -> Result<SeedName, NetworkError> {
    SeedName::parse(seed).map_err(|reason| NetworkError::Seed {
        seed: seed.to_owned(),
        reason,
    })
}

async fn advertised(name: &str, config: &NetworkConfig) -> Result<SocketAddr, NetworkError> {
    let found = dialer::resolve(name, config).await;
    let found = found.map_err(|error| error.to_string());
    let first = found.and_then(|found| found.first().copied().ok_or_else(String::new));
    first.map_err(|reason| NetworkError::Advertise {
        address: name.to_owned(),
        reason,
    })
}

fn check_advertised(address: SocketAddr, given: Option<&str>) -> Result<(), NetworkError> {
    let reason = match (address.ip().is_unspecified(), address.port()) {
        (true, _) => "nobody can reach this address; give one to advertise",
        (_, 0) => "the port is 0",
        _ => return Ok(()),
    };
    Err(NetworkError::Advertise {
        address: given.map_or_else(|| address.to_string(), str::to_owned),
        reason: reason.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_can_reach_is_not_advertised() {
        let check = |text: &str| check_advertised(text.parse().unwrap(), None);
        assert!(check("127.0.0.1:7000").is_ok());
        assert!(check("0.0.0.0:7000").is_err());
        assert!(check("[::]:7000").is_err());
        assert!(check("127.0.0.1:0").is_err());
    }
}
