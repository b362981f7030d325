//! Where nodes run, as arguments of a command.

use std::collections::BTreeSet;
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
    #[arg(long, value_name = "0..1", value_parser = share)]
    reliability: Option<f64>,
    /// How long a message and its answer take, in 99 of 100 cases
    #[arg(long, value_name = "MILLISECONDS", value_parser = from_to(1, 60_000))]
    round_trip_ms: Option<u64>,
    /// The share of messages that are lost
    #[arg(long, value_name = "0..1", value_parser = share)]
    loss: Option<f64>,
    /// How many nodes are expected
    #[arg(long, value_name = "COUNT", value_parser = from_to(2, 10_000_000))]
    nodes: Option<u64>,
    /// The largest share of nodes that may fail at once
    #[arg(long, value_name = "0..1", value_parser = share)]
    worst_loss: Option<f64>,
    /// How likely a node may miss something that is sent once
    #[arg(long, value_name = "0..1", value_parser = share)]
    miss: Option<f64>,
    /// One parameter in place of what follows, as in swim.probe_interval_ms=250; may be given more
    /// than once
    #[arg(long, value_name = "NAME=NUMBER")]
    parameter: Vec<String>,
}

pub(crate) fn from_to(least: u64, most: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=most)
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let within = number.filter(|share| (0.0..=1.0).contains(share));
    within.ok_or_else(|| "write a number from 0 to 1, such as 0.99".to_owned())
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

    /// What follows from an environment, with what was overridden.
    pub(crate) fn parameters(&self, env: &Environment) -> Result<Parameters> {
        let mut parameters = env.parameters();
        let mut names = BTreeSet::new();
        for given in &self.parameter {
            let wrong = || WrongArgument(format!("--parameter {given}"));
            let (name, value) = given
                .split_once('=')
                .context("write NAME=NUMBER, such as swim.probe_interval_ms=250")
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
    fn shares_are_from_nought_to_one() {
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["-0.1", "1.1", "NaN", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
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
        let given = arguments(&["--parameter", "swim.probe_interval_ms=250"]);
        let parameters = given.parameters(&given.environment()).unwrap();
        assert_eq!(parameters.swim.probe_interval, Duration::from_millis(250));
        for (wrong, why) in [
            ("swim.probe_interval_ms", "NAME=NUMBER"),
            ("swim.probe_interval_ms=soon", "no number"),
            ("swim.confirmations=9", "0 to 3"),
            ("swim.speed=9", "replicant tune"),
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
