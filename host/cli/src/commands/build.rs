//! `replicant build`: makes the component of a project.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use replicant_check::{Limits, Module, Runtime};
use replicant_project::{Build, BuildError, Language, Project};

use crate::exit::WrongArgument;
use crate::output::{self, printable, size};
use crate::{files, progress, sandbox};

#[derive(Args)]
pub(crate) struct BuildArguments {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the component goes [default: NAME.wasm in the project's folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &BuildArguments) -> Result<()> {
    let project = project(&arguments.folder)?;
    let runtime = sandbox::start()?;
    let output = arguments.output.as_deref();
    let built = build(&runtime, &project, &Build::default(), output)?;
    output::line(&built.told())?;
    Ok(())
}

/// The project in a folder that somebody named.
pub(crate) fn project(folder: &Path) -> Result<Project, WrongArgument> {
    Project::find(folder).map_err(|error| WrongArgument(error.to_string()))
}

/// A component that a node would load.
pub(crate) struct Built {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) module: Module,
}

/// Builds a project, has the component examined as a node does when it loads it, and
/// only then puts it in its place.
pub(crate) fn build(
    runtime: &Runtime,
    project: &Project,
    build: &Build,
    output: Option<&Path>,
) -> Result<Built> {
    let made = make(project, build)?;
    let bytes = files::component(&made)?;
    let examined = progress::counter("compiling the component as a node does");
    let module = runtime.load(&bytes, Limits::default());
    examined.finish_and_clear();
    let module = module
        .with_context(|| format!("{} was built, and no node would load it", made.display()))?;
    let file = match output {
        Some(file) => file.to_path_buf(),
        None => project
            .folder
            .join(format!("{}.wasm", module.description().name)),
    };
    put(&bytes, &file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Built {
        file,
        bytes,
        module,
    })
}

/// Builds a project, and shows that it takes a while. Cargo shows that by itself.
fn make(project: &Project, build: &Build) -> Result<PathBuf, BuildError> {
    if project.language == Language::Rust {
        return project.build(build, &mut output::aside);
    }
    let working = progress::counter("building");
    let made = project.build(build, &mut |step| working.suspend(|| output::aside(step)));
    working.finish_and_clear();
    made
}

/// Whoever reads the file sees the old component or the new one.
fn put(bytes: &[u8], file: &Path) -> std::io::Result<()> {
    let fresh = file.with_extension(format!("{}.fresh", std::process::id()));
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, file));
    written.inspect_err(|_| {
        // It is of no use there.
        let _ = fs::remove_file(&fresh);
    })
}

impl Built {
    /// What a person wants to know of it.
    pub(crate) fn told(&self) -> String {
        let imports = match self.module.imports() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        printable(&format!(
            "{}: {} in {}, imports {imports}",
            self.file.display(),
            self.module.label(),
            size(self.module.size_bytes()),
        ))
    }
}
