//! A large share of all nodes is gone at once: how far the first broadcast comes, and the later
//! ones.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use replicant_protocol::ids::Hash;

use crate::checkers::{Said, Views, reach};
use crate::scenarios::tree::settled;
use crate::worlds::{OverlayInput, OverlayNode};
use crate::{Crash, Engine, Figure, Index, Outcome, Plot, Progress};

/// Which share dies, in per cent, and how many of the survivors the first broadcast has to reach.
const SHARES: [(u32, f64); 3] = [(50, 99.95), (80, 99.9), (90, 99.0)];
const LATER_COUNT: u32 = 10;
/// How long after the crash the later broadcasts begin.
const MENDING: Duration = Duration::from_secs(60);

/// Processes end: their neighbours hear of it within a network delay.
pub(super) fn mass_crash(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    run(nodes, seed, Crash::Noticed, progress)
}

/// Machines are gone: only who sends to them notices, after five seconds.
pub(super) fn mass_crash_silent(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    run(nodes, seed, Crash::Silent, progress)
}

fn run(nodes: Index, seed: u64, crash: Crash, progress: &mut Progress<'_>) -> Outcome {
    let (mut figures, mut plots) = (Vec::new(), Vec::new());
    let mut log = blake3::Hasher::new();
    for (share, least) in SHARES {
        let mut engine = settled(nodes, 1, seed, crash == Crash::Silent, progress);
        progress("crashing", f64::from(share) / 100.0);
        crash_share(&mut engine, share, crash);
        let first = say(&mut engine, 0);
        engine.run_for(MENDING);
        let later: Vec<Said> = (1..=LATER_COUNT)
            .map(|number| {
                let said = say(&mut engine, number);
                engine.run_for(Duration::from_secs(1));
                said
            })
            .collect();
        engine.run_for(Duration::from_secs(10));
        figures.extend(judge(&engine, share, least, first, &later));
        let of_first = reach(&[first], engine.nodes().map(|(node, it)| (node, &it.heard)));
        let name = format!("the first message with {share} % gone");
        plots.push(Plot::reach(&name, &of_first));
        log.update(engine.log_hash().as_bytes());
    }
    Outcome {
        figures,
        plots,
        log_hash: log.finalize(),
    }
}

fn crash_share(engine: &mut Engine<OverlayNode>, share: u32, crash: Crash) {
    let count = engine.len() * share as usize / 100;
    let mut nodes: Vec<Index> = (0..engine.len() as Index).collect();
    nodes.shuffle(&mut engine.rng);
    for node in nodes.into_iter().take(count) {
        engine.crash(node, crash);
    }
}

/// A random survivor says something.
fn say(engine: &mut Engine<OverlayNode>, number: u32) -> Said {
    let alive: Vec<Index> = engine.nodes().map(|(node, _)| node).collect();
    let sender = alive[engine.rng.random_range(0..alive.len())];
    let payload = format!("message {number}").into_bytes();
    let said = Said {
        id: Hash::of(&payload),
        at: engine.now,
    };
    engine.input(sender, OverlayInput::Say(payload.into()));
    said
}

fn judge(
    engine: &Engine<OverlayNode>,
    share: u32,
    least: f64,
    first: Said,
    later: &[Said],
) -> Vec<Figure> {
    let heard = || engine.nodes().map(|(node, it)| (node, &it.heard));
    let (of_first, of_later) = (reach(&[first], heard()), reach(later, heard()));
    let views = Views::new(engine.nodes().map(|(node, it)| (node, it.neighbours())));
    let named = |what: &str| format!("{share} % gone: {what}");
    vec![
        Figure::at_least(named("first reaches"), of_first.percent(), "%", least),
        Figure::told(named("first, last node"), of_first.last.as_secs_f64(), "s"),
        Figure::at_least(named("later reach"), of_later.percent(), "%", 100.0),
        Figure::told(
            named("later, last node"),
            of_later.last.as_secs_f64() * 1e3,
            "ms",
        ),
        Figure::at_most(named("isolated"), views.isolated_count() as f64, "", 0.0),
        Figure::told(named("one-sided"), views.one_sided_count() as f64, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_of_a_large_crash_hear_what_was_said_right_after_it() {
        for scenario in [mass_crash, mass_crash_silent] {
            let run = |seed| scenario(200, seed, &mut |_, _| ());
            let (first, again) = (run(1), run(1));
            assert!(first.holds(), "{first:?}");
            assert_eq!(first.log_hash, again.log_hash);
        }
    }
}
