//! Members that take more than their share.

use super::simulation_tests::{config, seconds};
use super::tests::*;
use super::*;

fn ping(sequence: u32) -> Message {
    let gossip = Vec::new();
    Message::Ping { sequence, gossip }
}

/// Lost once: every answer counted as having passed the news on, so a member that pinged without
/// end was the only one to hear of anything.
#[test]
fn who_pings_without_end_is_answered_and_does_not_use_up_the_news() {
    let mut swim = swim(config(), 20);
    let address = "192.0.2.1:7400".parse().unwrap();
    swim.handle_session_opened(START, id(1), address, &mut rng());
    hear(&mut swim, vec![rumour(5, 0, Status::Suspect)]).unwrap();
    events(&mut swim);
    for sequence in 0..1_000 {
        swim.on_message(START, id(1), ping(sequence), &mut rng())
            .unwrap();
    }
    let events = events(&mut swim);
    let acks = sent(&events)
        .into_iter()
        .filter(|(_, message)| matches!(message, Message::Ack { .. }));
    assert_eq!(acks.count(), 1_000);
    assert!(swim.gossip.len() > 0, "others have to hear of it too");
    // In the next period it hears news again.
    let later = START + seconds(1);
    swim.on_message(later, id(1), ping(7), &mut rng()).unwrap();
    let last = super::tests::events(&mut swim);
    assert!(matches!(
        sent(&last)[..],
        [(_, Message::Ack { gossip, .. })] if !gossip.is_empty()
    ));
}

#[test]
fn one_member_cannot_take_up_all_probes_for_others() {
    let mut swim = swim(config(), 3);
    let please = |sequence| Message::IndirectPing {
        sequence,
        target: id(3),
        gossip: Vec::new(),
    };
    for sequence in 0..1_000 {
        swim.on_message(START, id(1), please(sequence), &mut rng())
            .unwrap();
    }
    let taken = swim.probing.relays_count();
    assert!(taken < config().relays_max / 2, "{taken}");
    swim.on_message(START, id(2), please(0), &mut rng())
        .unwrap();
    assert_eq!(swim.probing.relays_count(), taken + 1);
}

#[test]
fn a_forged_newcomer_takes_nobodys_place() {
    let config = Config {
        members_max: 3,
        ..config()
    };
    let mut swim = swim(config, 2);
    bury(&mut swim, 2, 0);
    let forged = forged(&rumour(3, 0, Status::Alive), |said| said.incarnation = 1);
    assert!(hear(&mut swim, vec![forged]).is_err());
    assert_eq!(status(&swim, 2), Some(Status::Dead));
    hear(&mut swim, vec![rumour(3, 0, Status::Alive)]).unwrap();
    assert_eq!(
        (status(&swim, 2), status(&swim, 3)),
        (None, Some(Status::Alive))
    );
}
