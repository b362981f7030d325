//! Counter increments from many HTTP clients at once, each acknowledged after the local sync.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};

use crate::client::{Client, ReadOptions};
use crate::local_cluster::LocalCluster;
use crate::output::line;
use crate::signals;

const TOPIC: &str = "bench";
const ID: &str = "counter";
const TYPE: &str = "g-counter";
/// Between two probes of how soon an increment is visible everywhere.
const PROBE_PAUSE: Duration = Duration::from_millis(10);

#[derive(Args)]
pub(crate) struct ThroughputArguments {
    /// Nodes in the cluster
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// Clients, each with one connection and one increment under way, spread over the nodes
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// How long to measure
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
}

impl Default for ThroughputArguments {
    fn default() -> Self {
        Self {
            nodes: 3,
            clients: 64,
            seconds: 10,
        }
    }
}

pub(crate) fn run(arguments: &ThroughputArguments, as_json: bool) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("replicant-bench-")
        .tempdir()?;
    let names = &["a", "b", "c", "d", "e", "f", "g", "h"][..usize::from(arguments.nodes)];
    let cluster = LocalCluster::start(folder.path(), names)?;
    let first = &cluster.nodes[0].client;
    increment(first)?;
    cluster.wait_for("the first increment", &json!(1), |client| {
        Ok(client.object(TOPIC, ID)?["value"].clone())
    })?;

    let load = load(&cluster, arguments)?;
    let total = load.increments + load.visible.len() as u64 + 1;
    cluster.wait_for("every increment", &json!(total), |client| {
        Ok(client.object(TOPIC, ID)?["value"].clone())
    })?;
    Ok(print(arguments, load, as_json)?)
}

struct Load {
    increments: u64,
    seconds: f64,
    latencies: Vec<Duration>,
    /// From the acknowledgement until a read on every node shows the increment.
    visible: Vec<Duration>,
}

fn load(cluster: &LocalCluster, arguments: &ThroughputArguments) -> Result<Load> {
    let stop = AtomicBool::new(false);
    let increments = AtomicU64::new(0);
    let started = Instant::now();
    let (latencies, visible) = thread::scope(|scope| -> Result<_> {
        let clients: Vec<_> = (0..usize::from(arguments.clients))
            .map(|index| {
                let client = cluster.nodes[index % cluster.nodes.len()].client.fresh();
                let (stop, increments) = (&stop, &increments);
                scope.spawn(move || increment_until(&client?, stop, increments))
            })
            .collect();
        let prober = scope.spawn(|| probe_until(cluster, &stop));
        let slept = signals::sleep(Duration::from_secs(arguments.seconds.into()));
        stop.store(true, Ordering::Release);
        let mut latencies = Vec::new();
        for client in clients {
            latencies.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        let visible = prober
            .join()
            .map_err(|_| anyhow!("the prober panicked"))??;
        slept?;
        Ok((latencies, visible))
    })?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Load {
        increments: increments.into_inner(),
        seconds,
        latencies,
        visible,
    })
}

fn increment(client: &Client) -> Result<Value> {
    client.update(TOPIC, ID, Some(TYPE), &[json!({"increment": 1})])
}

fn increment_until(client: &Client, stop: &AtomicBool, count: &AtomicU64) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let sent = Instant::now();
        increment(client)?;
        latencies.push(sent.elapsed());
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(latencies)
}

fn after(token: &str) -> ReadOptions<'_> {
    ReadOptions {
        type_name: None,
        after: Some(token),
    }
}

/// Increments on one node after the other, and asks all of them for a state that has it.
fn probe_until(cluster: &LocalCluster, stop: &AtomicBool) -> Result<Vec<Duration>> {
    let clients: Vec<Client> = cluster
        .nodes
        .iter()
        .map(|node| node.client.fresh())
        .collect::<Result<_>>()?;
    let mut visible = Vec::new();
    for writer in clients.iter().cycle() {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let answer = increment(writer)?;
        let token = answer["version"].as_str().context("no version token")?;
        let acknowledged = Instant::now();
        thread::scope(|scope| -> Result<()> {
            let reads: Vec<_> = clients
                .iter()
                .map(|client| scope.spawn(|| client.object_with(TOPIC, ID, &after(token))))
                .collect();
            for read in reads {
                read.join().map_err(|_| anyhow!("a reader panicked"))??;
            }
            Ok(())
        })?;
        visible.push(acknowledged.elapsed());
        thread::sleep(PROBE_PAUSE);
    }
    Ok(visible)
}

fn print(arguments: &ThroughputArguments, mut load: Load, as_json: bool) -> io::Result<()> {
    let per_second = load.increments as f64 / load.seconds;
    let [latency_median, latency_p99] = quantiles(&mut load.latencies);
    let [visible_median, visible_p99] = quantiles(&mut load.visible);
    if as_json {
        let figures = json!({
            "nodes": arguments.nodes, "clients": arguments.clients, "seconds": load.seconds,
            "increments": load.increments, "increments_per_second": per_second,
            "acknowledged_ms": {"median": latency_median, "p99": latency_p99},
            "visible_everywhere_ms": {"median": visible_median, "p99": visible_p99},
            "probes": load.visible.len(),
        });
        return line(&figures.to_string());
    }
    line(&format!(
        "{} nodes, {} clients, {:.1} s: {} increments, {per_second:.0} per second",
        arguments.nodes, arguments.clients, load.seconds, load.increments
    ))?;
    line(&format!(
        "acknowledged (stored and synced) after: median {latency_median:.2} ms, \
         p99 {latency_p99:.2} ms"
    ))?;
    line(&format!(
        "then visible on all nodes after: median {visible_median:.2} ms, p99 {visible_p99:.2} ms \
         ({} probes)",
        load.visible.len()
    ))
}

/// Median and 99th percentile in milliseconds.
fn quantiles(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    [50, 99].map(|percent| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    })
}
