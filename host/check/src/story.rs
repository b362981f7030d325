//! A script and what was seen, in lines for people.

use crate::law::{Evidence, Violation};
use crate::script::{Action, Script, Step};
use crate::world::name;

/// How data in CBOR is shown: this crate does not know what people are used to.
pub type Show<'a> = &'a dyn Fn(&[u8]) -> String;

/// Bytes of a state that are shown.
const STATE_BYTES_SHOWN: usize = 256;

impl Script {
    /// What happens, a line each.
    #[must_use]
    pub fn lines(&self, show: Show<'_>) -> Vec<String> {
        let replicas = self.replicas.iter().enumerate();
        let replicas = replicas.map(|(index, id)| format!("{} (id {id})", name(index)));
        let mut lines = vec![format!(
            "there are {}",
            replicas.collect::<Vec<_>>().join(", ")
        )];
        lines.extend(self.steps.iter().flat_map(|step| step_lines(step, show)));
        lines
    }
}

fn step_lines(step: &Step, show: Show<'_>) -> Vec<String> {
    let who = name(step.replica);
    let number = step.number;
    let line = |text: String| vec![format!("{number:>4}  {text}")];
    match &step.action {
        Action::Update(update) => {
            let commands = update.commands.iter();
            let told = |command: &crate::script::Command| {
                format!("{number:>4}  {who} is told {}", show(&command.0))
            };
            commands.map(told).collect()
        }
        Action::Deliver(of) => line(format!("{who} applies the ops of step {of}")),
        Action::Reload => line(format!("{who} is saved and loaded")),
        Action::Restart => line(format!(
            "{who} goes back to what it saved last, and applies the ops since then again"
        )),
        Action::Snapshot(0) => line("a snapshot is agreed".to_owned()),
        Action::Snapshot(lag) => line(format!(
            "a snapshot is agreed, with a floor {lag} lower than it could be"
        )),
        Action::Adopt => line(format!("{who} adopts the next snapshot")),
    }
}

impl Violation {
    /// What was seen, a line each.
    #[must_use]
    pub fn lines(&self, show: Show<'_>) -> Vec<String> {
        let mut lines = vec![self.what.clone()];
        for (side, evidence) in &self.evidence {
            lines.push(format!("    {side}: {}", evidence_text(evidence, show)));
        }
        lines
    }
}

fn evidence_text(evidence: &Evidence, show: Show<'_>) -> String {
    match evidence {
        Evidence::Words(words) => words.clone(),
        Evidence::Data(data) => show(data),
        Evidence::State(bytes) => {
            let shown = bytes.iter().take(STATE_BYTES_SHOWN);
            let shown: String = shown.map(|byte| format!("{byte:02x}")).collect();
            let more = match bytes.len() > STATE_BYTES_SHOWN {
                true => "…",
                false => "",
            };
            format!("{shown}{more} ({} bytes)", bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Law;
    use crate::script::{Command, Update};

    fn step(number: u32, replica: usize, action: Action) -> Step {
        Step {
            number,
            replica,
            action,
        }
    }

    #[test]
    fn a_script_reads_like_a_story() {
        let update = Update {
            counters_taken: 0,
            time_passed: 0,
            commands: vec![Command(vec![1]), Command(vec![2])],
        };
        let script = Script {
            seed: 0,
            replicas: vec![1, 9],
            steps: vec![
                step(3, 0, Action::Update(update)),
                step(7, 1, Action::Deliver(3)),
                step(8, 0, Action::Snapshot(2)),
            ],
        };
        let expected = [
            "there are replica a (id 1), replica b (id 9)",
            "   3  replica a is told <1>",
            "   3  replica a is told <2>",
            "   7  replica b applies the ops of step 3",
            "   8  a snapshot is agreed, with a floor 2 lower than it could be",
        ];
        assert_eq!(script.lines(&|data| format!("<{}>", data[0])), expected);
    }

    #[test]
    fn large_states_are_cut() {
        let violation = Violation {
            law: Law::ReplicasConverge,
            what: "they differ".to_owned(),
            evidence: vec![("a".to_owned(), Evidence::State(vec![0xab; 300]))],
        };
        let lines = violation.lines(&|_| String::new());
        assert_eq!(lines[0], "they differ");
        assert!(lines[1].ends_with("abab… (300 bytes)"), "{}", lines[1]);
    }
}
