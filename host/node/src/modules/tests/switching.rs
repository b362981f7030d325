//! Which version runs, and what it takes to run another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use replicant_guest_build::{Options, build};
use replicant_protocol::content::{self, ModuleName};

use super::*;
use crate::wall_clock::wall_ms;

/// One type in three versions, built once.
static TALLIES: LazyLock<BTreeMap<&str, Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions");
    let packages = ["tally-1-0", "tally-1-1", "tally-2-0"];
    let built = build(&folder, &packages, &Options::detect().unwrap()).unwrap();
    let bytes = built.iter().map(|of| std::fs::read(&of.path).unwrap());
    ["1.0.0", "1.1.0", "2.0.0"].into_iter().zip(bytes).collect()
});

fn tally(version: &str) -> Vec<u8> {
    TALLIES[version].clone()
}

fn with_tallies(versions: &[&str]) -> Library {
    let library = Library::open();
    for version in versions {
        library.load(tally(version)).unwrap();
    }
    library
}

fn switched(version: &str, at: u64) -> Statement {
    let switch = Switch {
        name: ModuleName {
            name: "tally".parse().unwrap(),
            version: version.parse().unwrap(),
        },
        schemas: vec![],
        issuer: publisher().id(),
        hlc: Hlc::from_u64(at),
    };
    SignedSwitch::sign(switch, &publisher()).unwrap().into()
}

fn reason(refused: Result<ModuleInfo, NodeError>) -> String {
    match refused.unwrap_err() {
        NodeError::SwitchRefused { module, reason } => format!("{module}: {reason}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_further_version_runs_when_it_is_told_to_and_after_a_restart() {
    let library = with_tallies(&["1.1.0", "2.0.0"]);
    assert_eq!(library.running("tally").unwrap(), "1.1.0");
    assert!(!library.registry.show("tally@2.0.0").unwrap().active);
    library.notes.announced.lock().unwrap().clear();
    library.notes.changed.lock().unwrap().clear();
    let shown = library.switch("tally@2.0.0", Direction::Upgrade).unwrap();
    assert_eq!((shown.version.as_str(), shown.active), ("2.0.0", true));
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
    assert_eq!(library.notes.changed.lock().unwrap().len(), 1);
    let announced = library.notes.announced.lock().unwrap().clone();
    let [Statement::Switch(switch)] = &announced[..] else {
        panic!("{announced:?}");
    };
    assert_eq!(switch.switch().schemas, [1, 2]);
    // Again: it is so already.
    library.switch("tally@2.0.0", Direction::Upgrade).unwrap();
    assert_eq!(library.notes.announced.lock().unwrap().len(), 1);
    let library = library.reopen();
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
    assert_eq!(library.registry.show("tally").unwrap().switches.len(), 1);
}

#[test]
fn the_way_back_is_open_to_a_version_that_reads_what_was_written_since() {
    let library = with_tallies(&["1.1.0", "1.0.0", "2.0.0"]);
    library.switch("tally", Direction::Upgrade).unwrap();
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
    let refused = reason(library.switch("tally@1.0.0", Direction::Rollback));
    assert!(refused.contains("does not read op encoding 2"), "{refused}");
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
    library.switch("tally", Direction::Rollback).unwrap();
    assert_eq!(library.running("tally").unwrap(), "1.1.0");
    // What 2.0.0 may have written is not forgotten, and neither with another switch in between.
    let refused = reason(library.switch("tally@1.0.0", Direction::Rollback));
    assert!(refused.contains("encoding 2"), "{refused}");
    let forced = library.switch_with("tally@1.0.0", Direction::Rollback, true);
    assert_eq!(forced.unwrap().version, "1.0.0");
    library.switch("tally@1.1.0", Direction::Upgrade).unwrap();
    let refused = reason(library.switch("tally@1.0.0", Direction::Rollback));
    assert!(refused.contains("encoding 2"), "{refused}");
}

#[test]
fn the_wrong_way_and_what_is_not_there_are_refused() {
    let library = with_tallies(&["1.0.0", "1.1.0"]);
    let refused = reason(library.switch("tally", Direction::Rollback));
    assert!(refused.contains("no lower version ran"), "{refused}");
    let refused = reason(library.switch("tally@1.1.0", Direction::Rollback));
    assert!(refused.contains("upgrade"), "{refused}");
    for missing in ["tally@9.0.0", "tally@x", "nothing", "nothing@1.0.0"] {
        let error = library.switch(missing, Direction::Upgrade).unwrap_err();
        assert!(matches!(error, NodeError::UnknownModule { .. }), "{error}");
    }
    library.switch("tally", Direction::Upgrade).unwrap();
    let refused = reason(library.switch("tally", Direction::Upgrade));
    assert!(refused.contains("no higher version is loaded"), "{refused}");
    let refused = reason(library.switch("tally@1.0.0", Direction::Upgrade));
    assert!(refused.contains("rollback"), "{refused}");
}

#[test]
fn a_type_waits_for_the_module_that_it_is_to_run_on() {
    let library = with_tallies(&["1.1.0"]);
    let (tally_name, told) = ("tally".parse().unwrap(), switched("2.0.0", u64::MAX >> 1));
    library.librarian.tell(ModuleEvent::Learned(told));
    wait_until(|| library.running("tally").is_none());
    let missing = library.registry.missing(&tally_name).to_string();
    assert!(missing.contains("tally@2.0.0"), "{missing}");
    let library = library.reopen();
    assert_eq!(library.running("tally"), None);
    let bytes = tally("2.0.0");
    let announcement = announced("tally", "2.0.0", &bytes);
    library
        .librarian
        .tell(ModuleEvent::Learned(announcement.clone().into()));
    library.librarian.tell(activated(&announcement));
    let module = ModuleHash::of(&bytes);
    wait_until(|| library.notes.wanted.lock().unwrap().contains(&module));
    let waiting = library.registry.list();
    let waiting = waiting.iter().find(|of| of.version == "2.0.0").unwrap();
    assert!(waiting.active && !waiting.loaded && waiting.waits.is_some());
    let error = library.registry.show("tally").unwrap_err();
    assert!(matches!(error, NodeError::WaitsForModule { .. }), "{error}");
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    wait_until(|| library.running("tally").as_deref() == Some("2.0.0"));
}

#[test]
fn a_switch_comes_after_every_one_that_its_node_knows() {
    let library = with_tallies(&["1.1.0", "2.0.0"]);
    // From a node whose clock is ahead.
    let ahead = |ms| Hlc::at_millisecond(wall_ms() + ms).as_u64();
    let told = ModuleEvent::Learned(switched("1.1.0", ahead(50_000)));
    library.librarian.tell(told);
    wait_until(|| !library.registry.show("tally").unwrap().switches.is_empty());
    library.switch("tally", Direction::Upgrade).unwrap();
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
    // Of this node, when its clock was ahead: what comes after it would be taken by nobody.
    for far in [ahead(3_600_000), u64::MAX] {
        let told = ModuleEvent::Learned(switched("2.0.0", far));
        let count = library.registry.show("tally").unwrap().switches.len();
        library.librarian.tell(told);
        wait_until(|| library.registry.show("tally").unwrap().switches.len() > count);
        let refused = reason(library.switch("tally", Direction::Rollback));
        assert!(refused.contains("set the clock right"), "{refused}");
    }
}

#[test]
fn a_switch_that_is_no_longer_kept_leaves_the_disk() {
    let library = with_tallies(&["1.1.0"]);
    let old = switched("2.0.0", 1);
    library.librarian.tell(ModuleEvent::Learned(old.clone()));
    library.librarian.tell(ModuleEvent::Forgotten(old));
    library.load(tally("1.1.0")).unwrap();
    // It does not count from then on, not only after a restart.
    assert_eq!(library.running("tally").unwrap(), "1.1.0");
    let library = library.reopen();
    assert_eq!(library.running("tally").unwrap(), "1.1.0");
}

/// It was stored here and told to nobody.
#[test]
fn a_switch_that_the_network_has_no_room_for_is_refused() {
    let content = |all, own| content::Config {
        announcements_max: all,
        announcements_per_publisher_max: own,
        ..content::Config::default()
    };
    for (config, advice) in [
        (content(1, 9), "another name"),
        (content(9, 1), "ask another node"),
    ] {
        let library = Library::open_with(TempDir::new().unwrap(), config);
        for version in ["1.0.0", "1.1.0"] {
            library.load(tally(version)).unwrap();
        }
        let other = Switch {
            name: ModuleName {
                name: "other".parse().unwrap(),
                version: "1.0.0".parse().unwrap(),
            },
            schemas: vec![],
            issuer: publisher().id(),
            hlc: Hlc::ZERO,
        };
        let other: Statement = SignedSwitch::sign(other, &publisher()).unwrap().into();
        library.librarian.tell(ModuleEvent::Learned(other.clone()));
        let refused = reason(library.switch("tally", Direction::Upgrade));
        assert!(refused.contains(advice), "{refused}");
        assert_eq!(library.running("tally").unwrap(), "1.0.0");
        library.librarian.tell(ModuleEvent::Forgotten(other));
        library.switch("tally", Direction::Upgrade).unwrap();
        assert_eq!(library.running("tally").unwrap(), "1.1.0");
    }
}

/// It was lost until the next start.
#[test]
fn a_switch_that_comes_when_the_queue_is_full_takes_effect() {
    let library = with_tallies(&["1.0.0", "1.1.0", "2.0.0"]);
    let gate = library.notes.gate.lock().unwrap();
    library
        .librarian
        .tell(ModuleEvent::Learned(switched("1.1.0", 1)));
    let module = ModuleHash::of(b"nothing");
    for _ in 0..10_000 {
        library.librarian.tell(ModuleEvent::Stalled { module });
    }
    for (version, at) in [("2.0.0", 3), ("1.0.0", 2)] {
        let told = ModuleEvent::Learned(switched(version, at));
        library.librarian.tell(told);
    }
    assert_ne!(library.running("tally").as_deref(), Some("2.0.0"));
    drop(gate);
    wait_until(|| library.running("tally").as_deref() == Some("2.0.0"));
    let library = library.reopen();
    assert_eq!(library.running("tally").unwrap(), "2.0.0");
}

#[test]
fn a_module_is_shown_by_its_hash() {
    let library = with_tallies(&["1.1.0", "2.0.0"]);
    let shown = library.registry.show("tally@2.0.0").unwrap();
    let hash = shown.hash.to_string();
    assert_eq!(library.registry.show(&hash).unwrap(), shown);
    assert_eq!(library.registry.show(&hash[..8]).unwrap(), shown);
    assert!(library.registry.show(&hash[..7]).is_err());
    assert_eq!(shown.publisher, publisher().id());
}

#[test]
fn the_next_version_loads_what_the_one_before_saved() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let load = |version| runtime.load(&tally(version), Limits::default()).unwrap();
    let mut old = load("1.1.0").instantiate().unwrap();
    let handle = old.restore(&[5], "1.0.0").unwrap();
    let saved = old.save(handle).unwrap();
    let mut new = load("2.0.0").instantiate().unwrap();
    let handle = new.restore(&saved, "1.1.0").unwrap();
    assert_ne!(new.save(handle).unwrap(), saved);
    let value = new.query(handle, None).unwrap();
    let value: BTreeMap<String, u64> = ciborium::from_reader(&value[..]).unwrap();
    assert_eq!(value, BTreeMap::from([(String::new(), 5)]));
}

#[test]
fn what_reads_an_op_is_named_and_a_version_that_was_rolled_back_last_of_all() {
    let library = with_tallies(&["1.0.0", "2.0.0"]);
    let reader = || library.registry.reader(&"tally".parse().unwrap(), 2);
    assert_eq!(reader().unwrap(), "tally@2.0.0");
    library.switch("tally@2.0.0", Direction::Upgrade).unwrap();
    library
        .switch_with("tally@1.0.0", Direction::Rollback, true)
        .unwrap();
    assert_eq!(reader().unwrap(), "tally@2.0.0, which was rolled back,");
    library.load(tally("1.1.0")).unwrap();
    assert_eq!(reader().unwrap(), "tally@1.1.0");
}
