//! Notices that a project's sources have changed, by looking: that works with every editor and on
//! every file system, and projects are small.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use replicant_project::Project;

use crate::signals;

/// How often sources are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How many files and how deep: more is no project's own.
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;
/// What is installed or built.
const NOT_SOURCES: [&str; 5] = [
    "node_modules",
    "target",
    "__pycache__",
    "package-lock.json",
    "Cargo.lock",
];

/// What the sources of a project look like from outside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// Looks at all of them.
    pub(crate) fn of(project: &Project) -> Self {
        let mut found = Self::default();
        found.add(&project.folder, project.language.endings(), DEPTH_MAX);
        found
    }

    fn add(&mut self, folder: &Path, endings: &[&str], depth: usize) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || NOT_SOURCES.contains(&name.as_ref()) {
                continue;
            }
            // Through links, since an SDK can be one. What is gone by now was not there.
            let Ok(about) = std::fs::metadata(&path) else {
                continue;
            };
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            if about.is_dir() && depth > 0 {
                self.add(&path, endings, depth - 1);
            } else if endings.contains(&ending.as_ref()) && self.0.len() < FILES_MAX {
                self.0.insert(path, (about.modified().ok(), about.len()));
            }
        }
    }

    /// A file that is not as it was.
    fn difference(&self, now: &Self) -> Option<PathBuf> {
        let changed = now
            .0
            .iter()
            .find(|(path, about)| self.0.get(*path) != Some(about));
        let gone = || self.0.keys().find(|path| !now.0.contains_key(*path));
        changed.map(|(path, _)| path).or_else(gone).cloned()
    }

    /// Waits until the sources differ from these, and then for the end of the changes. Returns one
    /// file that differs. Gives up when `look_around` does, or at a signal.
    pub(crate) fn wait_for_change(
        &self,
        project: &Project,
        look_around: &mut dyn FnMut() -> Result<()>,
    ) -> Result<PathBuf> {
        loop {
            signals::sleep(LOOK)?;
            look_around()?;
            let mut now = Self::of(project);
            let Some(changed) = self.difference(&now) else {
                continue;
            };
            // An editor may be in the middle of writing several files.
            loop {
                signals::sleep(LOOK)?;
                let later = Self::of(project);
                if later == now {
                    return Ok(changed);
                }
                now = later;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use replicant_project::{Language, Sdk, create};

    use super::*;

    #[test]
    fn sources_are_what_a_component_is_made_from() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("marbles");
        create(&folder, Language::JavaScript, &Sdk::Copied).unwrap();
        let project = Project::find(&folder).unwrap();
        let before = Sources::of(&project);
        for built in [
            "marbles.wasm",
            "package-lock.json",
            "README.md",
            ".type.js.swp",
        ] {
            fs::write(folder.join(built), "new").unwrap();
        }
        fs::create_dir(folder.join("node_modules")).unwrap();
        fs::write(folder.join("node_modules/tool.js"), "new").unwrap();
        assert_eq!(before.difference(&Sources::of(&project)), None);
        let source = folder.join("type.js");
        fs::write(&source, "new").unwrap();
        assert_eq!(
            before.difference(&Sources::of(&project)),
            Some(source.clone())
        );
        fs::remove_file(&source).unwrap();
        assert_eq!(before.difference(&Sources::of(&project)), Some(source));
    }
}
