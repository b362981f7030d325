//! The WebAssembly engine: which features guests get, where their memory comes from, and the
//! clock that stops calls which fuel did not.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{
    Config, EngineWeak, InstanceAllocationStrategy, OperatorCost, OptLevel,
    PoolingAllocationConfig, Strategy,
};

use crate::config::RuntimeConfig;
use crate::error::RuntimeError;
use crate::guest_log;
use crate::limiter::TotalMemory;
use crate::sandbox::GuestState;

/// Frames of a trap that are looked at, to name the function.
const BACKTRACE_FRAMES_MAX: usize = 8;
/// Fuel of growing a memory or a table: a call into the operating system.
const GROW_FUEL: u8 = 250;
/// Fuel of instructions that call into the host before they do their work.
const BULK_FUEL: u8 = 10;
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
    call_duration_max: Duration,
    deadline_ticks: u64,
    _clock: Clock,
}

impl Engine {
    pub(crate) fn new(config: &RuntimeConfig) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&engine_config(config)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        guest_log::add_to_linker(&mut linker).map_err(failed)?;
        let clock = Clock::start(engine.weak(), config.tick)?;
        let ticks = config.call_duration_max.as_nanos() / config.tick.as_nanos().max(1);
        Ok(Self {
            engine,
            linker,
            total_memory: Arc::new(TotalMemory::new(config.total_memory_bytes_max)),
            call_duration_max: config.call_duration_max,
            deadline_ticks: u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1) + 1,
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

    pub(crate) fn call_duration_max(&self) -> Duration {
        self.call_duration_max
    }

    /// Ticks of the clock after which a call is stopped; one more than exact, since the present
    /// tick is already running.
    pub(crate) fn deadline_ticks(&self) -> u64 {
        self.deadline_ticks
    }
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

fn engine_config(config: &RuntimeConfig) -> Config {
    let mut engine = Config::new();
    engine
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(config.stack_bytes_max)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    deterministic(&mut engine);
    engine
}

/// Leaves out what differs between machines, and what no guest needs and an attacker might.
fn deterministic(engine: &mut Config) {
    engine
        .cranelift_nan_canonicalization(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_gc(false)
        .wasm_shared_everything_threads(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .shared_memory(false);
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
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
