use super::*;

replicant_sdk::laws!(GCounter);

fn counter(increments: &[u64]) -> GCounter {
    let mut counter = GCounter::default();
    for by in increments {
        counter.effect(&Context::default(), *by, &mut Events::ignored());
    }
    counter
}

#[test]
fn increments_add_up() {
    assert_eq!(counter(&[1, 2, 3]).value(), 6);
}

#[test]
fn an_increment_by_nothing_makes_no_op() {
    let nothing = Command { increment: 0 };
    assert_eq!(counter(&[]).prepare(&Context::default(), nothing), Ok(None));
}

#[test]
fn the_largest_number_is_the_end_in_any_order() {
    assert_eq!(counter(&[u64::MAX, 7]).value(), u64::MAX);
    assert_eq!(counter(&[7, u64::MAX]).value(), u64::MAX);
}

#[test]
fn whoever_watches_is_told_the_new_sum() {
    let mut events = Events::collected();
    counter(&[40]).effect(&Context::default(), 2, &mut events);
    assert_eq!(events.into_vec(), [42]);
}
