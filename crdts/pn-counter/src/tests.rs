use super::*;
use Command::{Decrement, Increment};

replicant_sdk::laws!(PnCounter);

fn value_after(ops: Vec<Command>) -> i64 {
    let mut counter = PnCounter::default();
    for op in ops {
        counter.effect(&Context::default(), op, &mut Events::ignored());
    }
    counter.value()
}

#[test]
fn increments_and_decrements_add_up() {
    assert_eq!(
        value_after(vec![Increment(5), Decrement(7), Increment(1)]),
        -1
    );
}

#[test]
fn a_change_by_nothing_makes_no_op() {
    let counter = PnCounter::default();
    assert_eq!(counter.prepare(&Context::default(), Decrement(0)), Ok(None));
}

#[test]
fn a_number_that_no_sum_can_hold_is_refused() {
    let counter = PnCounter::default();
    let refusal = counter
        .prepare(&Context::default(), Increment(SUM_MAX + 1))
        .unwrap_err();
    assert_eq!(
        refusal.message(),
        "9223372036854775808 is too much: at most 9223372036854775807"
    );
}

#[test]
fn a_full_sum_stays_full_in_any_order() {
    let first = vec![Increment(SUM_MAX), Increment(1), Decrement(2)];
    let second = vec![Decrement(2), Increment(1), Increment(SUM_MAX)];
    assert_eq!(value_after(first), i64::MAX - 2);
    assert_eq!(value_after(second), i64::MAX - 2);
}

#[test]
fn the_extremes_are_within_reach() {
    assert_eq!(
        value_after(vec![Decrement(SUM_MAX), Decrement(SUM_MAX)]),
        -i64::MAX
    );
}
