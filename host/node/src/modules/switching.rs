//! Having a type run on another version: what is asked for, whether it may be, and what follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use replicant_protocol::clock::{Hlc, HybridClock};
use replicant_protocol::content::{ModuleName, SWITCH_SCHEMAS_MAX, SignedSwitch, Switch};
use replicant_protocol::ids::TypeName;
use semver::Version;

use super::desk::{Desk, now, storage_failed};
use super::versions::Versions;
use crate::storage::{General, Job};
use crate::vocabulary::{Direction, ModuleInfo, NodeError, Switching, WaitsFor};

/// A switch that may be made.
#[derive(Debug)]
struct Plan {
    version: Version,
    schemas: BTreeSet<u32>,
    hlc: Hlc,
}

impl Desk {
    /// What a user asked for: checked, durable, in effect here, told to everybody.
    pub(super) fn switch(&mut self, switching: &Switching) -> Result<ModuleInfo, NodeError> {
        let name = &switching.name;
        let registry = &self.resources.registry;
        let plan = registry.read(name, |versions| plan(versions, switching));
        let unknown = NodeError::UnknownModule {
            name: name.to_string(),
        };
        let Some(plan) = plan.ok_or(unknown)?? else {
            return registry.show(name.as_str());
        };
        self.check_room(name, &plan)?;
        let switch = self.sign_switch(name, &plan)?;
        let stored = switch.as_bytes().to_vec();
        let job = Job::general(General::Announcement(switch.id(), stored));
        self.resources.writer.commit(job).map_err(storage_failed)?;
        let switch = Arc::new(switch);
        self.take_switch(switch.clone());
        self.announce(SignedSwitch::clone(&switch).into());
        self.resources.registry.show(name.as_str())
    }

    /// Whether the network layer will keep the switch: what it does not keep reaches nobody.
    fn check_room(&self, name: &TypeName, plan: &Plan) -> Result<(), NodeError> {
        let registry = &self.resources.registry;
        let was_switched = registry.read(name, |versions| !versions.switches().is_empty());
        if was_switched == Some(true) {
            return Ok(());
        }
        let (all, own) = registry.switch_counts(self.resources.identity.id());
        let max = &self.resources.content;
        let (all_max, own_max) = (max.announcements_max, max.announcements_per_publisher_max);
        let reason = if all >= all_max {
            format!(
                "nodes keep {all_max} switches, and there are as many, none of them of this type; \
                 load the component as the first of a type with another name: that needs no switch"
            )
        } else if own >= own_max {
            format!(
                "nodes keep {own_max} switches of one issuer, and this node made as many; ask \
                 another node of the cluster for the switch"
            )
        } else {
            return Ok(());
        };
        Err(NodeError::SwitchRefused {
            module: format!("{name}@{}", plan.version),
            reason,
        })
    }

    fn sign_switch(&self, name: &TypeName, plan: &Plan) -> Result<SignedSwitch, NodeError> {
        let refused = |reason: String| NodeError::SwitchRefused {
            module: format!("{name}@{}", plan.version),
            reason,
        };
        let version = plan.version.to_string().parse();
        let switch = Switch {
            name: ModuleName {
                name: name.clone(),
                version: version.map_err(|error| refused(format!("{error}")))?,
            },
            schemas: plan.schemas.iter().copied().collect(),
            issuer: self.resources.identity.id(),
            hlc: plan.hlc,
        };
        let signed = SignedSwitch::sign(switch, &self.resources.identity);
        signed.map_err(|error| refused(error.to_string()))
    }

    /// Puts a switch of this node or another one into effect.
    pub(super) fn take_switch(&mut self, switch: Arc<SignedSwitch>) {
        let (said, id) = (switch.switch().clone(), switch.id());
        let name = &said.name.name;
        self.change(name, |versions| versions.switch(switch));
        let is_latest = |versions: &Versions| versions.switches().first().map(|of| of.id());
        let latest = self.resources.registry.read(name, is_latest);
        if latest.flatten() == Some(id) {
            let (module, by) = (said.name.to_string(), said.issuer);
            tracing::info!(module, %by, "objects of this type run on this version now");
            if self.resources.registry.active(name).is_none() {
                let waits = self.resources.registry.missing(name);
                match passes_by_itself(&waits) {
                    // A node that joins hears of switches before it has the modules.
                    true => tracing::info!(%waits, "objects of this type wait until it is here"),
                    false => tracing::warn!(%waits, "objects of this type wait"),
                }
            }
        }
    }
}

/// Whether what a type waits for is on its way, as far as is known: nobody has to do anything.
fn passes_by_itself(waits: &NodeError) -> bool {
    match waits {
        NodeError::WaitsForModule { waits_for, .. } => *waits_for != WaitsFor::Operator,
        _ => false,
    }
}

/// Checks what a user asks for. None if it is so already.
fn plan(versions: &Versions, switching: &Switching) -> Result<Option<Plan>, NodeError> {
    let name = &switching.name;
    let running = versions.running().ok_or_else(|| NodeError::UnknownModule {
        name: name.to_string(),
    })?;
    let version = target(versions, switching, &running)?;
    if version == running {
        return Ok(None);
    }
    let refused = |reason: String| NodeError::SwitchRefused {
        module: format!("{name}@{version}"),
        reason,
    };
    let entry = versions.entry(&version);
    let Some(module) = entry.and_then(|entry| entry.module.as_ref()) else {
        return Err(versions.waits(name, &version));
    };
    let said = module.description();
    if versions.module().is_none() && !switching.force {
        return Err(refused(format!(
            "{name}@{running} runs and is not here, so it is not known which ops there are; ask a \
             node that has it, or force it"
        )));
    }
    let mut schemas = versions.schemas();
    let unread = versions.unread_by(module);
    let unread: Vec<String> = unread.iter().map(u32::to_string).collect();
    if !unread.is_empty() && !switching.force {
        return Err(refused(format!(
            "it does not read op encoding {}, in which there may be ops; their objects would wait \
             for a version that does: take one that reads it, or force it",
            unread.join(", ")
        )));
    }
    schemas.insert(said.writes);
    if schemas.len() > SWITCH_SCHEMAS_MAX {
        let max = SWITCH_SCHEMAS_MAX;
        return Err(refused(format!(
            "versions that ran wrote over {max} op encodings"
        )));
    }
    let hlc = later(versions).map_err(|ahead| {
        refused(format!(
            "the latest switch of this type is dated {} s ahead of this node's clock, and other \
             nodes take none that is over {} s ahead; set the clock right, or wait",
            ahead.as_secs(),
            HybridClock::AHEAD_MAX_DEFAULT.as_secs()
        ))
    })?;
    Ok(Some(Plan {
        version,
        schemas,
        hlc,
    }))
}

/// The version that a user means.
fn target(
    versions: &Versions,
    switching: &Switching,
    running: &Version,
) -> Result<Version, NodeError> {
    let name = &switching.name;
    let refused = |module: String, reason: &str| NodeError::SwitchRefused {
        module,
        reason: reason.to_owned(),
    };
    let Some(text) = &switching.version else {
        let loaded = versions.iter().filter(|(_, entry)| entry.module.is_some());
        let found = match switching.direction {
            Direction::Upgrade => loaded.map(|(version, _)| version.clone()).next_back(),
            Direction::Rollback => versions.ran_before(),
        };
        let found = found.filter(|version| match switching.direction {
            Direction::Upgrade => version > running,
            Direction::Rollback => true,
        });
        return found.ok_or_else(|| {
            let reason = match switching.direction {
                Direction::Upgrade => "it runs, and no higher version is loaded here",
                Direction::Rollback => "it runs, and no lower version ran before",
            };
            refused(format!("{name}@{running}"), reason)
        });
    };
    let module = format!("{name}@{text}");
    let version = Version::parse(text).ok();
    let version = version.filter(|version| versions.entry(version).is_some());
    let version = version.ok_or_else(|| NodeError::UnknownModule {
        name: module.clone(),
    })?;
    match switching.direction {
        Direction::Upgrade if version < *running => {
            Err(refused(module, "a higher version runs: that is a rollback"))
        }
        Direction::Rollback if version > *running => {
            Err(refused(module, "a lower version runs: that is an upgrade"))
        }
        _ => Ok(version),
    }
}

/// A timestamp for a switch: after every one that is known. How far ahead of the clock that is, if
/// nobody would take it.
fn later(versions: &Versions) -> Result<Hlc, Duration> {
    let now = now();
    let latest = versions.switches().first();
    let next = latest.map_or(0, |latest| latest.switch().hlc.as_u64().saturating_add(1));
    let later = now.max(Hlc::from_u64(next));
    let clock = HybridClock::default();
    match clock.wait(later, now.milliseconds()) {
        None => Ok(later),
        Some(_) => Err(Duration::from_millis(
            later.milliseconds().saturating_sub(now.milliseconds()),
        )),
    }
}
