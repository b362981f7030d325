use replicant_sdk::{Dot, Object, Packed, Run};

use super::*;

replicant_sdk::laws!(LwwRegister);

fn context(timestamp: u64, replica: u64, counter: u64) -> Context {
    Context {
        dot: Dot { replica, counter },
        timestamp,
        schema: 1,
    }
}

fn text(text: &str) -> Json {
    Json::Text(text.into())
}

fn update(register: &mut Object<LwwRegister>, context: &Context, command: &[u8]) -> Packed {
    let mut commands = Packed::default();
    commands.push(command);
    let updated = register.update(context, &commands, false);
    assert_eq!(updated.refusals, []);
    updated.ops
}

#[test]
fn a_new_register_is_null() {
    assert_eq!(LwwRegister::default().value(), Json::Null);
}

#[test]
fn any_json_value_can_be_set_and_read() {
    let mut register = Object::<LwwRegister>::new();
    let value = b"\xa3\x61a\x83\x01\x20\xf4\x61b\xfb\x3f\xe0\0\0\0\0\0\0\x61c\xf6";
    let command = [b"\xa1\x63set", &value[..]].concat();
    update(&mut register, &context(1, 1, 1), &command);
    assert_eq!(register.query(None).unwrap(), value);
    let loaded = Object::<LwwRegister>::load(&register.save(), LwwRegister::VERSION).unwrap();
    assert_eq!(loaded.query(None).unwrap(), value);
    assert_eq!(loaded.save(), register.save());
}

#[test]
fn a_cleared_register_is_null_and_clearing_it_again_changes_nothing() {
    let mut register = Object::<LwwRegister>::new();
    update(&mut register, &context(1, 1, 1), b"\xa1\x63set\x01");
    assert_eq!(
        update(&mut register, &context(2, 1, 2), b"\x65clear").len(),
        1
    );
    assert_eq!(register.state().value(), Json::Null);
    assert!(update(&mut register, &context(3, 1, 3), b"\x65clear").is_empty());
}

#[test]
fn of_concurrent_writes_the_later_one_wins_and_only_it_is_told() {
    let mut register = LwwRegister::default();
    let mut events = Events::collected();
    for (context, value) in [(context(5, 2, 1), "later"), (context(4, 3, 1), "earlier")] {
        let op = register
            .prepare(&context, Command::Set(text(value)))
            .unwrap()
            .unwrap();
        register.effect(&context, op, &mut events);
    }
    assert_eq!(register.value(), text("later"));
    assert_eq!(events.into_vec(), [text("later")]);
}

#[test]
fn what_has_no_json_form_is_refused() {
    let mut register = Object::<LwwRegister>::new();
    for (value, reason) in [
        (
            &b"\xf9\x7e\x00"[..],
            "JSON has no numbers that are infinite or none at all",
        ),
        (b"\x42ab", "expected a JSON value, found a byte string"),
        (b"\xa1\x01\x02", "expected a string, found an integer"),
    ] {
        let mut commands = Packed::default();
        commands.push(&[b"\xa1\x63set", value].concat());
        let updated = register.update(&context(1, 1, 1), &commands, false);
        let message = updated.refusals[0].1.message();
        assert!(message.contains(reason), "{message}");
        assert!(updated.ops.is_empty());
    }
}

#[test]
fn an_op_that_holds_no_value_has_no_effect() {
    let mut register = Object::<LwwRegister>::new();
    let mut run = Run {
        replica: 1,
        timestamp: 1,
        schema: 1,
        ..Run::default()
    };
    run.counters.extend([1, 2]);
    run.ops.push(&[1, 2, 0x61, 0xff]);
    run.ops.push(&[9]);
    let before = register.save();
    register.apply(&run, true);
    assert_eq!(register.save(), before);
}
