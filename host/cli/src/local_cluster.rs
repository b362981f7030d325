//! A cluster of real `replicant serve` processes on loopback, for the demo and the benchmarks.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::signals;

/// How long it is waited for something that should become true.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// How long a node may take to stop in order.
const GOODBYE: Duration = Duration::from_secs(15);

/// The signal that cannot be caught: `kill -9`.
const SIGKILL: i32 = 9;

/// Three nodes, or as many as were started; they are killed when this is dropped, and stop by
/// themselves when this process ends without that.
pub(crate) struct LocalCluster {
    pub(crate) nodes: Vec<LocalNode>,
    folder: PathBuf,
}

/// One process and how to talk to it.
pub(crate) struct LocalNode {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    data: PathBuf,
    listen: String,
    api: String,
    process: Child,
}

impl LocalCluster {
    /// Starts one process per name in `folder`; the second and later join the first.
    pub(crate) fn start(folder: &Path, names: &[&'static str]) -> Result<Self> {
        let mut cluster = Self {
            nodes: Vec::new(),
            folder: folder.to_path_buf(),
        };
        for name in names {
            signals::check()?;
            let seed = cluster.nodes.first().map(|node| node.listen.clone());
            let data = cluster.folder.join(name);
            run_init(&data)?;
            let further = seed.map(|seed| ["--join".into(), OsString::from(seed)]);
            let further = further.into_iter().flatten().collect();
            let node = LocalNode::start(name, data, "127.0.0.1:0", "127.0.0.1:0", further)?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Kills a node as `kill -9` does: no goodbye, nothing flushed.
    pub(crate) fn kill(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        node.process
            .kill()
            .with_context(|| format!("cannot kill node {}", node.name))?;
        let status = node
            .process
            .wait()
            .with_context(|| format!("cannot reap node {}", node.name))?;
        if status.signal() != Some(SIGKILL) {
            bail!(
                "node {} had ended before it was killed: {status}",
                node.name
            );
        }
        Ok(())
    }

    /// Starts a killed node again from its folder. It remembers whom it knew.
    pub(crate) fn restart(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        let (data, listen, api) = (node.data.clone(), node.listen.clone(), node.api.clone());
        *node = LocalNode::start(node.name, data, &listen, &api, Vec::new())?;
        Ok(())
    }

    /// Waits until every node answers the same to `read`; returns that answer.
    pub(crate) fn agree<T: PartialEq>(
        &self,
        what: &str,
        read: impl Fn(&Client) -> Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answers = self.nodes.iter().map(|node| read(&node.client).ok());
            if let Some(Some(first)) = answers.next()
                && answers.all(|answer| answer.as_ref() == Some(&first))
            {
                return Ok(first);
            }
            if Instant::now() > deadline {
                bail!(
                    "the nodes do not agree on {what} after {} s",
                    PATIENCE.as_secs()
                );
            }
            signals::sleep(POLL)?;
        }
    }

    /// Waits until every node answers `expected` to `read`.
    pub(crate) fn wait_for<T: PartialEq + Serialize>(
        &self,
        what: &str,
        expected: &T,
        read: impl Fn(&Client) -> Result<T>,
    ) -> Result<()> {
        let mut nodes = self.nodes.iter();
        nodes.try_for_each(|node| node.wait_for(what, expected, &read))
    }
}

impl Drop for LocalNode {
    fn drop(&mut self) {
        // Already dead is fine; nothing else can be done here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl LocalNode {
    /// Waits until this node answers `expected` to `read`.
    pub(crate) fn wait_for<T: PartialEq + Serialize>(
        &self,
        what: &str,
        expected: &T,
        read: impl Fn(&Client) -> Result<T>,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = read(&self.client);
            if answer.as_ref().is_ok_and(|answer| answer == expected) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let expected = shown(expected);
                match answer {
                    Ok(answer) => bail!(
                        "node {} does not show {what}: expected {expected}, got {}",
                        self.name,
                        shown(&answer)
                    ),
                    Err(error) => bail!(
                        "node {} does not show {what}: expected {expected}, but {error:#}",
                        self.name
                    ),
                }
            }
            signals::sleep(POLL)?;
        }
    }

    /// Starts one process by itself, whose folder is made if it is not there; compiled modules can
    /// be kept elsewhere.
    pub(crate) fn start_alone(
        data: &Path,
        listen: &str,
        api: &str,
        compiled_modules: Option<PathBuf>,
    ) -> Result<Self> {
        if !data.exists() {
            run_init(data)?;
        }
        let further = compiled_modules.map(|folder| {
            let option = OsString::from("--compiled-modules");
            [option, folder.into_os_string()]
        });
        let further = further.into_iter().flatten().collect();
        Self::start("dev", data.to_path_buf(), listen, api, further)
    }

    /// Where its API is.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// An error once the process has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("node {} has ended: {status}", self.name),
        }
    }

    /// Lets it finish what is under way and say goodbye.
    pub(crate) fn stop(&mut self) {
        drop(self.process.stdin.take());
        let deadline = Instant::now() + GOODBYE;
        // What has not ended by then is killed when this is dropped.
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }

    /// The process id, to read its memory use by.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    fn start(
        name: &'static str,
        data: PathBuf,
        listen: &str,
        api: &str,
        further: Vec<OsString>,
    ) -> Result<Self> {
        let ready = data.join("ready.json");
        // A ready file of an earlier start would be read too soon.
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::create(data.join("node.log")).context("cannot make a log file")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "serve",
            "--stop-with-stdin",
            "--listen",
            listen,
            "--api",
            api,
        ]);
        command
            .arg("--data")
            .arg(&data)
            .arg("--ready-file")
            .arg(&ready);
        command.args(further);
        let mut process = command
            // Ends with this process, whatever ends it.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start a node")?;
        let addresses = wait_until_ready(name, &mut process, &ready, &data);
        let (listen, api) = match addresses {
            Ok(addresses) => addresses,
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(error);
            }
        };
        let client = Client::new(&format!("http://{api}"))?;
        Ok(Self {
            name,
            client,
            data,
            listen,
            api,
            process,
        })
    }
}

/// Enough of a long answer to know it by.
fn shown(answer: &impl Serialize) -> String {
    const CHARACTERS_MAX: usize = 200;
    let text = serde_json::to_string(answer).unwrap_or_else(|error| error.to_string());
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The addresses that the node wrote to its ready file.
fn wait_until_ready(
    name: &str,
    process: &mut Child,
    ready: &Path,
    data: &Path,
) -> Result<(String, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = || std::fs::read_to_string(data.join("node.log")).unwrap_or_default();
        if let Some(status) = process.try_wait()? {
            let log = log();
            bail!("node {name} ended with {status} before it was ready:\n{log}");
        }
        if let Ok(bytes) = std::fs::read(ready)
            && let Ok(value) = serde_json::from_slice::<Value>(&bytes)
            && let (Some(listen), Some(api)) = (value["listen"].as_str(), value["api"].as_str())
        {
            return Ok((listen.to_owned(), api.to_owned()));
        }
        if Instant::now() > deadline {
            let (seconds, log) = (PATIENCE.as_secs(), log());
            bail!(
                "node {name} was not ready after {seconds} s; is the machine very busy? Its log:\n\
                 {log}"
            );
        }
        signals::sleep(POLL)?;
    }
}

fn run_init(data: &Path) -> Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .arg("init")
        .arg(data)
        .output()?;
    if !output.status.success() {
        bail!(
            "replicant init failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
