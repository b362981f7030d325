//! Reads the two commands that editors send all the time, without the general CBOR decoder: an
//! insertion and a deletion as `serde` and JSON write them. Everything else is left to that.

use crate::edit::Edit;

/// One key pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keystroke {
    /// A character of ASCII.
    Type {
        /// How many characters stand before it.
        at: usize,
        /// Which one.
        typed: u8,
    },
    /// One character deleted.
    Delete {
        /// How many characters stand before it.
        at: usize,
    },
}

impl Keystroke {
    /// Returns the keystroke that an edit is, none if it is more.
    #[inline]
    pub(crate) fn of(edit: &Edit<'_>) -> Option<Self> {
        let at = usize::try_from(edit.at).ok()?;
        match (edit.delete, edit.insert.as_bytes()) {
            (0, &[typed]) => Some(Self::Type { at, typed }),
            (1, []) => Some(Self::Delete { at }),
            _ => None,
        }
    }
}

const INSERT: &[u8] = b"\xa1\x66insert\xa2\x62at";
const TEXT: &[u8] = b"\x64text";
const DELETE: &[u8] = b"\xa1\x66delete\xa2\x62at";
const COUNT: &[u8] = b"\x65count";

/// Returns the edit that a command asks for, if it is written in exactly that way.
#[inline]
pub(crate) fn read(command: &[u8]) -> Option<Edit<'_>> {
    if let Some(rest) = command.strip_prefix(INSERT) {
        let (at, rest) = number(rest, 0)?;
        let (bytes, rest) = number(rest.strip_prefix(TEXT)?, 3)?;
        let insert = str::from_utf8(rest).ok()?;
        let edit = Edit {
            at,
            delete: 0,
            insert,
        };
        return (bytes == rest.len() as u64).then_some(edit);
    }
    let (at, rest) = number(command.strip_prefix(DELETE)?, 0)?;
    let (delete, rest) = number(rest.strip_prefix(COUNT)?, 0)?;
    let edit = Edit {
        at,
        delete,
        insert: "",
    };
    rest.is_empty().then_some(edit)
}

/// Reads the head of an item of a major type: its number, or its length.
#[inline]
fn number(bytes: &[u8], major: u8) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first()?;
    if head >> 5 != major {
        return None;
    }
    match head & 0x1f {
        small @ 0..24 => Some((u64::from(small), rest)),
        24 => rest
            .split_first()
            .map(|(byte, rest)| (u64::from(*byte), rest)),
        25 => {
            let (taken, rest) = rest.split_first_chunk()?;
            Some((u64::from(u16::from_be_bytes(*taken)), rest))
        }
        26 => {
            let (taken, rest) = rest.split_first_chunk()?;
            Some((u64::from(u32::from_be_bytes(*taken)), rest))
        }
        27 => {
            let (taken, rest) = rest.split_first_chunk()?;
            Some((u64::from_be_bytes(*taken), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use replicant_sdk::cbor;

    use super::*;
    use crate::Command;

    fn encode(command: &Command) -> Vec<u8> {
        let mut bytes = Vec::new();
        cbor::encode(command, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_read_here_means_the_same_to_the_general_decoder() {
        let mut commands = Vec::new();
        for at in [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX) + 1,
            u64::MAX,
        ] {
            for text in ["", "x", "é漢😀", "a text of more than twenty-three bytes"] {
                commands.push(Command::Insert {
                    at,
                    text: text.to_owned(),
                });
            }
            commands.push(Command::Delete { at, count: at / 2 });
        }
        for command in &commands {
            let bytes = encode(command);
            let expected = command.edit(0);
            let edit = read(&bytes).expect("the usual form");
            assert_eq!(
                (edit.at, edit.delete, edit.insert),
                (expected.at, expected.delete, expected.insert)
            );
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut other = bytes.clone();
                    other[at] ^= 1 << bit;
                    let Some(edit) = read(&other) else { continue };
                    let command: Command = cbor::decode(&other).expect("accepted by both");
                    let expected = command.edit(0);
                    assert_eq!((edit.at, edit.delete), (expected.at, expected.delete));
                    assert_eq!(edit.insert, expected.insert);
                }
                assert!(read(&bytes[..at]).is_none());
            }
        }
    }

    #[test]
    fn other_commands_are_left_to_the_general_decoder() {
        let splice = Command::Splice {
            at: 1,
            delete: 1,
            insert: "x".to_owned(),
        };
        assert!(read(&encode(&splice)).is_none());
        let mut longer = encode(&Command::Delete { at: 1, count: 1 });
        longer.push(0);
        assert!(read(&longer).is_none());
    }
}
