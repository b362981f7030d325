//! Messages in topics with partial views: whether those hear them that listen, and what it costs
//! those that do not; after nodes came to listen, after a crash, and after a partition.

use std::time::Duration;

use rand::RngExt;
use rand::seq::{IteratorRandom, SliceRandom};
use replicant_protocol::ids::{Hash, TopicName};

use crate::checkers::{Reach, Said, reach};
use crate::worlds::{CircleConfig, CircleInput, CircleNode, publication};
use crate::{Crash, Engine, Figure, Index, Network, Outcome, Progress};

/// One in a hundred listens to each topic, but so many at least.
const LISTENERS_MIN: Index = 6;
const TOPICS_MAX: Index = 200;
const MESSAGES_COUNT: u32 = 100;
const JOINS_PER_SECOND: u32 = 500;
const SETTLING: Duration = Duration::from_secs(120);
const CUT_FOR: Duration = Duration::from_secs(60);
/// Four intervals in which views are mixed with contacts and circles are announced.
const IN_ONE_PART: Duration = Duration::from_secs(1_500);

/// With circles, and beside it along the tree of all nodes.
pub(super) fn topics(nodes: Index, seed: u64, progress: &mut Progress<'_>) -> Outcome {
    let mut run = Run::new(nodes, seed, true, progress);
    let mut figures = run.settled("in circles", true, progress);
    figures.extend(run.changed(progress));
    figures.extend(run.crashed(progress));
    figures.extend(run.healed(progress));
    let calls = run.engine.nodes().map(|(_, it)| it.call_bytes).sum::<u64>();
    let calls = calls as f64 / run.engine.nodes().count() as f64 / 1e3;
    figures.push(Figure::told("calls, for a node", calls, "KB"));
    let all = || run.engine.nodes();
    let links = all().map(|(_, it)| it.circles().held().count()).max();
    let sessions = all().map(|(_, it)| it.sessions_count()).max();
    let most = |count: Option<usize>| count.unwrap_or(0) as f64;
    figures.push(Figure::at_most("links in circles", most(links), "", 60.0));
    figures.push(Figure::told("sessions, most", most(sessions), ""));
    let bad_seconds = all().map(|(_, it)| it.bad_seconds_most).max().unwrap_or(0);
    let punished = all().map(|(_, it)| it.punished_count).sum::<u64>();
    figures.push(Figure::told(
        "bad seconds of a peer, most",
        f64::from(bad_seconds),
        "",
    ));
    figures.push(Figure::at_most("punished peers", punished as f64, "", 0.0));
    let log_hash = run.engine.log_hash();
    drop(run);
    let mut beside = Run::new(nodes, seed, false, progress);
    figures.extend(beside.settled("along the shared tree", false, progress));
    Outcome {
        figures,
        plots: Vec::new(),
        log_hash,
    }
}

/// Something that a scenario says.
struct Message {
    topic: TopicName,
    said: Said,
}

struct Run {
    engine: Engine<CircleNode>,
    topics: Vec<TopicName>,
    said_count: u32,
}

/// Of four names each is below the one before, or stands alone.
fn names(count: Index) -> Vec<TopicName> {
    let name = |number: Index| match number % 4 {
        0 | 3 => format!("t{number}"),
        1 => format!("t{}/eu", number - 1),
        _ => format!("t{}/eu/carts", number - 2),
    };
    let names = (0..count).map(|number| name(number).parse());
    names.filter_map(Result::ok).collect()
}

impl Run {
    /// Nodes that joined, listen, and settled.
    fn new(nodes: Index, seed: u64, has_circles: bool, progress: &mut Progress<'_>) -> Self {
        let config = CircleConfig::of(nodes, has_circles);
        let mut engine = Engine::new(seed, Network::default());
        for number in 0..nodes {
            if number % 500 == 0 {
                progress("joining", f64::from(number) / f64::from(nodes));
            }
            let now = engine.now;
            let node = CircleNode::new(&config, number, now, &mut engine.rng);
            engine.add(node);
            if number > 0 {
                let contact = engine.rng.random_range(0..number.min(50));
                engine.input(number, CircleInput::Contact(contact));
            }
            engine.run_for(Duration::from_secs(1) / JOINS_PER_SECOND);
        }
        let topics = names((nodes / 10).clamp(8, TOPICS_MAX));
        let mut run = Self {
            engine,
            topics,
            said_count: 0,
        };
        run.wait("settling", SETTLING, progress);
        for topic in run.topics.clone() {
            let count = (nodes / 100).max(LISTENERS_MIN) as usize;
            let listeners = (0..nodes).sample(&mut run.engine.rng, count);
            for node in listeners {
                let input = CircleInput::Subscribe(topic.clone());
                run.engine.input(node, input);
            }
            run.engine.run_for(Duration::from_millis(50));
        }
        run.wait("finding circles", SETTLING, progress);
        run
    }

    fn wait(&mut self, doing: &str, span: Duration, progress: &mut Progress<'_>) {
        for step in 0..20 {
            progress(doing, f64::from(step) / 20.0);
            self.engine.run_for(span / 20);
        }
    }

    /// A node says something, in a topic that somebody listens to or below it.
    fn say(&mut self, sender: Index, topic: &TopicName) -> Message {
        self.said_count += 1;
        let payload = publication(topic, self.said_count);
        let said = Said {
            id: Hash::of(&payload),
            at: self.engine.now,
        };
        self.engine.input(sender, CircleInput::Publish(payload));
        let topic = topic.clone();
        Message { topic, said }
    }

    fn pairs(&mut self) -> Vec<(Index, TopicName)> {
        let alive: Vec<Index> = self.engine.nodes().map(|(node, _)| node).collect();
        let rng = &mut self.engine.rng;
        let pair = |number: u32| {
            let sender = alive[rng.random_range(0..alive.len())];
            let topic = &self.topics[rng.random_range(0..self.topics.len())];
            let below = format!("{topic}/below").parse();
            let topic = match number % 10 {
                0 => below.unwrap_or(topic.clone()),
                _ => topic.clone(),
            };
            (sender, topic)
        };
        (0..MESSAGES_COUNT).map(pair).collect()
    }

    fn say_all(&mut self, pairs: &[(Index, TopicName)]) -> Vec<Message> {
        let mut said = Vec::new();
        for (sender, topic) in pairs {
            said.push(self.say(*sender, topic));
            self.engine.run_for(Duration::from_millis(200));
        }
        self.engine.run_for(Duration::from_secs(20));
        said
    }

    /// How far messages came among those that listen.
    fn reach(&self, messages: &[Message]) -> Reach {
        let mut total = Reach::default();
        for message in messages {
            let listeners = self.engine.nodes();
            let listeners = listeners.filter(|(_, it)| it.listens(&message.topic));
            let heard = listeners.map(|(node, it)| (node, &it.heard));
            total.add(&reach(&[message.said], heard));
        }
        total
    }

    fn figures(&self, when: &str, messages: &[Message]) -> Vec<Figure> {
        let found = self.reach(messages);
        let named = |what: &str| format!("{when}: {what}");
        vec![
            Figure::at_least(named("reached"), found.percent(), "%", 100.0),
            Figure::at_most(named("heard twice"), found.repeated_count as f64, "", 0.0),
            Figure::told(named("last node"), found.last.as_secs_f64() * 1e3, "ms"),
        ]
    }

    /// (publications that nodes were sent and do not listen to, that they were sent).
    fn loads(&self) -> (u64, u64) {
        let foreign = self.engine.nodes().map(|(_, it)| it.foreign_count).sum();
        (
            foreign,
            self.engine.nodes().map(|(_, it)| it.received_count).sum(),
        )
    }

    /// The same nodes say something in the same topics twice: the second time they know where.
    fn settled(&mut self, when: &str, is_bound: bool, progress: &mut Progress<'_>) -> Vec<Figure> {
        progress(when, 0.5);
        let (nodes, pairs) = (self.engine.len() as f64, self.pairs());
        let before = self.loads();
        let first = self.say_all(&pairs);
        let between = self.loads();
        let second = self.say_all(&pairs);
        let after = self.loads();
        let expected = self.reach(&second).expected_count as f64;
        let per_node = |from: u64, to: u64| (to - from) as f64 / nodes / f64::from(MESSAGES_COUNT);
        let mut figures = self.figures(when, &first);
        figures.extend(self.figures(&format!("{when}, known"), &second));
        let foreign = per_node(between.0, after.0);
        let name = |what: &str| format!("{when}: {what}");
        figures.extend([
            Figure::told(
                name("foreign for a node and message, at first"),
                per_node(before.0, between.0),
                "",
            ),
            match is_bound {
                true => Figure::at_most(name("foreign for a node and message"), foreign, "", 0.05),
                false => Figure::told(name("foreign for a node and message"), foreign, ""),
            },
            Figure::told(
                name("copies for a listener"),
                (after.1 - between.1) as f64 / expected,
                "",
            ),
        ]);
        figures
    }

    /// Nodes begin to listen, and others stop.
    fn changed(&mut self, progress: &mut Progress<'_>) -> Vec<Figure> {
        progress("changing", 0.5);
        for topic in self.topics.clone() {
            let listeners = self.engine.nodes();
            let listeners =
                listeners.filter(|(_, it)| it.circles().circles().any(|(at, _)| *at == topic));
            let gone: Vec<Index> = listeners.map(|(node, _)| node).take(2).collect();
            for node in gone {
                let input = CircleInput::Unsubscribe(topic.clone());
                self.engine.input(node, input);
            }
            let new = self.engine.rng.random_range(0..self.engine.len() as Index);
            let input = CircleInput::Subscribe(topic.clone());
            self.engine.input(new, input);
            self.engine.run_for(Duration::from_millis(20));
        }
        self.engine.run_for(Duration::from_secs(1));
        let pairs = self.pairs();
        let said = self.say_all(&pairs);
        self.figures("others listen", &said)
    }

    /// Three of ten processes end.
    fn crashed(&mut self, progress: &mut Progress<'_>) -> Vec<Figure> {
        progress("crashing", 0.5);
        let mut nodes: Vec<Index> = self.engine.nodes().map(|(node, _)| node).collect();
        nodes.shuffle(&mut self.engine.rng);
        for node in nodes.iter().take(nodes.len() * 3 / 10) {
            self.engine.crash(*node, Crash::Noticed);
        }
        let pairs = self.pairs();
        let said = self.say_all(&pairs);
        let mut figures = self.figures("30 % gone", &said);
        let before = self.loads();
        let said = self.say_all(&pairs);
        figures.extend(self.figures("30 % gone, later", &said));
        let count = self.engine.nodes().count() as f64 * f64::from(MESSAGES_COUNT);
        figures.push(Figure::told(
            "30 % gone, later: foreign for a node and message",
            (self.loads().0 - before.0) as f64 / count,
            "",
        ));
        figures
    }

    /// The network is in two halves for a minute.
    fn healed(&mut self, progress: &mut Progress<'_>) -> Vec<Figure> {
        let half = self.engine.len() as Index / 2;
        let network = &mut self.engine.network;
        network.parts = (0..half).map(|node| (node, 1)).collect();
        network.cuts = [(0, 1), (1, 0)].into();
        self.wait("in halves", CUT_FOR, progress);
        self.engine.network.cuts.clear();
        self.wait("healing", IN_ONE_PART, progress);
        let pairs = self.pairs();
        let said = self.say_all(&pairs);
        self.figures("healed", &said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_hears_once_and_who_does_not_is_left_alone() {
        let run = |seed| topics(100, seed, &mut |_, _| ());
        let (first, again) = (run(1), run(1));
        assert!(first.holds(), "{first:#?}");
        assert_eq!(first, again);
    }
}
