//! Arguments of `serve` that contradict each other, or of which one would be passed over.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4};

use replicant::access::{RULES_MAX, Rule};
use replicant::{METADATA_BYTES_MAX, StrategyKind};

use super::ServeArguments;
use crate::exit::WrongArgument;

impl ServeArguments {
    /// Looks for all of them.
    pub(super) fn check(&self) -> Result<(), WrongArgument> {
        self.check_addresses()?;
        self.check_seeds()?;
        self.check_api()?;
        check_rules(&self.topic_rule)?;
        for (option, twice) in [
            ("--join", repeated(&self.join).cloned()),
            (
                "--authority",
                repeated(&self.authority).map(ToString::to_string),
            ),
        ] {
            if let Some(item) = twice {
                return wrong(format!("{option} {item} is given twice; give each once"));
            }
        }
        let is_asked = |seed: &String| seed.starts_with("dns:") || seed.starts_with("srv:");
        if self.dns_server.is_some() && !self.join.iter().any(is_asked) {
            return wrong(
                "--dns-server is asked about --join dns:… and srv:…, and there is none".to_owned(),
            );
        }
        self.check_membership()
    }

    /// Where the node listens, and where others are told to find it.
    fn check_addresses(&self) -> Result<(), WrongArgument> {
        let (listen, api) = (self.listen, self.api);
        if listen == api && api.port() != 0 {
            return wrong(format!(
                "--listen and --api are both {api}; give one of them another port"
            ));
        }
        let Some(advertised) = &self.advertise else {
            return match listen.ip().is_unspecified() {
                true => wrong(format!(
                    "--listen {listen} stands for every address of this machine, and none of \
                     them is told to others; say where they find this node with --advertise \
                     HOST:PORT"
                )),
                false => Ok(()),
            };
        };
        match advertised.parse::<SocketAddr>() {
            Ok(address) if address == api => wrong(format!(
                "--advertise and --api are both {api}, and other nodes cannot talk to the API; \
                 advertise where they reach --listen {listen}"
            )),
            Ok(address) if address.ip().is_unspecified() => wrong(format!(
                "--advertise {address} is no address that other nodes can reach; write the one \
                 under which they find this machine"
            )),
            _ => Ok(()),
        }
    }

    /// Nodes to join. One list may be for all nodes, and then names this one too; but not only it.
    fn check_seeds(&self) -> Result<(), WrongArgument> {
        let advertised = self.advertise.as_ref().and_then(|at| at.parse().ok());
        let is_own = |seed: &&String| {
            let seed = seed.parse::<SocketAddr>().ok();
            let own = [Some(self.listen), advertised];
            seed.is_some_and(|at| at.port() != 0 && own.contains(&Some(at)))
        };
        match self.join.first() {
            Some(own) if !self.new_cluster && self.join.iter().all(|seed| is_own(&seed)) => {
                wrong(format!(
                    "--join {own} is this node itself; name another one, or write --new-cluster \
                     if it is the first"
                ))
            }
            _ => Ok(()),
        }
    }

    /// Who may use the API.
    fn check_api(&self) -> Result<(), WrongArgument> {
        if self.api_insecure_any_address && self.api.ip().is_loopback() {
            let other = SocketAddr::new([0, 0, 0, 0].into(), self.api.port());
            return wrong(format!(
                "--api-insecure-any-address changes nothing while --api {} is an address that \
                 only this machine reaches; leave it out, or write the address that others are \
                 to reach, as in --api {other}",
                self.api
            ));
        }
        match repeated(&self.api_host) {
            Some(name) => wrong(format!("--api-host {name} is given twice; give each once")),
            None => Ok(()),
        }
    }

    fn check_membership(&self) -> Result<(), WrongArgument> {
        let length = self.metadata.len();
        if length > METADATA_BYTES_MAX {
            return wrong(format!(
                "--metadata has {length} bytes; all members keep it, so {METADATA_BYTES_MAX} is \
                 the most: say more in a topic, or in an object"
            ));
        }
        if length > 0 && self.membership == StrategyKind::HyParView {
            return wrong(
                "--metadata is told to all members, and with --membership hyparview nobody knows \
                 them all; leave it out, or write --membership swim"
                    .to_owned(),
            );
        }
        let (other, probes) = match self.membership {
            StrategyKind::Swim => ("hyparview", false),
            StrategyKind::HyParView => ("swim", self.probe_interval_ms.is_some()),
        };
        let given = match self.environment.of_protocol(other) {
            Some(parameter) => format!("--parameter {parameter}"),
            None if probes => "--probe-interval-ms".to_owned(),
            None => return Ok(()),
        };
        wrong(format!(
            "{given} is about {other}, and with --membership {} there is no {other}; leave it \
             out, or write --membership {other}",
            self.membership
        ))
    }
}

/// Rules that can never decide anything.
fn check_rules(rules: &[Rule]) -> Result<(), WrongArgument> {
    if rules.len() > RULES_MAX {
        return wrong(format!(
            "--topic-rule is given {} times; at most {RULES_MAX} rules are kept",
            rules.len()
        ));
    }
    for (index, rule) in rules.iter().enumerate() {
        let topics = &rule.topics;
        let before = rules[..index].iter().map(|before| &before.topics);
        let Some(before) = before.into_iter().find(|before| before.covers(topics)) else {
            continue;
        };
        return match before == topics {
            true => wrong(format!(
                "two --topic-rule are about {topics}, and only the first would count; write one \
                 that says all"
            )),
            false => wrong(format!(
                "--topic-rule {topics} would never count: all its topics fit {before}, which \
                 stands before it, and the first that fits decides; put it before that one, or \
                 leave it out"
            )),
        };
    }
    Ok(())
}

/// The first item that stood there before.
fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    let mut all = items.iter().enumerate();
    all.find_map(|(index, item)| items[..index].contains(item).then_some(item))
}

fn wrong(what: String) -> Result<(), WrongArgument> {
    Err(WrongArgument(what))
}

/// Where this node can listen.
pub(super) fn listening(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>();
    address.map_err(|_| {
        "write an IP address of this machine and a port, as in 127.0.0.1:8080 or [::1]:8080"
            .to_owned()
    })
}

/// A multicast group with a port.
pub(super) fn group(text: &str) -> Result<SocketAddrV4, String> {
    let group = text.parse::<SocketAddrV4>().ok();
    let group = group.filter(|group| group.ip().is_multicast() && group.port() != 0);
    group.ok_or_else(|| {
        "write an IPv4 multicast address and a port that is not 0, as in 239.255.82.80:7003"
            .to_owned()
    })
}

/// Where a server can be asked.
pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    let address = address.filter(|at| at.port() != 0 && !at.ip().is_unspecified());
    address.ok_or_else(|| "write its address and a port, as in 127.0.0.1:53".to_owned())
}

/// A host name as it can stand in a request, in lower case. What is accepted anyhow is none.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    let plain = name.trim_matches(['[', ']']);
    if name == "localhost" || name.parse::<IpAddr>().is_ok() || plain.parse::<Ipv6Addr>().is_ok() {
        return Err("localhost and plain addresses are accepted without it".to_owned());
    }
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= 253 && name.split('.').all(is_label) {
        true => Ok(name),
        false => Err("write a host name without scheme and port, as in node.example".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_multicast_and_has_a_port() {
        assert!(group("239.255.82.80:7003").is_ok());
        for text in [
            "239.1.1.1:0",
            "127.0.0.1:7003",
            "239.1.1.1",
            "[ff02::1]:7",
            "x",
        ] {
            assert!(group(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_can_be_asked_at_its_address() {
        assert!(server("127.0.0.1:53").is_ok() && server("[::1]:53").is_ok());
        for text in ["127.0.0.1:0", "0.0.0.0:53", "127.0.0.1", "ns.example:53"] {
            assert!(server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_name_is_what_stands_before_the_port_of_a_request() {
        assert_eq!(host_name("Node.example").as_deref(), Ok("node.example"));
        assert!(host_name("a").is_ok() && host_name("db_1.a-b").is_ok());
        let long = ["a"; 128].join(".");
        for text in [
            "",
            "http://node.example",
            "node.example:8080",
            "node.example/",
            "node example",
            "node..example",
            "node.example.",
            "-a.example",
            "ä.example",
            "*.example",
            "localhost",
            "LOCALHOST",
            "10.0.0.1",
            "::1",
            "[::1]",
            &long,
        ] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}
