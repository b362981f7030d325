//! Checks a component: many runs, on several threads, with one report.

use replicant_runtime::{Fault, LoadError, Runtime};

use crate::chance::Chance;
use crate::config::Config;
use crate::cost;
use crate::generate::verdict;
use crate::law::{Law, Outcome, Stop, Violation};
use crate::object::{Component, Subject};
use crate::report::{Failure, Progress, Report, Unchecked};
use crate::runs;
use crate::script::{Action, History, Script};
use crate::shrink::shrink;
use crate::tally::{Commands, Tally};

/// How many other seeds are tried in search of a law that says more.
const OTHER_SEEDS: u64 = 16;

/// Why nothing is known of a component.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A value of the configuration is out of its range. The caller's fault.
    #[error("{0}")]
    Config(String),
    /// The script makes no sense. Its author's fault.
    #[error("the script cannot be run: {0}")]
    Script(String),
    /// The component cannot be loaded. Its author's fault.
    #[error("the component cannot be loaded")]
    Load(#[from] LoadError),
    /// The component that is to be the older version cannot be loaded.
    #[error("the older version (--from) cannot be loaded")]
    LoadOlder(#[source] LoadError),
    /// In no history an object ever changed. The author of the commands is at fault.
    #[error(
        "there was nothing to check: of {given} commands that {module} was given, {refused} were \
         refused, and none made an op{}", first_words(.first_refused)
    )]
    NothingHappened {
        /// `name@version`.
        module: String,
        /// How many commands were given.
        given: u64,
        /// How many were refused; the others had nothing to change.
        refused: u64,
        /// The first that was refused, in CBOR, and the component's words.
        first_refused: Option<(Vec<u8>, String)>,
    },
    /// A law was asked for that such types need not keep to. The caller's fault.
    #[error(
        "{law} is a law of state-based types, and {module} is op-based: there is nothing to merge. \
         Laws of op-based types: {}", names(.laws)
    )]
    OtherWorld {
        /// The law.
        law: Law,
        /// `name@version`.
        module: String,
        /// The laws that can be asked for.
        laws: Vec<Law>,
    },
    /// The history is of another type. Whoever chose it is at fault.
    #[error(
        "the history is of {history}, and the component is {component}: give a version of \
         {history} as the component, or a history of {component}"
    )]
    OtherType {
        /// The name of the type that the history is of.
        history: String,
        /// The name of the type that the component implements.
        component: String,
    },
    /// The machine is at its limits.
    #[error("the machine could not go on: {0}")]
    Machine(Fault),
}

/// The end of a sentence about refusals.
fn first_words(first: &Option<(Vec<u8>, String)>) -> String {
    let words = |(_, words): &(_, String)| format!("; the first refusal says: {words}");
    first.as_ref().map(words).unwrap_or_default()
}

fn names(laws: &[Law]) -> String {
    let names: Vec<&str> = laws.iter().map(|law| law.name()).collect();
    names.join(", ")
}

impl CheckError {
    fn nothing_happened(component: &Component, commands: Commands) -> Self {
        Self::NothingHappened {
            module: component.label().to_owned(),
            given: commands.given,
            refused: commands.refused,
            first_refused: commands.first_refused,
        }
    }
}

/// Checks a component. `progress` is told how far it has come, from several threads.
///
/// Takes as long as [`Config::runs`] and [`Config::steps`] ask for: seconds for most types.
///
/// # Errors
///
/// [`CheckError`] if the check could not be done; a broken law is in the report.
pub fn check(
    runtime: &Runtime,
    component: &[u8],
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, CheckError> {
    config.check().map_err(CheckError::Config)?;
    let component = load(runtime, component, config)?;
    let older = older(runtime, &component, config)?;
    let config = &of_its_world(config, &component)?;
    let mut report = Report {
        module: component.label().to_owned(),
        from: older.as_ref().map(|older| older.label().to_owned()),
        seed: config.seed,
        runs: 0,
        deliveries: 0,
        commands: 0,
        refused: 0,
        first_refused: None,
        queries: Vec::new(),
        laws: config.laws.clone(),
        unchecked: Vec::new(),
        cost: Vec::new(),
        failure: None,
    };
    let (of_versions, of_itself): (Vec<Law>, Vec<Law>) = config
        .laws
        .iter()
        .partition(|law| **law == Law::OlderStatesLoad);
    let passes = [(Some(&component), of_itself), (older.as_ref(), of_versions)];
    let mut tally = Tally::default();
    for (component, laws) in passes {
        let laws = Config {
            laws,
            ..config.clone()
        };
        if let Some(component) = component
            && report.failure.is_none()
            && !laws.laws.is_empty()
        {
            tally.add(pass(component, &laws, progress, &mut report)?);
        }
    }
    report.deliveries = tally.deliveries;
    (report.commands, report.refused) = (tally.commands.given, tally.commands.refused);
    report.first_refused = tally.commands.first_refused;
    report.queries = tally.asked.counts();
    Ok(report)
}

/// Runs histories of a component and checks laws on them. Returns what was counted.
fn pass(
    component: &Component,
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
    report: &mut Report,
) -> Result<Tally, CheckError> {
    let ran = runs::all(component, config, progress);
    let mut tally = ran.tally;
    report.runs += ran.runs;
    let subject = Subject::new(component);
    report.failure = match ran.early {
        Some((script, stop)) => {
            let violation = broken(Err(stop))?;
            violation.map(|violation| smaller(&subject, config, progress, (script, violation)))
        }
        None if tally.commands.made == 0 => {
            return Err(CheckError::nothing_happened(component, tally.commands));
        }
        None if config.laws.contains(&Law::CostIsBounded) => {
            progress(Progress::Cost);
            cost_failure(&subject, config, report)?
        }
        None => None,
    };
    if report.failure.is_none()
        && config.laws.contains(&Law::CompactionIsInvisible)
        && tally.snapshots == 0
    {
        report.unchecked.push(Unchecked {
            law: Law::CompactionIsInvisible,
            reason: "in no history a snapshot was agreed that has ops".to_owned(),
        });
    }
    tally.deliveries += subject.take_tally().deliveries;
    Ok(tally)
}

/// Makes a history that breaks a law smaller.
fn smaller(
    subject: &Subject,
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
    (script, violation): Found,
) -> Failure {
    let seed = script.seed;
    let (script, violation) = more_telling(subject, config, script, violation);
    progress(Progress::Shrinking(violation.law));
    let steps_before = script.steps.len();
    let (script, violation) = shrink(subject, script, violation, config.shrink_tries_max);
    // What happens while commands are made up is in no script.
    let comes_again = matches!(
        verdict(subject, &script, violation.law),
        Err(Stop::Broken(seen)) if seen.law == violation.law
    );
    Failure {
        violation,
        script: Some(script),
        comes_again,
        steps_before,
        seed,
    }
}

/// Measures costs and says whether they grow too much.
fn cost_failure(
    subject: &Subject,
    config: &Config,
    report: &mut Report,
) -> Result<Option<Failure>, CheckError> {
    let measured = cost::curve(subject, config);
    let judged = measured.and_then(|curve| {
        let law = Law::CostIsBounded;
        let unmeasured = curve.unmeasured();
        report
            .unchecked
            .extend(unmeasured.map(|reason| Unchecked { law, reason }));
        report.cost = curve.points;
        cost::check(&report.cost)
    });
    let failure = |violation| Failure {
        violation,
        script: None,
        comes_again: false,
        steps_before: 0,
        seed: config.seed,
    };
    Ok(broken(judged)?.map(failure))
}

/// Runs a history again and checks the laws of the configuration on it. The component may have been
/// changed since then, but it must be of the same name.
///
/// # Errors
///
/// [`CheckError`] if it could not be done.
pub fn replay(
    runtime: &Runtime,
    component: &[u8],
    history: &History,
    config: &Config,
) -> Result<Option<Violation>, CheckError> {
    let script = &history.script;
    script.validate().map_err(CheckError::Script)?;
    let component = load(runtime, component, config)?;
    if name(&history.module) != name(component.label()) {
        return Err(CheckError::OtherType {
            history: name(&history.module).to_owned(),
            component: name(component.label()).to_owned(),
        });
    }
    let older = older(runtime, &component, config)?;
    let config = of_its_world(config, &component)?;
    for &law in &config.laws {
        let lives = match (law, &older) {
            (Law::OlderStatesLoad, Some(older)) => older,
            _ => &component,
        };
        let subject = Subject::new(lives);
        if let Some(violation) = broken(verdict(&subject, script, law))? {
            return Ok(Some(violation));
        }
    }
    Ok(None)
}

fn load(runtime: &Runtime, component: &[u8], config: &Config) -> Result<Component, CheckError> {
    let module = runtime.load(component, config.limits.clone())?;
    let mut limits = config.limits.clone();
    limits.fuel_per_call = limits.fuel_per_call.saturating_mul(2);
    let rich = runtime.load(component, limits)?;
    Ok(Component::new(module, rich, config))
}

/// The name in `name@version`.
fn name(label: &str) -> &str {
    label.split('@').next().unwrap_or(label)
}

/// The older version that the configuration names.
fn older(
    runtime: &Runtime,
    component: &Component,
    config: &Config,
) -> Result<Option<Component>, CheckError> {
    let Some(bytes) = &config.from else {
        return Ok(None);
    };
    let older = load(runtime, bytes, config).map_err(|error| match error {
        CheckError::Load(error) => CheckError::LoadOlder(error),
        error => error,
    })?;
    let (old, new) = (older.label(), component.label());
    if name(old) != name(new) || old == new {
        return Err(CheckError::Config(format!(
            "{old} is not an older version of {new}: it needs the same name and another version"
        )));
    }
    Ok(Some(older.before(component)))
}

/// The configuration with those laws only that can be checked: of the component's world, and with
/// the older version that there is, if any. Which others may have been asked for, it says itself.
fn of_its_world(config: &Config, component: &Component) -> Result<Config, CheckError> {
    let mut config = config.clone();
    let has_older = config.from.is_some();
    let lacks_older = |law: &Law| *law == Law::OlderStatesLoad && !has_older;
    let is_of_its_world = |law: &Law| law.is_of(component.world());
    let asked = std::mem::take(&mut config.laws);
    let can_be_checked = |law: &Law| is_of_its_world(law) && !lacks_older(law);
    config.laws = asked.iter().copied().filter(can_be_checked).collect();
    if !config.laws_must_apply && !config.laws.is_empty() {
        return Ok(config);
    }
    if let Some(&law) = asked.iter().find(|law| !is_of_its_world(law)) {
        return Err(CheckError::OtherWorld {
            law,
            module: component.label().to_owned(),
            laws: Law::ALL.into_iter().filter(is_of_its_world).collect(),
        });
    }
    if let Some(law) = asked.iter().find(|law| lacks_older(law)) {
        return Err(CheckError::Config(format!(
            "{law} needs an older version of the component (--from)"
        )));
    }
    match config.laws.is_empty() {
        true => Err(CheckError::Config("no law was asked for".to_owned())),
        false => Ok(config),
    }
}

/// What is told of a script that breaks a law.
type Found = (Script, Violation);

/// Looks for a law further up that the same script breaks when chance falls otherwise: what it says
/// is nearer to the fault.
fn more_telling(subject: &Subject, config: &Config, script: Script, violation: Violation) -> Found {
    for &law in config.laws.iter().filter(|law| **law < violation.law) {
        for other in 1..=OTHER_SEEDS {
            let mut script = script.clone();
            script.seed = script.seed.wrapping_add(other << 32);
            // Fewer deliveries: more is concurrent.
            let mut chance = Chance::new(script.seed, "thinning", 0);
            script
                .steps
                .retain(|step| !matches!(step.action, Action::Deliver(_)) || chance.percent(70));
            if let Err(Stop::Broken(found)) = verdict(subject, &script, law)
                && found.law < violation.law
            {
                return (script, *found);
            }
        }
    }
    (script, violation)
}

/// The broken law, if it is one that ended a run.
fn broken(outcome: Outcome) -> Result<Option<Violation>, CheckError> {
    match outcome {
        Ok(()) => Ok(None),
        Err(Stop::Broken(violation)) => Ok(Some(*violation)),
        Err(Stop::Machine(fault)) => Err(CheckError::Machine(fault)),
    }
}
