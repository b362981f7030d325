//! Configuration of a [`Runtime`](crate::Runtime).

use std::path::PathBuf;
use std::time::Duration;

use crate::compiler::CompilerProcess;
use crate::error::{LoadError, RuntimeError};
use crate::fault::Grouped;
use crate::limits::Limits;

/// What one memory can address.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// What one process gives to all of its guests together.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Where compiled modules are kept between runs; none: each run compiles anew.
    pub cache: Option<CacheConfig>,
    /// Compiles in a child process, which the system holds to limits; none: in this process, where
    /// a component that is made to can take minutes and much memory.
    pub compiler: Option<CompilerProcess>,
    /// Largest component, in bytes. Default 32 MiB. Time and memory of compilation grow with it.
    pub component_bytes_max: u64,
    /// Core module instances that can exist at once in all stores; a component takes some of them:
    /// two to four in Rust or C, tens in JavaScript, 109 in Python. Default 64,000. Only counted:
    /// a higher number costs nothing.
    pub core_instances_max: u32,
    /// Component instances that can exist at once. Default 2,000.
    pub instances_max: u32,
    /// Linear memories that can exist at once. Default 3,000; each reserves a little more than
    /// 4 GiB of address space, of which a process has 128 TiB.
    pub memories_max: u32,
    /// Tables that can exist at once. Default 4,000.
    pub tables_max: u32,
    /// Largest single memory, in bytes: the most that
    /// [`Limits::memory_bytes_max`](crate::Limits::memory_bytes_max) may say. Default 1 GiB.
    pub memory_bytes_max: u64,
    /// All memories of all instances together, in bytes. Default 16 GiB. What a guest has not
    /// touched counts too. Growth beyond ends the instance that wanted it, and is not its fault.
    pub total_memory_bytes_max: u64,
    /// Largest single table, in elements: the most that
    /// [`Limits::table_elements_max`](crate::Limits::table_elements_max) may say. Default 32,768.
    pub table_elements_max: u32,
    /// Fuel of one call without its items and bytes, of `describe` and of making an instance: the
    /// most that [`Limits`](crate::Limits) may say. Default 10,000,000,000. Limits can come with a
    /// module from elsewhere; raising this lets them hold a shard for longer.
    pub fuel_per_call_max: u64,
    /// Fuel that each item of a batch, and each byte, adds: the most that
    /// [`Limits`](crate::Limits) may say. Default 10,000,000.
    pub fuel_per_item_max: u64,
    /// Native stack of one call, in bytes. Default 512 KiB. Threads that call instances need
    /// that much and some for the host: the 2 MiB of a Rust thread are enough.
    pub stack_bytes_max: usize,
    /// Back-stop for calls that fuel does not stop: how long a call with the default fuel may take
    /// ([`Limits::fuel_per_call`](crate::Limits::fuel_per_call)); one with more fuel may take
    /// longer in proportion. Default 30 s, five times what the slowest instructions take.
    pub call_duration_max: Duration,
    /// How often the deadline is looked at. Default 50 ms.
    pub tick: Duration,
}

/// Where and how compiled modules are kept on disk.
#[derive(Clone)]
pub struct CacheConfig {
    /// The folder; made if it is not there. Only this user should be able to write to it: what
    /// is in it becomes machine code.
    pub directory: PathBuf,
    /// Key that authenticates the files. None: a random key is made once and kept beside them in
    /// `key`, readable by its owner only.
    pub key: Option<[u8; 32]>,
    /// All files together, in bytes; the least recently used are removed beyond that.
    pub bytes_max: u64,
}

impl CacheConfig {
    /// A cache of at most 1 GiB in `directory`, with a key of its own.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            key: None,
            bytes_max: 1 << 30,
        }
    }
}

impl std::fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheConfig")
            .field("directory", &self.directory)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            cache: None,
            compiler: None,
            component_bytes_max: 32 << 20,
            core_instances_max: 64_000,
            instances_max: 2_000,
            memories_max: 3_000,
            tables_max: 4_000,
            memory_bytes_max: 1 << 30,
            total_memory_bytes_max: 16 << 30,
            table_elements_max: 32_768,
            fuel_per_call_max: 10_000_000_000,
            fuel_per_item_max: 10_000_000,
            stack_bytes_max: 512 << 10,
            call_duration_max: Duration::from_secs(30),
            tick: Duration::from_millis(50),
        }
    }
}

impl RuntimeConfig {
    /// A runtime for few instances that starts fast: for tests and tools.
    #[must_use]
    pub fn small() -> Self {
        Self {
            core_instances_max: 8_000,
            instances_max: 64,
            memories_max: 128,
            tables_max: 256,
            ..Self::default()
        }
    }
}

impl RuntimeConfig {
    /// # Errors
    ///
    /// Names the value that is out of its range.
    pub(crate) fn check(&self) -> Result<(), RuntimeError> {
        let rules = [
            (!self.tick.is_zero(), "`tick` must not be zero"),
            (
                self.call_duration_max >= self.tick,
                "`call_duration_max` must not be below `tick`",
            ),
            (
                self.stack_bytes_max >= 64 << 10,
                "`stack_bytes_max` must be 64 KiB or more",
            ),
            (
                self.memory_bytes_max <= MEMORY_BYTES_MAX,
                "`memory_bytes_max` is over 4 GiB",
            ),
            (self.instances_max > 0, "`instances_max` must not be zero"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, broken)) => Err(RuntimeError::Config((*broken).to_owned())),
            None => Ok(()),
        }
    }

    /// Whether an instance with `limits` fits into the pool (only then does hitting a limit look
    /// the same on every machine), and cannot compute for longer than this machine allows.
    ///
    /// # Errors
    ///
    /// [`LoadError::Limits`] names the value.
    pub(crate) fn check_limits(&self, limits: &Limits) -> Result<(), LoadError> {
        let tables = u64::from(self.table_elements_max);
        let (fuel, of_item) = (self.fuel_per_call_max, self.fuel_per_item_max);
        for (what, value, max) in [
            (
                "memory_bytes_max",
                limits.memory_bytes_max,
                self.memory_bytes_max,
            ),
            ("table_elements_max", limits.table_elements_max, tables),
            ("fuel_per_call", limits.fuel_per_call, fuel),
            ("fuel_describe", limits.fuel_describe, fuel),
            ("fuel_instantiate", limits.fuel_instantiate, fuel),
            ("fuel_per_item", limits.fuel_per_item, of_item),
            ("fuel_per_byte", limits.fuel_per_byte, of_item),
            (
                "output_bytes_max",
                limits.output_bytes_max,
                limits.input_bytes_max,
            ),
        ] {
            if value > max {
                let (value, max) = (Grouped(value), Grouped(max));
                return Err(LoadError::Limits(format!("{what} is {value}, over {max}")));
            }
        }
        Ok(())
    }
}
