//! `replicant tune`: what follows from where nodes run, and what to expect of it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use replicant::environment::{Environment, Expected, Parameters, Profile};
use replicant_simulator::scenarios::{Measured, measure_swim};
use serde_json::{Value, json};

use crate::output::{self, Table};

/// With how many nodes is measured if nobody says: more take minutes.
const MEASURED_NODES: u32 = 100;

#[derive(Args)]
pub(crate) struct TuneArguments {
    /// Where to start from: local, lan, wan or edge
    #[arg(long, default_value_t = Profile::Lan)]
    profile: Profile,
    /// The share of time in which a node is up
    #[arg(long, value_name = "0..1", value_parser = share)]
    reliability: Option<f64>,
    /// How long a message and its answer take, in 99 of 100 cases
    #[arg(long, value_name = "MILLISECONDS", value_parser = from_to(1, 60_000))]
    round_trip_ms: Option<u64>,
    /// The share of messages that are lost
    #[arg(long, value_name = "0..1", value_parser = share)]
    loss: Option<f64>,
    /// How many nodes are expected
    #[arg(long, value_parser = from_to(2, 10_000_000))]
    nodes: Option<u64>,
    /// The largest share of nodes that may fail at once
    #[arg(long, value_name = "0..1", value_parser = share)]
    worst_loss: Option<f64>,
    /// How likely a node may miss something that is sent once
    #[arg(long, value_name = "0..1", value_parser = share)]
    miss: Option<f64>,
    /// Simulate it too, and print what was measured beside what is expected
    #[arg(long)]
    measure: bool,
    /// How many nodes are simulated [default: as many as expected, at most 100]
    #[arg(long, requires = "measure", value_parser = from_to(3, 2_000))]
    measure_nodes: Option<u64>,
    /// The seed that decides the simulation
    #[arg(long, requires = "measure", default_value_t = 1)]
    seed: u64,
    /// Print it in JSON
    #[arg(long)]
    json: bool,
}

fn from_to(least: u64, most: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(least..=most)
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let within = number.filter(|share| (0.0..=1.0).contains(share));
    within.ok_or_else(|| "write a number from 0 to 1, such as 0.99".to_owned())
}

pub(crate) fn run(arguments: &TuneArguments) -> Result<()> {
    let env = arguments.environment();
    let parameters = env.parameters();
    // What is simulated has its own size, and so has the expectation beside it.
    let nodes = arguments.measure_nodes.map(count);
    let nodes = nodes.unwrap_or(env.expected_size.min(MEASURED_NODES));
    let simulated = Environment {
        expected_size: nodes,
        ..env
    };
    let env = if arguments.measure { simulated } else { env };
    let parameters = if arguments.measure {
        env.parameters()
    } else {
        parameters
    };
    let expected = env.expected(&parameters);
    let measured = arguments
        .measure
        .then(|| measure_swim(&env, &parameters, nodes, arguments.seed, &mut |_, _| ()));
    if arguments.json {
        let all = json!({
            "environment": environment_json(&env),
            "parameters": parameters_json(&parameters),
            "expected": expected_json(&expected),
            "measured": measured.as_ref().map(measured_json),
        });
        return Ok(output::json(&all.to_string())?);
    }
    print_object("environment", &environment_json(&env))?;
    output::line("")?;
    for (name, group) in parameters_json(&parameters)
        .as_object()
        .into_iter()
        .flatten()
    {
        print_object(name, group)?;
        output::line("")?;
    }
    print_expected(
        &expected_json(&expected),
        measured.as_ref().map(measured_json).as_ref(),
    )
}

impl TuneArguments {
    fn environment(&self) -> Environment {
        let of = self.profile.environment();
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
}

/// The arguments are within range.
fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn print_object(name: &str, object: &Value) -> Result<()> {
    let mut table = Table::new(&[name, "value"]);
    for (key, value) in object.as_object().into_iter().flatten() {
        table.row(&[key.clone(), value.to_string()]);
    }
    Ok(table.print("")?)
}

fn print_expected(expected: &Value, measured: Option<&Value>) -> Result<()> {
    let mut head = vec!["expected", "value"];
    head.extend(measured.map(|_| "measured"));
    let mut table = Table::new(&head);
    for (key, value) in expected.as_object().into_iter().flatten() {
        let mut row = vec![key.clone(), shown(value)];
        row.extend(measured.map(|measured| shown(&measured[key])));
        table.row(&row);
    }
    Ok(table.print("")?)
}

/// A number in few digits; what was not measured as a dash.
fn shown(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(number) if number != 0.0 && number.abs() < 0.001 => format!("{number:.1e}"),
        Some(number) => format!("{number:.3}"),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn environment_json(env: &Environment) -> Value {
    json!({
        "reliability": env.reliability,
        "round_trip_ms": millis(env.round_trip),
        "loss": env.loss,
        "expected_size": env.expected_size,
        "worst_loss": env.worst_loss,
        "miss": env.miss,
    })
}

fn parameters_json(parameters: &Parameters) -> Value {
    let Parameters {
        swim,
        hyparview,
        plumtree,
        rapid,
    } = parameters;
    json!({
        "swim": {
            "probe_interval_ms": millis(swim.probe_interval),
            "probe_timeout_ms": millis(swim.probe_timeout),
            "indirect_probes": swim.indirect_probes_count,
            "suspicion_multiplier": swim.suspicion_multiplier,
            "suspicion_max_multiplier": swim.suspicion_max_multiplier,
            "confirmations": swim.confirmations_max,
            "retransmission_multiplier": swim.retransmission_multiplier,
            "gossip_interval_ms": millis(swim.gossip_interval),
            "gossip_fanout": swim.gossip_fanout_count,
            "sync_interval_ms": millis(swim.sync_interval),
            "reconnect_interval_ms": millis(swim.reconnect_interval),
        },
        "hyparview": {
            "active_view": hyparview.active_view_max,
            "passive_view": hyparview.passive_view_max,
            "active_walk": hyparview.active_walk_length,
            "passive_walk": hyparview.passive_walk_length,
            "shuffle_interval_ms": millis(hyparview.shuffle_interval),
            "shuffle_active": hyparview.shuffle_active_count,
            "shuffle_passive": hyparview.shuffle_passive_count,
        },
        "plumtree": {
            "i_have_interval_ms": millis(plumtree.i_have_interval),
            "graft_timeout_ms": millis(plumtree.graft_timeout),
            "graft_retry_timeout_ms": millis(plumtree.graft_retry_timeout),
        },
        "rapid": {
            "fanout": rapid.fanout_count,
            "pull_timeout_ms": millis(rapid.pull_timeout),
        },
    })
}

fn expected_json(expected: &Expected) -> Value {
    json!({
        "first_suspicion_s": expected.first_suspicion.as_secs_f64(),
        "first_death_s": expected.first_death.as_secs_f64(),
        "all_know_s": expected.all_know.as_secs_f64(),
        "false_suspicions_per_node_hour": expected.false_suspicions_per_node_hour,
        "false_deaths_per_node_hour": expected.false_deaths_per_node_hour,
        "messages_per_second": expected.messages_per_second,
        "bytes_per_second": expected.bytes_per_second,
        "reach_probability": expected.reach_probability,
    })
}

/// By the names of what is expected; the reach of broadcasts has a scenario of its own.
fn measured_json(measured: &Measured) -> Value {
    json!({
        "nodes": measured.nodes,
        "first_suspicion_s": measured.first_suspicion,
        "first_death_s": measured.first_death,
        "all_know_s": measured.all_know,
        "false_deaths_per_node_hour": measured.false_deaths_per_node_hour,
        "messages_per_second": measured.messages_per_second,
        "bytes_per_second": measured.bytes_per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_goes_by_the_names_of_what_is_expected() {
        let env = Environment {
            expected_size: 5,
            ..Environment::local()
        };
        let parameters = env.parameters();
        let expected = expected_json(&env.expected(&parameters));
        let measured = measure_swim(&env, &parameters, 5, 1, &mut |_, _| ());
        for (key, _) in measured_json(&measured).as_object().into_iter().flatten() {
            assert!(key == "nodes" || expected.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn shares_are_from_nought_to_one() {
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["-0.1", "1.1", "NaN", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn small_numbers_keep_their_size_and_missing_ones_are_a_dash() {
        assert_eq!(shown(&json!(0.000_012)), "1.2e-5");
        assert_eq!(shown(&json!(1.5)), "1.500");
        assert_eq!(shown(&Value::Null), "-");
    }
}
