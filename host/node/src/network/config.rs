//! What the driver is started with.

use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::broadcast::{plumtree, rapid};
use replicant_protocol::content::Statement;
use replicant_protocol::environment::Environment;
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{Generation, NodeId, TopicName};
use replicant_protocol::membership::{StrategyKind, hyparview};
use replicant_protocol::session::View;
use replicant_protocol::{circles, content, facts, membership, scores, session, topics};
use tokio::sync::watch;

use super::loose::{LOOSE_MAX, MOVING_MAX};

/// How a node takes part in the network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The node's key.
    pub identity: Arc<NodeIdentity>,
    /// How often the node started over with a fresh replica id; told to the others.
    pub generation: Generation,
    /// Where its incarnation starts; see [`membership::Local::incarnation`].
    pub incarnation: u64,
    /// Grows with each start of the node, whatever its clock says: others tell by it what it says
    /// anew from what they heard before.
    pub start: u64,
    /// The paths that somebody listens to at this node, as they change.
    pub subscriptions: watch::Receiver<BTreeSet<TopicName>>,
    /// What is told of this node beside its subscriptions, with a full view: at most
    /// [`APPLICATION_BYTES_MAX`](membership::APPLICATION_BYTES_MAX), more is not told.
    pub metadata: String,
    /// Who may listen and publish where, and bounds of topics.
    pub topics: topics::Config,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where others find this node, as `host:port`; a name is resolved once, at the start. None:
    /// the address that it listens on. Has to be given when that is `0.0.0.0`.
    pub advertise: Option<String>,
    /// Nodes to join, as `host:port`, `dns:NAME:PORT` (a node at each address of the name) or
    /// `srv:_SERVICE._PROTOCOL.NAME` (those that service records name). Names are resolved anew for
    /// every attempt, the latter two at least twice a minute while no other member is there.
    pub seeds: Vec<String>,
    /// The name server that is asked about seeds of the latter two kinds. None: those of the
    /// system's configuration.
    pub dns_server: Option<SocketAddr>,
    /// The multicast group through which nodes of the local network are found, and find this one;
    /// usually [`DISCOVERY_GROUP`](super::DISCOVERY_GROUP). None: not at all.
    pub discover: Option<SocketAddrV4>,
    /// How long a node without a cluster tries to reach a seed. Default 60 s.
    pub join_wait: Duration,
    /// Members of an earlier run: they are dialed like seeds.
    pub remembered: Vec<(NodeId, SocketAddr)>,
    /// Announcements of modules and switches of an earlier run.
    pub announcements: Vec<Statement>,
    /// Facts of an earlier run, as their issuers signed them.
    pub kept_facts: Vec<Vec<u8>>,
    /// Which strategy of membership; the same on all nodes of a cluster. Default: a full view.
    pub strategy: StrategyKind,
    /// Failure detection, with a full view.
    pub membership: membership::Config,
    /// Partial views, if that is the strategy. Then there are at most so many sessions as
    /// neighbours, 60 of circles, and 32.
    pub hyparview: hyparview::Config,
    /// The trees of broadcasting.
    pub tree: plumtree::Config,
    /// Rapid broadcasts.
    pub rapid: rapid::Config,
    /// Module announcements and fetching.
    pub content: content::Config,
    /// Facts: who may issue which, and how many are kept.
    pub facts: facts::Config,
    /// Handshake and framing of each session.
    pub session: session::Config,
    /// Bounds of the driver itself.
    pub limits: NetworkLimits,
}

impl NetworkConfig {
    /// Defaults for a local network; nothing to join, nothing remembered.
    pub fn new(identity: Arc<NodeIdentity>, listen: SocketAddr) -> Self {
        Self {
            identity,
            generation: Generation::new(0),
            incarnation: 0,
            start: 1,
            subscriptions: watch::Sender::default().subscribe(),
            metadata: String::new(),
            topics: topics::Config::default(),
            listen,
            advertise: None,
            seeds: Vec::new(),
            dns_server: None,
            discover: None,
            join_wait: Duration::from_secs(60),
            remembered: Vec::new(),
            announcements: Vec::new(),
            kept_facts: Vec::new(),
            strategy: StrategyKind::default(),
            membership: membership::Config::default(),
            hyparview: hyparview::Config::from(&Environment::lan().parameters().hyparview),
            tree: plumtree::Config::from(&Environment::lan().parameters().plumtree),
            rapid: rapid::Config::from(&Environment::lan().parameters().rapid),
            content: content::Config::default(),
            facts: facts::Config::default(),
            session: quiet_sessions(),
            limits: NetworkLimits::default(),
        }
    }

    /// The configuration with times that work: none that is over at once, and none that is too
    /// long to be added to a clock.
    pub(super) fn within_range(mut self) -> Self {
        let (session, limits) = (&mut self.session, &mut self.limits);
        for time in [
            &mut session.handshake_timeout,
            &mut session.idle_timeout,
            &mut session.keep_alive_interval,
            &mut session.doubt_timeout,
            &mut limits.dial_timeout,
            &mut limits.write_timeout,
        ] {
            *time = (*time).clamp(TIME_MIN, TIME_MAX);
        }
        // Else a session between two nodes that have nothing to say would not last.
        session.keep_alive_interval = session.keep_alive_interval.min(session.idle_timeout / 2);
        limits.redial_min = limits.redial_min.clamp(Duration::from_millis(1), TIME_MAX);
        limits.redial_max = limits.redial_max.clamp(limits.redial_min, TIME_MAX);
        limits.penalty_time = limits.penalty_time.min(TIME_MAX);
        if self.strategy == StrategyKind::HyParView {
            // Nobody probes, and there are few: sessions say often enough that they work.
            let usual = session::Config::default();
            session.idle_timeout = session.idle_timeout.min(usual.idle_timeout);
            session.keep_alive_interval =
                session.keep_alive_interval.min(usual.keep_alive_interval);
            let views = &mut self.hyparview;
            views.active_max = views.active_max.clamp(1, limits.sessions_max.clamp(1, 256));
            let in_circles = self.circles().links_max();
            let views = &self.hyparview;
            let sessions_max = views.active_max + in_circles + LOOSE_MAX + MOVING_MAX;
            self.limits.sessions_max = self.limits.sessions_max.min(sessions_max);
        }
        self
    }

    /// The circles, with partial views.
    pub(super) fn circles(&self) -> circles::Config {
        let rules = self.topics.rules.clone();
        circles::Config::beside(&self.hyparview, &self.tree, rules)
    }

    /// Whom a node knows, as it says in handshakes.
    pub(super) fn view(&self) -> View {
        match self.strategy {
            StrategyKind::Swim => View::Full,
            StrategyKind::HyParView => View::Partial,
        }
    }
}

/// Sessions that say little. There is one with every member, so what each says by itself grows with
/// the cluster; membership probes them all anyhow, and says when one is to be doubted.
fn quiet_sessions() -> session::Config {
    session::Config {
        // Often enough for routers that forget a quiet connection.
        keep_alive_interval: Duration::from_secs(120),
        idle_timeout: Duration::from_secs(300),
        ..session::Config::default()
    }
}

/// The shortest time that a peer is given for anything.
const TIME_MIN: Duration = Duration::from_millis(10);

/// The longest time that anything takes.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// The bounds of the driver: connections, queues, rates, times.
///
/// Memory is bounded by the sum of: what waits for peers
/// ([`queue_total_bytes_max`](Self::queue_total_bytes_max),
/// [`rapid_total_bytes_max`](Self::rapid_total_bytes_max),
/// [`control_total_bytes_max`](Self::control_total_bytes_max)); what waits for the driver (three
/// times [`inbox_bytes_max`](Self::inbox_bytes_max)); and for each session one message that is
/// being read and one that is being written, of at most
/// [`message_bytes_max`](session::Config::message_bytes_max) each. A message that is being read
/// takes no more than has come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Sessions open at a time. At the bound further peers are refused. Has to be above the number
    /// of members, since failure detection takes those for dead that it cannot reach. Default
    /// 1,024.
    pub sessions_max: usize,
    /// Accepted connections whose handshake is under way. At the bound the oldest of the source
    /// that has most of them gives way: an honest handshake takes milliseconds. Default 128.
    pub half_open_max: usize,
    /// The same per source (IPv4 address or IPv6 /64 network). Default 32.
    pub half_open_per_source_max: usize,
    /// Connections accepted per second; beyond it they wait in the operating system's queue. Each
    /// costs up to half a millisecond of computing. A second's worth may come at once. Default 500.
    pub accepts_per_second: u32,
    /// Dials under way at a time. Larger: a large cluster is meshed faster. Default 16.
    pub dials_max: usize,
    /// How long connecting to one address may take. Default 5 s.
    pub dial_timeout: Duration,
    /// Addresses tried of those that a name resolves to. Default 4.
    pub addresses_max: usize,
    /// The pause after the first failed dial; doubles with each further one. Each pause is varied
    /// by half, so that nodes that failed together do not come back together. Default 200 ms.
    pub redial_min: Duration,
    /// The longest pause between dials of one address. Default 30 s.
    pub redial_max: Duration,
    /// How long a peer may take to accept 64 KiB. Beyond it the session is closed as stalled.
    /// Default 10 s.
    pub write_timeout: Duration,
    /// Bytes that may wait for one peer. Beyond it messages are dropped and counted; comparing
    /// versions repairs that. Default 32 MiB.
    pub queue_bytes_max: usize,
    /// Messages that may wait for one peer. Default 8,192.
    pub queue_messages_max: usize,
    /// Bytes that may wait for all peers together; a message for several counts once. Beyond it
    /// messages are dropped and counted, and no peer may have more waiting than is left. Default
    /// 512 MiB.
    pub queue_total_bytes_max: usize,
    /// Bytes of failure detection that may wait for one peer; apart from the others, so that it
    /// never waits for them. Default 8 MiB: two full tables of the largest cluster.
    pub control_bytes_max: usize,
    /// Messages of failure detection that may wait for one peer. Default 512.
    pub control_messages_max: usize,
    /// Bytes of failure detection that may wait for all peers together, as above. Default 64 MiB.
    pub control_total_bytes_max: usize,
    /// Bytes of rapid broadcast that may wait for one peer; apart from the others, which they go
    /// before. Beyond it messages are dropped and counted: other peers send the same. Default
    /// 4 MiB.
    pub rapid_bytes_max: usize,
    /// Messages of rapid broadcast that may wait for one peer. Default 1,024.
    pub rapid_messages_max: usize,
    /// Bytes of rapid broadcast that may wait for all peers together, as above. Default 64 MiB.
    pub rapid_total_bytes_max: usize,
    /// Messages of peers that may wait for the driver's one task; beyond it the peers' sockets
    /// are not read. Default 1,024.
    pub inbox_messages_max: usize,
    /// How many of them may be of one peer, of failure detection and others, each. What takes the
    /// driver long takes it from all peers in turn. Default 64.
    pub inbox_messages_per_peer_max: usize,
    /// Bytes of messages that may wait for the driver's one task: of failure detection, of other
    /// messages of peers, and of bundles of the node that are to be broadcast, each. The first two
    /// wait, as above; a bundle is dropped and counted. Default 64 MiB.
    pub inbox_bytes_max: usize,
    /// Bytes per second that are taken from one peer; beyond it its socket is not read for a
    /// while. A second's worth may come at once. Default 128 MiB.
    pub receive_bytes_per_second: u32,
    /// Messages per second that are taken from one peer. Default 50,000.
    pub receive_messages_per_second: u32,
    /// Bytes of failure detection per second that are taken from one peer. They are mostly records
    /// of members, 170 bytes each, and each new one costs a signature check in the driver. Default
    /// 1 MiB: the full table of 6,000 members.
    pub receive_control_bytes_per_second: u32,
    /// Chunks of modules that are read for peers at a time; further requests are not answered and
    /// come again. Default 16.
    pub chunk_reads_max: usize,
    /// Offences of one source before it has proven a key, after which it is refused for
    /// [`penalty_time`](Self::penalty_time). Sources of open sessions are not refused: several
    /// nodes may share an address. Default 16.
    pub offences_max: u32,
    /// How long a node that misbehaved in a session, or a source that offended too often, is
    /// refused; offences are forgotten after as long. Default 60 s.
    pub penalty_time: Duration,
    /// In how many seconds a peer may do much of what correct ones do seldom, until it is refused
    /// as one that misbehaved; each is forgiven after four. Default 30: longer than an honest node
    /// is in trouble.
    pub bad_seconds_max: u32,
    /// Nodes and sources that are on the list at a time, each; the one that ends first gives way.
    /// Default 1,024.
    pub penalties_max: usize,
    /// How long a shutdown waits for queues to be flushed. Default 2 s.
    pub flush_timeout: Duration,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            sessions_max: 1_024,
            half_open_max: 128,
            half_open_per_source_max: 32,
            accepts_per_second: 500,
            dials_max: 16,
            dial_timeout: Duration::from_secs(5),
            addresses_max: 4,
            redial_min: Duration::from_millis(200),
            redial_max: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            queue_bytes_max: 32 << 20,
            queue_messages_max: 8_192,
            queue_total_bytes_max: 512 << 20,
            control_bytes_max: 8 << 20,
            control_messages_max: 512,
            control_total_bytes_max: 64 << 20,
            rapid_bytes_max: 4 << 20,
            rapid_messages_max: 1_024,
            rapid_total_bytes_max: 64 << 20,
            inbox_messages_max: 1_024,
            inbox_messages_per_peer_max: 64,
            inbox_bytes_max: 64 << 20,
            receive_bytes_per_second: 128 << 20,
            receive_messages_per_second: 50_000,
            receive_control_bytes_per_second: 1 << 20,
            chunk_reads_max: 16,
            offences_max: 16,
            penalty_time: Duration::from_secs(60),
            bad_seconds_max: scores::BAD_SECONDS_MAX,
            penalties_max: 1_024,
            flush_timeout: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use replicant_protocol::identity::NodeIdentity;

    use super::*;

    fn config() -> NetworkConfig {
        let identity = Arc::new(NodeIdentity::from_secret(&[1; 32]));
        NetworkConfig::new(identity, ([127, 0, 0, 1], 0).into())
    }

    fn with_all_times(time: Duration) -> NetworkConfig {
        let mut config = config();
        config.session.handshake_timeout = time;
        config.session.idle_timeout = time;
        config.session.keep_alive_interval = time;
        config.limits.dial_timeout = time;
        config.limits.write_timeout = time;
        config.limits.redial_min = time;
        config.limits.redial_max = time;
        config.limits.penalty_time = time;
        config.within_range()
    }

    #[test]
    fn times_of_nothing_and_of_ages_are_corrected() {
        for time in [Duration::ZERO, Duration::MAX] {
            let config = with_all_times(time);
            let (session, limits) = (config.session, config.limits);
            assert!(session.handshake_timeout >= TIME_MIN && limits.write_timeout >= TIME_MIN);
            assert!(!session.keep_alive_interval.is_zero() && !limits.redial_min.is_zero());
            assert!(session.keep_alive_interval < session.idle_timeout);
            assert!(session.idle_timeout <= TIME_MAX && limits.redial_max <= TIME_MAX);
            assert!(limits.penalty_time <= TIME_MAX && limits.dial_timeout <= TIME_MAX);
        }
    }

    #[test]
    fn the_defaults_are_within_range() {
        let (before, after) = (config(), config().within_range());
        assert_eq!(before.session, after.session);
        assert_eq!(before.limits, after.limits);
    }
}
