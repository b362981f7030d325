//! The engine by itself, with a protocol that only passes a number on.

use std::time::Duration;

use super::*;

/// Passes a number on to the next node of a ring, one less each time, and counts.
struct Relay {
    own: Index,
    count: Index,
    heard: Vec<(Index, u32)>,
    broken: Vec<Index>,
    wake_at: Option<Duration>,
    woken: Vec<Duration>,
}

enum Input {
    Say(u32),
    Watch(Index),
    WakeAt(Duration),
}

impl Process for Relay {
    type Message = u32;
    type Input = Input;

    fn bytes_of(_: &u32) -> usize {
        4
    }

    fn on_message(&mut self, from: Index, message: u32, context: &mut Context<'_, u32>) {
        self.heard.push((from, message));
        if message > 0 {
            context.send((self.own + 1) % self.count, message - 1);
        }
    }

    fn on_broken(&mut self, peer: Index, _: &mut Context<'_, u32>) {
        self.broken.push(peer);
    }

    fn on_timeout(&mut self, context: &mut Context<'_, u32>) {
        self.wake_at = None;
        self.woken.push(context.now);
    }

    fn on_input(&mut self, input: Input, context: &mut Context<'_, u32>) {
        match input {
            Input::Say(number) => context.send((self.own + 1) % self.count, number),
            Input::Watch(peer) => context.watch(peer),
            Input::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.wake_at
    }
}

fn ring(seed: u64, count: Index, network: Network) -> Engine<Relay> {
    let mut engine = Engine::new(seed, network);
    for own in 0..count {
        engine.add(Relay {
            own,
            count,
            heard: Vec::new(),
            broken: Vec::new(),
            wake_at: None,
            woken: Vec::new(),
        });
    }
    engine
}

fn heard_count(engine: &Engine<Relay>) -> usize {
    engine.nodes().map(|(_, node)| node.heard.len()).sum()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_message_goes_round_and_the_same_seed_tells_the_same_story() {
    let run = |seed| {
        let mut engine = ring(seed, 5, Network::default());
        engine.input(0, Input::Say(19));
        engine.run_for(LONG);
        assert_eq!(heard_count(&engine), 20);
        engine.log_hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_is_lost_is_counted_and_what_is_doubled_arrives_twice() {
    let mut lossy = ring(
        3,
        2,
        Network {
            loss: 1.0,
            ..Network::default()
        },
    );
    lossy.input(0, Input::Say(0));
    lossy.run_for(LONG);
    assert_eq!((heard_count(&lossy), lossy.counts().lost_count), (0, 1));
    let mut doubling = ring(
        3,
        2,
        Network {
            duplication: 1.0,
            ..Network::default()
        },
    );
    doubling.input(0, Input::Say(0));
    doubling.run_for(LONG);
    assert_eq!(heard_count(&doubling), 2);
}

#[test]
fn a_cut_may_be_one_way() {
    let mut engine = ring(4, 2, Network::default());
    engine.network.parts.insert(1, 1);
    engine.network.cuts.insert((0, 1));
    engine.input(0, Input::Say(0));
    engine.input(1, Input::Say(0));
    engine.run_for(LONG);
    assert_eq!(engine.node(0).map(|node| node.heard.len()), Some(1));
    assert_eq!(engine.node(1).map(|node| node.heard.len()), Some(0));
}

#[test]
fn the_end_of_a_process_is_heard_and_that_of_a_machine_only_by_who_sends_to_it() {
    for (crash, hears) in [(Crash::Noticed, vec![1]), (Crash::Silent, vec![])] {
        let mut engine = ring(5, 3, Network::default());
        engine.input(0, Input::Watch(1));
        engine.crash(1, crash);
        engine.run_for(LONG);
        assert_eq!(engine.node(0).map(|node| node.broken.clone()), Some(hears));
        engine.input(0, Input::Say(0));
        engine.run_for(LONG);
        let last = engine.node(0).and_then(|node| node.broken.last().copied());
        assert_eq!(last, Some(1));
    }
}

#[test]
fn a_timer_fires_when_it_is_due_and_an_old_one_does_not() {
    let mut engine = ring(6, 1, Network::default());
    let start = engine.now;
    engine.input(0, Input::WakeAt(start + 2 * LONG));
    engine.input(0, Input::WakeAt(start + LONG));
    engine.run_for(3 * LONG);
    assert_eq!(
        engine.node(0).map(|node| node.woken.clone()),
        Some(vec![start + LONG])
    );
}

#[test]
fn what_is_sent_across_a_cut_breaks_the_session_unless_it_heals_in_time() {
    for (healed, broken) in [(Duration::from_secs(2), vec![]), (LONG, vec![1])] {
        let mut engine = ring(7, 2, Network::default());
        engine.network.parts.insert(1, 1);
        // Node 1 hears node 0 and cannot acknowledge.
        engine.network.cuts.insert((1, 0));
        for _ in 0..3 {
            engine.input(0, Input::Say(0));
        }
        engine.run_for(healed);
        engine.network.cuts.clear();
        engine.run_for(LONG);
        assert_eq!(engine.node(1).map(|node| node.heard.len()), Some(3));
        let heard = engine.node(0).map(|node| node.broken.clone());
        assert_eq!(heard, Some(broken), "healed after {healed:?}");
    }
}

#[test]
fn datagrams_overtake_each_other_and_streams_do_not_and_lose_nothing() {
    let order_of = |transport, loss| {
        let network = Network {
            transport,
            loss,
            ..Network::default()
        };
        let mut engine = ring(8, 60, network);
        // A ring that is so long that no number comes back.
        for number in 0..50 {
            engine.input(0, Input::Say(number));
            engine.run_for(Duration::from_millis(1));
        }
        engine.run_for(LONG);
        let heard = engine.node(1).map(|node| node.heard.clone());
        Vec::from_iter(heard.into_iter().flatten().map(|(_, number)| number))
    };
    let sorted = |numbers: &[u32]| {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers
    };
    let datagrams = order_of(Transport::Datagrams, 0.0);
    assert_ne!(datagrams, sorted(&datagrams));
    assert!(order_of(Transport::Datagrams, 0.3).len() < datagrams.len());
    let streams = order_of(Transport::Streams(Duration::from_millis(200)), 0.3);
    assert_eq!(streams, sorted(&datagrams));
}

#[test]
fn a_node_that_is_blocked_is_woken_in_time_but_hears_and_is_heard_later() {
    let mut engine = ring(11, 2, Network::default());
    let start = engine.now;
    engine.block(1, LONG);
    engine.input(1, Input::WakeAt(start + LONG / 2));
    engine.input(1, Input::Say(0));
    engine.input(0, Input::Say(0));
    engine.run_until(start + LONG - Duration::from_millis(1));
    let woken = engine.node(1).map(|node| node.woken.clone());
    assert_eq!(woken, Some(vec![start + LONG / 2]));
    assert_eq!(heard_count(&engine), 0);
    engine.run_for(LONG);
    assert_eq!(heard_count(&engine), 2);
}

#[test]
fn a_node_that_stalls_does_everything_afterwards_in_order() {
    let mut engine = ring(9, 2, Network::default());
    let start = engine.now;
    engine.input(1, Input::WakeAt(start + Duration::from_secs(1)));
    engine.stall(1, LONG);
    engine.input(1, Input::Watch(0));
    for _ in 0..3 {
        engine.input(0, Input::Say(0));
    }
    engine.run_for(LONG / 2);
    let done = |engine: &Engine<Relay>| {
        let node = engine.node(1);
        node.map(|node| (node.heard.len(), node.woken.clone()))
    };
    assert_eq!(done(&engine), Some((0, vec![])));
    engine.run_for(LONG / 2);
    assert_eq!(done(&engine), Some((3, vec![start + LONG])));
    // The watch waited too: node 0 is gone, and that is heard.
    engine.crash(0, Crash::Noticed);
    engine.run_for(LONG);
    assert_eq!(
        engine.node(1).map(|node| node.broken.clone()),
        Some(vec![0])
    );
}

#[test]
fn a_fast_clock_fires_early_and_shows_the_node_its_own_time() {
    let mut engine = ring(10, 1, Network::default());
    let start = engine.now;
    // Half as fast again, and ten seconds ahead.
    engine.skew(0, Duration::from_secs(10), 500_000);
    assert_eq!(engine.now_of(0), start + Duration::from_secs(10));
    let due = start + Duration::from_secs(40);
    engine.input(0, Input::WakeAt(due));
    engine.run_until(start + Duration::from_secs(20) - Duration::from_nanos(1));
    assert_eq!(engine.node(0).map(|node| node.woken.len()), Some(0));
    engine.run_until(start + Duration::from_secs(20));
    assert_eq!(
        engine.node(0).map(|node| node.woken.clone()),
        Some(vec![due])
    );
}

#[test]
fn a_node_comes_back_with_what_it_kept_or_anew() {
    let mut engine = ring(11, 2, Network::default());
    engine.input(0, Input::Say(0));
    engine.run_for(LONG);
    let kept = engine.crash(1, Crash::Silent).expect("it was up");
    assert!(engine.node(1).is_none() && engine.crash(1, Crash::Silent).is_none());
    engine.restart(1, kept);
    assert_eq!(engine.node(1).map(|node| node.heard.len()), Some(1));
    engine.crash(1, Crash::Silent);
    engine.restart(
        1,
        ring(0, 2, Network::default())
            .crash(1, Crash::Silent)
            .expect("up"),
    );
    engine.input(0, Input::Say(0));
    engine.run_for(LONG);
    assert_eq!(engine.node(1).map(|node| node.heard.len()), Some(1));
}

#[test]
fn a_figure_that_is_no_number_keeps_to_no_bound() {
    assert!(Figure::at_most("x", 1.0, "ms", 1.0).holds());
    assert!(!Figure::at_least("x", 0.9, "", 1.0).holds());
    assert!(!Figure::at_most("x", f64::NAN, "ms", 1.0).holds());
    assert!(!Figure::at_least("x", f64::NAN, "ms", 1.0).holds());
}
