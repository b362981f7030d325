use replicant_sdk::{Delta, Dot, Object, Packed, cbor};

use super::*;

replicant_sdk::delta_laws!(LwwMap);

type Map = Object<Delta<LwwMap>>;

fn context(replica: u64, counter: u64, timestamp: u64) -> Context {
    Context {
        dot: Dot { replica, counter },
        timestamp,
        schema: 1,
    }
}

fn set(key: &str, number: u64) -> Command {
    Command::Set(Fields([(key.into(), Json::Unsigned(number))].into()))
}

/// Gives a command; returns the delta, if there is one, and how many events it led to.
fn give(map: &mut Map, context: &Context, command: &Command) -> (Packed, usize) {
    let mut bytes = Packed::default();
    let mut encoded = Vec::new();
    cbor::encode(command, &mut encoded).unwrap();
    bytes.push(&encoded);
    let updated = map.update(context, &bytes, true);
    assert_eq!(updated.refusals, []);
    (updated.ops, updated.events.len())
}

fn keys(map: &Map) -> Vec<(&str, Json)> {
    let entries = map.state().0.0.iter();
    entries.map(|(key, value)| (key, value.value())).collect()
}

#[test]
fn writes_of_different_keys_all_count_and_of_one_key_the_last() {
    let (mut ann, mut bob) = (Map::new(), Map::new());
    let (of_ann, _) = give(&mut ann, &context(1, 1, 5), &set("a", 1));
    let (also_ann, _) = give(&mut ann, &context(1, 2, 7), &set("b", 1));
    let (of_bob, _) = give(&mut bob, &context(2, 1, 6), &set("a", 2));
    bob.merge(1, also_ann, false);
    bob.merge(1, of_ann.clone(), false);
    ann.merge(1, of_bob, false);
    assert_eq!(
        keys(&ann),
        [("a", Json::Unsigned(2)), ("b", Json::Unsigned(1))]
    );
    assert_eq!(ann.save(), bob.save());
    assert!(
        ann.merge(1, of_ann, true).is_empty(),
        "an old delta tells of nothing"
    );
}

#[test]
fn a_removed_key_stays_removed_when_an_older_write_arrives() {
    let mut map = Map::new();
    let (old, _) = give(&mut Map::new(), &context(2, 1, 4), &set("a", 9));
    give(&mut map, &context(1, 1, 5), &set("a", 1));
    assert_eq!(
        give(&mut map, &context(1, 2, 6), &Command::Remove("a".into())).1,
        1
    );
    assert!(map.merge(1, old, true).is_empty());
    assert_eq!(keys(&map), []);
    // What is not there is not removed once more.
    let again = Command::Remove("a".into());
    assert!(give(&mut map, &context(1, 3, 7), &again).0.is_empty());
    assert!(
        give(&mut map, &context(1, 3, 7), &Command::Clear)
            .0
            .is_empty()
    );
}

#[test]
fn a_tombstone_is_forgotten_when_its_removal_is_stable() {
    let mut map = Map::new();
    give(&mut map, &context(1, 1, 5), &set("a", 1));
    give(&mut map, &context(1, 2, 6), &Command::Clear);
    let with_tombstone = map.save().len();
    let stable = |counter| {
        Stable::new([Dot {
            replica: 1,
            counter,
        }])
    };
    assert!(map.compact(&stable(1), 0, 1));
    assert_eq!(map.save().len(), with_tombstone);
    assert!(!map.compact(&stable(2), 1, 2));
    assert_eq!(map.save(), Map::new().save());
}

#[test]
fn queries_are_answered() {
    let mut map = Map::new();
    give(&mut map, &context(1, 1, 5), &set("a", 1));
    let ask = |query| map.state().0.query(query).unwrap();
    assert_eq!(ask(Query::Get("a".into())), Answer::Get(Json::Unsigned(1)));
    assert_eq!(ask(Query::Get("b".into())), Answer::Get(Json::Null));
    assert_eq!(ask(Query::Contains("a".into())), Answer::Contains(true));
    assert_eq!(ask(Query::Size), Answer::Size(1));
}
