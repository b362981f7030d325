//! What is embedded in the program: the templates of new projects and the SDKs that go with them.

/// A file of a template or an SDK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    /// Where it goes, from the folder that it belongs to.
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
