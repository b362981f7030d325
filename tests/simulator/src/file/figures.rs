//! What came of a scenario file.

use super::run::Run;
use super::tables::{ExpectTable, FigureWord};
use crate::checkers::{Reach, Views as Checked, reach};
use crate::worlds::{Subject, Views};
use crate::{Figure, Outcome, Plot};

/// One figure, before it is held against what is expected.
struct Measured<'a> {
    word: FigureWord,
    of: Option<&'a str>,
    value: f64,
}

/// Everything that can be said of a run.
pub(super) fn outcome<S: Subject>(run: &Run<'_, S>) -> Outcome {
    let mut measured = Vec::new();
    let mut plots = Vec::new();
    for (place, said) in run.said.iter().enumerate() {
        let Some(first) = said.first() else {
            continue;
        };
        let nodes = run.engine.nodes().filter_map(|(node, it)| {
            let was_up = run.started[node as usize] <= first.at;
            was_up.then_some((node, it.heard()?))
        });
        let found = reach(said, nodes);
        let name = run.file.broadcast[place].get_ref().name.as_str();
        measured.extend(of_broadcast(name, &found));
        plots.push(Plot::reach(name, &found));
        plots.push(Plot::hops(&found.by_hops));
    }
    measured.extend(of_views(run));
    measured.extend(of_load(run));
    let expected = Vec::from_iter(run.file.expect.iter().map(|it| it.get_ref()));
    Outcome {
        figures: measured
            .iter()
            .flat_map(|it| it.figures(&expected))
            .collect(),
        plots,
        log_hash: run.engine.log_hash(),
    }
}

fn of_broadcast<'a>(name: &'a str, found: &Reach) -> [Measured<'a>; 4] {
    let of = Some(name);
    let of = |word, value| Measured { word, of, value };
    [
        of(FigureWord::Reached, found.percent()),
        of(FigureWord::DeliveredTwice, found.repeated_count as f64),
        of(FigureWord::LastNode, found.last.as_secs_f64() * 1e3),
        of(FigureWord::LastHop, f64::from(found.hops_max)),
    ]
}

fn of_views<S: Subject>(run: &Run<'_, S>) -> Vec<Measured<'static>> {
    let views = run.engine.nodes();
    let views = Checked::new(views.filter_map(|(node, it)| Some((node, it.view()?))));
    let mut measured = Vec::new();
    if S::VIEWS != Views::Told {
        measured.push((FigureWord::Isolated, views.isolated_count()));
    }
    match S::VIEWS {
        Views::Told | Views::Fixed => (),
        Views::Partial => measured.push((FigureWord::OneSided, views.one_sided_count())),
        Views::Full => {
            measured.push((FigureWord::WronglyDead, views.wrongly_dead_count()));
            measured.push((FigureWord::WronglyAlive, views.wrongly_alive_count()));
        }
    }
    let all = measured.into_iter().map(|(word, count)| Measured {
        word,
        of: None,
        value: count as f64,
    });
    all.collect()
}

/// Messages and bytes that a node sends in a second.
fn of_load<S: Subject>(run: &Run<'_, S>) -> [Measured<'static>; 2] {
    let counts = run.engine.counts();
    let share = run.engine.len() as f64 * run.length().as_secs_f64();
    let of = |word, count: u64, before: u64| Measured {
        word,
        of: None,
        value: (count - before) as f64 / share,
    };
    let before = run.settled;
    [
        of(
            FigureWord::Messages,
            counts.messages_count,
            before.messages_count,
        ),
        of(FigureWord::Bytes, counts.bytes_count, before.bytes_count),
    ]
}

impl Measured<'_> {
    /// The figure with each of its bounds, or without any.
    fn figures(&self, expected: &[&ExpectTable]) -> Vec<Figure> {
        let own = expected.iter();
        let own = own.filter(|it| it.figure == self.word && it.of.as_deref() == self.of);
        let figures = Vec::from_iter(own.filter_map(|it| self.figure(it.at_least, it.at_most)));
        match figures.is_empty() {
            true => self.told().into_iter().collect(),
            false => figures,
        }
    }

    fn figure(&self, at_least: Option<f64>, at_most: Option<f64>) -> Option<Figure> {
        let (name, unit) = self.words();
        match (at_least, at_most) {
            (Some(least), _) => Some(Figure::at_least(name, self.value, unit, least)),
            (None, Some(most)) => Some(Figure::at_most(name, self.value, unit, most)),
            (None, None) => None,
        }
    }

    fn told(&self) -> Option<Figure> {
        let (name, unit) = self.words();
        Some(Figure::told(name, self.value, unit))
    }

    fn words(&self) -> (String, &'static str) {
        let (name, unit) = match self.word {
            FigureWord::Reached => ("reached", "%"),
            FigureWord::DeliveredTwice => ("delivered twice", ""),
            FigureWord::LastNode => ("last node", "ms"),
            FigureWord::LastHop => ("last hop", "hops"),
            FigureWord::Isolated => ("isolated", "nodes"),
            FigureWord::OneSided => ("one-sided links", ""),
            FigureWord::WronglyDead => ("wrongly dead", "views"),
            FigureWord::WronglyAlive => ("wrongly alive", "views"),
            FigureWord::Messages => ("messages a node", "/s"),
            FigureWord::Bytes => ("bytes a node", "B/s"),
        };
        match self.of {
            Some(of) => (format!("{of}: {name}"), unit),
            None => (name.to_owned(), unit),
        }
    }
}
