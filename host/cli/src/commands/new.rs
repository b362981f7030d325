//! `replicant new`: makes the project of a type.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use replicant_project::{CreateError, Language, Sdk, create};

use crate::exit::WrongArgument;
use crate::output;

#[derive(Args)]
pub(crate) struct NewArguments {
    /// The folder to make; the type gets its name
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// What to write the type in
    #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust")]
    #[arg(value_parser = language_parser())]
    language: Language,
    /// Use the SDK of a checkout (its folder guest-sdk) instead of a copy; Rust only
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// Reads a language by its name.
fn language_parser() -> impl clap::builder::TypedValueParser<Value = Language> {
    let by_name = |name: String| {
        let mut languages = Language::ALL.into_iter();
        languages.find(|language| language.name() == name)
    };
    PossibleValuesParser::new(Language::ALL.map(Language::name))
        .try_map(move |name| by_name(name).ok_or("no such language"))
}

pub(crate) fn run(arguments: &NewArguments) -> Result<()> {
    let sdk = arguments.sdk.clone().map_or(Sdk::Copied, Sdk::Checkout);
    create(&arguments.folder, arguments.language, &sdk).map_err(|error| match error {
        CreateError::File { .. } => error.into(),
        misuse => anyhow::Error::from(WrongArgument(misuse.to_string())),
    })?;
    let folder = arguments.folder.display();
    let name = arguments.folder.file_name().unwrap_or_default().display();
    let made = arguments.folder.join(format!("{name}.wasm"));
    let (typed, made) = (output::quoted(&arguments.folder), output::quoted(&made));
    output::line(&format!(
        "made {folder}; next:\n  \
         replicant build {typed}\n  \
         replicant check {made}\n\
         its README.md goes on from there"
    ))?;
    Ok(())
}
