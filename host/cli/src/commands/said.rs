//! What a person says: an argument, or what a program writes.

use std::io::Read;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use replicant::data::json_to_cbor;
use replicant::messages::MESSAGE_BYTES_MAX;

use super::json_argument;
use crate::exit::WrongArgument;
use crate::output::grouped;

/// JSON text that is read: no message of [`MESSAGE_BYTES_MAX`] needs more, and a node reads no
/// larger body.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// Bytes that can be said as they are: a message is CBOR, which writes their number before them.
const PLAIN_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 5;

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
            "-" => self.read(std::io::stdin().lock())?,
            text => self.read(text.as_bytes())?,
        };
        if self.bytes {
            return Ok(format!("{{\"$bytes\":\"{}\"}}", STANDARD.encode(given)));
        }
        let text = String::from_utf8(given).with_context(|| {
            WrongArgument("the message is not text; send bytes as they are with --bytes".to_owned())
        })?;
        json_argument("message", &text)?;
        check_size(&text)?;
        Ok(text)
    }

    /// Reads to the end, if that comes in time.
    fn read(&self, from: impl Read) -> Result<Vec<u8>> {
        let (bytes_max, what) = match self.bytes {
            true => (PLAIN_BYTES_MAX, "which is the most that --bytes sends"),
            false => (TEXT_BYTES_MAX, "which is the most that is read of JSON"),
        };
        let mut read = Vec::new();
        let mut bounded = from.take(bytes_max as u64 + 1);
        let length = bounded.read_to_end(&mut read);
        if length.context("cannot read standard input")? > bytes_max {
            bail!(too_large(&format!(
                "it has more than {} bytes, {what}",
                grouped(bytes_max as u64)
            )));
        }
        Ok(read)
    }
}

/// Refuses what no node would send, in sizes that whoever wrote it can check.
fn check_size(text: &str) -> Result<(), WrongArgument> {
    // What is wrong otherwise the node says better.
    let size = json_to_cbor(text.as_bytes()).map_or(0, |cbor| cbor.len());
    match size > MESSAGE_BYTES_MAX {
        true => Err(too_large(&format!(
            "it has {} bytes of JSON, which are {} as CBOR, and at most {} of these are sent",
            grouped(text.len() as u64),
            grouped(size as u64),
            grouped(MESSAGE_BYTES_MAX as u64)
        ))),
        false => Ok(()),
    }
}

fn too_large(how: &str) -> WrongArgument {
    WrongArgument(format!(
        "the message is too large: {how}; nothing was sent. Send it in parts"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str, bytes: bool) -> SaidArguments {
        SaidArguments {
            message: message.to_owned(),
            bytes,
        }
    }

    #[test]
    fn what_does_not_end_is_not_read_to_its_end() {
        for (bytes, most) in [(true, "1,048,571 bytes"), (false, "16,777,216 bytes")] {
            let error = said("-", bytes).read(std::io::repeat(7)).unwrap_err();
            assert!(error.is::<WrongArgument>(), "{error:#}");
            assert!(error.to_string().contains(most), "{error}");
        }
    }

    /// The command let through bytes that the node refused, with a size that nobody had sent.
    #[test]
    fn as_many_bytes_can_be_said_as_a_node_takes() {
        let most = vec![7; PLAIN_BYTES_MAX];
        let read = said("-", true).read(&most[..]).unwrap();
        assert_eq!(read.len(), PLAIN_BYTES_MAX);
        let document = format!("{{\"$bytes\":\"{}\"}}", STANDARD.encode(read));
        let cbor = json_to_cbor(document.as_bytes()).unwrap();
        assert_eq!(cbor.len(), MESSAGE_BYTES_MAX);
        assert!(said("-", true).read(&[most, vec![7]].concat()[..]).is_err());
    }

    #[test]
    fn json_that_is_too_large_is_told_in_the_size_that_was_given() {
        let text = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(said(&text(MESSAGE_BYTES_MAX - 5), false).json().is_ok());
        let error = said(&text(MESSAGE_BYTES_MAX - 4), false).json();
        let error = error.unwrap_err().to_string();
        for part in ["1,048,574 bytes of JSON", "1,048,577 as CBOR", "1,048,576"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn bytes_are_said_as_they_are_and_json_has_to_be_some() {
        let json = said("a\u{e9}", true).json().unwrap();
        assert_eq!(json, r#"{"$bytes":"YcOp"}"#);
        assert_eq!(said("[1]", false).json().unwrap(), "[1]");
        let error = said("[", false).json().unwrap_err();
        assert!(error.is::<WrongArgument>(), "{error:#}");
    }
}
