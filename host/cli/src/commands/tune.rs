//! `replicant tune`: what follows from where nodes run, and what to expect of it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use replicant::environment::{Environment, Expected, Parameters};
use replicant_simulator::scenarios::{Measured, measure};
use serde_json::{Value, json};

use crate::environment::{EnvironmentArguments, count, from_to};
use crate::output::{self, Table};
use crate::progress;

/// With how many nodes is measured if nobody says: more take minutes.
const MEASURED_NODES: u32 = 100;

#[derive(Args)]
pub(crate) struct TuneArguments {
    #[command(flatten)]
    environment: EnvironmentArguments,
    /// Simulate it too, and print what was measured beside what is expected
    #[arg(long)]
    measure: bool,
    /// How many nodes are simulated [default: as many as expected, at most 100]
    #[arg(long, value_name = "COUNT", requires = "measure", value_parser = from_to(3, 2_000))]
    measure_nodes: Option<u64>,
    /// The seed that decides the simulation
    #[arg(long, requires = "measure", default_value_t = 1)]
    seed: u64,
    /// Print it in JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &TuneArguments) -> Result<()> {
    let env = arguments.environment.environment();
    let parameters = arguments.environment.parameters(&env)?;
    let expected = expected_json(&env.expected(&parameters));
    let measured = match arguments.measure {
        true => Some(arguments.simulate(env)?),
        false => None,
    };
    if arguments.json {
        let all = json!({
            "environment": environment_json(&env),
            "parameters": parameters_json(&parameters),
            "expected": expected,
            "measured": measured,
        });
        return Ok(output::json(&all.to_string())?);
    }
    print_object("environment", &environment_json(&env))?;
    output::line("")?;
    print_object("parameter", &parameters_json(&parameters))?;
    output::line("")?;
    print_expected(&expected, measured.as_ref())
}

impl TuneArguments {
    /// What the simulator finds, with a size and parameters of its own, and what is expected of
    /// those.
    fn simulate(&self, mut env: Environment) -> Result<Value> {
        let nodes = self.measure_nodes.map(count);
        env.expected_size = nodes.unwrap_or(env.expected_size.min(MEASURED_NODES));
        let parameters = self.environment.overridden(&env)?;
        let bar = progress::counter("simulating");
        let told = &mut |what: &str, share: f64| {
            bar.set_message(format!("{what}: {:.0} %", share * 100.0));
        };
        let measured = measure(&env, &parameters, self.seed, told);
        bar.finish_and_clear();
        let mut measured = measured_json(&measured);
        measured["expected"] = expected_json(&env.expected(&parameters));
        Ok(measured)
    }
}

fn print_object(name: &str, object: &Value) -> Result<()> {
    let mut table = Table::new(&[name, "value"]);
    for (key, value) in object.as_object().into_iter().flatten() {
        table.row(&[key.clone(), value.to_string()]);
    }
    Ok(table.print("")?)
}

fn print_expected(expected: &Value, measured: Option<&Value>) -> Result<()> {
    let nodes = measured.map(|measured| measured["nodes"].to_string());
    let of_measured = nodes.map(|nodes| [format!("of {nodes} nodes"), "measured".to_owned()]);
    let mut head = vec!["expected", "value"];
    head.extend(of_measured.iter().flatten().map(String::as_str));
    let mut table = Table::new(&head);
    for (key, value) in expected.as_object().into_iter().flatten() {
        let mut row = vec![key.clone(), shown(value)];
        let both = |measured: &Value| [shown(&measured["expected"][key]), shown(&measured[key])];
        row.extend(measured.into_iter().flat_map(both));
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
    let all = parameters.by_name();
    all.map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
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

/// By the names of what is expected.
fn measured_json(measured: &Measured) -> Value {
    json!({
        "nodes": measured.nodes,
        "first_suspicion_s": measured.first_suspicion,
        "first_death_s": measured.first_death,
        "all_know_s": measured.all_know,
        "false_suspicions_per_node_hour": measured.false_suspicions_per_node_hour,
        "false_deaths_per_node_hour": measured.false_deaths_per_node_hour,
        "messages_per_second": measured.messages_per_second,
        "bytes_per_second": measured.bytes_per_second,
        "reach_probability": measured.reach_probability,
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
        let measured = measure(&env, &parameters, 1, &mut |_, _| ());
        for (key, _) in measured_json(&measured).as_object().into_iter().flatten() {
            assert!(key == "nodes" || expected.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn small_numbers_keep_their_size_and_missing_ones_are_a_dash() {
        assert_eq!(shown(&json!(0.000_012)), "1.2e-5");
        assert_eq!(shown(&json!(1.5)), "1.500");
        assert_eq!(shown(&Value::Null), "-");
    }
}
