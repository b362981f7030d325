//! A peer whose every byte the test decides.

use replicant_protocol::broadcast::plumtree;
use replicant_protocol::ids::Generation;
use replicant_protocol::membership::{self, Metadata, Record, Rumour, Said, hyparview};
use replicant_protocol::session::{self, CloseReason, OutEvent, Session, View};
use replicant_protocol::wire::{self, Payload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::shared::seeded_rng;
use super::*;

/// What a member says of itself.
pub(super) fn record(number: u8, paths: &[&str]) -> Record {
    let identity = identity(number);
    let paths = paths.iter().map(|path| path.parse().unwrap()).collect();
    let said = Said {
        node: identity.id(),
        incarnation: 1,
        is_leaving: false,
        generation: Generation::default(),
        address: ([127, 0, 0, 1], 1).into(),
        metadata: Metadata::new(paths, Vec::new()).unwrap(),
    };
    Record::sign(&identity, said)
}

/// A connection with a session that the test drives by hand.
pub(super) struct RawPeer {
    pub(super) stream: TcpStream,
    pub(super) session: Session,
}

impl RawPeer {
    /// Connects and finishes the handshake.
    pub(super) async fn connect(to: SocketAddr, number: u8) -> Self {
        Self::connect_with(to, number, View::Full).await
    }

    /// The same, by a node that keeps such a view.
    pub(super) async fn connect_with(to: SocketAddr, number: u8, view: View) -> Self {
        let mut peer = Self::dial_with(to, number, view).await;
        peer.flush().await;
        peer
    }

    /// Connects and does the handshake but for its last message, which goes out with what is sent
    /// first.
    pub(super) async fn dial(to: SocketAddr, number: u8) -> Self {
        Self::dial_with(to, number, View::Full).await
    }

    async fn dial_with(to: SocketAddr, number: u8, view: View) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        let local = session::Local {
            identity: identity(number),
            cluster: Some(CLUSTER),
            address: stream.local_addr().unwrap(),
            view,
        };
        let mut rng = seeded_rng().unwrap();
        let config = session::Config::default();
        let session = Session::initiator(config, local, None, Duration::ZERO, &mut rng).unwrap();
        let mut peer = Self { stream, session };
        loop {
            if let Some(event) = peer.session.poll_event() {
                assert!(matches!(event, OutEvent::Established(_)), "{event:?}");
                return peer;
            }
            peer.flush().await;
            assert!(peer.read().await, "the handshake was refused");
        }
    }

    /// Writes what the session has.
    pub(super) async fn flush(&mut self) {
        if let Some(bytes) = self.session.poll_transmit() {
            // The other side may have closed already.
            let _ = self.stream.write_all(&bytes).await;
        }
    }

    /// Encrypts and writes a message.
    pub(super) async fn send(&mut self, message: &[u8]) {
        self.session.send(Duration::ZERO, message).unwrap();
        self.flush().await;
    }

    /// Joins partial views as a neighbour. Gives the address that it tells.
    pub(super) async fn join(&mut self) -> SocketAddr {
        let address = ([127, 0, 0, 1], 1).into();
        let join = wire::Message::Views(hyparview::Message::Join { address });
        self.send(&join.to_bytes()).await;
        address
    }

    /// Tells of a member: of itself, or of another whose key the test knows. It answers no probe,
    /// so it is given up before long unless the node is patient.
    pub(super) async fn introduce(&mut self, number: u8, paths: &[&str]) {
        let gossip = vec![Rumour::alive(record(number, paths))];
        let message = membership::Message::Gossip { gossip };
        self.send(&wire::Message::from(message).to_bytes()).await;
    }

    /// Encrypts and writes a message about topics.
    pub(super) async fn send_topic_message(&mut self, number: u8) {
        let message = wire::Message::from(message(number));
        self.send(&message.to_bytes()).await;
    }

    /// Sends a bundle as a tree does.
    pub(super) async fn send_bundle(&mut self, bundle: &[u8]) {
        let message = plumtree::Message::Gossip {
            hops: 1,
            spread: 0,
            payload: Payload::Bundle(bundle).to_bytes().into(),
        };
        self.send(&wire::Message::from(message).to_bytes()).await;
    }

    /// Says goodbye.
    pub(super) async fn leave(&mut self) {
        self.session.close(CloseReason::Shutdown);
        self.flush().await;
    }

    /// Reads something; false at the end.
    async fn read(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                let bytes = &buffer[..count];
                self.session.handle_bytes(Duration::ZERO, bytes).unwrap();
                true
            }
        }
    }

    /// Reads until the end; gives the goodbye, if any.
    pub(super) async fn read_to_end(&mut self) -> Option<CloseReason> {
        loop {
            while let Some(event) = self.session.poll_event() {
                if let OutEvent::Closed(reason) = event {
                    return Some(reason);
                }
            }
            let read = tokio::time::timeout(DEADLINE, self.read()).await;
            if !read.expect("the connection ends") {
                return None;
            }
        }
    }
}

/// Whether the other side closes a connection, whatever it sends before.
pub(super) async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    let end = async {
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, end).await.is_ok()
}
