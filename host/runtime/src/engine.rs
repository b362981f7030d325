//! The WebAssembly engine: which features guests get, where their memory comes from, and the
//! clock that stops calls which fuel did not.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, EngineWeak, InstanceAllocationStrategy, OperatorCost, OptLevel,
    PoolingAllocationConfig, Strategy, WasmFeatures,
};

use crate::config::RuntimeConfig;
use crate::error::RuntimeError;
use crate::guest_log;
use crate::limiter::TotalMemory;
use crate::sandbox::GuestState;

/// What code is generated for: not this machine, but the least one of its architecture. Which
/// instructions there are decides how large a frame is, and so at what depth recursion ends.
const TARGET: &str = env!("REPLICANT_TARGET");
/// What guests get of WebAssembly, and nothing else: neither what differs between machines
/// (threads, relaxed SIMD), nor what no guest needs and an attacker might. Said in full, since
/// another crate of the program can turn features of wasmtime on, and all nodes must agree.
/// The engine needs several memories for its own code between the parts of composed components;
/// a module can still have one only, since there is one place for it.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);
/// Frames of a trap that are looked at, to name the function.
const BACKTRACE_FRAMES_MAX: usize = 8;
/// Fuel of growing a memory or a table: a call into the operating system.
const GROW_FUEL: u8 = 250;
/// Fuel of instructions that call into the host before they do their work.
const BULK_FUEL: u8 = 10;
/// Fuel of an instruction that calls into the host to make a reference.
const REFERENCE_FUEL: u8 = 100;
/// Fuel that one share of the deadline is for: that of a call by default.
const DEADLINE_FUEL: u64 = 200_000_000;
/// Host metadata of one instance, in bytes; grows with the functions of a component.
const INSTANCE_METADATA_BYTES_MAX: usize = 4 << 20;
/// Memory that a freed place keeps, so that the next instance needs no page faults for it.
const KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Places that keep memory when unused.
const WARM_PLACES_MAX: u32 = 64;

/// The engine with its deadline clock. Instances need it to stay.
pub(crate) struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<GuestState>,
    total_memory: Arc<TotalMemory>,
    stack_bytes_max: usize,
    call_duration_max: Duration,
    deadline_ticks: u64,
    _clock: Clock,
}

impl Engine {
    pub(crate) fn new(config: &RuntimeConfig) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine = engine_config(config).and_then(|config| wasmtime::Engine::new(&config));
        let engine = engine.map_err(failed)?;
        let mut linker = Linker::new(&engine);
        guest_log::add_to_linker(&mut linker).map_err(failed)?;
        let clock = Clock::start(engine.weak(), config.tick)?;
        let ticks = config.call_duration_max.as_nanos() / config.tick.as_nanos().max(1);
        Ok(Self {
            engine,
            linker,
            total_memory: Arc::new(TotalMemory::new(config.total_memory_bytes_max)),
            stack_bytes_max: config.stack_bytes_max,
            call_duration_max: config.call_duration_max,
            deadline_ticks: u64::try_from(ticks).unwrap_or(u64::MAX).max(1),
            _clock: clock,
        })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// What components may import.
    pub(crate) fn linker(&self) -> &Linker<GuestState> {
        &self.linker
    }

    /// What all instances share.
    pub(crate) fn total_memory(&self) -> Arc<TotalMemory> {
        Arc::clone(&self.total_memory)
    }

    pub(crate) fn stack_bytes_max(&self) -> usize {
        self.stack_bytes_max
    }

    /// How long a call with `fuel` may take.
    pub(crate) fn call_duration_max(&self, fuel: u64) -> Duration {
        let times = u32::try_from(shares(fuel)).unwrap_or(u32::MAX);
        self.call_duration_max.saturating_mul(times)
    }

    /// Ticks of the clock after which a call with `fuel` is stopped; one more than exact, since
    /// the present tick is already running.
    pub(crate) fn deadline_ticks(&self, fuel: u64) -> u64 {
        let ticks = self.deadline_ticks.saturating_mul(shares(fuel));
        // The engine adds it to the ticks so far.
        ticks.min(u64::MAX / 2) + 1
    }
}

/// How many times the deadline of an ordinary call a call with `fuel` gets.
fn shares(fuel: u64) -> u64 {
    fuel.div_ceil(DEADLINE_FUEL).max(1)
}

/// Advances the engine's epoch; dropping it ends its thread.
struct Clock {
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    fn start(engine: EngineWeak, tick: Duration) -> Result<Self, RuntimeError> {
        let (alive, ended) = channel();
        let thread = thread::Builder::new()
            .name("guest-deadlines".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(tick) {
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })
            .map_err(RuntimeError::Thread)?;
        Ok(Self {
            alive: Some(alive),
            thread: Some(thread),
        })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic, and there is nothing to do about it here.
            let _ = thread.join();
        }
    }
}

/// An engine that compiles as [`Engine`] would, on several threads or on the caller's only, and
/// has no room for instances.
pub(crate) fn for_compiling(
    config: &RuntimeConfig,
    has_threads: bool,
) -> wasmtime::Result<wasmtime::Engine> {
    let mut engine = engine_config(config)?;
    engine
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .parallel_compilation(has_threads);
    wasmtime::Engine::new(&engine)
}

fn engine_config(config: &RuntimeConfig) -> wasmtime::Result<Config> {
    let mut engine = Config::new();
    engine
        .target(TARGET)?
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(config.stack_bytes_max)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        // Traps name functions, not places in them: without that table there is an eighth less to
        // load.
        .generate_address_map(false)
        // What debuggers need. Windows has rules of its own.
        .native_unwind_info(cfg!(windows))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    engine
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .shared_memory(false)
        .cranelift_nan_canonicalization(true);
    Ok(engine)
}

fn operator_cost() -> OperatorCost {
    OperatorCost {
        MemoryGrow: GROW_FUEL,
        TableGrow: GROW_FUEL,
        MemoryCopy: BULK_FUEL,
        MemoryFill: BULK_FUEL,
        MemoryInit: BULK_FUEL,
        DataDrop: BULK_FUEL,
        TableCopy: BULK_FUEL,
        TableFill: BULK_FUEL,
        TableInit: BULK_FUEL,
        ElemDrop: BULK_FUEL,
        RefFunc: REFERENCE_FUEL,
        ..OperatorCost::new()
    }
}

fn pool(config: &RuntimeConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(config.instances_max)
        .total_core_instances(config.core_instances_max)
        .total_memories(config.memories_max)
        .total_tables(config.tables_max)
        .max_component_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .max_core_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .max_memory_size(usize::try_from(config.memory_bytes_max).unwrap_or(usize::MAX))
        .table_elements(config.table_elements_max as usize)
        .max_tables_per_module(4)
        .max_unused_warm_slots(WARM_PLACES_MAX)
        // Where the kernel tells which pages were touched, only those are reset.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;
    use crate::Limits;

    #[test]
    fn code_does_not_depend_on_what_this_machine_can_do() {
        let config = RuntimeConfig::small();
        let ours = Engine::new(&config).unwrap();
        // Naming the target anew takes everything back that was found out about this machine.
        let mut least = engine_config(&config).unwrap();
        least.target(TARGET).unwrap();
        let least = wasmtime::Engine::new(&least).unwrap();
        assert_eq!(hash(ours.wasmtime()), hash(&least));
    }

    fn hash(engine: &wasmtime::Engine) -> u64 {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn an_engine_that_only_compiles_makes_the_same_code() {
        let config = RuntimeConfig::small();
        let ours = Engine::new(&config).unwrap();
        for has_threads in [true, false] {
            let compiling = for_compiling(&config, has_threads).unwrap();
            assert_eq!(hash(ours.wasmtime()), hash(&compiling));
        }
    }

    #[test]
    fn the_deadline_is_in_proportion_to_the_fuel() {
        let engine = Engine::new(&RuntimeConfig {
            call_duration_max: Duration::from_secs(2),
            tick: Duration::from_millis(500),
            ..RuntimeConfig::small()
        })
        .unwrap();
        let limits = |fuel| {
            (
                engine.deadline_ticks(fuel),
                engine.call_duration_max(fuel).as_secs(),
            )
        };
        assert_eq!(limits(0), (5, 2));
        assert_eq!(limits(DEADLINE_FUEL), (5, 2));
        assert_eq!(limits(DEADLINE_FUEL + 1), (9, 4));
        assert!(engine.deadline_ticks(u64::MAX) > 1 << 36);
        assert_eq!(Limits::default().fuel_per_call, DEADLINE_FUEL);
    }
}
