//! A node with its API on free ports, and a client that can say anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use replicant::api::{ApiConfig, ApiServer};
use replicant::{Node, NodeConfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Nothing here takes nearly as long; a test that hangs ends with this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A running node with its API. Dropping it stops both and removes the data.
pub(crate) struct Server {
    pub(crate) node: Node,
    api: Option<ApiServer>,
    runtime: Runtime,
    _data: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// Starts with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut ApiConfig, &mut NodeConfig)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let data = tempfile::tempdir().unwrap();
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (mut api, mut node) = (ApiConfig::new(free), NodeConfig::new(data.path(), free));
        // Compiling is most of what a start costs; the machine code is that of this test binary.
        node.compiled_modules = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled").into());
        change(&mut api, &mut node);
        replicant::init(data.path()).unwrap();
        let (node, api) = runtime.block_on(async {
            let node = Node::start(node).await.unwrap();
            let api = ApiServer::start(node.clone(), api).await.unwrap();
            (node, api)
        });
        Self {
            node,
            api: Some(api),
            runtime,
            _data: data,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.api.as_ref().unwrap().address()
    }

    /// Stops the API, as a node that ends does first.
    pub(crate) fn stop_api(&mut self) {
        let api = self.api.take().unwrap();
        self.runtime.block_on(api.shutdown());
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request with exactly these headers besides `Host`, length and `Connection: close`.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head += &format!("Host: {}\r\n", self.address());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        self.say(&[head.as_bytes(), body].concat())
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) fn say(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        // The server may have answered and gone before it took everything.
        let _ = stream.write_all(bytes);
        Reply::read(stream)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, json: &str) -> Reply {
        self.send("POST", path, &[JSON], json.as_bytes())
    }

    /// Carries out one command that must succeed.
    pub(crate) fn update(&self, object: &str, type_name: &str, command: &str) -> Value {
        let path = format!("/v1/topics/t/objects/{object}?type={type_name}");
        self.post(&path, command).ok()
    }

    pub(crate) fn watch(&self, path: &str) -> Watching {
        self.watch_with(path, "")
    }

    /// With more lines in the head of the request.
    pub(crate) fn watch_with(&self, path: &str, headers: &str) -> Watching {
        let mut stream = self.connect();
        let host = self.address();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut watching = Watching {
            stream: BufReader::new(stream),
        };
        let status = watching.line();
        assert!(status.contains(" 200 "), "{status}");
        watching.until(|line| line == ": watching");
        watching
    }

    /// Waits until a figure of `/metrics` has a value.
    pub(crate) fn await_figure(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = String::from_utf8(self.get("/metrics").body).unwrap();
            if metrics.lines().any(|found| found == line) {
                return;
            }
            let name = line.split(' ').next().unwrap();
            let found: Vec<&str> = metrics
                .lines()
                .filter(|line| line.starts_with(name))
                .collect();
            assert!(Instant::now() < deadline, "not `{line}` but {found:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (api, node) = (self.api.take(), self.node.clone());
        self.runtime.block_on(async {
            if let Some(api) = api {
                api.shutdown().await;
            }
            node.shutdown().await;
        });
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = stream.read_to_end(&mut bytes);
        let split = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(split) = split else {
            return Self {
                status: 0,
                head: String::new(),
                body: bytes,
            };
        };
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            body: bytes[split + 4..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer to what must have succeeded.
    pub(crate) fn ok(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.text()
        );
        self.json()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Holds a refusal to its status and code, and to the form of all refusals.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        let error = body["error"]
            .as_object()
            .unwrap_or_else(|| panic!("{body}"));
        assert_eq!(error["code"], code, "{body}");
        assert_eq!(error.len(), 3, "{body}");
        for part in ["message", "hint"] {
            assert!(
                error[part].as_str().is_some_and(|text| !text.is_empty()),
                "{body}"
            );
        }
        body
    }
}

/// An open watch.
pub(crate) struct Watching {
    stream: BufReader<TcpStream>,
}

impl Watching {
    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).expect("the watch goes on");
        assert!(read > 0, "the watch ended");
        line.trim_end().to_owned()
    }

    /// Reads until a line satisfies `wanted`, and returns it.
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The data of the next event, which must have this name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let event = self.until(|line| line.starts_with("event:"));
        assert_eq!(event.trim_start_matches("event:").trim(), name);
        let data = self.until(|line| line.starts_with("data:"));
        serde_json::from_str(data.trim_start_matches("data:").trim()).unwrap()
    }

    /// Whether the stream came to its regular end.
    pub(crate) fn ends(mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok() && rest.ends_with(b"0\r\n\r\n")
    }
}
