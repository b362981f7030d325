use super::*;
use Command::{Decrement, Increment};

replicant_sdk::laws!(PnCounter);

const MOST: u64 = i64::MAX as u64;

fn counter(ops: Vec<Command>) -> PnCounter {
    let mut counter = PnCounter::default();
    for op in ops {
        counter.effect(&Context::default(), op, &mut Events::ignored());
    }
    counter
}

fn value_after(ops: Vec<Command>) -> i64 {
    counter(ops).value()
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
fn a_change_beyond_what_is_shown_is_refused() {
    let refused = |ops: Vec<Command>, command| {
        let refusal = counter(ops).prepare(&Context::default(), command);
        refusal.unwrap_err().into_message()
    };
    assert_eq!(
        refused(vec![Increment(1)], Increment(MOST)),
        "9223372036854775807 is too much: this counts from -9223372036854775808 to \
         9223372036854775807"
    );
    refused(vec![Decrement(MOST), Decrement(1)], Decrement(1));
    refused(vec![], Increment(u64::MAX));
}

#[test]
fn a_counter_beyond_its_end_may_come_back() {
    let counter = counter(vec![Increment(MOST), Increment(MOST)]);
    let command = Decrement(1);
    assert_eq!(
        counter.prepare(&Context::default(), command),
        Ok(Some(command))
    );
}

#[test]
fn changes_beyond_the_ends_count_in_any_order() {
    let changes = [Increment(u64::MAX), Increment(MOST), Decrement(u64::MAX)];
    for start in 0..changes.len() {
        let mut changes = changes.to_vec();
        changes.rotate_left(start);
        assert_eq!(value_after(changes), i64::MAX);
    }
}

#[test]
fn what_was_taken_away_can_be_added_again() {
    let changes = vec![Increment(MOST), Decrement(MOST), Increment(5)];
    assert_eq!(value_after(changes), 5);
}

#[test]
fn beyond_an_end_the_end_is_shown() {
    assert_eq!(
        value_after(vec![Increment(MOST), Increment(MOST)]),
        i64::MAX
    );
    assert_eq!(
        value_after(vec![Decrement(u64::MAX), Decrement(1)]),
        i64::MIN
    );
}

#[test]
fn any_saved_sum_can_be_loaded_and_changed() {
    for sum in [i128::MIN, i128::MAX] {
        let saved = PnCounter(sum).save();
        let mut loaded = PnCounter::load(&saved, PnCounter::VERSION).unwrap();
        assert_eq!(loaded.save(), saved);
        for op in [Increment(1), Decrement(2)] {
            let _ = loaded.prepare(&Context::default(), op);
            loaded.effect(&Context::default(), op, &mut Events::ignored());
        }
    }
}
