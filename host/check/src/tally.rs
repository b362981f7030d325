//! What runs amount to: counted for each run by itself, and added up in the order of runs, so that
//! sums do not depend on which thread did which.

use replicant_runtime::Updated;

use crate::queries::Asked;
use crate::script::Update;

/// What was counted.
#[derive(Default)]
pub(crate) struct Tally {
    /// Ops that objects applied.
    pub(crate) deliveries: u64,
    /// Queries that were asked.
    pub(crate) asked: Asked,
    /// Snapshots that contain ops.
    pub(crate) snapshots: u64,
    /// How commands of histories ended.
    pub(crate) commands: Commands,
}

/// How commands ended.
#[derive(Default)]
pub(crate) struct Commands {
    /// How many there were.
    pub(crate) given: u64,
    /// How many made an op.
    pub(crate) made: u64,
    /// How many were refused.
    pub(crate) refused: u64,
    /// The first that was refused, and the component's words.
    pub(crate) first_refused: Option<(Vec<u8>, String)>,
}

impl Tally {
    /// Adds what was counted later.
    pub(crate) fn add(&mut self, later: Self) {
        self.deliveries += later.deliveries;
        self.asked.add(later.asked);
        self.snapshots += later.snapshots;
        let (commands, others) = (&mut self.commands, later.commands);
        commands.given += others.given;
        commands.made += others.made;
        commands.refused += others.refused;
        commands.first_refused = commands.first_refused.take().or(others.first_refused);
    }
}

impl Commands {
    /// Adds the commands of an update.
    pub(crate) fn note(&mut self, update: &Update, updated: &Updated) {
        self.given += update.commands.len() as u64;
        self.made += updated.ops.len() as u64;
        self.refused += updated.refusals.len() as u64;
        if let (None, Some(refusal)) = (&self.first_refused, updated.refusals.first()) {
            let command = update.commands.get(refusal.command as usize);
            let command = command.map(|command| command.0.clone());
            self.first_refused = Some((command.unwrap_or_default(), refusal.message.clone()));
        }
    }
}
