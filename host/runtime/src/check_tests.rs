use super::*;
use crate::worlds::v0_1_0::Refusal as RawRefusal;

fn limits() -> Limits {
    Limits {
        output_bytes_max: 1000,
        op_bytes_max: 10,
        ..Limits::default()
    }
}

fn raw(items: &[&[u8]]) -> PackedResult {
    let (bytes, ends) = Packed::from_items(items).unwrap().into_parts();
    PackedResult { bytes, ends }
}

fn refusal(command: u32) -> RawRefusal {
    RawRefusal {
        command,
        message: "no".to_owned(),
    }
}

fn raw_updated(commands: Vec<u32>, refusals: Vec<u32>) -> bindings::Updated {
    bindings::Updated {
        ops: raw(&vec![&b"op"[..]; commands.len()]),
        commands,
        refusals: refusals.into_iter().map(refusal).collect(),
        events: raw(&[]),
    }
}

fn complaint(raw: bindings::Updated, commands: usize) -> String {
    updated(raw, commands, false, &limits())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_result_passes() {
    let result = updated(raw_updated(vec![0, 3], vec![1, 2]), 5, false, &limits()).unwrap();
    assert_eq!(result.commands, [0, 3]);
    assert_eq!(result.ops.len(), 2);
    assert_eq!(result.refusals.len(), 2);
}

#[test]
fn each_broken_promise_is_named() {
    assert!(complaint(raw_updated(vec![1, 1], vec![]), 2).contains("do not increase"));
    assert!(complaint(raw_updated(vec![2, 1], vec![]), 3).contains("do not increase"));
    assert!(complaint(raw_updated(vec![2], vec![]), 2).contains("index 2 in a batch of 2"));
    assert!(complaint(raw_updated(vec![], vec![0]), 0).contains("index 0 in a batch of 0"));
    assert!(complaint(raw_updated(vec![0, 2], vec![1, 2]), 3).contains("both"));
    let mut too_few = raw_updated(vec![0, 1], vec![]);
    too_few.ops = raw(&[b"op"]);
    assert!(complaint(too_few, 2).contains("1 ops of 2 commands"));
    let mut lying = raw_updated(vec![0], vec![]);
    lying.ops.ends = vec![3];
    assert!(complaint(lying, 1).contains("ops: the last item ends at 3"));
    let mut unwanted = raw_updated(vec![], vec![]);
    unwanted.events = raw(&[b"event"]);
    assert!(complaint(unwanted, 1).contains("not asked for"));
}

#[test]
fn sizes_are_bounded_to_the_byte() {
    let sized = |size: usize| {
        let mut result = raw_updated(vec![0], vec![]);
        result.ops = raw(&[&vec![0; size]]);
        updated(result, 1, false, &limits())
    };
    assert!(sized(10).is_ok());
    assert_eq!(
        sized(11),
        Err(FaultKind::Op {
            limit: 10,
            size: 11
        })
    );
    let with_events = |size: usize| events(raw(&[&vec![0; size]]), true, &limits());
    assert!(with_events(996).is_ok());
    assert_eq!(
        with_events(997),
        Err(FaultKind::Output {
            limit: 1000,
            size: Some(1001)
        })
    );
}

#[test]
fn long_messages_are_cut_and_not_refused() {
    let mut result = raw_updated(vec![], vec![0]);
    result.refusals[0].message = "ä".repeat(MESSAGE_BYTES_MAX);
    let result = updated(result, 1, false, &Limits::default()).unwrap();
    assert_eq!(result.refusals[0].message.len(), MESSAGE_BYTES_MAX);
}

#[test]
fn what_the_host_promises_is_checked_before_the_call() {
    let good = Run {
        replica: 1,
        timestamp: 1,
        schema: 1,
        counters: vec![1, 3],
        ops: Packed::from_items(["a", "b"]).unwrap(),
    };
    let description = Description {
        name: "x".to_owned(),
        version: "1.0.0".to_owned(),
        summary: String::new(),
        command_schema: String::new(),
        query_schema: String::new(),
        value_schema: String::new(),
        event_schema: String::new(),
        writes: 1,
        reads: vec![1],
    };
    let broken = |change: fn(&mut Run)| {
        let mut changed = good.clone();
        change(&mut changed);
        run(&changed, &description).unwrap_err()
    };
    assert_eq!(run(&good, &description), Ok(()));
    assert!(broken(|run| run.counters = vec![1]).contains("1 counters for 2 ops"));
    assert!(broken(|run| run.counters = vec![3, 3]).contains("increase"));
    assert!(broken(|run| run.counters = vec![0, 1]).contains("start at 1"));
    assert!(broken(|run| run.schema = 2).contains("schema version 2"));

    let at = |counter| Context {
        replica: 1,
        counter,
        timestamp: 1,
    };
    let commands = Packed::from_items(["a"]).unwrap();
    assert!(context(&at(0), &commands).is_err());
    assert!(context(&at(u64::MAX), &commands).is_err());
    assert_eq!(context(&at(u64::MAX - 1), &commands), Ok(()));
}
