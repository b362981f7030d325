//! The editing history that the demo types: the editing-traces format, sequential kind.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files;

/// How a paper was written, key by key: `automerge-paper` of the editing-traces collection,
/// CC BY 4.0; see `tests/data/README.md`.
const PAPER: &[u8] = include_bytes!("../../../../../tests/data/automerge-paper.json.gz");

/// Bytes of a trace, packed or not.
const TRACE_BYTES_MAX: u64 = 256 << 20;

/// An editing history, cut to the number of edits that the demo types.
pub(crate) struct Trace {
    edits: Vec<Edit>,
    /// The text after the last of `edits`.
    pub(crate) end: String,
}

/// At a position (in Unicode scalar values): how many characters go, and what comes.
#[derive(Deserialize)]
struct Edit(usize, usize, String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    start_content: String,
    end_content: String,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<Edit>,
}

impl Trace {
    /// Reads a trace, gzipped or not; the built-in one if no file is named. Keeps the first
    /// `edits_max` edits.
    pub(crate) fn read(path: Option<&Path>, edits_max: usize) -> Result<Self> {
        match path {
            Some(path) => {
                let bytes = files::read(path, TRACE_BYTES_MAX)?;
                Self::parse(bytes, edits_max)
                    .and_then(Self::checked)
                    .with_context(|| format!("{} cannot be typed", path.display()))
            }
            None => Self::parse(PAPER.to_vec(), edits_max),
        }
    }

    /// Refuses a trace whose end is not what its edits lead to: the demo would blame the cluster.
    fn checked(self) -> Result<Self> {
        match typed(&self.edits) == self.end {
            true => Ok(self),
            false => bail!("its edits lead to another text than its `endContent`"),
        }
    }

    fn parse(bytes: Vec<u8>, edits_max: usize) -> Result<Self> {
        let file: File = serde_json::from_slice(&unpacked(bytes)?)
            .context("it is no sequential trace in the editing-traces format")?;
        let mut edits: Vec<Edit> = Vec::new();
        if !file.start_content.is_empty() {
            edits.push(Edit(0, 0, file.start_content));
        }
        edits.extend(
            file.txns
                .into_iter()
                .flat_map(|transaction| transaction.patches),
        );
        let length = length_after(&edits)?;
        if length != file.end_content.chars().count() {
            bail!("its edits lead to {length} characters, and its end has another number");
        }
        if edits.len() <= edits_max {
            let end = file.end_content;
            return Ok(Self { edits, end });
        }
        edits.truncate(edits_max);
        let end = typed(&edits);
        Ok(Self { edits, end })
    }

    pub(crate) fn len(&self) -> usize {
        self.edits.len()
    }

    /// The edits as commands for `text`, one edit a command.
    pub(crate) fn commands(&self) -> Vec<Value> {
        self.edits.iter().flat_map(Edit::commands).collect()
    }
}

impl Edit {
    fn commands(&self) -> impl Iterator<Item = Value> {
        let Edit(at, count, text) = self;
        let delete = (*count > 0).then(|| json!({"delete": {"at": at, "count": count}}));
        let insert = (!text.is_empty()).then(|| json!({"insert": {"at": at, "text": text}}));
        delete.into_iter().chain(insert)
    }
}

fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>> {
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => {
            let unpacked = flate2::read::GzDecoder::new(&bytes[..]);
            files::bounded(unpacked, TRACE_BYTES_MAX).context("not valid gzip")
        }
        false => Ok(bytes),
    }
}

/// How long the text is after all edits. An error if one of them reaches beyond it.
fn length_after(edits: &[Edit]) -> Result<usize> {
    let mut length: usize = 0;
    for (index, Edit(at, count, inserted)) in edits.iter().enumerate() {
        let is_within = at.checked_add(*count).is_some_and(|end| end <= length);
        if !is_within {
            bail!("edit {index} is at {at}, beyond the text of {length} characters");
        }
        length = length - count + inserted.chars().count();
    }
    Ok(length)
}

/// What edits within the text lead to, typed into a plain array of characters.
fn typed(edits: &[Edit]) -> String {
    let mut text: Vec<char> = Vec::new();
    for Edit(at, count, inserted) in edits {
        text.splice(*at..at + count, inserted.chars());
    }
    text.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_typed_by_hand_ends_as_the_trace_says() {
        let whole = Trace::read(None, usize::MAX).unwrap();
        assert_eq!(whole.len(), 259_778);
        assert_eq!(whole.end.chars().count(), 104_852);
    }

    #[test]
    fn a_shortened_trace_ends_where_its_last_edit_leads() {
        let file = br#"{"startContent":"ab","endContent":"aXc",
            "txns":[{"patches":[[1,1,"X"]]},{"patches":[[2,0,"c"]]}]}"#;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.json");
        std::fs::write(&path, file).unwrap();
        assert_eq!(Trace::read(Some(&path), 2).unwrap().end, "aX");
        assert_eq!(Trace::read(Some(&path), 9).unwrap().end, "aXc");
    }

    #[test]
    fn what_is_not_a_trace_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.json");
        let beyond = br#"{"startContent":"ab","endContent":"","txns":[{"patches":[[1,2,""]]}]}"#;
        let other_end = br#"{"startContent":"ab","endContent":"a","txns":[]}"#;
        let far = br#"{"startContent":"","endContent":"",
            "txns":[{"patches":[[18446744073709551615,1,""]]}]}"#;
        let truncated = &PAPER[..PAPER.len() / 2];
        for bytes in [
            &b"{}"[..],
            b"",
            &[0x1f, 0x8b, 1, 2, 3],
            beyond,
            other_end,
            far,
            truncated,
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(Trace::read(Some(&path), 9).is_err());
        }
    }
}
