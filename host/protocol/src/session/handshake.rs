//! The three messages of Noise XX, with a signed statement in the second and third.
//!
//! ```text
//! initiator                                responder
//!    ── e ──────────────────────────────────▶      no payload: nothing is encrypted yet
//!    ◀───────── e, ee, s, es, statement ─────
//!    ── s, se, statement ───────────────────▶
//! ```

use rand::CryptoRng;
use snow::{Builder, HandshakeState};

use crate::ids::NodeId;

use super::frame::{LENGTH_BYTES, TAG_BYTES};
use super::resolver::SeededResolver;
use super::statement::{Binding, Role, Statement};
use super::transport::Transport;
use super::{Config, HANDSHAKE_BYTES_MAX, Local, Peer, SessionError};

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";

/// Mixed into the handshake hash, so that another protocol over the same pattern cannot be
/// mistaken for this one.
const PROLOGUE: &[u8] = b"replicant session 1";

/// Bytes of a X25519 key.
const KEY_BYTES: usize = 32;

/// A handshake under way.
pub(super) struct Handshake {
    noise: HandshakeState,
    /// Our Noise static public key.
    noise_static: Vec<u8>,
    role: Role,
    local: Local,
    expected: Option<NodeId>,
    is_first_read: bool,
}

/// Where a handshake message led.
pub(super) enum Step {
    /// The peer has to send next.
    Wait(Box<Handshake>),
    /// Done.
    Done(Box<Transport>, Peer),
}

impl Handshake {
    pub(super) fn new(
        role: Role,
        local: Local,
        expected: Option<NodeId>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SessionError> {
        let mut secret = [0; KEY_BYTES];
        rng.fill_bytes(&mut secret);
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let noise = build(role, &secret, seed).map_err(|_| SessionError::Internal {
            what: "the handshake could not be set up",
        })?;
        Ok(Self {
            noise,
            noise_static: public_key(&secret)?,
            role,
            local,
            expected,
            is_first_read: false,
        })
    }

    /// Writes the initiator's first message.
    pub(super) fn start(&mut self, out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.write(&[], out)
    }

    /// How long the peer's next message may be. The first is a key and nothing else.
    pub(super) fn frame_bounds(&self) -> (usize, usize) {
        if self.is_first_awaited() {
            (KEY_BYTES, KEY_BYTES)
        } else {
            (KEY_BYTES, HANDSHAKE_BYTES_MAX)
        }
    }

    fn is_first_awaited(&self) -> bool {
        self.role == Role::Responder && !self.is_first_read
    }

    /// Takes a message of the peer and answers it. What is written to `out` is sent also when the
    /// step fails: then the peer finds out for itself why.
    pub(super) fn step(
        mut self: Box<Self>,
        frame: &[u8],
        config: &Config,
        out: &mut Vec<u8>,
    ) -> Result<Step, SessionError> {
        let hash_before = self.noise.get_handshake_hash().to_vec();
        let payload = self.read(frame)?;
        if self.is_first_awaited() {
            self.is_first_read = true;
            self.write_statement(config, out)?;
            return Ok(Step::Wait(self));
        }
        let theirs = self.verify(&payload, &hash_before)?;
        if self.role == Role::Initiator {
            if theirs.node == self.local.identity.id() {
                return Err(SessionError::Oneself);
            }
            if let Some(expected) = self.expected.filter(|node| *node != theirs.node) {
                let found = theirs.node;
                return Err(SessionError::UnexpectedNode { expected, found });
            }
            self.write_statement(config, out)?;
        }
        let peer = self.accept(&theirs, config)?;
        let transport = self.noise.into_transport_mode();
        let transport = transport.map_err(|_| SessionError::Internal {
            what: "the handshake is not finished",
        })?;
        Ok(Step::Done(Box::new(Transport::new(transport)), peer))
    }

    fn read(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        let mut payload = vec![0; frame.len()];
        match self.noise.read_message(frame, &mut payload) {
            Ok(length) => {
                payload.truncate(length);
                Ok(payload)
            }
            Err(snow::Error::Dh) => Err(SessionError::WeakKey),
            Err(_) => Err(SessionError::Handshake),
        }
    }

    fn verify(&self, payload: &[u8], handshake_hash: &[u8]) -> Result<Statement, SessionError> {
        let noise_static = self.noise.get_remote_static().unwrap_or_default();
        let binding = Binding {
            role: self.role.other(),
            handshake_hash,
            noise_static,
        };
        Statement::verify(payload, &binding)
    }

    fn write_statement(&mut self, config: &Config, out: &mut Vec<u8>) -> Result<(), SessionError> {
        let statement = Statement {
            versions: config.versions,
            cluster: self.local.cluster,
            node: self.local.identity.id(),
            address: self.local.address,
            view: self.local.view,
        };
        let binding = Binding {
            role: self.role,
            handshake_hash: self.noise.get_handshake_hash(),
            noise_static: &self.noise_static,
        };
        let payload = statement.sign(&self.local.identity, &binding);
        self.write(&payload, out)
    }

    fn write(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        let internal = |what| SessionError::Internal { what };
        // At most two keys and two tags beside the payload.
        let mut frame = vec![0; payload.len() + 2 * (KEY_BYTES + TAG_BYTES)];
        let length = match self.noise.write_message(payload, &mut frame) {
            Ok(length) => length,
            Err(snow::Error::Dh) => return Err(SessionError::WeakKey),
            Err(_) => return Err(internal("a handshake message could not be written")),
        };
        if length > HANDSHAKE_BYTES_MAX {
            return Err(internal("a handshake message is too long"));
        }
        let size = u16::try_from(length).map_err(|_| internal("a frame that is too long"))?;
        out.reserve(LENGTH_BYTES + length);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&frame[..length]);
        Ok(())
    }

    /// Decides what both sides decide alike from the two statements.
    fn accept(&self, theirs: &Statement, config: &Config) -> Result<Peer, SessionError> {
        if theirs.node == self.local.identity.id() {
            return Err(SessionError::Oneself);
        }
        let version = config.versions.newest_common(theirs.versions);
        let version = version.ok_or(SessionError::Version {
            ours: config.versions,
            theirs: theirs.versions,
        })?;
        let cluster = match (self.local.cluster, theirs.cluster) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(SessionError::Cluster { ours, theirs });
            }
            (Some(cluster), _) | (None, Some(cluster)) => cluster,
            (None, None) => return Err(SessionError::NoCluster),
        };
        if self.local.view != theirs.view {
            let (ours, theirs) = (self.local.view, theirs.view);
            return Err(SessionError::View { ours, theirs });
        }
        Ok(Peer {
            node: theirs.node,
            address: theirs.address,
            version,
            cluster,
            is_cluster_adopted: self.local.cluster.is_none(),
        })
    }
}

fn build(role: Role, secret: &[u8], seed: [u8; 32]) -> Result<HandshakeState, snow::Error> {
    let resolver = Box::new(SeededResolver::new(seed));
    let builder = Builder::with_resolver(PATTERN.parse()?, resolver)
        .prologue(PROLOGUE)?
        .local_private_key(secret)?;
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
}

/// The public key of a Noise secret.
fn public_key(secret: &[u8; KEY_BYTES]) -> Result<Vec<u8>, SessionError> {
    use snow::params::DHChoice;
    use snow::resolvers::{CryptoResolver, DefaultResolver};
    let dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519);
    let mut dh = dh.ok_or(SessionError::Internal {
        what: "X25519 is missing",
    })?;
    dh.set(secret);
    Ok(dh.pubkey().to_vec())
}
