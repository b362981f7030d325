//! Limits are part of what is registered.

use super::*;

fn fuel(fuel_per_call: u64) -> LoadLimits {
    LoadLimits {
        fuel_per_call: Some(fuel_per_call),
        ..LoadLimits::default()
    }
}

/// A component of the release with other limits than its own node announces.
fn announced_with(bytes: &[u8], limits: &Limits) -> Arc<SignedAnnouncement> {
    let version = version_of_the_release();
    let mut said = announced("g-counter", &version, bytes)
        .announcement()
        .clone();
    said.limits = super::super::limits::announced(limits);
    Arc::new(SignedAnnouncement::sign(said, &stronger(0)).unwrap())
}

fn version_of_the_release() -> String {
    Library::open().registry.show("g-counter").unwrap().version
}

/// What is accepted at the command line is what the sandbox grants.
#[test]
fn the_most_that_a_limit_may_be_is_what_a_node_grants() {
    let (granted, limits) = (RuntimeConfig::default(), Limits::default());
    assert_eq!(LoadLimits::FUEL_PER_CALL_MAX, granted.fuel_per_call_max);
    assert_eq!(LoadLimits::MEMORY_BYTES_MAX, granted.memory_bytes_max);
    assert_eq!(LoadLimits::OUTPUT_BYTES_MAX, limits.input_bytes_max);
}

#[test]
fn limits_are_announced_and_others_need_a_version_of_their_own() {
    let library = Library::open();
    let conflict = library.load_with(built_in("g-counter"), fuel(7_000_000));
    let conflict = conflict.unwrap_err();
    assert!(
        matches!(conflict, NodeError::LimitsConflict { .. }),
        "{conflict}"
    );
    let text = conflict.to_string();
    assert!(text.contains("fuel_per_call 200000000"), "{text}");
    assert!(text.contains("fuel_per_call 7000000"), "{text}");
    assert!(text.contains(&publisher().id().to_string()), "{text}");
    // As it is registered: nothing changes.
    library
        .load_with(built_in("g-counter"), fuel(200_000_000))
        .unwrap();
}

#[test]
fn a_module_runs_under_the_limits_that_are_announced() {
    let library = Library::open();
    let bytes = rebuilt(built_in("g-counter"));
    let limits = Limits {
        fuel_per_call: 123_456,
        ..Limits::default()
    };
    let announcement = announced_with(&bytes, &limits);
    let module = ModuleHash::of(&bytes);
    library.librarian.tell(activated(&announcement));
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    wait_until(|| library.runs("g-counter", module));
    let name = "g-counter".parse().unwrap();
    let runs = library.registry.active(&name).unwrap();
    assert_eq!(*runs.limits(), limits);
}

#[test]
fn a_module_that_asks_for_more_than_is_granted_is_refused_by_name_and_not_run_with_less() {
    let library = Library::open();
    let bytes = rebuilt(built_in("g-counter"));
    let limits = Limits {
        fuel_per_call: u64::MAX,
        ..Limits::default()
    };
    let error = library
        .load_with(bytes.clone(), fuel(u64::MAX))
        .unwrap_err();
    assert!(error.to_string().contains("fuel_per_call"), "{error}");
    let announcement = announced_with(&bytes, &limits);
    let module = ModuleHash::of(&bytes);
    library.librarian.tell(activated(&announcement));
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    let name = "g-counter".parse().unwrap();
    let waits = || library.registry.missing(&name).to_string();
    wait_until(|| waits().contains("fuel_per_call"));
    assert!(library.registry.active(&name).is_none());
}
