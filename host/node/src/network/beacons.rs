//! Beacons on the local network: the socket, and the task that drives discovery.
//!
//! IPv4 only: each node of a local network has such an address, and a group is joined on each
//! interface by its address. An interface that comes later is joined with the next beacon.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use replicant_protocol::discovery::{BEACON_BYTES_MAX, Config, Local, OutEvent, State};
use replicant_protocol::ids::NodeId;
use replicant_protocol::membership::{Member, Status};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::driver::ControlInput;
use super::error::NetworkError;
use super::found::Place;
use super::rate::Rate;
use super::shared::{Clock, Shared, seeded_rng};
use super::statistics::{Count, Counters};

/// The multicast group and port that beacons go to unless another is given: of the range that a
/// site may use as it likes and that does not leave it (RFC 2365).
pub const DISCOVERY_GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 82, 80), 7003);

/// Datagrams that are read in a second: others use the port too, or flood it.
const DATAGRAMS_PER_SECOND: u32 = 200;

/// Interfaces that beacons go to.
const INTERFACES_MAX: usize = 32;

/// How soon a node speaks again that is put back on the network.
const OFF_CHECK: Duration = Duration::from_secs(1);

/// The socket that sends and hears beacons.
#[derive(Debug)]
pub(super) struct BeaconSocket {
    socket: UdpSocket,
    group: SocketAddrV4,
    own: IpAddr,
}

impl BeaconSocket {
    /// Joins a group, for a node that others find at `own`.
    ///
    /// # Errors
    /// [`NetworkError::Discover`].
    pub(super) fn open(group: SocketAddrV4, own: IpAddr) -> Result<Self, NetworkError> {
        let failed = |reason: &dyn ToString| NetworkError::Discover {
            group,
            reason: reason.to_string(),
        };
        if !group.ip().is_multicast() || group.port() == 0 {
            return Err(failed(
                &"it is not a multicast address (239.x.x.x) with a port",
            ));
        }
        let socket = bound(group).map_err(|error| failed(&error))?;
        let beacons = Self { socket, group, own };
        match beacons.join().is_empty() {
            true => Err(failed(&"no network interface lets it join")),
            false => Ok(beacons),
        }
    }

    /// Joins the group where it is not joined yet. Gives the interfaces' addresses.
    fn join(&self) -> Vec<Ipv4Addr> {
        let socket = SockRef::from(&self.socket);
        let mut joined = Vec::new();
        for interface in interfaces(self.own) {
            match socket.join_multicast_v4(self.group.ip(), &interface) {
                Ok(()) => joined.push(interface),
                // It was joined before.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    joined.push(interface);
                }
                Err(error) => tracing::debug!("no beacons on {interface}: {error}"),
            }
        }
        joined
    }

    async fn send(&self, beacon: &[u8]) {
        for interface in self.join() {
            let set = SockRef::from(&self.socket).set_multicast_if_v4(&interface);
            let sent = match set {
                Ok(()) => self.socket.send_to(beacon, self.group).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!("no beacon on {interface}: {error}");
            }
        }
    }
}

fn bound(group: SocketAddrV4) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Several nodes of one machine listen side by side.
    socket.set_reuse_address(true)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_nonblocking(true)?;
    // Bound to the group, the socket hears nothing else. Not every system lets it be.
    let address = match cfg!(windows) {
        true => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, group.port()),
        false => group,
    };
    socket.bind(&SocketAddr::from(address).into())?;
    UdpSocket::from_std(socket.into())
}

/// Where beacons go. An address of this machine alone is of no use to others.
fn interfaces(own: IpAddr) -> Vec<Ipv4Addr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    let found = found.filter_map(|interface| match interface.ip() {
        IpAddr::V4(ip) if ip.is_loopback() || !own.is_loopback() => Some(ip),
        _ => None,
    });
    found.take(INTERFACES_MAX).collect()
}

/// Discovery at work: hears and sends, and gives whom to dial.
pub(super) struct Beacons<'a> {
    socket: &'a BeaconSocket,
    clock: &'a Clock,
    counters: &'a Counters,
    state: State,
    rng: ChaCha20Rng,
    rate: Rate,
    /// Not read before.
    deaf_until: Duration,
}

impl<'a> Beacons<'a> {
    pub(super) fn new(
        socket: &'a BeaconSocket,
        local: Local,
        clock: &'a Clock,
        counters: &'a Counters,
    ) -> Result<Self, NetworkError> {
        let now = clock.now();
        Ok(Self {
            socket,
            clock,
            counters,
            state: State::new(Config::default(), local, now),
            rng: seeded_rng()?,
            rate: Rate::new(now, DATAGRAMS_PER_SECOND),
            deaf_until: now,
        })
    }

    /// Waits for somebody to dial. May be given up at any time, and called again.
    pub(super) async fn next(&mut self) -> Place {
        // One byte more: what is too long is seen to be.
        let mut datagram = [0; BEACON_BYTES_MAX + 1];
        loop {
            while let Some(event) = self.state.poll_event() {
                match event {
                    OutEvent::Send(beacon) => self.socket.send(&beacon).await,
                    OutEvent::Dial { node, address } => {
                        let node = Some(node);
                        return Place { address, node };
                    }
                }
            }
            let now = self.clock.now();
            let is_deaf = now < self.deaf_until;
            let mut due = self.state.next_timeout();
            if is_deaf {
                due = due.min(self.deaf_until);
            }
            tokio::select! {
                received = self.socket.socket.recv_from(&mut datagram), if !is_deaf => {
                    match received {
                        Ok((length, from)) => self.hear(&datagram[..length], from.ip()),
                        // Of an earlier datagram, or for want of memory: not in a loop.
                        Err(_) => self.deaf_until = now + Duration::from_secs(1),
                    }
                }
                () = tokio::time::sleep_until(self.clock.instant(due)) => {}
            }
            self.state.handle_timeout(self.clock.now(), &mut self.rng);
        }
    }

    fn hear(&mut self, datagram: &[u8], from: IpAddr) {
        let now = self.clock.now();
        self.deaf_until = now + self.rate.charge(now, 1);
        self.counters.add(Count::BeaconsReceived);
        let heard = self.state.on_datagram(now, from, datagram, &mut self.rng);
        if let Err(error) = heard {
            self.counters.add(Count::BeaconsMalformed);
            tracing::debug!("from {from}: {error}");
        }
    }
}

/// Sends and hears beacons as long as the network runs, and has those dialed that are new.
pub(super) async fn run(shared: Arc<Shared>, socket: BeaconSocket) {
    let local = Local {
        node: shared.id(),
        cluster: Some(shared.cluster),
        address: shared.advertised,
    };
    let beacons = Beacons::new(&socket, local, &shared.clock, &shared.counters);
    let mut beacons = match beacons {
        Ok(beacons) => beacons,
        Err(error) => return tracing::warn!("no beacons: {error}"),
    };
    let mut members = shared.members_watch();
    loop {
        let is_alone = is_alone(&members.borrow_and_update(), shared.id());
        beacons.state.set_alone(shared.clock.now(), is_alone);
        tokio::select! {
            () = shared.stop.begun() => break,
            Ok(()) = members.changed() => {}
            // A node that is taken off the network is silent.
            () = tokio::time::sleep(OFF_CHECK), if !shared.sessions.is_open() => {}
            place = beacons.next(), if shared.sessions.is_open() => {
                let found = ControlInput::Found(vec![place]);
                // Nobody to tell: the network stops.
                let _ = shared.inbox.control.send(found).await;
            }
        }
    }
}

fn is_alone(members: &[Member], own: NodeId) -> bool {
    let mut others = members.iter().filter(|member| member.node != own);
    !others.any(|member| matches!(member.status, Status::Alive | Status::Suspect))
}
