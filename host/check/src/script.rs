//! What happens in one run, written down: enough to do it again, small enough to read.
//!
//! A script names everything by the number that a step got when the script was made, so that
//! steps can be taken out of it and the rest still means the same. What has become impossible
//! (delivering a bundle that is no longer made, or not yet due) is passed over.

use serde::{Deserialize, Serialize};

use crate::config::REPLICAS;
use crate::law::Law;

/// One run of a few replicas of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Decides everything that the steps leave open: orders of delivery, where runs are cut, what
    /// is probed.
    pub seed: u64,
    /// The replica ids, one for each replica.
    pub replicas: Vec<u64>,
    /// What happens, in this order.
    pub steps: Vec<Step>,
}

/// A script that broke a law of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// `name@version` of the component.
    pub module: String,
    /// The law.
    pub law: Law,
    /// What happened.
    pub script: Script,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The step's number when the script was made; names the bundle that an update makes.
    pub number: u32,
    /// The replica that it happens to, an index into [`Script::replicas`].
    pub replica: usize,
    /// What it is.
    pub action: Action,
}

/// What can happen to a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is given commands. Their ops are one bundle.
    Update(Update),
    /// A bundle arrives: the one that the update with this number made.
    Deliver(u32),
    /// It is saved and loaded.
    Reload,
    /// It goes back to what it saved last, and gets everything since then once more.
    Restart,
    /// The cluster agrees on a snapshot of what all replicas have. Its floor is so many snapshots
    /// lower than it could be.
    Snapshot(usize),
    /// It adopts the next snapshot.
    Adopt,
}

/// Commands for one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Counters that ops on other objects of the topic have taken in the meantime.
    pub counters_taken: u64,
    /// How far the clock has moved.
    pub time_passed: u64,
    /// The commands, in CBOR.
    pub commands: Vec<Command>,
}

/// One command, in CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Command(pub Vec<u8>);

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for Command {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "{text:?} is not an even number of hexadecimal digits"
            ));
        }
        let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
        let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16));
        bytes
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

impl Step {
    /// The commands that are given; none if this is no update.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        match &self.action {
            Action::Update(update) => &update.commands,
            _ => &[],
        }
    }
}

/// How far counters or the clock move in one step, at most: they never come to their end.
const LEAP_MAX: u64 = u32::MAX as u64;

impl Script {
    /// Says what is wrong with a script that was not made here.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote it.
    pub fn validate(&self) -> Result<(), String> {
        if self.replicas.is_empty() {
            return Err("the script has no replicas".to_owned());
        }
        let mut ids = self.replicas.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < self.replicas.len() {
            return Err("two replicas have the same id".to_owned());
        }
        let count = self.replicas.len();
        let most = *REPLICAS.end();
        if count > most {
            return Err(format!("{count} replicas; at most {most} can be"));
        }
        let leaps = self.steps.iter().find(|step| match &step.action {
            Action::Update(update) => update.counters_taken.max(update.time_passed) > LEAP_MAX,
            _ => false,
        });
        if let Some(step) = leaps {
            return Err(format!(
                "in step {} counters or the clock leap by more than {LEAP_MAX}",
                step.number
            ));
        }
        match self.steps.iter().find(|step| step.replica >= count) {
            None => Ok(()),
            Some(step) => Err(format!(
                "step {} is of replica {}, and there are {count}, from 0",
                step.number, step.replica
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_hexadecimal() {
        let command = Command(vec![0xa1, 0x00, 0xff]);
        let text = String::from(command.clone());
        assert_eq!(text, "a100ff");
        assert_eq!(Command::try_from(text), Ok(command));
        assert!(Command::try_from("a".to_owned()).is_err());
        assert!(Command::try_from("zz".to_owned()).is_err());
        assert!(Command::try_from("+1".to_owned()).is_err());
    }

    #[test]
    fn a_field_that_no_history_has_is_named() {
        let read = |text: &str| serde_json::from_str::<Script>(text).map_err(|no| no.to_string());
        let script = r#"{"seed": 1, "replicas": [1], "steps": [STEP]}"#;
        let step = r#"{"number": 1, "replica": 0, "action": "reload"}"#;
        assert!(read(&script.replace("STEP", step)).is_ok());
        let wrong = step.replace("number", "typo\": 1, \"number");
        let error = read(&script.replace("STEP", &wrong)).unwrap_err();
        assert!(error.contains("unknown field `typo`"), "{error}");
        let wrong = script
            .replace("seed", "speed\": 2, \"seed")
            .replace("STEP", step);
        let error = read(&wrong).unwrap_err();
        assert!(error.contains("unknown field `speed`"), "{error}");
    }

    #[test]
    fn a_script_that_names_a_replica_that_is_not_there_is_refused() {
        let step = Step {
            number: 7,
            replica: 2,
            action: Action::Reload,
        };
        let mut script = Script {
            seed: 0,
            replicas: vec![1, 2],
            steps: vec![step],
        };
        assert!(script.validate().is_err_and(|why| why.contains("step 7")));
        script.replicas.push(3);
        assert_eq!(script.validate(), Ok(()));
        script.replicas.push(3);
        assert!(script.validate().is_err());
        script.replicas = (0..17).collect();
        assert!(
            script
                .validate()
                .is_err_and(|why| why.contains("at most 16"))
        );
    }

    #[test]
    fn a_script_whose_clock_would_come_to_its_end_is_refused() {
        let leap = |counters_taken, time_passed| {
            let update = Update {
                counters_taken,
                time_passed,
                commands: Vec::new(),
            };
            let step = Step {
                number: 1,
                replica: 0,
                action: Action::Update(update),
            };
            let script = Script {
                seed: 0,
                replicas: vec![1],
                steps: vec![step],
            };
            script.validate()
        };
        assert_eq!(leap(LEAP_MAX, LEAP_MAX), Ok(()));
        assert!(leap(LEAP_MAX + 1, 0).is_err() && leap(0, u64::MAX).is_err());
    }
}
