//! Which sources the shared target folder was last used for.
//!
//! Cargo tells packages of one name in two workspaces apart neither by their file names nor by
//! their fingerprints, and would take what it built of one for the other. So a package that comes
//! from another place than the last time is cleaned first; and one build at a time uses the folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{BuildError, Options, command, error::at};

/// The workspace that a crate belongs to.
pub(crate) struct Workspace {
    root: PathBuf,
    packages: Vec<String>,
}

impl Workspace {
    /// Asks Cargo about the workspace of a folder.
    pub(crate) fn of(directory: &Path, options: &Options) -> Result<Self, BuildError> {
        let answer = command::ask_cargo(directory, options)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let packages = answer["packages"].as_array().into_iter().flatten();
        let names = packages.filter_map(|package| package["name"].as_str());
        Ok(Self {
            root: answer["workspace_root"].as_str().unwrap_or_default().into(),
            packages: names.map(str::to_owned).collect(),
        })
    }

    /// Cleans the packages whose namesakes were built from other places.
    pub(crate) fn claim(&self, directory: &Path, options: &Options) -> Result<(), BuildError> {
        let notes = options.target_folder.join("sources");
        fs::create_dir_all(&notes).map_err(at(&notes))?;
        let root = self.root.as_os_str().as_encoded_bytes();
        let is_foreign =
            |name: &&String| fs::read(notes.join(name)).is_ok_and(|place| place != root);
        let foreign: Vec<&String> = self.packages.iter().filter(is_foreign).collect();
        if !foreign.is_empty() {
            command::clean(directory, &foreign, options)?;
        }
        for name in &self.packages {
            let note = notes.join(name);
            if !fs::read(&note).is_ok_and(|place| place == root) {
                fs::write(&note, root).map_err(at(&note))?;
            }
        }
        Ok(())
    }
}

/// Waits until no other build uses the target folder. Dropping the file lets the next one in.
pub(crate) fn lock(target_folder: &Path) -> Result<File, BuildError> {
    fs::create_dir_all(target_folder).map_err(at(target_folder))?;
    let path = target_folder.join("lock");
    let file = File::create(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}
