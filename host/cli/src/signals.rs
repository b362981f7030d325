//! What asks a command to stop: a signal, or the end of the program that started it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How soon a wait notices that it should end.
const NOTICE: Duration = Duration::from_millis(50);

/// What comes so soon after a signal is the same wish: `timeout` sends one to the command and one
/// to all of its group, and a node whose parent is in it gets one and hears the parent go.
const TOGETHER: Duration = Duration::from_secs(1);

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A signal asked the command to stop, and it has cleaned up behind itself.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// The signals that mean to stop.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Sent where a limit of the system (`ulimit -f`) refuses a write. Somebody who listens to it
    /// gets the error from the write; else it ends the process.
    _file_too_large: Signal,
    /// Resolves when standard input ends, for those who want to know.
    end_of_input: Option<oneshot::Receiver<()>>,
    /// When the last one came that counted.
    last: Option<Instant>,
}

impl Signals {
    /// From here on these signals do not end the process. Within a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _file_too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
            end_of_input: None,
            last: None,
        })
    }

    /// Takes the end of standard input for a signal too: whoever holds the other side has gone,
    /// however it ended.
    pub(crate) fn or_end_of_input(mut self) -> Self {
        let (ended, end_of_input) = oneshot::channel();
        // It ends with the input, or with the process.
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = ended.send(());
        });
        self.end_of_input = Some(end_of_input);
        self
    }

    /// Waits for the next one that is no echo of the last.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                () = ended(&mut self.end_of_input) => {}
            }
            let now = Instant::now();
            if !is_echo(self.last, now) {
                self.last = Some(now);
                return;
            }
        }
    }
}

/// Whether a signal that comes now is the same wish as the last one that counted.
fn is_echo(last: Option<Instant>, now: Instant) -> bool {
    last.is_some_and(|last| now.duration_since(last) < TOGETHER)
}

/// Waits for the end of the input, once.
async fn ended(end_of_input: &mut Option<oneshot::Receiver<()>>) {
    match end_of_input {
        Some(end) => {
            // An error means that the thread is gone, and then nobody reads the input any more.
            let _ = end.await;
            *end_of_input = None;
        }
        None => std::future::pending().await,
    }
}

/// From here on a signal is noted for [`check`] instead of ending the process; another one ends
/// it at once, with what it leaves behind.
pub(crate) fn note(exit_code: u8) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            IS_INTERRUPTED.store(true, Ordering::Release);
            signals.next().await;
            std::process::exit(exit_code.into());
        });
    });
    Ok(())
}

/// An error once a signal was noted.
pub(crate) fn check() -> Result<(), Interrupted> {
    match IS_INTERRUPTED.load(Ordering::Acquire) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}

/// Sleeps; an error as soon as a signal was noted.
pub(crate) fn sleep(duration: Duration) -> Result<(), Interrupted> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(NOTICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_once_are_one_wish_and_a_later_one_is_another() {
        let first = Instant::now();
        assert!(!is_echo(None, first));
        assert!(is_echo(Some(first), first));
        let soon = first + TOGETHER - Duration::from_millis(1);
        assert!(is_echo(Some(first), soon));
        assert!(!is_echo(Some(first), first + TOGETHER));
    }
}
