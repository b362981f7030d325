//! The node that runs while somebody develops, and what its objects make of a new version.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use replicant_check::Module;

use crate::client::{module_path, object_path, topic_path, with_query};
use crate::local_cluster::LocalNode;
use crate::output::text;
use crate::sandbox;

/// Objects that are looked at after a reload.
const OBJECTS_MAX: usize = 1_000;
/// Where a data folder keeps the number of the last build.
const BUILDS: &str = "dev-builds";

/// One node, on this machine.
pub(crate) struct Running {
    pub(crate) node: LocalNode,
    folder: PathBuf,
}

impl Running {
    pub(crate) fn start(folder: &Path, listen: &str, api: &str) -> Result<Self> {
        // What was compiled to be checked need not be compiled again to be loaded.
        let compiled = sandbox::compiled_modules().filter(|folder| folder.is_dir());
        let node = LocalNode::start_alone(folder, listen, api, compiled)?;
        Ok(Self {
            node,
            folder: folder.to_path_buf(),
        })
    }

    /// The number of the next build: higher than that of every one that this folder has seen.
    pub(crate) fn next_build(&self) -> Result<u64> {
        let file = self.folder.join(BUILDS);
        let last = std::fs::read_to_string(&file).unwrap_or_default();
        let next = last.trim().parse::<u64>().unwrap_or(0) + 1;
        std::fs::write(&file, next.to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(next)
    }

    /// Loads a component and has the objects of its type run on it.
    pub(crate) fn load(&self, component: &[u8], module: &Module) -> Result<()> {
        let client = &self.node.client;
        client.load_module(component)?;
        let about = module.description();
        let runs = client.module(&about.name)?;
        if text(&runs, "version") != about.version {
            // Objects with ops that it does not read wait, and are told of.
            let asked = [
                ("version", Some(about.version.as_str())),
                ("force", Some("true")),
            ];
            let path = format!("{}/upgrade", module_path(&about.name));
            client.post_text(&with_query(&path, &asked), "")?;
        }
        Ok(())
    }

    /// Looks at the objects of a type: how many there are, and why one cannot be read, if so.
    pub(crate) fn objects(&self, type_name: &str) -> Result<Objects> {
        let client = &self.node.client;
        let mut found = Objects::default();
        let topics = client.parse(&client.get_text("/v1/topics")?)?;
        for topic in topics.as_array().into_iter().flatten() {
            let topic = text(topic, "topic");
            let page =
                client.parse(&client.get_text(&format!("{}/objects", topic_path(topic)))?)?;
            for object in page["objects"].as_array().into_iter().flatten() {
                if text(object, "type") == type_name && found.count < OBJECTS_MAX {
                    self.look_at(topic, text(object, "id"), type_name, &mut found);
                }
            }
        }
        Ok(found)
    }

    fn look_at(&self, topic: &str, id: &str, type_name: &str, found: &mut Objects) {
        found.count += 1;
        let path = with_query(&object_path(topic, id), &[("type", Some(type_name))]);
        if let Err(error) = self.node.client.get_text(&path) {
            found.unreadable += 1;
            let why = format!("{topic} {id}: {error}");
            found.complaint.get_or_insert(why);
        }
    }
}

/// The objects of a type, after a reload.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) count: usize,
    pub(crate) unreadable: usize,
    pub(crate) complaint: Option<String>,
}
