//! The combinators keep to the laws, do what is said of them, and a wrong one is found.

mod asking;
mod parts;
mod wrong;

use parts::{Change, Counter, Tags};

use super::*;
use crate::{Context, Crdt, Dot, Events, Object, Packed, Stable, Updated, cbor};

macro_rules! laws_of {
    ($($module:ident: $type:ty;)*) => {
        $(mod $module {
            use super::*;

            crate::laws!($type);
        })*
    };
}

laws_of! {
    map_of_counters: Map<String, Counter>;
    map_of_sets: Map<bool, Tags>;
    map_that_resets_counters: Map<u64, Counter, ResetWins>;
    map_that_resets_sets: Map<bool, Tags, ResetWins>;
    optional_set: Optional<Tags>;
    optional_counter_that_resets: Optional<Counter, ResetWins>;
    pair: Pair<Counter, Tags>;
    maps_in_a_map: Map<bool, Map<bool, Tags>>;
    maps_that_reset_in_a_map: Map<bool, Map<bool, Counter, ResetWins>>;
    map_in_a_map_that_resets: Map<bool, Map<bool, Tags>, ResetWins>;
    all_of_them: Optional<Pair<Map<bool, Optional<Tags>, ResetWins>, Map<u64, Counter>>>;
}

fn context(replica: u64, counter: u64) -> Context {
    Context {
        dot: Dot { replica, counter },
        timestamp: counter,
        schema: 1,
    }
}

/// Gives a command that makes an op.
fn give<T: Crdt>(state: &mut T, context: &Context, command: T::Command) -> Vec<u8> {
    let op = state.prepare(context, command).unwrap().unwrap();
    let mut bytes = Vec::new();
    crate::postcard_bytes::append(&op, &mut bytes);
    state.effect(context, op, &mut Events::ignored());
    bytes
}

fn apply<T: Crdt>(state: &mut T, context: &Context, op: &[u8]) -> Vec<T::Event> {
    let mut events = Events::collected();
    state.apply_bytes(context, op, &mut events).unwrap();
    events.into_vec()
}

fn update<K, C>(key: K, command: C) -> MapCommand<K, C> {
    MapCommand::Update { key, command }
}

/// Ann and bob know of 5 points. Ann removes them while bob adds 2. Returns what is left, and what
/// somebody is told who hears of the removal last.
fn concurrent_removal<R: Removal>() -> (Option<u64>, MapEvent<bool, u64, u64>) {
    let (mut ann, mut bob) = (Map::<bool, Counter, R>::default(), Map::default());
    let five = give(&mut ann, &context(1, 1), update(true, 5));
    apply::<Map<bool, Counter, R>>(&mut bob, &context(1, 1), &five);
    let removal = give(&mut ann, &context(1, 2), MapCommand::Remove(true));
    let two = give(&mut bob, &context(2, 1), update(true, 2));
    assert_eq!(ann.get(&true).map(Counter::value), None);
    apply(&mut ann, &context(2, 1), &two);
    let mut told = apply(&mut bob, &context(1, 2), &removal);
    let left = ann.get(&true).map(Counter::value);
    assert_eq!(bob.get(&true).map(Counter::value), left);
    (left, told.remove(0))
}

#[test]
fn a_concurrent_update_stays_if_updates_win() {
    let (left, told) = concurrent_removal::<UpdateWins>();
    assert_eq!(left, Some(2));
    let key = true;
    assert_eq!(told, MapEvent::Reset { key, value: 2 });
}

#[test]
fn a_concurrent_update_goes_if_resets_win() {
    let (left, told) = concurrent_removal::<ResetWins>();
    assert_eq!((left, told), (None, MapEvent::Removed(true)));
}

#[test]
fn after_its_removal_a_key_begins_anew() {
    fn check<R: Removal>() {
        let mut map = Map::<bool, Counter, R>::default();
        give(&mut map, &context(1, 1), update(true, 5));
        give(&mut map, &context(1, 2), MapCommand::Remove(true));
        assert_eq!(map.value(), [].into());
        let again = map.prepare(&context(1, 3), MapCommand::Remove(true));
        assert_eq!(again.unwrap(), None);
        give(&mut map, &context(1, 3), update(true, 1));
        assert_eq!(map.value(), [("true".to_owned(), 1)].into());
    }
    check::<UpdateWins>();
    check::<ResetWins>();
}

#[test]
fn what_was_removed_is_forgotten_when_the_removal_is_stable() {
    fn check<R: Removal>() {
        let mut map = Map::<String, Tags, R>::default();
        for counter in 1..=40 {
            let change = update("key".to_owned(), Change::Add(counter as u8));
            give(&mut map, &context(1, counter), change);
        }
        give(
            &mut map,
            &context(1, 41),
            MapCommand::Remove("key".to_owned()),
        );
        let stable = Stable::new([context(1, 41).dot]);
        assert!(!map.compact(&stable, 1, 2));
        assert_eq!(map.save(), Map::<String, Tags, R>::default().save());
    }
    check::<UpdateWins>();
    check::<ResetWins>();
}

#[test]
fn updates_are_kept_only_until_they_are_stable() {
    let mut map = Map::<bool, Counter>::default();
    for counter in 1..=40 {
        give(&mut map, &context(1, counter), update(true, 1));
    }
    let before = map.save().len();
    assert!(map.compact(&Stable::new([context(1, 39).dot]), 1, 2));
    assert!(!map.compact(&Stable::new([context(1, 40).dot]), 2, 3));
    assert!(map.save().len() * 10 < before);
    assert_eq!(map.value(), [("true".to_owned(), 40)].into());
    // The removal takes away what is stable too.
    give(&mut map, &context(2, 1), MapCommand::Remove(true));
    assert_eq!(map.value(), [].into());
}

struct Board;

impl Compose for Board {
    const NAME: &'static str = "board";
    const VERSION: &'static str = "2.0.0";
    const SUMMARY: &'static str = "Points and tags.";
    type Of = Pair<Map<String, Counter>, Optional<Tags>>;
}

/// Gives commands in CBOR, as they arrive from the host.
fn updated(object: &mut Object<Composed<Board>>, commands: &[PairCommandOfBoard]) -> Updated {
    let mut packed = Packed::default();
    for command in commands {
        let mut bytes = Vec::new();
        cbor::encode(command, &mut bytes).unwrap();
        packed.push(&bytes);
    }
    object.update(&context(1, 1), &packed, true)
}

type PairCommandOfBoard = <Composed<Board> as Crdt>::Command;

#[test]
fn commands_refusals_events_and_queries_go_by_way_of_the_path() {
    let mut object = Object::<Composed<Board>>::new();
    let player = |points| PairCommand::First(update("ann".to_owned(), points));
    let tag = OptionalCommand::Update(Change::Add(7));
    let updated = updated(
        &mut object,
        &[player(3), player(0), PairCommand::Second(tag)],
    );
    assert_eq!((updated.ops.len(), &updated.commands[..]), (2, &[0, 2][..]));
    let refusals: Vec<_> = updated
        .refusals
        .iter()
        .map(|(_, why)| why.message())
        .collect();
    assert_eq!(refusals, ["ann: zero changes nothing"]);
    let event = updated.events.iter().next().unwrap();
    let expected = b"\xa1\x65first\xa1\x67changed\xa2\x63key\x63ann\x65event\x03";
    assert_eq!(event, expected);
    let ask = b"\xa1\x65first\xa1\x63ask\xa2\x63key\x63ann\x65query\x03";
    assert_eq!(object.query(Some(ask)).unwrap(), b"\xf5");
    let ask = b"\xa1\x65first\xa1\x63ask\xa2\x63key\x63ann\x65query\x65value";
    assert_eq!(object.query(Some(ask)).unwrap(), b"\x03");
    let value = object.query(None).unwrap();
    assert_eq!(value, b"\xa2\x65first\xa1\x63ann\x03\x66second\x81\x07");
}

#[test]
fn descriptions_are_made_of_those_of_the_parts() {
    type Of = Composed<Board>;
    let summary = Of::summary();
    assert!(summary.starts_with("Points and tags. Two parts. First: A map; a removal"));
    assert!(summary.ends_with("If it is there: A set."), "{summary}");
    let commands = Of::command_schema();
    assert!(
        commands.contains(r#""command": {"type": "integer"}"#),
        "{commands}"
    );
    for schema in [
        commands,
        Of::query_schema(),
        Of::value_schema(),
        Of::event_schema(),
    ] {
        let opened = schema.matches('{').count();
        assert_eq!(schema.matches('}').count(), opened, "{schema}");
    }
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let map = Map::<String, Counter>::default();
    let long = update("x".repeat(KEY_BYTES_MAX + 1), 1);
    let refusal = map.prepare(&context(1, 1), long).unwrap_err();
    assert_eq!(
        refusal.message(),
        "the key is 1025 bytes long: at most 1024"
    );
    let most = update("x".repeat(KEY_BYTES_MAX), 1);
    assert!(map.prepare(&context(1, 1), most).unwrap().is_some());
}

#[test]
fn a_map_that_is_full_takes_updates_and_removals_but_no_new_keys() {
    let mut map = Map::<u64, Counter>::default();
    for key in 0..KEYS_MAX as u64 {
        give(&mut map, &context(1, key + 1), update(key, 1));
    }
    let next = context(1, 1 + KEYS_MAX as u64);
    let refusal = map.prepare(&next, update(u64::MAX, 1)).unwrap_err();
    assert_eq!(
        refusal.message(),
        "there are 100000 keys: remove some first"
    );
    assert!(map.prepare(&next, update(7, 1)).unwrap().is_some());
    give(&mut map, &next, MapCommand::Remove(7));
    assert!(map.prepare(&next, update(u64::MAX, 1)).unwrap().is_some());
}

#[test]
fn an_op_of_another_schema_of_the_part_has_no_effect() {
    let mut map = Map::<bool, Counter>::default();
    let op = give(
        &mut Map::<bool, Counter>::default(),
        &context(1, 1),
        update(true, 5),
    );
    // The key, then the schema.
    let at = op.iter().position(|byte| *byte == 4).unwrap();
    let mut other = op.clone();
    other[at] = 3;
    let mut events = Events::collected();
    let refused = map.apply_bytes(&context(1, 1), &other, &mut events);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("reads ops of schema [4], not of 3")
    );
    assert_eq!(map.save(), Map::<bool, Counter>::default().save());
    assert_eq!(apply(&mut map, &context(1, 1), &op).len(), 1);
}
