//! `replicant-guest-build [FOLDER] [-o FILE]`: builds the crate in a folder into a component.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use replicant_guest_build::{Options, build};

const USAGE: &str = "usage: replicant-guest-build [FOLDER] [-o FILE]\n\n\
    Builds the crate in FOLDER (default: the present one) into a Replicant component and prints\n\
    where it is; -o copies it to FILE.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (mut folder, mut output) = (PathBuf::from("."), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            "-o" => output = Some(PathBuf::from(arguments.next().ok_or(USAGE)?)),
            flag if flag.starts_with('-') => return Err(USAGE.into()),
            path => folder = path.into(),
        }
    }
    for component in build(Path::new(&folder), &[], &Options::detect()?)? {
        let bytes = std::fs::metadata(&component.path)?.len();
        let path = output.as_ref().unwrap_or(&component.path);
        if path != &component.path {
            std::fs::copy(&component.path, path)?;
        }
        println!("{} ({bytes} bytes)", path.display());
    }
    Ok(())
}
