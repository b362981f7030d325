//! Running the command and looking at what it says.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::binary;

/// The command with settings that hold for each call.
#[derive(Clone, Debug, Default)]
pub struct Replicant {
    api: Option<String>,
    namespace: Option<String>,
    environment: Vec<(String, String)>,
}

impl Replicant {
    /// The command without a node to talk to.
    pub fn new() -> Self {
        Self::default()
    }

    /// The command for the node whose API is at this URL.
    pub fn at(api: &str) -> Self {
        Self {
            api: Some(api.to_owned()),
            ..Self::default()
        }
    }

    /// The command as it runs within a namespace of the network, if one is named.
    pub fn within(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    /// The command with one more variable in its environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = program(self.namespace.as_deref());
        command
            .args(arguments)
            .env_remove("RUST_LOG")
            .env_remove("REPLICANT_API");
        if let Some(api) = &self.api {
            command.env("REPLICANT_API", api);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::from(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs it with this on standard input.
    pub fn run_with<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: impl AsRef<[u8]>,
    ) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref().to_owned());
        // It may end before it has read everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let ran = Ran::from(child.wait_with_output().unwrap());
        writer.join().unwrap();
        ran
    }

    /// Runs it to its end, while nobody listens to this output of it any more.
    pub fn run_unheard<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        unheard: Unheard,
    ) -> Ran {
        let mut command = self.command(arguments);
        let nobody = || {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            writer
        };
        match unheard {
            Unheard::Output => command.stdout(nobody()),
            Unheard::Errors => command.stderr(nobody()),
            Unheard::Both => command.stdout(nobody()).stderr(nobody()),
        };
        Ran::from(command.output().expect("the binary runs"))
    }

    /// Starts it and returns at once.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        Running::new(self.command(arguments).spawn().expect("the binary runs"))
    }

    /// Starts it with a standard input that stays open until [`Running::end_input`].
    pub fn start_fed<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        Running::new(command.spawn().expect("the binary runs"))
    }
}

/// The binary, to be run within a namespace of the network if one is named.
pub(super) fn program(namespace: Option<&str>) -> Command {
    match namespace {
        None => Command::new(binary()),
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(binary());
            command
        }
    }
}

/// The output of a command that nobody listens to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unheard {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// Both.
    Both,
}

/// What a call of the command led to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Holds it to success.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Holds it to success and to exactly this output.
    #[track_caller]
    pub fn prints(self, stdout: &str) -> Self {
        let ran = self.succeeds();
        assert_eq!(ran.stdout, stdout, "{}", ran.stderr);
        ran
    }

    /// Holds it to success and to these words in its output.
    #[track_caller]
    pub fn mentions(self, words: &[&str]) -> Self {
        let ran = self.succeeds();
        for word in words {
            assert!(ran.stdout.contains(word), "no {word:?} in {}", ran.stdout);
        }
        ran
    }

    /// Holds it to failure with this exit code and these words on standard error.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {}", self.stderr);
        }
        self
    }

    /// Its output as JSON, once it succeeded.
    #[track_caller]
    pub fn json(self) -> Value {
        let ran = self.succeeds();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

/// A call that has not ended. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
}

impl Running {
    /// Starts any command, to be looked at in the same way.
    pub fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::new(command.spawn().expect("the command runs"))
    }

    fn new(mut child: Child) -> Self {
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        Self {
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for the next line of its output.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut stderr = String::new();
            let _ = self.stderr.read_to_string(&mut stderr);
            panic!("it printed no further line: {stderr}");
        }
        line.trim_end().to_owned()
    }

    /// The process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal (`TERM`, `INT`, `KILL`).
    pub fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &process])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn ends(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        Ran {
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
