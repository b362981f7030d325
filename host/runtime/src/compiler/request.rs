//! What parent and child tell each other, over the child's standard input and output.
//!
//! ```text
//! request  magic (8 bytes), the configuration as numbers of 8 bytes, component up to the end
//! answer   magic (8 bytes), 0 for code or 1 for a reason (1 byte), length (8 bytes), code or
//!          reason
//! ```
//!
//! Numbers have their lowest byte first. Both sides are the same program, so the magic numbers only
//! tell an answer from something else that was written there by mistake.

use std::io::{self, Read, Write};

use crate::config::RuntimeConfig;

const REQUEST: [u8; 8] = *b"RPLCNTQ1";
const ANSWER: [u8; 8] = *b"RPLCNTA1";

/// What the compiler has to know of the configuration (what its output depends on), and its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) memory_bytes_max: u64,
    pub(crate) stack_bytes_max: u64,
    /// What the child may take of memory, in bytes, and of the processor, in seconds.
    pub(crate) address_space_bytes_max: u64,
    pub(crate) cpu_seconds_max: u64,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What `Component::serialize` would give.
    Code(Vec<u8>),
    /// Why there is no code.
    Reason(Vec<u8>),
}

impl Request {
    pub(crate) fn of(config: &RuntimeConfig) -> Self {
        Self {
            memory_bytes_max: config.memory_bytes_max,
            stack_bytes_max: config.stack_bytes_max as u64,
            address_space_bytes_max: u64::MAX,
            cpu_seconds_max: u64::MAX,
        }
    }

    fn numbers(self) -> [u64; 4] {
        [
            self.memory_bytes_max,
            self.stack_bytes_max,
            self.address_space_bytes_max,
            self.cpu_seconds_max,
        ]
    }

    /// The configuration of an engine that compiles as the parent's would, and does nothing else.
    pub(crate) fn config(self) -> RuntimeConfig {
        RuntimeConfig {
            memory_bytes_max: self.memory_bytes_max,
            stack_bytes_max: usize::try_from(self.stack_bytes_max).unwrap_or(usize::MAX),
            ..RuntimeConfig::small()
        }
    }

    pub(crate) fn write(self, out: &mut impl Write, component: &[u8]) -> io::Result<()> {
        out.write_all(&REQUEST)?;
        for number in self.numbers() {
            out.write_all(&number.to_le_bytes())?;
        }
        out.write_all(component)?;
        out.flush()
    }

    /// Reads the numbers of a request; the component follows.
    pub(crate) fn read(input: &mut impl Read) -> io::Result<Self> {
        expect(input, REQUEST)?;
        Ok(Self {
            memory_bytes_max: number(input)?,
            stack_bytes_max: number(input)?,
            address_space_bytes_max: number(input)?,
            cpu_seconds_max: number(input)?,
        })
    }
}

impl Answer {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (kind, bytes) = match self {
            Self::Code(bytes) => (0, bytes),
            Self::Reason(bytes) => (1, bytes),
        };
        out.write_all(&ANSWER)?;
        out.write_all(&[kind])?;
        out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        out.write_all(bytes)?;
        out.flush()
    }

    /// Reads an answer of at most `bytes_max`.
    pub(crate) fn read(input: &mut impl Read, bytes_max: u64) -> io::Result<Self> {
        expect(input, ANSWER)?;
        let mut kind = [0];
        input.read_exact(&mut kind)?;
        let length = number(input)?;
        if length > bytes_max {
            return Err(io::Error::other("the code is too large"));
        }
        // Grows as the bytes come: nothing is believed of the length.
        let mut bytes = Vec::new();
        input.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match kind {
            [0] => Ok(Self::Code(bytes)),
            [1] => Ok(Self::Reason(bytes)),
            _ => Err(io::Error::other("neither code nor a reason")),
        }
    }
}

fn expect(input: &mut impl Read, magic: [u8; 8]) -> io::Result<()> {
    let mut found = [0; 8];
    input.read_exact(&mut found)?;
    match found == magic {
        true => Ok(()),
        false => Err(io::Error::other("something else than was expected")),
    }
}

fn number(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let request = Request {
            memory_bytes_max: 1 << 33,
            stack_bytes_max: 7,
            address_space_bytes_max: 8,
            cpu_seconds_max: 9,
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes, b"component").unwrap();
        let mut input = &bytes[..];
        assert_eq!(Request::read(&mut input).unwrap(), request);
        assert_eq!(input, b"component");
        for answer in [
            Answer::Code(b"code".to_vec()),
            Answer::Reason(b"why".to_vec()),
        ] {
            bytes.clear();
            answer.write(&mut bytes).unwrap();
            for end in 0..bytes.len() {
                assert!(Answer::read(&mut &bytes[..end], 100).is_err());
            }
            assert!(Answer::read(&mut &bytes[..], 2).is_err());
            assert_eq!(Answer::read(&mut &bytes[..], 100).unwrap(), answer);
        }
    }

    #[test]
    fn other_output_is_no_answer() {
        for output in ["", "hello, world, I am another program", "RPLCNTA1"] {
            assert!(Answer::read(&mut output.as_bytes(), 100).is_err());
        }
        let mut bytes = ANSWER.to_vec();
        bytes.push(0);
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(Answer::read(&mut &bytes[..], 100).is_err());
    }
}
