//! Commands from standard input, one a line, in batches.
//!
//! A thread reads ahead, so that the next batch is there when the one before is answered. A batch
//! takes what has been read: a person at the keyboard sees each line done at once, a file goes in
//! large batches.

use std::fs::Metadata;
use std::io::{BufRead, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use serde_json::value::RawValue;

use crate::output::without_line;

/// Commands of one batch: enough to hide the way to the node and its disk's sync.
const COMMANDS_MAX: usize = 1_000;
/// Bytes of one batch; a single command may have more. Well below what the node takes.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Bytes of one line. The node takes commands of 1 MiB; the same may be several times as long in
/// JSON.
const LINE_BYTES_MAX: usize = 8 << 20;

/// A command, the number of its line, and the bytes that it took.
struct Line {
    number: u64,
    bytes: usize,
    command: Box<RawValue>,
}

/// Commands that are sent together.
#[derive(Default)]
pub(super) struct Batch {
    /// The number of each command's line, counted from 1.
    pub(super) numbers: Vec<u64>,
    pub(super) commands: Vec<Box<RawValue>>,
    /// What comes behind them and is no command; nothing is read after it.
    pub(super) then: Option<anyhow::Error>,
    /// Bytes of the lines, without the empty ones in between.
    pub(super) bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.commands.len() >= COMMANDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn add(&mut self, line: Result<Line>) {
        match line {
            Ok(line) => {
                self.bytes += line.bytes;
                self.numbers.push(line.number);
                self.commands.push(line.command);
            }
            Err(error) => self.then = Some(error),
        }
    }
}

/// What is read ahead.
pub(super) struct Lines {
    read: Receiver<Result<Line>>,
}

impl Lines {
    /// Starts to read standard input. The thread ends with the input, or with the process.
    pub(super) fn of_standard_input() -> Self {
        let (sender, read) = sync_channel(COMMANDS_MAX);
        thread::spawn(move || read_all(&mut std::io::stdin().lock(), &sender));
        Self { read }
    }

    /// Waits for a command and takes those behind it that are there; none at the end.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        let mut batch = Batch::default();
        batch.add(self.read.recv().ok()?);
        while batch.then.is_none() && !batch.is_full() {
            match self.read.try_recv() {
                Ok(line) => batch.add(line),
                Err(_) => break,
            }
        }
        Some(batch)
    }
}

/// Bytes that standard input still has, if it is a file.
pub(super) fn input_length() -> Option<u64> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut file = std::fs::File::from(input);
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    let position = file.stream_position().ok()?;
    metadata.len().checked_sub(position)
}

/// Reads until the end, or up to the first line that is no command.
fn read_all(input: &mut impl BufRead, read: &SyncSender<Result<Line>>) {
    let mut number = 0;
    while let Some(line) = next_line(input, &mut number) {
        let is_last = line.is_err();
        if read.send(line).is_err() || is_last {
            return;
        }
    }
}

/// The next line that is not empty; none at the end.
fn next_line(input: &mut impl BufRead, number: &mut u64) -> Option<Result<Line>> {
    loop {
        *number += 1;
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(bytes) if bytes > LINE_BYTES_MAX => {
                let error = anyhow!("line {number} is longer than {LINE_BYTES_MAX} bytes");
                return Some(Err(error));
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(bytes) => return Some(parse(*number, bytes, &line)),
            Err(error) => {
                let context = format!("standard input cannot be read at line {number}");
                return Some(Err(error).context(context));
            }
        }
    }
}

fn parse(number: u64, bytes: usize, line: &[u8]) -> Result<Line> {
    let command = serde_json::from_slice(line.trim_ascii_end()).map_err(|error| {
        let reason = without_line(&error.to_string());
        anyhow!("line {number} is not JSON, and nothing behind it was sent: {reason}")
    })?;
    Ok(Line {
        number,
        bytes,
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &'static [u8]) -> Lines {
        let (sender, read) = sync_channel(COMMANDS_MAX * 4);
        read_all(&mut &*input, &sender);
        Lines { read }
    }

    #[test]
    fn empty_lines_count_but_are_passed_over() {
        let batch = lines(b"\n\"clear\"\r\n  \n{\"add\": 1}")
            .next_batch()
            .unwrap();
        assert_eq!(batch.numbers, [2, 4]);
        assert_eq!(batch.commands[1].get(), "{\"add\": 1}");
        assert!(batch.then.is_none());
    }

    #[test]
    fn a_line_that_is_not_json_is_named_and_ends_the_batch() {
        for bad in [
            &b"1\nnot json\n3\n"[..],
            b"1\n2 3\n3\n",
            b"1\n\"\xff\"\n3\n",
            b"1\n{\"a\":\n}\n",
        ] {
            let lines = lines(bad);
            let batch = lines.next_batch().unwrap();
            assert_eq!(batch.numbers, [1]);
            assert!(batch.then.unwrap().to_string().contains("line 2"));
            assert!(lines.next_batch().is_none());
        }
    }

    #[test]
    fn numbers_are_kept_as_they_are_written() {
        let batch = lines(b"{\"set\": 123456789012345678901234567890.10}")
            .next_batch()
            .unwrap();
        assert_eq!(
            batch.commands[0].get(),
            "{\"set\": 123456789012345678901234567890.10}"
        );
    }

    #[test]
    fn a_batch_has_an_end_where_the_input_has_none() {
        let input: &'static str = Box::leak("1\n".repeat(COMMANDS_MAX + 1).into_boxed_str());
        let lines = lines(input.as_bytes());
        assert_eq!(lines.next_batch().unwrap().commands.len(), COMMANDS_MAX);
        assert_eq!(
            lines.next_batch().unwrap().numbers,
            [COMMANDS_MAX as u64 + 1]
        );
        assert!(lines.next_batch().is_none());
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let input: &'static [u8] = Box::leak(vec![b' '; LINE_BYTES_MAX + 2].into_boxed_slice());
        let batch = lines(input).next_batch().unwrap();
        assert!(batch.then.unwrap().to_string().contains("longer"));
    }
}
