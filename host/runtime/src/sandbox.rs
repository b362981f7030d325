//! One store with one instance in it, and what every call into it has in common: fresh fuel, a
//! fresh deadline, and a fault that says what really happened.

use std::sync::Arc;

use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use crate::engine::Engine;
use crate::fault::FaultKind;
use crate::guest::{Guest, GuestPre};
use crate::guest_log::{LogGate, printable};
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::wasi::NoSystem;

/// Handles that a call may need besides the objects themselves.
const SPARE_HANDLES: usize = 1_000;
/// What the host may allocate for one result beyond its size inside the guest: records are wider
/// here than there, and the exact size is checked afterwards.
const SPARE_RESULT_BYTES: usize = 1 << 20;
/// Frames of a trap that are told, and bytes of each function's name.
const FRAMES_SHOWN: usize = 4;
const FRAME_NAME_BYTES_MAX: usize = 80;
/// Bytes of the reason of a trap.
const REASON_BYTES_MAX: usize = 1024;

/// What the host keeps inside a store.
pub(crate) struct GuestState {
    pub(crate) limiter: Limiter,
    pub(crate) log: LogGate,
    /// `name@version`, for the log.
    pub(crate) module: Arc<str>,
    /// The last error that the guest logged in this call: what it says of a panic.
    pub(crate) last_error: Option<String>,
    /// Ops that the guest says it could not read in this call.
    pub(crate) ops_unread: u64,
}

/// A store with its instance.
pub(crate) struct Sandbox {
    store: Store<GuestState>,
    guest: Guest,
    fuel_used: u64,
}

impl Sandbox {
    /// Makes an instance; its start functions run under `limits`.
    pub(crate) fn new(
        engine: &Engine,
        pre: &GuestPre,
        limits: &Limits,
        module: Arc<str>,
    ) -> Result<Self, FaultKind> {
        let mut store = new_store(engine, limits, module)?;
        let made = pre.instantiate(&mut store);
        let fuel_used = used(&store, limits.fuel_instantiate);
        match made {
            Ok(guest) => Ok(Self {
                store,
                guest,
                fuel_used,
            }),
            Err(error) => {
                let call = Call::new(engine, limits, limits.fuel_instantiate);
                Err(call.explain(&error, store.data_mut()))
            }
        }
    }

    /// Calls into the guest with `call.fuel`. After an error the sandbox must not be used again.
    pub(crate) fn call<R>(
        &mut self,
        call: &Call<'_>,
        enter: impl FnOnce(&Guest, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, FaultKind> {
        prepare(&mut self.store, call.fuel, call.engine)?;
        let result = enter(&self.guest, &mut self.store);
        self.fuel_used = used(&self.store, call.fuel);
        result.map_err(|error| call.explain(&error, self.store.data_mut()))
    }

    pub(crate) fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// Ops that the guest said it could not read, in the last call.
    pub(crate) fn ops_unread(&self) -> u64 {
        self.store.data().ops_unread
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().limiter.memory_bytes()
    }
}

/// Tells which function of a component that could not be instantiated has another type than the
/// interface says, and how it differs; none if that is not why.
pub(crate) fn explain_types(
    engine: &Engine,
    pre: &GuestPre,
    limits: &Limits,
) -> Option<(&'static str, String)> {
    let mut store = new_store(engine, limits, Arc::from("")).ok()?;
    let (name, error) = pre.first_mismatch(&mut store)?;
    Some((name, printable(&format!("{error:#}"), REASON_BYTES_MAX)))
}

fn new_store(
    engine: &Engine,
    limits: &Limits,
    module: Arc<str>,
) -> Result<Store<GuestState>, FaultKind> {
    let state = GuestState {
        limiter: Limiter::new(limits, engine.total_memory()),
        log: LogGate::new(),
        module,
        last_error: None,
        ops_unread: 0,
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_max_component_handles(handles_max(limits));
    let output = usize::try_from(limits.output_bytes_max).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(output.saturating_mul(3).saturating_add(SPARE_RESULT_BYTES));
    prepare(&mut store, limits.fuel_instantiate, engine)?;
    Ok(store)
}

fn handles_max(limits: &Limits) -> usize {
    limits.objects_max as usize + SPARE_HANDLES
}

fn prepare(store: &mut Store<GuestState>, fuel: u64, engine: &Engine) -> Result<(), FaultKind> {
    store.set_fuel(fuel).map_err(|error| host(&error))?;
    store.data_mut().last_error = None;
    store.data_mut().ops_unread = 0;
    store.set_epoch_deadline(engine.deadline_ticks(fuel));
    Ok(())
}

fn used(store: &Store<GuestState>, given: u64) -> u64 {
    given - store.get_fuel().unwrap_or(given).min(given)
}

fn host(error: &wasmtime::Error) -> FaultKind {
    FaultKind::Host {
        reason: format!("{error:#}"),
    }
}

/// The bounds of one call that a fault may have to name.
pub(crate) struct Call<'a> {
    fuel: u64,
    output_bytes_max: u64,
    handles_max: usize,
    engine: &'a Engine,
}

impl<'a> Call<'a> {
    pub(crate) fn new(engine: &'a Engine, limits: &Limits, fuel: u64) -> Self {
        Self {
            fuel,
            output_bytes_max: limits.output_bytes_max,
            handles_max: handles_max(limits),
            engine,
        }
    }

    /// Finds out what an error of the engine means. Traps and bounds are typed; everything else
    /// that a call can give is the canonical ABI refusing what the guest passed.
    fn explain(&self, error: &wasmtime::Error, state: &mut GuestState) -> FaultKind {
        if let Some(hit) = state.limiter.take_hit() {
            return hit;
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return FaultKind::NoRoom {
                reason: format!("{error:#}"),
            };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => FaultKind::OutOfFuel { limit: self.fuel },
            Some(Trap::StackOverflow) => FaultKind::Stack {
                limit: self.engine.stack_bytes_max(),
            },
            Some(Trap::Interrupt) => FaultKind::Deadline {
                limit: self.engine.call_duration_max(self.fuel),
            },
            Some(trap) => FaultKind::Trap {
                reason: trap_reason(*trap, error, state.last_error.take()),
            },
            None => self.explain_refusal(error),
        }
    }

    fn explain_refusal(&self, error: &wasmtime::Error) -> FaultKind {
        if let Some(no_system) = error.downcast_ref::<NoSystem>() {
            return FaultKind::Trap {
                reason: no_system.to_string(),
            };
        }
        // Without the backtrace and what the engine says around it.
        let text = error.root_cause().to_string();
        if text.contains("fuel allocated for hostcalls has been exhausted") {
            return FaultKind::Output {
                limit: self.output_bytes_max,
                size: None,
            };
        }
        if text.contains("store handle limit exceeded") {
            return FaultKind::Handles {
                limit: self.handles_max,
            };
        }
        if error.is::<wasmtime::OutOfMemory>() {
            return host(error);
        }
        FaultKind::Malformed {
            reason: printable(&text, REASON_BYTES_MAX),
        }
    }
}

/// The trap, what the guest said before it gave up, and, if the component has names, the functions
/// it happened in, innermost first.
fn trap_reason(trap: Trap, error: &wasmtime::Error, said: Option<String>) -> String {
    let text = trap.to_string();
    let mut reason = text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
    // Only a guest that stops by itself has said why.
    if trap == Trap::UnreachableCodeReached
        && let Some(said) = said
    {
        reason.push_str(&format!(": {}", printable(&said, REASON_BYTES_MAX)));
    }
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return reason;
    };
    let names = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(FRAMES_SHOWN)
        .map(|name| printable(name, FRAME_NAME_BYTES_MAX))
        .collect::<Vec<_>>();
    if !names.is_empty() {
        reason.push_str(&format!(" (in {})", names.join(" < ")));
    }
    reason
}
