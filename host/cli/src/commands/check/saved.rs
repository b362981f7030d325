//! What `check` reads and writes: histories that broke a law, and lists of commands.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use replicant::data::json_to_cbor;
use replicant_check::{Failure, Law, Script};
use serde::{Deserialize, Serialize};

/// Bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A history that broke a law.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    /// `name@version` of the component.
    pub(super) module: String,
    /// The law.
    pub(super) law: Law,
    /// What happened.
    pub(super) script: Script,
}

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
    let saved = Saved {
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
pub(super) fn read(file: &Path) -> Result<Saved> {
    let text = text_of(file)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no history that `check` saved", file.display()))
}

/// Reads commands, one in JSON a line; empty lines are passed over.
pub(super) fn commands(file: &Path) -> Result<Vec<Vec<u8>>> {
    let text = text_of(file)?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let command = |(index, line): (usize, &str)| {
        json_to_cbor(line.as_bytes())
            .with_context(|| format!("{}, line {}", file.display(), index + 1))
    };
    let commands = lines.map(command).collect::<Result<Vec<_>>>()?;
    if commands.is_empty() {
        bail!("{} has no commands", file.display());
    }
    Ok(commands)
}

fn text_of(file: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", file.display());
    let size = std::fs::metadata(file).with_context(cannot)?.len();
    if size > FILE_BYTES_MAX {
        bail!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
    }
    std::fs::read_to_string(file).with_context(cannot)
}
