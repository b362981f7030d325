//! What is checked, and how hard.

use replicant_runtime::Limits;

use crate::law::Law;

/// What is checked, and how hard.
#[derive(Debug, Clone)]
pub struct Config {
    /// The first seed; run *i* has seed `seed + i`.
    pub seed: u64,
    /// How many runs. Default 400: enough that each of the faults that this crate's tests put
    /// into a type is found, few enough that a type of usual size is done in seconds.
    pub runs: u64,
    /// Steps of a run: commands given, bundles delivered, snapshots. Default 60. Longer runs reach
    /// deeper states and take longer in proportion to its square.
    pub steps: u32,
    /// Replicas: from two to this many. Default 4; at least 2, at most 16.
    pub replicas_max: usize,
    /// Threads. Default: as many as the machine runs at once, at most 8. The report is the
    /// same for every number.
    pub threads: usize,
    /// The laws. Default: all.
    pub laws: Vec<Law>,
    /// Whether each of the laws has to be one that can be checked: of the component's world, and
    /// with the older version that it needs. Default: no, and those that are not are left out.
    pub laws_must_apply: bool,
    /// Commands in CBOR to choose from, instead of the component's own `sample`. They need not be
    /// valid.
    pub commands: Vec<Vec<u8>>,
    /// Queries in CBOR to ask besides those that the component's query schema describes. They need
    /// not make sense in every state. Default: none.
    pub queries: Vec<Vec<u8>>,
    /// An older version of the component. Histories that it made must go on in the component: see
    /// [`Law::OlderStatesLoad`]. Default: none.
    pub from: Option<Vec<u8>>,
    /// How often a failing script may be run to make it smaller. Default 2,000.
    pub shrink_tries_max: u32,
    /// What the component may use. Default: what a node gives.
    pub limits: Limits,
    /// Why a value, an answer or an event cannot be passed on to clients, if so: a type whose value
    /// nobody can read breaks [`Law::NeverFaults`]. Default: everything can; the command
    /// `replicant check` asks what nodes ask.
    pub readable: Readable,
}

/// Says why data cannot be passed on, if so.
pub type Readable = fn(&[u8]) -> Result<(), String>;

/// The bounds of [`Config::replicas_max`].
pub(crate) const REPLICAS: std::ops::RangeInclusive<usize> = 2..=16;

/// The most that [`Config::steps`] can be: the time that a history takes grows with its square.
pub(crate) const STEPS_MAX: u32 = 10_000;

impl Default for Config {
    fn default() -> Self {
        let threads = std::thread::available_parallelism();
        Self {
            seed: 0,
            runs: 400,
            steps: 60,
            replicas_max: 4,
            threads: threads.map_or(1, |threads| threads.get().min(8)),
            laws: Law::ALL.to_vec(),
            laws_must_apply: false,
            commands: Vec::new(),
            queries: Vec::new(),
            from: None,
            shrink_tries_max: 2_000,
            limits: Limits::default(),
            readable: |_| Ok(()),
        }
    }
}

impl Config {
    /// # Errors
    ///
    /// Names the value that is out of its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !REPLICAS.contains(&self.replicas_max) {
            let (least, most) = REPLICAS.into_inner();
            return Err(format!(
                "there can be {least} to {most} replicas, not {}",
                self.replicas_max
            ));
        }
        if self.threads == 0 || self.runs == 0 || self.steps == 0 {
            return Err("runs, steps and threads must not be zero".to_owned());
        }
        if self.steps > STEPS_MAX {
            return Err(format!(
                "a history can have up to {STEPS_MAX} steps, not {}; more histories (--runs) find \
                 more than longer ones",
                self.steps
            ));
        }
        Ok(())
    }
}
