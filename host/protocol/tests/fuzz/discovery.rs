//! A node that hears anything on the local network.

use std::net::IpAddr;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use replicant_protocol::discovery::{BEACON_BYTES_MAX, Beacon, Config, Local, OutEvent, State};
use replicant_protocol::ids::{ClusterId, NodeId};

use crate::input::Input;

const CLUSTER: ClusterId = ClusterId::from_bytes([7; 32]);

/// Beacons of many nodes, in the cluster, in another, in none.
pub(crate) fn beacons() -> Vec<Vec<u8>> {
    let clusters = [Some(CLUSTER), None, Some(ClusterId::from_bytes([8; 32]))];
    let beacon = |number: u8| Beacon {
        node: NodeId::from_bytes([number; 32]),
        cluster: clusters[usize::from(number % 3)],
        address: ([10, 0, 0, number], 7001).into(),
        is_alone: number.is_multiple_of(2),
    };
    (1..60).map(|number| beacon(number).to_bytes()).collect()
}

pub(crate) fn decoding(bytes: &[u8]) {
    if let Ok(beacon) = Beacon::from_bytes(bytes) {
        assert!(bytes.len() <= BEACON_BYTES_MAX);
        assert_eq!(beacon.to_bytes(), bytes);
    }
}

pub(crate) fn stays_bounded(bytes: &[u8]) {
    let (mut input, pool) = (Input::new(bytes), beacons());
    let mut rng = ChaCha8Rng::seed_from_u64(input.number());
    let local = Local {
        node: NodeId::from_bytes([1; 32]),
        cluster: (input.below(2) == 1).then_some(CLUSTER),
        address: ([10, 0, 0, 1], 7001).into(),
    };
    let config = Config::default();
    let mut now = Duration::ZERO;
    let mut state = State::new(config.clone(), local, now);
    let (mut sent, mut dialed) = (0, 0);
    while !input.is_over() {
        match input.below(8) {
            0 => state.set_alone(now, input.below(2) == 0),
            1 => now += Duration::from_millis(u64::from(input.byte()) * 10),
            _ => {
                let source = IpAddr::from([10, 0, 0, input.byte()]);
                // Refused or not: it is decided.
                let _ = state.on_datagram(now, source, &input.changed(&pool), &mut rng);
            }
        }
        state.handle_timeout(now, &mut rng);
        while let Some(event) = state.poll_event() {
            match event {
                OutEvent::Send(beacon) => {
                    sent += 1;
                    let beacon = Beacon::from_bytes(&beacon).unwrap();
                    assert_eq!(beacon.node, local.node);
                }
                OutEvent::Dial { node, .. } => {
                    dialed += 1;
                    assert_ne!(node, local.node);
                }
            }
        }
        assert!(state.candidates_count() <= config.candidates_max);
        let seconds = now.as_secs() + 1;
        assert!(sent <= 1 + 2 * seconds, "{sent} beacons");
        assert!(dialed <= u64::from(config.dials_per_second) * 2 * seconds);
    }
}
