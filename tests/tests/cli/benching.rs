//! `replicant bench`: what is said while it measures.

use replicant_tests::process::Replicant;

/// It was silent for minutes where no bar could be drawn.
#[test]
fn who_makes_many_objects_says_how_far_it_is() {
    let made = ["bench", "idle-objects", "--objects", "20", "--json"];
    let ran = Replicant::new().run(made).succeeds();
    let figures: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(figures["objects"], 20);
    let said: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(said.len(), 9, "{ran:#?}");
    assert_eq!((said[0], said[8]), ("2 of 20 objects", "18 of 20 objects"));
}
