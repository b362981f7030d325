//! The parent's side: starts the child, feeds it, and ends it when it takes too much.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::request::{Answer, Request};
use super::{REASON_BYTES_MAX, stopped};
use crate::error::LoadError;
use crate::fault::Grouped;
use crate::guest_log::printable;

/// The largest machine code of a component: some times what the largest useful ones have.
const CODE_BYTES_MAX: u64 = 512 << 20;
/// Threads of the child: it should not take all of a large machine.
const THREADS_MAX: usize = 4;
/// How often it is looked whether a child is to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);
/// How long a child may take to end that has said what it had to say.
const END_WAIT: Duration = Duration::from_secs(2);

/// A child process that compiles components, started for each one anew.
///
/// It must be the same program as its parent: what it writes becomes machine code, and only the
/// same version of the engine reads it.
#[derive(Debug, Clone)]
pub struct CompilerProcess {
    /// The program; called with `arguments`, it does nothing but
    /// [`compile_for_parent`](crate::compile_for_parent).
    pub program: PathBuf,
    /// What tells the program to compile.
    pub arguments: Vec<OsString>,
    /// Address space of the child, in bytes. Default 4 GiB: the largest useful components, those in
    /// Python, need less than half of it.
    pub address_space_bytes_max: u64,
    /// Processor time of the child, over all its threads. Default 5 minutes.
    pub cpu_time_max: Duration,
    /// How long the child may take, whatever it waits for. Default 10 minutes.
    pub duration_max: Duration,
}

impl CompilerProcess {
    /// This very program with other arguments, under the default limits.
    ///
    /// # Errors
    ///
    /// The system does not tell where the program is.
    pub fn this_program<A: Into<OsString>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        // By this name it is the file that runs, also when another took its place meanwhile.
        let running = PathBuf::from("/proc/self/exe");
        let program = match running.exists() {
            true => running,
            false => std::env::current_exe()?,
        };
        Ok(Self {
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            address_space_bytes_max: 4 << 30,
            cpu_time_max: Duration::from_secs(300),
            duration_max: Duration::from_secs(600),
        })
    }

    /// Compiles a component, unless it is to stop; returns the code.
    pub(crate) fn compile(
        &self,
        request: &Request,
        bytes: &[u8],
        is_stopped: &AtomicBool,
    ) -> Result<Vec<u8>, LoadError> {
        let request = Request {
            address_space_bytes_max: self.address_space_bytes_max,
            cpu_seconds_max: self.cpu_time_max.as_secs().max(1),
            ..*request
        };
        let mut child = self.start().map_err(|error| {
            let program = self.program.display();
            LoadError::Compiler(format!("{program} does not start: {error}"))
        })?;
        let answer = self.converse(&mut child, request, bytes, is_stopped);
        if answer.is_none() {
            // It may have ended already.
            let _ = child.kill();
        }
        let status = end(&mut child);
        match (answer, status) {
            (Some(Ok(Answer::Code(code))), _) => Ok(code),
            (Some(Ok(Answer::Reason(reason))), _) => {
                let reason = String::from_utf8_lossy(&reason);
                Err(LoadError::Invalid(printable(&reason, REASON_BYTES_MAX)))
            }
            (None, _) if is_stopped.load(Ordering::Relaxed) => Err(stopped()),
            (None, _) => Err(LoadError::Stopped(format!(
                "it was not ready after {} s; that is the limit, whatever it waits for",
                self.duration_max.as_secs()
            ))),
            (Some(Err(error)), status) => Err(self.explain(&error, status)),
        }
    }

    fn start(&self) -> io::Result<Child> {
        let threads = thread::available_parallelism().map_or(1, |all| all.get().min(THREADS_MAX));
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            // Each thread, and each arena of the C library, takes address space.
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    /// Tells the child what to do and waits for its answer; none if that takes too long.
    fn converse(
        &self,
        child: &mut Child,
        request: Request,
        bytes: &[u8],
        is_stopped: &AtomicBool,
    ) -> Option<io::Result<Answer>> {
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let (answered, answer) = channel();
        thread::spawn(move || {
            // Nobody listens any more if it took too long.
            let _ = answered.send(Answer::read(&mut output, CODE_BYTES_MAX));
        });
        thread::scope(|scope| {
            let feeder = scope.spawn(move || {
                // A child that ends early says why in its answer, or by how it ended.
                let _ = request.write(&mut input, bytes);
                let _ = input.flush();
            });
            match self.wait(&answer, is_stopped) {
                Ok(answer) => {
                    // One that said something else and reads no further is ended, so that the
                    // thread that feeds it ends too; one that is about to die may say why.
                    let start = Instant::now();
                    while !feeder.is_finished() && start.elapsed() < END_WAIT {
                        thread::sleep(Duration::from_millis(1));
                    }
                    if !feeder.is_finished() {
                        let _ = child.kill();
                    }
                    Some(answer)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Err(io::ErrorKind::UnexpectedEof.into()))
                }
                Err(RecvTimeoutError::Timeout) => {
                    // So that the thread that feeds it ends too.
                    let _ = child.kill();
                    None
                }
            }
        })
    }

    /// Waits for an answer until that takes too long or is to stop.
    fn wait<T>(
        &self,
        answer: &Receiver<T>,
        is_stopped: &AtomicBool,
    ) -> Result<T, RecvTimeoutError> {
        let start = Instant::now();
        loop {
            match answer.recv_timeout(STOP_INTERVAL) {
                Err(RecvTimeoutError::Timeout)
                    if start.elapsed() < self.duration_max
                        && !is_stopped.load(Ordering::Relaxed) => {}
                ended => return ended,
            }
        }
    }

    /// Why there is no answer, from how the child ended.
    fn explain(&self, error: &io::Error, status: Option<ExitStatus>) -> LoadError {
        let too_hard = |what: String| LoadError::TooHard { what };
        match status.map(ending) {
            Some(Ending::OutOfTime) => too_hard(format!(
                "more than {} s of processor time",
                self.cpu_time_max.as_secs()
            )),
            // What programs in Rust do when memory runs out.
            Some(Ending::Aborted) => too_hard(format!(
                "more than {} bytes of memory",
                Grouped(self.address_space_bytes_max)
            )),
            Some(Ending::Crashed) => too_hard("more stack than the compiler has".to_owned()),
            Some(Ending::Killed(signal)) => LoadError::Stopped(format!(
                "signal {signal} ended the process that compiles, from outside: by the system \
                 where memory runs out, or by somebody"
            )),
            Some(Ending::Other(status)) => {
                LoadError::Compiler(format!("it gave no code ({status}): {error}"))
            }
            None => LoadError::Compiler(format!("it gave no code and did not end: {error}")),
        }
    }
}

/// Waits until the child has ended; ends it if it does not. None if it cannot be known.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < END_WAIT {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    // How it ended now says nothing any more.
    let _ = child.wait();
    None
}

/// How a child ended.
enum Ending {
    OutOfTime,
    Aborted,
    Crashed,
    /// By another signal.
    Killed(i32),
    Other(ExitStatus),
}

#[cfg(unix)]
fn ending(status: ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;

    use rustix::process::Signal;

    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is(Signal::XCPU) {
        Ending::OutOfTime
    } else if is(Signal::ABORT) {
        Ending::Aborted
    } else if is(Signal::SEGV) || is(Signal::BUS) {
        Ending::Crashed
    } else {
        status
            .signal()
            .map_or(Ending::Other(status), Ending::Killed)
    }
}

#[cfg(not(unix))]
fn ending(status: ExitStatus) -> Ending {
    Ending::Other(status)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::RuntimeConfig;

    /// A shell that does something else than compiling.
    fn shell(script: &str) -> CompilerProcess {
        CompilerProcess {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            ..CompilerProcess::this_program(["compile"]).unwrap()
        }
    }

    fn outcome(process: &CompilerProcess) -> LoadError {
        let request = Request::of(&RuntimeConfig::small());
        let component = vec![0; 1 << 20];
        process
            .compile(&request, &component, &AtomicBool::new(false))
            .unwrap_err()
    }

    #[test]
    fn how_the_child_ended_tells_why_there_is_no_code() {
        let reason = |script| outcome(&shell(script)).to_string();
        let time = reason("kill -XCPU $$");
        assert!(time.contains("more than 300 s of processor time"), "{time}");
        let memory = reason("kill -ABRT $$");
        assert!(memory.contains("4,294,967,296 bytes of memory"), "{memory}");
        let stack = reason("kill -SEGV $$");
        assert!(stack.contains("more stack"), "{stack}");
        let killed = outcome(&shell("kill -KILL $$"));
        assert!(matches!(killed, LoadError::Stopped(_)), "{killed}");
        assert!(killed.to_string().contains("signal 9"), "{killed}");
        let other = reason("exit 3");
        assert!(other.contains("exit status: 3"), "{other}");
        let silent = reason("cat > /dev/null");
        assert!(silent.contains("exit status: 0"), "{silent}");
        let wrong = reason("echo something that is no answer at all");
        assert!(wrong.contains("something else"), "{wrong}");
        let endless = reason("cat /dev/zero");
        assert!(endless.contains("something else"), "{endless}");
    }

    #[test]
    fn a_child_that_hangs_is_ended() {
        for script in [
            "cat > /dev/null; exec sleep 1000",
            "exec sleep 1000",
            "echo something that is no answer; exec sleep 1000",
        ] {
            let process = CompilerProcess {
                duration_max: Duration::from_millis(50),
                ..shell(script)
            };
            let error = outcome(&process);
            assert!(matches!(error, LoadError::Stopped(_)), "{error}");
        }
    }

    #[test]
    fn a_child_is_ended_when_it_is_to_stop() {
        let request = Request::of(&RuntimeConfig::small());
        let (is_stopped, process) = (AtomicBool::new(false), shell("exec sleep 1000"));
        std::thread::scope(|scope| {
            let compiled = scope.spawn(|| process.compile(&request, &[0; 100], &is_stopped));
            is_stopped.store(true, Ordering::Relaxed);
            let error = compiled.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("it was stopped"), "{error}");
        });
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let process = CompilerProcess {
            program: "/nowhere/replicant".into(),
            ..shell("")
        };
        let error = outcome(&process).to_string();
        assert!(
            error.contains("/nowhere/replicant does not start"),
            "{error}"
        );
    }
}
