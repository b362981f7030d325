//! Recognising and building a project.

use std::path::{Path, PathBuf};

use crate::{BuildError, Language, build};

/// A folder with the source of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// What it is written in.
    pub language: Language,
}

/// One build of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// What is added to the type's version.
    pub(crate) suffix: Option<String>,
}

impl Build {
    /// A build among many that shall have a version of its own: `0.1.0-dev.3` for the third.
    pub fn numbered(number: u64) -> Self {
        Self {
            suffix: Some(format!("-dev.{number}")),
        }
    }
}

impl Project {
    /// Recognises the language of a folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoFolder`], [`BuildError::NoProject`] or [`BuildError::SeveralLanguages`].
    pub fn find(folder: &Path) -> Result<Self, BuildError> {
        let is_there = |language: &Language| folder.join(language.marker()).is_file();
        let found: Vec<Language> = Language::ALL.into_iter().filter(is_there).collect();
        match found[..] {
            [language] => Ok(Self {
                folder: folder.to_path_buf(),
                language,
            }),
            [] if !folder.is_dir() => Err(BuildError::NoFolder {
                folder: folder.to_path_buf(),
            }),
            [] => Err(BuildError::NoProject {
                folder: folder.to_path_buf(),
            }),
            _ => Err(BuildError::SeveralLanguages {
                folder: folder.to_path_buf(),
                markers: found.iter().map(|language| language.marker()).collect(),
            }),
        }
    }

    /// Makes the component, somewhere in the project's folder `target`, and returns where.
    ///
    /// `tell` gets to know what is done when it takes long.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says whose fault it is and, if something is missing, how to get it.
    pub fn build(&self, build: &Build, tell: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
        let suffix = build.suffix.as_deref();
        match self.language {
            Language::Rust => build::rust::build(&self.folder, suffix, tell),
            Language::JavaScript => build::javascript::build(&self.folder, suffix, tell),
            Language::Python => build::python::build(&self.folder, suffix, tell),
            Language::C => build::c::build(&self.folder, suffix, tell),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_is_recognised_by_one_file() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().unwrap();
            let error = Project::find(folder.path()).unwrap_err();
            assert!(matches!(error, BuildError::NoProject { .. }), "{error}");
            fs::write(folder.path().join(language.marker()), "").unwrap();
            assert_eq!(Project::find(folder.path()).unwrap().language, language);
            let file = folder.path().join(language.marker());
            let error = Project::find(&file).unwrap_err();
            assert!(matches!(error, BuildError::NoFolder { .. }), "{error}");
        }
    }
}
