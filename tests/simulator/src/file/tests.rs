//! Reading scenario files, and what each kind of entry does.

use super::*;

const HEAD: &str = "about = \"x\"\nworld = \"flood\"\nnodes = 50\nlength = \"1 min\"\n";

fn error_of(rest: &str) -> String {
    match ScenarioFile::parse(&format!("{HEAD}{rest}")) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_fault_is_told_with_its_line_and_what_would_be_right() {
    let cases = [
        ("x = 1", "line 5, `x = 1`: unknown field `x`"),
        (
            "settle = \"1 h\"",
            "line 5, `settle = \"1 h\"`: `1 h` is not a time",
        ),
        (
            "[[crash]]\nat = \"1 s\"\nshare = 2",
            "line 7, `share = 2`: 2 is no share: 0 to 1",
        ),
        (
            "[[crash]]\nat = \"2 min\"\nshare = 1",
            "line 5, `[[crash]]`: it begins after",
        ),
        (
            "[[crash]]\nshare = 1",
            "line 5, `[[crash]]`: missing field `at`",
        ),
        (
            "[[skew]]\nat = \"1 s\"\nshare = 1\ndrift_ppm = -1",
            "line 8, `drift_ppm = -1`: -1 is",
        ),
        (
            "[[churn]]\nat = \"1 s\"\nlasts = \"1 s\"\naway = \"1 s\"\nper_minute = nan",
            "line 5, `[[churn]]`: `per_minute` is above 0",
        ),
        (
            "[[partition]]\nat = \"1 s\"\nlasts = \"1 s\"\nparts = [0.6, 0.6]",
            "line 5, `[[partition]]`: `parts` are 2 to 16 shares",
        ),
        (
            "[network]\nlatency = { uniform = [\"2 s\", \"1 s\"] }",
            "line 6, `latency = { uniform = [\"2 s\", \"1 s\"] }`: the smaller",
        ),
        (
            "[[broadcast]]\nname = \"a\"\nat = \"1 s\"\n[[broadcast]]\nname = \"a\"\nat = \"1 s\"",
            "line 5, `[[broadcast]]`: two broadcasts are called `a`",
        ),
        (
            "[[expect]]\nfigure = \"reached\"\nof = \"a\"\nat_least = 1",
            "line 5, `[[expect]]`: `of` has to name a broadcast",
        ),
        (
            "[[expect]]\nfigure = \"isolated\"\nat_least = 1\nat_most = 1",
            "line 5, `[[expect]]`: one of `at_least` and `at_most`",
        ),
        (
            "[[expect]]\nfigure = \"wrongly-dead\"\nat_most = 1",
            "line 5, `[[expect]]`: this world has no such figure",
        ),
        (
            "[[expect]]\nfigure = \"hope\"",
            "line 6, `figure = \"hope\"`: unknown variant `hope`",
        ),
        ("=", "line 5, `=`: "),
    ];
    for (rest, told) in cases {
        let error = error_of(rest);
        assert!(error.starts_with(told), "{rest:?}: {error}");
    }
    let overlapping = "[[loss]]\nat = \"1 s\"\nlasts = \"9 s\"\nrate = 1\n".repeat(2);
    assert!(error_of(&overlapping).contains("it begins before another"));
}

#[test]
fn what_is_too_long_or_names_an_unknown_world_is_not_taken() {
    let long = format!("{HEAD}{}", "#".repeat(FILE_BYTES_MAX));
    let error = ScenarioFile::parse(&long).map(|_| ());
    assert!(matches!(error, Err(FileError::Length { .. })));
    let other = HEAD.replace("flood", "moon");
    let error = ScenarioFile::parse(&other).map(|_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("line 2, `world = \"moon\"`: unknown variant")
    );
    for nodes in ["1", "1000001", "-1", "1.5"] {
        let other = HEAD.replace("50", nodes);
        assert!(ScenarioFile::parse(&other).is_err(), "{nodes} nodes");
    }
}

fn figures_of(rest: &str) -> Vec<(String, f64)> {
    let file = ScenarioFile::parse(&format!("{HEAD}{rest}")).unwrap();
    let figures = file.run(None, 1, &mut |_, _| ()).figures;
    figures.into_iter().map(|it| (it.name, it.value)).collect()
}

fn reached(rest: &str) -> f64 {
    let said = "[[broadcast]]\nname = \"b\"\nat = \"10 s\"\ncount = 20\nevery = \"500 ms\"\n";
    let figures = figures_of(&format!("{said}{rest}"));
    let found = figures.iter().find(|(name, _)| name == "b: reached");
    found.map_or(f64::NAN, |(_, value)| *value)
}

#[test]
fn each_fault_does_what_it_says_and_ends_when_it_says() {
    assert_eq!(reached(""), 100.0);
    let whole = "lasts = \"40 s\"\n";
    assert!(reached(&format!("[[loss]]\nat = \"5 s\"\nrate = 1\n{whole}")) < 3.0);
    assert_eq!(
        reached("[[loss]]\nat = \"5 s\"\nlasts = \"5 s\"\nrate = 1\n"),
        100.0
    );
    let cut = |lasts: &str, direction: &str| {
        let direction = format!("direction = \"{direction}\"");
        format!("[[partition]]\nat = \"5 s\"\n{lasts}parts = [0.5, 0.5]\n{direction}\n")
    };
    let (both, one_way) = (
        reached(&cut(whole, "both")),
        reached(&cut(whole, "one-way")),
    );
    assert!(
        (40.0..60.0).contains(&both) && (60.0..95.0).contains(&one_way),
        "{both} {one_way}"
    );
    assert_eq!(reached(&cut("lasts = \"5 s\"\n", "both")), 100.0);
    // Those that stood still hear it afterwards, if there is an afterwards.
    let stall = |lasts: &str| format!("[[stall]]\nat = \"5 s\"\nshare = 1\nlasts = \"{lasts}\"\n");
    assert_eq!(reached(&stall("40 s")), 100.0);
    assert!(reached(&stall("20 min")) < 3.0);
    let slow = "[[slow]]\nat = \"5 s\"\nshare = 1\nlasts = \"30 s\"\nby = \"20 min\"\n";
    assert!(reached(slow) < 20.0);
}

#[test]
fn who_comes_back_is_up_at_the_end_and_who_was_away_is_not_held_to_account() {
    let crash = "[[crash]]\nat = \"20 s\"\nshare = 0.5\n";
    let returning = format!("{crash}returns_after = \"10 s\"\n");
    assert_eq!((reached(crash), reached(&returning)), (100.0, 100.0));
    let messages = |rest: &str| {
        let said = "[[broadcast]]\nname = \"b\"\nat = \"40 s\"\ncount = 20\nevery = \"500 ms\"\n";
        let figures = figures_of(&format!("{said}{rest}"));
        let found = figures.iter().find(|(name, _)| name == "messages a node");
        found.map_or(f64::NAN, |(_, value)| *value)
    };
    assert!(messages(&returning) > 1.5 * messages(crash));
    let churn = "[[churn]]\nat = \"1 s\"\nlasts = \"1 min\"\nper_minute = 6\naway = \"10 min\"\n";
    assert!(messages(churn) < 0.2 * messages(""));
}
