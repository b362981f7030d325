//! What theory says of the parameters.

use std::time::Duration;

use super::{Environment, Parameters, SUSPICION_DECADES_MIN};

/// What is to be expected. For independent failures and losses, as the sources assume; nodes that
/// stall are not in it, the simulator measures those.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// From a crash to the end of the first probe that fails, on average:
    /// *T* / (1 - e^-ρ) (SWIM, section 3.1).
    pub first_suspicion: Duration,
    /// Until somebody gives the node up: a suspicion more, of the least length, since with
    /// many members confirmations come fast.
    pub first_death: Duration,
    /// Until everybody does: dissemination among the n - 1 others more, log₄ (n - 1) hops of news.
    pub all_know: Duration,
    /// How often a live node is suspected falsely, per node and hour (SWIM, section 3.1).
    pub false_suspicions_per_node_hour: f64,
    /// How often one is given up falsely, per node and hour: it, or whom it tells, has to miss all
    /// rumours, n^-(2λ-2) (SWIM, section 4.1).
    pub false_deaths_per_node_hour: f64,
    /// Messages that each node sends, per second, while nothing happens: a probe and an answer each
    /// *T*, what others try where one of the two was lost, and comparisons of tables.
    pub messages_per_second: f64,
    /// Bytes in them, without the session's and the network's headers.
    pub bytes_per_second: f64,
    /// How likely a rapid broadcast reaches every live node: e^(-e^-c), with the c that the fan-out
    /// stands for (Erdős and Rényi). Where each says it to all others, whoever is live misses it
    /// only if it misses everybody's: (1 - ε^(nρ-1))^(nρ-1).
    pub reach_probability: f64,
}

/// A ping or an ack without gossip, with the byte that names the layer.
const PROBE_BYTES: f64 = 9.0;
/// The id of whom another one is to try.
const TARGET_BYTES: f64 = 34.0;
/// Digests of a table.
const SYNC_BYTES: f64 = 519.0;

impl Expected {
    pub(super) fn of(env: &Environment, parameters: &Parameters) -> Self {
        let swim = &parameters.swim;
        let interval = swim.probe_interval.as_secs_f64();
        let size = env.size();
        let first = interval / (1.0 - (-env.reliability).exp());
        let multiplier = f64::from(swim.suspicion_multiplier);
        let suspicion = multiplier * size.log10().max(SUSPICION_DECADES_MIN) * interval;
        // Others that can be asked to try, or told.
        let others_count = env.expected_size.saturating_sub(2) as usize;
        let indirect_probes_count = swim.indirect_probes_count.min(others_count);
        let false_suspicion = false_suspicion(env, indirect_probes_count).min(1.0);
        let per_hour = false_suspicion * 3_600.0 / interval;
        let exponent = 2.0 * f64::from(swim.retransmission_multiplier) - 2.0;
        let syncs = 1.0 / swim.sync_interval.as_secs_f64();
        let (asked, tried) = indirect_messages(env, indirect_probes_count);
        let probes = (2.0 + asked + tried) / interval;
        Self {
            first_suspicion: seconds(first),
            first_death: seconds(first + suspicion),
            all_know: seconds(first + suspicion + dissemination(env, parameters)),
            false_suspicions_per_node_hour: per_hour,
            false_deaths_per_node_hour: per_hour * size.powf(-exponent),
            messages_per_second: probes + syncs,
            bytes_per_second: probes * PROBE_BYTES
                + asked * TARGET_BYTES / interval
                + syncs * SYNC_BYTES,
            reach_probability: reach_probability(env, parameters.rapid.fanout_count),
        }
    }
}

/// How many messages a period takes besides a probe and its answer: those to others that are asked
/// to try, (1-m²)K, and what these send: a ping, its answer, that passed on, and a nack where none
/// came (Lifeguard, section IV.A).
fn indirect_messages(env: &Environment, indirect_probes_count: usize) -> (f64, f64) {
    let m = 1.0 - env.loss;
    let asked = (1.0 - m * m) * indirect_probes_count as f64;
    let each = m + m.powi(2) + m.powi(3) + m * (1.0 - m * m);
    (asked, asked * each)
}

/// How long, in seconds, news takes to come to all others after the first of them has it.
fn dissemination(env: &Environment, parameters: &Parameters) -> f64 {
    let swim = &parameters.swim;
    let fanout_count = swim.gossip_fanout_count as f64;
    // With nobody told at once news travels with probes, to one other in each period.
    let (each, between) = match swim.gossip_fanout_count {
        0 => (1.0, swim.probe_interval),
        _ => (fanout_count, swim.gossip_interval),
    };
    let hop = between.as_secs_f64() + env.round_trip.as_secs_f64() / 2.0;
    let others = (env.size() - 1.0).max(1.0);
    hop * (others.ln() / (1.0 + each).ln()).ceil()
}

/// How likely a rapid broadcast with this fan-out reaches every live node.
fn reach_probability(env: &Environment, fanout_count: usize) -> f64 {
    let live = (env.size() * env.reliability).max(1.0);
    if fanout_count as f64 >= env.size() - 1.0 {
        let others = live - 1.0;
        return (1.0 - env.loss.powf(others)).powf(others);
    }
    let surplus = fanout_count as f64 * env.arrives() - live.ln();
    (-(-surplus).exp()).exp()
}

/// How likely a live node is suspected falsely in a period, with so many indirect probes:
/// q(1-m²)(1-q·m⁴)^K · e^q/(e^q-1), for q = ρ and m = 1-ε.
pub(super) fn false_suspicion(env: &Environment, indirect_probes_count: usize) -> f64 {
    let (q, m) = (env.reliability, 1.0 - env.loss);
    let all_fail = (1.0 - q * m.powi(4)).powi(indirect_probes_count as i32);
    q * (1.0 - m * m) * all_fail * q.exp() / (q.exp() - 1.0)
}

/// In whole milliseconds.
fn seconds(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1_000.0).round() as u64)
}
