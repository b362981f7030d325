//! A client of a node's HTTP API.

mod error;
mod events;

use std::borrow::Borrow;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

pub(crate) use error::ClientError;
pub(crate) use events::{Event, Events};

type Result<T, E = ClientError> = std::result::Result<T, E>;

/// How long it may take to reach the node.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a request may take: longer than the node lets one take.
const REQUEST_WAIT: Duration = Duration::from_secs(90);
/// Connections that are kept for later requests; as many as threads use one client at a time.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long a watch may be silent: several of the node's heartbeats.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read: more than a node sends.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// What may stand in a path segment as it is (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Talks to one node. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    agent: Agent,
}

impl Client {
    /// A client of the node at `address`: `host:port` or `http://host:port`. Nothing is sent yet.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let base = base(address)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_global(Some(REQUEST_WAIT))
            .max_redirects(0)
            .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
            // A node is on this machine or near it, never behind the proxy of the environment.
            .proxy(None)
            .user_agent(concat!("replicant/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            base,
            agent: config.new_agent(),
        })
    }

    /// A client of the same node with connections of its own.
    pub(crate) fn fresh(&self) -> anyhow::Result<Self> {
        Ok(Self::new(&self.base)?)
    }

    /// Reads a path; the answer as the node wrote it.
    pub(crate) fn get_text(&self, path: &str) -> Result<String> {
        let response = self
            .agent
            .get(self.url(path))
            .header("Accept", "application/json")
            .call();
        self.answer(response)
    }

    /// Sends JSON text; the answer as the node wrote it.
    pub(crate) fn post_text(&self, path: &str, body: &str) -> Result<String> {
        let request = self
            .agent
            .post(self.url(path))
            .header("Accept", "application/json");
        self.answer(request.content_type("application/json").send(body))
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.parse(&self.get_text(path)?)
    }

    /// Reads an answer.
    pub(crate) fn parse(&self, text: &str) -> Result<Value> {
        serde_json::from_str(text).map_err(|error| self.broken(format!("it is not JSON: {error}")))
    }

    /// How the node is doing.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        Ok(self.get("/v1/status")?)
    }

    /// The members of the cluster, as the node sees them.
    pub(crate) fn members(&self) -> anyhow::Result<Value> {
        Ok(self.get("/v1/members")?)
    }

    /// The module that objects of a type run on.
    pub(crate) fn module(&self, name: &str) -> anyhow::Result<Value> {
        Ok(self.get(&module_path(name))?)
    }

    /// Loads a component into the cluster.
    pub(crate) fn load_module(&self, component: &[u8]) -> anyhow::Result<Value> {
        Ok(self.parse(&self.load_module_text(component, &[])?)?)
    }

    /// Like [`load_module`](Self::load_module), with limits; the answer as the node wrote it.
    pub(crate) fn load_module_text(
        &self,
        component: &[u8],
        limits: &[(&str, Option<u64>)],
    ) -> Result<String> {
        let limits: Vec<(&str, Option<String>)> = limits
            .iter()
            .map(|(name, limit)| (*name, limit.map(|limit| limit.to_string())))
            .collect();
        let limits: Vec<(&str, Option<&str>)> = limits
            .iter()
            .map(|(name, limit)| (*name, limit.as_deref()))
            .collect();
        let request = self
            .agent
            .post(self.url(&with_query("/v1/modules", &limits)))
            .header("Accept", "application/json");
        self.answer(request.content_type("application/wasm").send(component))
    }

    /// What a topic holds, in one hash.
    pub(crate) fn digest(&self, topic: &str) -> anyhow::Result<Value> {
        Ok(self.get(&format!("{}/digest", topic_path(topic)))?)
    }

    /// An object with its value, whatever its type.
    pub(crate) fn object(&self, topic: &str, id: &str) -> anyhow::Result<Value> {
        Ok(self.get(&object_path(topic, id))?)
    }

    /// An object of a type, or at a version.
    pub(crate) fn object_with(
        &self,
        topic: &str,
        id: &str,
        read: &ReadOptions<'_>,
    ) -> anyhow::Result<Value> {
        Ok(self.get(&read.path(&object_path(topic, id)))?)
    }

    /// Carries out commands. The outcomes; an error if all were refused.
    pub(crate) fn update(
        &self,
        topic: &str,
        id: &str,
        type_name: Option<&str>,
        commands: &[Value],
    ) -> anyhow::Result<Value> {
        let path = update_path(topic, id, type_name);
        let body = serde_json::json!({ "commands": commands }).to_string();
        Ok(self.parse(&self.post_text(&path, &body)?)?)
    }

    /// Asks an object; the answer alone.
    pub(crate) fn query(&self, topic: &str, id: &str, query: &Value) -> anyhow::Result<Value> {
        let path = format!("{}/query", object_path(topic, id));
        let mut answer = self.parse(&self.post_text(&path, &query.to_string())?)?;
        Ok(answer["answer"].take())
    }

    /// Takes the node off the network or puts it back; the answer as the node wrote it.
    pub(crate) fn set_network_text(&self, enabled: bool) -> Result<String> {
        let request = self
            .agent
            .put(self.url("/v1/network"))
            .header("Accept", "application/json");
        let body = format!("{{\"enabled\": {enabled}}}");
        self.answer(request.content_type("application/json").send(body))
    }

    /// Takes the node off the network or puts it back.
    pub(crate) fn set_network(&self, enabled: bool) -> anyhow::Result<()> {
        self.set_network_text(enabled)?;
        Ok(())
    }

    /// Follows the changes of a topic, or of one object.
    pub(crate) fn watch(
        &self,
        topic: &str,
        id: Option<&str>,
        from: Option<&str>,
    ) -> Result<Events> {
        let query = [("id", id), ("from", from)];
        self.events(&with_query(&format!("{}/watch", topic_path(topic)), &query))
    }

    /// Follows what a path tells.
    pub(crate) fn events(&self, path: &str) -> Result<Events> {
        let request = self
            .agent
            .get(self.url(path))
            .header("Accept", "text/event-stream");
        let request = request
            .config()
            .timeout_global(None)
            .timeout_per_read(Some(SILENCE_MAX));
        let response = request
            .build()
            .call()
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(Events::new(response.into_body().into_reader(), &self.base));
        }
        Err(self.refusal(response)?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answer(&self, response: Result<Response<Body>, ureq::Error>) -> Result<String> {
        let response = response.map_err(|error| self.unreachable(&error))?;
        match response.status().is_success() {
            true => self.text(response),
            false => Err(self.refusal(response)?),
        }
    }

    fn text(&self, response: Response<Body>) -> Result<String> {
        let body = response
            .into_body()
            .into_with_config()
            .limit(ANSWER_BYTES_MAX);
        body.read_to_string()
            .map_err(|error| self.broken(error.to_string()))
    }

    fn refusal(&self, response: Response<Body>) -> Result<ClientError> {
        let status = response.status().as_u16();
        let body = self.text(response)?;
        Ok(ClientError::refused(status, &body))
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable {
            url: self.base.clone(),
            reason: error.to_string(),
        }
    }

    fn broken(&self, reason: String) -> ClientError {
        ClientError::Broken {
            url: self.base.clone(),
            reason,
        }
    }
}

/// What a read may ask for besides the object.
#[derive(Default, Clone, Copy)]
pub(crate) struct ReadOptions<'a> {
    /// The type, if several objects have the same id.
    pub(crate) type_name: Option<&'a str>,
    /// The version that the answer must contain.
    pub(crate) after: Option<&'a str>,
}

impl ReadOptions<'_> {
    /// `path` with what is asked for.
    pub(crate) fn path(&self, path: &str) -> String {
        with_query(path, &[("type", self.type_name), ("after", self.after)])
    }
}

/// `http://host:port`, from that or from `host:port`.
fn base(address: &str) -> Result<String, ClientError> {
    let wrong = |reason: &str| ClientError::Address {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let with_scheme = match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    let uri: Uri = with_scheme.parse().map_err(|_| wrong("it is not a URL"))?;
    match (uri.scheme_str(), uri.authority(), uri.path_and_query()) {
        (Some("http"), Some(authority), path) if path.is_none_or(|path| path == "/") => {
            Ok(format!("http://{authority}"))
        }
        (Some("http"), Some(_), _) => Err(wrong("it must end after the port")),
        _ => Err(wrong("only http:// can be used")),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

pub(crate) fn module_path(name: &str) -> String {
    format!("/v1/modules/{}", encoded(name))
}

pub(crate) fn fact_path(id: &str) -> String {
    format!("/v1/facts/{}", encoded(id))
}

pub(crate) fn topic_path(topic: &str) -> String {
    format!("/v1/topics/{}", encoded(topic))
}

pub(crate) fn messages_path(topic: &str) -> String {
    format!("{}/messages", topic_path(topic))
}

pub(crate) fn member_path(id: &str) -> String {
    format!("/v1/members/{}", encoded(id))
}

pub(crate) fn object_path(topic: &str, id: &str) -> String {
    format!("{}/objects/{}", topic_path(topic), encoded(id))
}

pub(crate) fn update_path(topic: &str, id: &str, type_name: Option<&str>) -> String {
    with_query(&object_path(topic, id), &[("type", type_name)])
}

/// `path` with the parameters that have a value.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters
        .iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)));
    let pairs: Vec<String> = given
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    match pairs.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", pairs.join("&")),
    }
}

/// The body for a batch of commands that are JSON text already.
pub(crate) fn batch_body<C: Borrow<RawValue>>(commands: &[C]) -> String {
    let commands: Vec<&str> = commands
        .iter()
        .map(|command| command.borrow().get())
        .collect();
    format!("{{\"commands\":[{}]}}", commands.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_with_and_without_scheme() {
        for address in [
            "127.0.0.1:8080",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/",
        ] {
            assert_eq!(base(address).unwrap(), "http://127.0.0.1:8080");
        }
        assert_eq!(base("[::1]:1").unwrap(), "http://[::1]:1");
        for address in [
            "https://localhost",
            "http://a/b",
            "",
            "ftp://a",
            "http://a b",
        ] {
            assert!(base(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_port_without_a_node_is_unreachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = Client::new(&address.to_string()).unwrap();
        let error = client.get_text("/v1/status").unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    }

    #[test]
    fn names_are_percent_encoded() {
        assert_eq!(
            object_path("shop/eu", "a b?#%é"),
            "/v1/topics/shop%2Feu/objects/a%20b%3F%23%25%C3%A9"
        );
        let path = with_query(
            "/x",
            &[("type", Some("a&b")), ("after", None), ("id", Some("="))],
        );
        assert_eq!(path, "/x?type=a%26b&id=%3D");
    }
}
