//! What a node to join may be given as.

use std::fmt;

/// Text that names no node to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write HOST:PORT, dns:NAME:PORT or srv:_SERVICE._PROTOCOL.NAME")]
pub struct SeedError(&'static str);

/// Checks that a node to join can be given like this. Nothing is looked up.
///
/// # Errors
/// [`SeedError`] says what is wrong.
pub fn check_seed(text: &str) -> Result<(), SeedError> {
    SeedName::parse(text).map(drop).map_err(SeedError)
}

/// Text that is not where a node can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write HOST:PORT")]
pub struct AddressError(&'static str);

/// Checks that a node can be found like this: at a host and a port. Nothing is looked up.
///
/// # Errors
/// [`AddressError`] says what is wrong.
pub fn check_address(text: &str) -> Result<(), AddressError> {
    host_and_port(text).map(drop).map_err(AddressError)
}

/// Where nodes to join are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SeedName {
    /// `host:port`: one node.
    Host(String),
    /// `dns:NAME:PORT`: a node at each address of the name.
    Addresses { name: String, port: u16 },
    /// `srv:_SERVICE._PROTOCOL.NAME`: the nodes that the service records name.
    Service { name: String },
}

impl SeedName {
    /// Reads a seed as it is given on the command line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        // `dns:7001` and `srv:7001` are hosts of these names.
        if let Some(rest) = text.strip_prefix("dns:")
            && rest.parse::<u16>().is_err()
        {
            let (name, port) = host_and_port(rest)?;
            let name = name.trim_matches(['[', ']']).to_owned();
            return Ok(Self::Addresses { name, port });
        }
        if let Some(name) = text.strip_prefix("srv:")
            && name.parse::<u16>().is_err()
        {
            return service(name);
        }
        host_and_port(text)?;
        Ok(Self::Host(text.to_owned()))
    }

    /// Whether it may stand for many nodes, and for others each time that it is looked up.
    pub(super) fn is_looked_up(&self) -> bool {
        !matches!(self, Self::Host(_))
    }
}

impl fmt::Display for SeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "{name}"),
            Self::Addresses { name, port } => write!(f, "dns:{name}:{port}"),
            Self::Service { name } => write!(f, "srv:{name}"),
        }
    }
}

fn service(name: &str) -> Result<SeedName, &'static str> {
    let mut labels = name.splitn(3, '.');
    let is_marked = |label: Option<&str>| label.is_some_and(|label| label.starts_with('_'));
    if !is_marked(labels.next()) || !is_marked(labels.next()) || name.contains([':', '/']) {
        return Err("a service is given as srv:_SERVICE._PROTOCOL.NAME, without a port");
    }
    match labels.next().map(|domain| domain.trim_matches('.')) {
        None | Some("") => Err("the domain is missing, as in srv:_replicant._tcp.nodes.example"),
        Some(_) => Ok(SeedName::Service {
            name: name.to_owned(),
        }),
    }
}

fn host_and_port(text: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.contains("//") {
        return Err("a host is given without a scheme such as http://");
    }
    if host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#')) {
        return Err("this cannot be a host");
    }
    match port.parse::<u16>() {
        Ok(port @ 1..) => Ok((host, port)),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_host_and_port_a_name_with_port_or_a_service() {
        for host in [
            "localhost:1",
            "10.0.0.1:65535",
            "[::1]:7000",
            "dns:7001",
            "srv:7001",
        ] {
            assert_eq!(SeedName::parse(host), Ok(SeedName::Host(host.to_owned())));
        }
        let (name, port) = ("nodes.example".to_owned(), 7001);
        let addresses = SeedName::Addresses { name, port };
        assert_eq!(SeedName::parse("dns:nodes.example:7001"), Ok(addresses));
        let name = "_replicant._tcp.nodes.example".to_owned();
        let service = SeedName::parse("srv:_replicant._tcp.nodes.example");
        assert_eq!(service, Ok(SeedName::Service { name }));
    }

    #[test]
    fn what_is_none_of_these_is_refused() {
        for bad in [
            "",
            "localhost",
            ":7000",
            "localhost:",
            "localhost:0",
            "x:70000",
            "http://a:1",
            "a/b:1",
            "a b:1",
            "me@a:1",
            "dns:nodes.example",
            "dns::7001",
            "dns:nodes.example:0",
            "srv:nodes.example",
            "srv:_replicant.nodes.example",
            "srv:_a._tcp",
            "srv:_a._tcp.",
            "srv:_replicant._tcp.nodes.example:7001",
        ] {
            assert!(SeedName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_seed_is_shown_as_it_was_given() {
        for text in ["[::1]:7000", "dns:a.b:7", "srv:_a._tcp.b"] {
            assert_eq!(SeedName::parse(text).unwrap().to_string(), text);
        }
    }
}
