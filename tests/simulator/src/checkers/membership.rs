//! Who thinks what of whom, and since when.

use std::time::Duration;

use replicant_protocol::membership::{Membership as _, Status};

use crate::worlds::{Notice, SwimNode};
use crate::{Engine, Index};

/// When a crash was noticed, counted from the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// The first who suspects.
    pub first_suspicion: Option<Duration>,
    /// The first who gives it up.
    pub first_death: Option<Duration>,
    /// The last who gives it up; `None` if somebody does not.
    pub all_know: Option<Duration>,
}

/// When the crash of `subject` at `at` was noticed by those who are up.
pub fn detection(engine: &Engine<SwimNode>, subject: Index, at: Duration) -> Detection {
    let first = |node: &SwimNode, is: fn(Status) -> bool| {
        let later = node.noticed.iter().filter(|notice| notice.at >= at);
        let mut of = later.filter(|notice| notice.subject == subject && is(notice.status));
        of.next().map(|notice| notice.at - at)
    };
    let suspicions = engine.nodes().filter_map(|(_, node)| {
        first(node, |status| {
            matches!(status, Status::Suspect | Status::Dead)
        })
    });
    let deaths = engine
        .nodes()
        .map(|(_, node)| first(node, |status| status == Status::Dead));
    let deaths: Vec<Option<Duration>> = deaths.collect();
    Detection {
        first_suspicion: suspicions.min(),
        first_death: deaths.iter().flatten().min().copied(),
        all_know: deaths
            .iter()
            .copied()
            .collect::<Option<Vec<_>>>()
            .and_then(|all| all.into_iter().max()),
    }
}

/// How often somebody gave up one of those who were well, as (who, what).
pub fn given_up<'a>(
    engine: &'a Engine<SwimNode>,
    is_well: impl Fn(Index) -> bool + 'a,
) -> impl Iterator<Item = (Index, &'a Notice)> {
    let all = engine
        .nodes()
        .flat_map(|(node, it)| it.noticed.iter().map(move |notice| (node, notice)));
    all.filter(move |(_, notice)| notice.status == Status::Dead && is_well(notice.subject))
}

/// How often one of those who were well was suspected since `start`. Several who suspect it at most
/// `together` after each other count once.
pub fn false_suspicions(
    engine: &Engine<SwimNode>,
    is_well: impl Fn(Index) -> bool,
    start: Duration,
    together: Duration,
) -> usize {
    let all = engine.nodes().flat_map(|(_, it)| &it.noticed);
    let suspicions = all.filter(|notice| {
        notice.status == Status::Suspect && notice.at >= start && is_well(notice.subject)
    });
    let mut times: Vec<_> = suspicions.map(|of| (of.subject, of.at)).collect();
    times.sort_unstable();
    let first = |index: usize| {
        let (subject, at) = times[index];
        let before = index.checked_sub(1).map(|before| times[before]);
        before.is_none_or(|(of, earlier)| of != subject || at - earlier > together)
    };
    (0..times.len()).filter(|index| first(*index)).count()
}

/// How many pairs of nodes there are of which one thinks something else of the other than what is
/// so: the running are alive to all, nobody else is.
pub fn disagreements(engine: &Engine<SwimNode>) -> usize {
    let running = engine.nodes().count();
    let wrong = engine.nodes().map(|(_, node)| {
        let members = node.swim().members();
        let alive = members.iter().filter(|of| of.status == Status::Alive);
        let right = alive.filter(|of| node.is_running(&of.node, engine)).count();
        let ghosts = members.iter().filter(|of| {
            let is_there = matches!(of.status, Status::Alive | Status::Suspect);
            is_there && !node.is_running(&of.node, engine)
        });
        running.saturating_sub(right) + ghosts.count()
    });
    wrong.sum()
}
