//! What `check` reads and writes: histories that broke a law, and lists of commands and queries.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use replicant::data::json_to_cbor;
use replicant_check::{Failure, History};

use crate::files;
use crate::output::without_line;

/// Bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Saves a history; none if the broken law is not about histories. Returns where it is.
pub(super) fn save(
    file: Option<&Path>,
    module: &str,
    failure: &Failure,
) -> Result<Option<PathBuf>> {
    let Some(script) = &failure.script else {
        return Ok(None);
    };
    let law = failure.violation.law;
    let name = module.split('@').next().unwrap_or(module);
    let file = file.map_or_else(|| format!("{name}-{law}.json").into(), Path::to_owned);
    let saved = History {
        module: module.to_owned(),
        law,
        script: script.clone(),
    };
    let text = serde_json::to_string_pretty(&saved)?;
    std::fs::write(&file, text + "\n")
        .with_context(|| format!("cannot save the history to {}", file.display()))?;
    Ok(Some(file))
}

/// Reads a saved history.
pub(super) fn read(file: &Path) -> Result<History> {
    let text = files::text(file, FILE_BYTES_MAX)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no history that `check` saved", file.display()))
}

/// Reads commands or queries, one in JSON a line; empty lines are passed over. `what` names them.
pub(super) fn lines(file: &Path, what: &str) -> Result<Vec<Vec<u8>>> {
    let text = files::text(file, FILE_BYTES_MAX)?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let data = |(index, line): (usize, &str)| {
        json_to_cbor(line.as_bytes()).map_err(|error| {
            let (place, number) = (file.display(), index + 1);
            let error = without_line(&error.to_string());
            anyhow!("{place}, line {number}: {error}")
        })
    };
    let data = lines.map(data).collect::<Result<Vec<_>>>()?;
    if data.is_empty() {
        bail!("{} has no {what}", file.display());
    }
    Ok(data)
}
