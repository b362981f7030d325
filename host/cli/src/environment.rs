//! Where nodes run, as arguments of a command.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use replicant::environment::{Environment, Parameters, Profile};

use crate::exit::WrongArgument;

/// A profile, and what is different from it.
#[derive(Args)]
pub(crate) struct EnvironmentArguments {
    /// Where the nodes of the cluster run: local, lan, wan or edge. The parameters of all protocols
    /// follow from it (see `replicant tune`); give all nodes the same
    #[arg(long)]
    profile: Option<Profile>,
    /// The share of time in which a node is up, in place of the profile's
    #[arg(long, value_name = "0.01..1", value_parser = reliability)]
    reliability: Option<f64>,
    /// How long a message and its answer take, in 99 of 100 cases
    #[arg(long, value_name = "MILLISECONDS", value_parser = from_to(1, 60_000))]
    round_trip_ms: Option<u64>,
    /// The share of messages that are lost
    #[arg(long, value_name = "0..0.9", value_parser = loss)]
    loss: Option<f64>,
    /// How many nodes are expected
    #[arg(long, value_name = "COUNT", value_parser = from_to(2, 10_000_000))]
    nodes: Option<u64>,
    /// The largest share of nodes that may fail at once
    #[arg(long, value_name = "0..0.99", value_parser = worst_loss)]
    worst_loss: Option<f64>,
    /// How likely a node may miss something that is sent once
    #[arg(long, value_name = "1e-12..0.5", value_parser = miss)]
    miss: Option<f64>,
    /// One parameter in place of what follows, as in swim.probe_interval_ms=500; may be given more
    /// than once
    #[arg(long, value_name = "NAME=NUMBER")]
    parameter: Vec<String>,
}

pub(crate) fn from_to(least: u64, most: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=most)
}

fn reliability(text: &str) -> Result<f64, String> {
    let why = "of nodes that are never up nothing follows";
    share(text, &Environment::RELIABILITY, why)
}

fn loss(text: &str) -> Result<f64, String> {
    let why = "where hardly anything arrives no parameter helps";
    share(text, &Environment::LOSS, why)
}

fn worst_loss(text: &str) -> Result<f64, String> {
    let why = "somebody has to be left";
    share(text, &Environment::WORST_LOSS, why)
}

fn miss(text: &str) -> Result<f64, String> {
    let why = "that nothing is ever missed cannot be promised";
    share(text, &Environment::MISS, why)
}

fn share(text: &str, range: &RangeInclusive<f64>, why: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let within = number.filter(|share| range.contains(share));
    within.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        format!("write a number from {least:?} to {most:?}: {why}")
    })
}

/// The arguments are within range.
pub(crate) fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl EnvironmentArguments {
    /// Whether anything was said.
    pub(crate) fn is_given(&self) -> bool {
        let shares = [self.reliability, self.loss, self.worst_loss, self.miss];
        self.profile.is_some()
            || shares.iter().any(Option::is_some)
            || self.round_trip_ms.is_some()
            || self.nodes.is_some()
            || !self.parameter.is_empty()
    }

    /// The first parameter of this protocol that is given.
    pub(crate) fn of_protocol(&self, protocol: &str) -> Option<&str> {
        let mut given = self.parameter.iter().map(String::as_str);
        given.find(|given| given.split('.').next() == Some(protocol))
    }

    /// The environment; `lan` unless another profile is named.
    pub(crate) fn environment(&self) -> Environment {
        let of = self.profile.unwrap_or(Profile::Lan).environment();
        Environment {
            reliability: self.reliability.unwrap_or(of.reliability),
            round_trip: self
                .round_trip_ms
                .map_or(of.round_trip, Duration::from_millis),
            loss: self.loss.unwrap_or(of.loss),
            expected_size: self.nodes.map_or(of.expected_size, count),
            worst_loss: self.worst_loss.unwrap_or(of.worst_loss),
            miss: self.miss.unwrap_or(of.miss),
        }
    }

    /// What follows from an environment, with what was overridden; nothing in it contradicts
    /// anything else.
    pub(crate) fn parameters(&self, env: &Environment) -> Result<Parameters> {
        let parameters = self.overridden(env)?;
        let wrong = || WrongArgument("two parameters contradict each other".to_owned());
        parameters.check().with_context(wrong)?;
        Ok(parameters)
    }

    /// The same for another environment than the one that was asked for, where what follows for
    /// one protocol may contradict what was given for it.
    pub(crate) fn overridden(&self, env: &Environment) -> Result<Parameters> {
        let mut parameters = env.parameters();
        let mut names = BTreeSet::new();
        for given in &self.parameter {
            let wrong = || WrongArgument(format!("--parameter {given}"));
            let (name, value) = given
                .split_once('=')
                .context("write NAME=NUMBER, such as swim.probe_interval_ms=500")
                .with_context(wrong)?;
            let value = value
                .parse()
                .context("that is no number")
                .with_context(wrong)?;
            parameters.set(name, value).with_context(wrong)?;
            ensure!(
                names.insert(name),
                WrongArgument(format!("--parameter {name} is given twice"))
            );
        }
        parameters.adapt(|name| names.contains(name));
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: EnvironmentArguments,
    }

    fn arguments(given: &[&str]) -> EnvironmentArguments {
        let words = ["tune"].iter().chain(given);
        Command::try_parse_from(words).unwrap().arguments
    }

    #[test]
    fn shares_that_mean_nothing_are_refused_with_those_that_do() {
        assert_eq!(loss("0"), Ok(0.0));
        assert_eq!(reliability("1"), Ok(1.0));
        for wrong in ["-0.1", "0.91", "1", "NaN", "half"] {
            let error = loss(wrong).unwrap_err();
            assert!(error.contains("0.0 to 0.9:"), "{wrong}: {error}");
        }
        for (wrong, within) in [
            (reliability("0"), "0.01 to 1.0"),
            (worst_loss("1"), "0.0 to 0.99"),
            (miss("0"), "1e-12 to 0.5"),
        ] {
            let error = wrong.unwrap_err();
            assert!(error.contains(within), "{error}");
        }
    }

    #[test]
    fn what_is_said_takes_the_place_of_what_the_profile_says() {
        assert!(!arguments(&[]).is_given());
        let given = arguments(&["--profile", "wan", "--loss", "0.2", "--nodes", "50"]);
        assert!(given.is_given());
        let env = given.environment();
        assert_eq!((env.loss, env.expected_size), (0.2, 50));
        assert_eq!(env.round_trip, Environment::wan().round_trip);
    }

    #[test]
    fn a_parameter_can_be_overridden_by_name_and_a_wrong_one_is_told() {
        let given = arguments(&["--parameter", "swim.probe_interval_ms=500"]);
        let parameters = given.parameters(&given.environment()).unwrap();
        assert_eq!(parameters.swim.probe_interval, Duration::from_millis(500));
        for (wrong, why) in [
            ("swim.probe_interval_ms", "NAME=NUMBER"),
            ("swim.probe_interval_ms=soon", "no number"),
            ("swim.confirmations=9", "0 to 3"),
            ("swim.speed=9", "replicant tune"),
            (
                "swim.probe_interval_ms=250",
                "swim.probe_interval_ms=266 or more, or swim.probe_timeout_ms=125 or less",
            ),
        ] {
            let given = arguments(&["--parameter", wrong]);
            let error = given.parameters(&given.environment()).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        let [one, other] = ["swim.confirmations=1", "swim.confirmations=2"];
        let given = arguments(&["--parameter", one, "--parameter", other]);
        let error = given.parameters(&given.environment()).unwrap_err();
        assert!(error.is::<WrongArgument>(), "{error:#}");
        assert!(
            error
                .to_string()
                .contains("swim.confirmations is given twice")
        );
    }
}
