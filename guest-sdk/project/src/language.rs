//! The languages that a project can be written in.

use crate::embedded::{self, File};

/// A language that a project can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, with a trait and a macro.
    Rust,
    /// JavaScript, with a class; QuickJS is in the component.
    JavaScript,
    /// Python, with a class; the interpreter is in the component.
    Python,
    /// C, with a table of functions.
    C,
}

/// What is to know of a language.
struct Facts {
    name: &'static str,
    marker: &'static str,
    template: &'static [File],
    sdk: &'static [File],
    endings: &'static [&'static str],
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::C];

    fn facts(self) -> Facts {
        match self {
            Self::Rust => Facts {
                name: "rust",
                marker: "Cargo.toml",
                template: embedded::RUST,
                sdk: embedded::RUST_SDK,
                endings: &["rs", "toml", "json", "wit"],
            },
            Self::JavaScript => Facts {
                name: "js",
                marker: "package.json",
                template: embedded::JS,
                sdk: embedded::JS_SDK,
                endings: &["js", "json", "wit"],
            },
            Self::Python => Facts {
                name: "python",
                marker: "app.py",
                template: embedded::PYTHON,
                sdk: embedded::PYTHON_SDK,
                endings: &["py", "txt", "wit"],
            },
            Self::C => Facts {
                name: "c",
                marker: "type.c",
                template: embedded::C,
                sdk: embedded::C_SDK,
                endings: &["c", "h", "txt", "wit"],
            },
        }
    }

    /// The name of the language as an option says it.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The file by which a folder is recognised.
    pub fn marker(self) -> &'static str {
        self.facts().marker
    }

    /// How the names of files end that a component is made from.
    pub fn endings(self) -> &'static [&'static str] {
        self.facts().endings
    }

    /// What a new project consists of.
    pub(crate) fn template(self) -> &'static [File] {
        self.facts().template
    }

    /// The SDK that goes into the folder `sdk` of a project.
    pub(crate) fn sdk(self) -> &'static [File] {
        self.facts().sdk
    }
}
