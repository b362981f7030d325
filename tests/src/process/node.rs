//! A node that runs as `replicant serve`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::command::program;
use super::{Ran, Replicant, binary};

/// How to start a node.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Nodes to join, as `host:port`.
    pub join: Vec<String>,
    /// Where to listen for nodes and to serve the API, if not on free ports.
    pub addresses: Option<(String, String)>,
    /// Further arguments of `replicant serve`.
    pub arguments: Vec<String>,
    /// The namespace of the network that it runs in, if not in that of the test.
    pub namespace: Option<String>,
    /// The largest file that the system lets it write, in blocks of 512 bytes.
    pub file_blocks_max: Option<u64>,
}

/// A running node and the command that talks to it. Killed when dropped; its folder is removed if
/// it was made for it.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    ready: Value,
    folder: PathBuf,
    temporary: Option<TempDir>,
    /// The command, set to talk to this node.
    pub replicant: Replicant,
}

/// The command under a limit of the system for the files that it writes.
fn limited(file_blocks_max: u64) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        &format!("ulimit -f {file_blocks_max}; exec \"$0\" \"$@\""),
    ]);
    command.arg(binary());
    command
}

impl NodeProcess {
    /// Starts a node of its own cluster in a new folder.
    pub fn alone() -> Self {
        Self::fresh(&Start::default())
    }

    /// Starts a node in a new folder.
    pub fn fresh(start: &Start) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("data");
        Replicant::new()
            .run([Path::new("init"), &folder])
            .succeeds();
        let mut node = Self::start(&folder, start);
        node.temporary = Some(temporary);
        node
    }

    /// Starts a node in a folder that `replicant init` made. Its log goes to `node.log` there.
    pub fn start(folder: &Path, start: &Start) -> Self {
        let log = folder.join("node.log");
        let free = || "127.0.0.1:0".to_owned();
        let (listen, api) = start.addresses.clone().unwrap_or_else(|| (free(), free()));
        let mut command = match start.file_blocks_max {
            Some(blocks) => limited(blocks),
            None => program(start.namespace.as_deref()),
        };
        command
            .args([
                "serve", "--json", "--listen", &listen, "--api", &api, "--data",
            ])
            .arg(folder);
        // Compiling is most of what a start costs.
        command
            .arg("--compiled-modules")
            .arg(binary().with_file_name("compiled-modules"));
        for address in &start.join {
            command.args(["--join", address]);
        }
        command.args(&start.arguments).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(
            File::options()
                .create(true)
                .append(true)
                .open(&log)
                .unwrap(),
        );
        let mut child = command.spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "no ready line; {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        });
        let api = format!("http://{}", ready["api"].as_str().unwrap());
        Self {
            child,
            folder: folder.to_path_buf(),
            temporary: None,
            replicant: Replicant::at(&api).within(start.namespace.as_deref()),
            ready,
        }
    }

    /// The node's id.
    pub fn id(&self) -> &str {
        self.ready["node"].as_str().unwrap()
    }

    /// Where it listens for nodes.
    pub fn listen(&self) -> &str {
        self.ready["listen"].as_str().unwrap()
    }

    /// Where it serves its API, as `host:port`.
    pub fn api(&self) -> &str {
        self.ready["api"].as_str().unwrap()
    }

    /// The process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the command against this node.
    pub fn run<const N: usize>(&self, arguments: [&str; N]) -> Ran {
        self.replicant.run(arguments)
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let process = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again in its folder, on the addresses that it had, after it ended.
    pub fn restart(&mut self) {
        let addresses = Some((self.listen().to_owned(), self.api().to_owned()));
        let temporary = self.temporary.take();
        *self = Self::start(
            &self.folder,
            &Start {
                addresses,
                ..Start::default()
            },
        );
        self.temporary = temporary;
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
