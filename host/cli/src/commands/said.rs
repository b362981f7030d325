//! What a person says: an argument, or what a program writes.

use std::io::Read;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use replicant::messages::MESSAGE_BYTES_MAX;

use super::json_argument;
use crate::exit::WrongArgument;

/// JSON text that is read: no message of [`MESSAGE_BYTES_MAX`] needs more, and a node reads no
/// larger body.
const TEXT_BYTES_MAX: usize = 16 << 20;

#[derive(Args)]
pub(crate) struct SaidArguments {
    /// What to say, in JSON; `-` reads it from standard input
    #[arg(value_name = "MESSAGE_JSON", allow_hyphen_values = true)]
    message: String,
    /// What is said is bytes and not JSON, as they are: whoever listens hears {"$bytes": …}
    #[arg(long)]
    bytes: bool,
}

impl SaidArguments {
    /// The message as JSON.
    pub(crate) fn json(&self) -> Result<String> {
        let given = match self.message.as_str() {
            "-" => read(std::io::stdin().lock(), self.max())?,
            text => text.as_bytes().to_vec(),
        };
        if self.bytes {
            return Ok(format!("{{\"$bytes\":\"{}\"}}", STANDARD.encode(given)));
        }
        let text = String::from_utf8(given).with_context(|| {
            WrongArgument("the message is not text; send bytes as they are with --bytes".to_owned())
        })?;
        json_argument("message", &text)?;
        Ok(text)
    }

    fn max(&self) -> usize {
        match self.bytes {
            true => MESSAGE_BYTES_MAX,
            false => TEXT_BYTES_MAX,
        }
    }
}

/// Reads to the end, if that comes in time.
fn read(from: impl Read, bytes_max: usize) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut bounded = from.take(bytes_max as u64 + 1);
    let length = bounded.read_to_end(&mut read);
    if length.context("cannot read standard input")? > bytes_max {
        bail!(WrongArgument(format!(
            "the message is over {bytes_max} bytes; nothing was sent"
        )));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_not_read_to_its_end() {
        let error = read(std::io::repeat(7), 1_000).unwrap_err().to_string();
        assert!(error.contains("over 1000 bytes"), "{error}");
        assert_eq!(read(&[7; 1_000][..], 1_000).unwrap().len(), 1_000);
    }

    #[test]
    fn bytes_are_said_as_they_are_and_json_has_to_be_some() {
        let said = |message: &str, bytes| SaidArguments {
            message: message.to_owned(),
            bytes,
        };
        let json = said("a\u{e9}", true).json().unwrap();
        assert_eq!(json, r#"{"$bytes":"YcOp"}"#);
        assert_eq!(said("[1]", false).json().unwrap(), "[1]");
        let error = said("[", false).json().unwrap_err();
        assert!(error.is::<WrongArgument>(), "{error:#}");
    }
}
