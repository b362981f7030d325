//! The laws, by name, and what it means that one is broken.

use replicant_runtime::{Fault, World};
use serde::{Deserialize, Serialize};

/// What every component must keep to, and what state-based ones must besides. The order is that of
/// checking: a law further down may break only because one further up does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// No valid command and no op ends in a trap or at a limit.
    NeverFaults,
    /// Queries change nothing and are answered the same again.
    QueriesChangeNothing,
    /// Equal calls give equal bytes, whatever else the instance holds, how much fuel is left, and
    /// whether somebody watches.
    NoHiddenState,
    /// What was saved can be loaded, reads the same, saves to the same bytes, and goes on alike.
    SavedStatesComeBack,
    /// What `sample` makes is not refused.
    SamplesAreValid,
    /// State bytes do not depend on where runs of ops begin and end.
    RunBoundariesDoNotMatter,
    /// A command that is refused, or has nothing to change, changes nothing.
    RefusalsChangeNothing,
    /// `update` leads to the state and the events that applying its ops leads to.
    UpdateIsApply,
    /// Merging a state that is contained already changes nothing and tells of nothing.
    MergingIsIdempotent,
    /// Of two states, either can be merged into the other.
    MergingCommutes,
    /// Of three states, any two can be merged first.
    MergingIsAssociative,
    /// Merging deltas leads where merging whole states leads.
    DeltasMakeTheState,
    /// Deltas that come late, twice, or before what they followed do no harm.
    OldDeltasDoNoHarm,
    /// The same ops lead to the same value and the same bytes in every order that is causal.
    ConcurrentOpsCommute,
    /// Replicas that have the same ops, however they came by them, read the same and save to the
    /// same bytes.
    ReplicasConverge,
    /// An op whose predecessor is void has the same effect, or none, everywhere.
    VoidOpsDoNotPart,
    /// Damaged ops never trap.
    DamagedOpsDoNoHarm,
    /// No query and no later command can tell a compacted state from another.
    CompactionIsInvisible,
    /// What a call costs does not grow with history beyond the stated bound.
    CostIsBounded,
    /// What an older version saved loads as what its ops make, and goes on with ops of both.
    /// Checked if there is a [`Config::from`](crate::Config::from).
    OlderStatesLoad,
}

impl Law {
    /// All laws, in the order in which they are checked.
    pub const ALL: [Self; 20] = [
        Self::NeverFaults,
        Self::QueriesChangeNothing,
        Self::NoHiddenState,
        Self::SavedStatesComeBack,
        Self::SamplesAreValid,
        Self::RunBoundariesDoNotMatter,
        Self::RefusalsChangeNothing,
        Self::UpdateIsApply,
        Self::MergingIsIdempotent,
        Self::MergingCommutes,
        Self::MergingIsAssociative,
        Self::DeltasMakeTheState,
        Self::OldDeltasDoNoHarm,
        Self::ConcurrentOpsCommute,
        Self::ReplicasConverge,
        Self::VoidOpsDoNotPart,
        Self::DamagedOpsDoNoHarm,
        Self::CompactionIsInvisible,
        Self::CostIsBounded,
        Self::OlderStatesLoad,
    ];

    /// Whether types of this world must keep to it.
    #[must_use]
    pub fn is_of(self, world: World) -> bool {
        let is_about_merging = matches!(
            self,
            Self::MergingIsIdempotent
                | Self::MergingCommutes
                | Self::MergingIsAssociative
                | Self::DeltasMakeTheState
                | Self::OldDeltasDoNoHarm
        );
        !is_about_merging || world == World::DeltaBased
    }

    /// The law's name, as it stands in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverFaults => "never-faults",
            Self::QueriesChangeNothing => "queries-change-nothing",
            Self::NoHiddenState => "no-hidden-state",
            Self::SavedStatesComeBack => "saved-states-come-back",
            Self::SamplesAreValid => "samples-are-valid",
            Self::RunBoundariesDoNotMatter => "run-boundaries-do-not-matter",
            Self::RefusalsChangeNothing => "refusals-change-nothing",
            Self::UpdateIsApply => "update-is-apply",
            Self::MergingIsIdempotent => "merging-is-idempotent",
            Self::MergingCommutes => "merging-commutes",
            Self::MergingIsAssociative => "merging-is-associative",
            Self::DeltasMakeTheState => "deltas-make-the-state",
            Self::OldDeltasDoNoHarm => "old-deltas-do-no-harm",
            Self::ConcurrentOpsCommute => "concurrent-ops-commute",
            Self::ReplicasConverge => "replicas-converge",
            Self::VoidOpsDoNotPart => "void-ops-do-not-part",
            Self::DamagedOpsDoNoHarm => "damaged-ops-do-no-harm",
            Self::CompactionIsInvisible => "compaction-is-invisible",
            Self::CostIsBounded => "cost-is-bounded",
            Self::OlderStatesLoad => "older-states-load",
        }
    }

    /// The law in a sentence.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::NeverFaults => "no valid command and no op traps or goes over a limit",
            Self::QueriesChangeNothing => "queries change nothing and are answered alike again",
            Self::NoHiddenState => {
                "equal calls give equal bytes, in any instance, with any fuel, watched or not"
            }
            Self::SavedStatesComeBack => {
                "what was saved loads, reads the same, saves to the same bytes and goes on alike"
            }
            Self::SamplesAreValid => "the commands that `sample` makes are not refused",
            Self::RunBoundariesDoNotMatter => {
                "the state does not depend on where runs of ops begin and end"
            }
            Self::RefusalsChangeNothing => {
                "a command that is refused or has nothing to change changes nothing"
            }
            Self::UpdateIsApply => "`update` does what applying its ops does, events included",
            Self::MergingIsIdempotent => {
                "merging what a state contains changes nothing and tells of nothing"
            }
            Self::MergingCommutes => "of two states, either can be merged into the other",
            Self::MergingIsAssociative => "of three states, any two can be merged first",
            Self::DeltasMakeTheState => "merging deltas leads where merging whole states leads",
            Self::OldDeltasDoNoHarm => {
                "deltas that come late, twice, or before what they followed do no harm"
            }
            Self::ConcurrentOpsCommute => {
                "every causal order of the same ops leads to the same value and the same bytes"
            }
            Self::ReplicasConverge => {
                "replicas that applied the same ops read the same and save to the same bytes"
            }
            Self::VoidOpsDoNotPart => {
                "ops whose predecessor is void have the same effect everywhere, or none"
            }
            Self::DamagedOpsDoNoHarm => {
                "damaged ops do not trap and leave a state that can be saved and loaded"
            }
            Self::CompactionIsInvisible => {
                "no query and no later command can tell a compacted state from another"
            }
            Self::CostIsBounded => "the cost of an op does not grow with history beyond its bound",
            Self::OlderStatesLoad => {
                "what an older version saved loads as what its ops make, and goes on with both's"
            }
        }
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// What was seen, as a sentence.
    pub what: String,
    /// What was seen on each side, with a name for the side: values and answers in CBOR, states as
    /// the component saved them.
    pub evidence: Vec<(String, Evidence)>,
}

/// One side of what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A value, an answer, a command or an event, in CBOR.
    Data(Vec<u8>),
    /// Bytes that only the component can read.
    State(Vec<u8>),
    /// Words.
    Words(String),
}

/// How evidence is called that names the seed of a sample that failed.
const SAMPLE_CALL: &str = "the call";

/// Why a run ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A law is broken.
    Broken(Box<Violation>),
    /// The machine could not go on; nothing is known of the component.
    Machine(Fault),
}

impl Stop {
    /// A broken law, with what was seen.
    pub(crate) fn broken(law: Law, what: impl Into<String>) -> Self {
        Self::Broken(Box::new(Violation {
            law,
            what: what.into(),
            evidence: Vec::new(),
        }))
    }

    /// Adds one side of what was seen.
    pub(crate) fn with(mut self, name: impl Into<String>, evidence: Evidence) -> Self {
        if let Self::Broken(violation) = &mut self {
            violation.evidence.push((name.into(), evidence));
        }
        self
    }

    /// The same, where it was the making up of a command (`sample` with this seed) that failed.
    pub(crate) fn of_sample(self, seed: u64) -> Self {
        self.with(
            SAMPLE_CALL,
            Evidence::Words(format!("`sample` with seed {seed}")),
        )
    }

    /// Whether the making up of a command failed.
    pub(crate) fn is_of_sample(&self) -> bool {
        let is_it = |(name, _): &(String, Evidence)| name == SAMPLE_CALL;
        matches!(self, Self::Broken(violation) if violation.evidence.iter().any(is_it))
    }

    /// Whether it is this law that is broken.
    pub(crate) fn is_of(&self, law: Law) -> bool {
        matches!(self, Self::Broken(violation) if violation.law == law)
    }

    /// The same, as a matter of another law.
    pub(crate) fn of(mut self, law: Law) -> Self {
        if let Self::Broken(violation) = &mut self {
            violation.law = law;
        }
        self
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault.is_guests() {
            true => Self::broken(Law::NeverFaults, fault.to_string()),
            false => Self::Machine(fault),
        }
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Stop>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_have_distinct_names_and_stand_in_their_order() {
        let mut names = Law::ALL.map(Law::name).to_vec();
        assert!(Law::ALL.is_sorted());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Law::ALL.len());
    }
}
