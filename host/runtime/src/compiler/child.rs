//! The child's side: one component in, machine code out.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use super::in_this_process;
use super::request::{Answer, Request};
use crate::engine;
use crate::error::LoadError;

/// The most that a child reads; parents refuse larger components before.
const COMPONENT_BYTES_MAX: u64 = 1 << 30;

/// Compiles one component for a parent that started this process as
/// [`CompilerProcess`](crate::CompilerProcess) says: reads it from standard input and writes the
/// code to standard output. Call it first of all when the program's arguments ask for it, before
/// any thread is started, and return what it returns from `main`.
///
/// Before it looks at the component, it takes on the limits that the parent names: for memory and
/// processor time, which end the process when they are reached, and for the files it may write:
/// none.
pub fn compile_for_parent() -> ExitCode {
    match answer(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent notices that the answer is missing.
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let request = Request::read(input)?;
    limit(&request)?;
    let mut component = Vec::new();
    input
        .take(COMPONENT_BYTES_MAX)
        .read_to_end(&mut component)?;
    let engine = engine::for_compiling(&request.config(), start_threads())
        .map_err(|error| io::Error::other(format!("{error:#}")))?;
    let answer = match in_this_process(&engine, &component) {
        Ok(code) => Answer::Code(code),
        Err(LoadError::Invalid(reason)) => Answer::Reason(reason.into_bytes()),
        Err(error) => return Err(io::Error::other(error)),
    };
    answer.write(output)
}

/// Starts the threads that share the work, and whether they could be started. Where the limit of
/// memory leaves no room for their stacks the compiler would panic, and that would be told as the
/// component's fault; so it works alone then.
fn start_threads() -> bool {
    rayon::ThreadPoolBuilder::new().build_global().is_ok()
}

#[cfg(unix)]
fn limit(request: &Request) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let only = |limit: u64| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    // The signal at the first limit of processor time can be told from other ends.
    let time = Rlimit {
        current: Some(request.cpu_seconds_max),
        maximum: request.cpu_seconds_max.checked_add(5),
    };
    // Nobody else would end it if its parent is killed, and the next parent starts another one.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    setrlimit(Resource::As, only(request.address_space_bytes_max))?;
    setrlimit(Resource::Cpu, time)?;
    setrlimit(Resource::Fsize, only(0))?;
    setrlimit(Resource::Core, only(0))?;
    Ok(())
}

/// Elsewhere only the parent's deadline holds.
#[cfg(not(unix))]
fn limit(_request: &Request) -> io::Result<()> {
    Ok(())
}
