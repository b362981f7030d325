//! Checks a component: many runs, on several threads, with one report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use replicant_runtime::{Fault, LoadError, Runtime};

use crate::chance::Chance;
use crate::config::Config;
use crate::cost;
use crate::generate::{script, verdict};
use crate::law::{Law, Outcome, Stop, Violation};
use crate::laws;
use crate::object::{Component, Subject};
use crate::report::{Failure, Progress, Report};
use crate::script::{Action, Script};
use crate::shrink::shrink;

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
    #[error("the older version cannot be loaded: {0}")]
    LoadOlder(#[source] LoadError),
    /// The machine is at its limits.
    #[error("the machine could not go on: {0}")]
    Machine(Fault),
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
        laws: config.laws.clone(),
        cost: Vec::new(),
        failure: None,
    };
    let (of_versions, of_itself): (Vec<Law>, Vec<Law>) = config
        .laws
        .iter()
        .partition(|law| **law == Law::OlderStatesLoad);
    let passes = [(Some(&component), of_itself), (older.as_ref(), of_versions)];
    for (component, laws) in passes {
        let laws = Config {
            laws,
            ..config.clone()
        };
        if let Some(component) = component
            && report.failure.is_none()
            && !laws.laws.is_empty()
        {
            pass(component, &laws, progress, &mut report)?;
        }
    }
    report.deliveries = component.deliveries();
    Ok(report)
}

/// Runs histories of a component and checks laws on them.
fn pass(
    component: &Component,
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
    report: &mut Report,
) -> Result<(), CheckError> {
    let (runs, first) = all_runs(component, config, progress)?;
    report.runs += runs;
    let subject = Subject::new(component);
    report.failure = match first {
        Some((script, violation)) => {
            let (script, violation) = more_telling(&subject, config, script, violation);
            progress(Progress::Shrinking(violation.law));
            let steps_before = script.steps.len();
            let tries = config.shrink_tries_max;
            let (script, violation) = shrink(&subject, script, violation, tries);
            Some(Failure {
                violation,
                script: Some(script),
                steps_before,
            })
        }
        None if config.laws.contains(&Law::CostIsBounded) => {
            progress(Progress::Cost);
            let measured = cost::curve(&subject, config);
            let judged = measured.and_then(|points| {
                report.cost = points;
                cost::check(&report.cost)
            });
            broken(judged)?.map(|violation| Failure {
                violation,
                script: None,
                steps_before: 0,
            })
        }
        None => None,
    };
    Ok(())
}

/// Runs a script again and checks one law on it, or all that a [`Config`] has by default.
///
/// # Errors
///
/// [`CheckError`] if it could not be done.
pub fn replay(
    runtime: &Runtime,
    component: &[u8],
    script: &Script,
    config: &Config,
) -> Result<Option<Violation>, CheckError> {
    script.validate().map_err(CheckError::Script)?;
    let component = load(runtime, component, config)?;
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
    Ok(Component::new(module, rich))
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
    let name = |label: &str| label.split('@').next().map(str::to_owned);
    let (old, new) = (older.label(), component.label());
    if name(old) != name(new) || old == new {
        return Err(CheckError::Config(format!(
            "{old} is not an older version of {new}: it needs the same name and another version"
        )));
    }
    Ok(Some(older.before(component)))
}

/// The configuration with those laws only that can be checked: of the component's world, and with
/// the older version that there is, if any.
fn of_its_world(config: &Config, component: &Component) -> Result<Config, CheckError> {
    let mut config = config.clone();
    let has_older = config.from.is_some();
    config
        .laws
        .retain(|law| has_older || *law != Law::OlderStatesLoad);
    if config.laws.is_empty() {
        let reason = "there is nothing to check: that law needs an older version of the component";
        return Err(CheckError::Config(reason.to_owned()));
    }
    config.laws.retain(|law| law.is_of(component.world()));
    if config.laws.is_empty() {
        let reason = "there is nothing to check: the laws that were named are about merging, and \
                      this type is op-based";
        return Err(CheckError::Config(reason.to_owned()));
    }
    Ok(config)
}

/// What is told of a script that breaks a law.
type Found = (Script, Violation);

/// Does all runs up to the first that fails. Returns how many those are.
fn all_runs(
    component: &Component,
    config: &Config,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(u64, Option<Found>), CheckError> {
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    // The lowest run that ended early: those above it are of no interest.
    let lowest = AtomicU64::new(config.runs);
    let early: Mutex<Vec<(u64, Script, Stop)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..config.threads {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= lowest.load(Ordering::Relaxed) {
                        return;
                    }
                    let (script, outcome) =
                        one_run(component, config, config.seed.wrapping_add(run));
                    if let Err(stop) = outcome {
                        lowest.fetch_min(run, Ordering::Relaxed);
                        let mut early = early.lock().unwrap_or_else(|broken| broken.into_inner());
                        early.push((run, script, stop));
                    }
                    progress(Progress::Runs(done.fetch_add(1, Ordering::Relaxed) + 1));
                }
            });
        }
    });
    let mut early = early
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner());
    early.sort_by_key(|(run, ..)| *run);
    let done = done.into_inner();
    match early.into_iter().next() {
        None => Ok((done, None)),
        Some((run, script, stop)) => {
            let violation = broken(Err(stop))?;
            Ok((run + 1, violation.map(|violation| (script, violation))))
        }
    }
}

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
            if let Err(Stop::Broken(violation)) = verdict(subject, &script, law) {
                return (script, *violation);
            }
        }
    }
    (script, violation)
}

fn one_run(component: &Component, config: &Config, seed: u64) -> (Script, Outcome) {
    let subject = &Subject::new(component);
    let (script, lived) = script(subject, config, seed);
    let checked = lived.and_then(|mut world| {
        world.settle()?;
        let mut laws = config.laws.iter();
        laws.try_for_each(|law| laws::check(*law, subject, &script, &mut world))
    });
    (script, checked)
}

/// The broken law, if it is one that ended a run.
fn broken(outcome: Outcome) -> Result<Option<Violation>, CheckError> {
    match outcome {
        Ok(()) => Ok(None),
        Err(Stop::Broken(violation)) => Ok(Some(*violation)),
        Err(Stop::Machine(fault)) => Err(CheckError::Machine(fault)),
    }
}
