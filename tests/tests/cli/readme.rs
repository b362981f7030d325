//! The first session of the README, as it stands there.

use std::process::Command;

use replicant_tests::process::{NodeProcess, Start, binary};

const README: &str = include_str!("../../../README.md");

/// A command, and what the README shows of what it prints; `…` stands for anything.
#[derive(Debug)]
struct Step {
    command: String,
    prints: Vec<String>,
}

/// The commands of the section, without those that start nodes or go on for ever.
fn steps(section: &str) -> Vec<Step> {
    let section = README.split(section).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let consoles = section.split("```console\n").skip(1);
    for block in consoles.map(|block| block.split("```").next().unwrap()) {
        for line in block.replace("\\\n", "").lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    command: command.to_owned(),
                    prints: Vec::new(),
                }),
                None => steps.last_mut().unwrap().prints.push(line.to_owned()),
            }
        }
    }
    let is_short = |step: &Step| {
        let endless = step.command.ends_with('&') || step.command.contains("curl -sN");
        !endless && !step.command.starts_with("cargo") && !step.command.contains("replicant init")
    };
    steps.retain(is_short);
    steps
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

/// Whether a text is what a pattern with `…` in it says.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_first_session_goes_as_the_readme_says() {
    let ada = NodeProcess::alone();
    let bob = NodeProcess::fresh(&Start {
        join: vec![ada.listen().to_owned()],
        ..Start::default()
    });
    let steps = steps("\n## A first session\n");
    assert!(steps.len() > 5, "{steps:?}");
    for Step { command, prints } in steps {
        if command.starts_with("curl") && !has_curl() {
            continue;
        }
        // Both nodes have what was written before.
        let version = ada.run(["digest", "shop", "--json"]).json()["version"].clone();
        if let Some(version) = version.as_str().filter(|version| !version.is_empty()) {
            bob.run(["get", "shop", "cart", "--after", version])
                .succeeds();
        }
        let here = command
            .replace("127.0.0.1:8081", bob.api())
            .replace("localhost:8080", ada.api())
            .replace("localhost:8081", bob.api())
            .replace("replicant ", &format!("\"{}\" ", binary().display()));
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).env("REPLICANT_API", ada.api());
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let is_shown = !prints.is_empty();
        assert!(
            !is_shown || fits(printed.trim_end(), &prints.join("\n")),
            "{command} printed:\n{printed}"
        );
    }
}

#[test]
fn patterns_are_taken_by_their_word() {
    for (text, pattern) in [
        ("", ""),
        ("done, version A", "done, version …"),
        ("a 1 b 2 c", "a … b … c"),
        ("x\nanything", "x\n…"),
    ] {
        assert!(fits(text, pattern), "{text}: {pattern}");
    }
    for (text, pattern) in [
        ("a", ""),
        ("", "a"),
        ("a 1 b", "a … c"),
        ("ab", "a"),
        ("b", "…a…b"),
    ] {
        assert!(!fits(text, pattern), "{text}: {pattern}");
    }
}
