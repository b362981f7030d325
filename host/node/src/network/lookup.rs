//! Looks seeds up in the DNS: all addresses of a name, or the nodes that a service's records name.
//!
//! Each lookup is asked anew, past any cache of this process: where nodes come and go with other
//! addresses, an answer of half a minute ago is wrong when it is needed most.
//! Source: RFC 2782, for the order of service records. Deviation: records of weight 0 come after
//! all others of their priority, where the RFC leaves them a small chance to come earlier.

use std::net::{IpAddr, SocketAddr};

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use rand::{Rng, RngExt as _};

use super::config::NetworkConfig;
use super::dialer::{self, DialError};
use super::seed_name::SeedName;
use super::shared::seeded_rng;

/// Addresses that are taken of one seed; a lookup that gives more is cut off.
pub(super) const ADDRESSES_MAX: usize = 64;

/// Targets of a service that are looked up side by side.
const TARGETS_AT_ONCE: usize = 8;

/// The addresses of a seed, in the order in which they are to be tried, at least one.
///
/// # Errors
/// [`DialError::Name`] says what the name service said and what can be done.
pub(super) async fn addresses(
    seed: &SeedName,
    config: &NetworkConfig,
) -> Result<Vec<SocketAddr>, DialError> {
    let looking = async {
        match seed {
            SeedName::Host(_) => Ok(Vec::new()),
            SeedName::Addresses { name, port } => of_name(&resolver(config)?, name, *port).await,
            SeedName::Service { name } => of_service(&resolver(config)?, name).await,
        }
    };
    if let SeedName::Host(name) = seed {
        return dialer::resolve(name, config).await;
    }
    let limit = config.limits.dial_timeout;
    let found = match tokio::time::timeout(limit, looking).await {
        Ok(found) => found,
        Err(_) => Err(no_answer()),
    };
    found.map_err(|reason| DialError::Name {
        name: seed.to_string(),
        reason,
    })
}

fn no_answer() -> String {
    "the name service does not answer in time; look at /etc/resolv.conf, or name a server that \
     answers (--dns-server)"
        .to_owned()
}

fn resolver(config: &NetworkConfig) -> Result<TokioResolver, String> {
    let mut builder = match config.dns_server {
        None => TokioResolver::builder_tokio().map_err(|error| {
            format!(
                "the system's /etc/resolv.conf cannot be used ({error}); mend it, or name a \
                     server (--dns-server)"
            )
        })?,
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // A datagram that is lost is sent again while there is time.
    options.timeout = config.limits.dial_timeout / 3;
    builder.build().map_err(|error| error.to_string())
}

async fn of_name(
    resolver: &TokioResolver,
    name: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let found = resolver.lookup_ip(name).await;
    let found = found.map_err(|error| in_words(&error, "address (A, AAAA)"))?;
    let found = found.iter().map(|ip| SocketAddr::new(ip, port));
    let found = first_of(found);
    match found.is_empty() {
        true => Err(nothing("address (A, AAAA)")),
        false => Ok(found),
    }
}

async fn of_service(resolver: &TokioResolver, name: &str) -> Result<Vec<SocketAddr>, String> {
    const KIND: &str = "service record (SRV)";
    let found = resolver.srv_lookup(name).await;
    let found = found.map_err(|error| in_words(&error, KIND))?;
    let records = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            // A target `.` says that there is no such service.
            RData::SRV(service) if !service.target.is_root() && service.port != 0 => Some(service),
            _ => None,
        });
    let mut rng = seeded_rng().map_err(|error| error.to_string())?;
    let services = ordered(records.take(ADDRESSES_MAX), &mut rng);
    let mut last = nothing(KIND);
    let (mut found, mut looking) = (Vec::new(), FuturesOrdered::new());
    let mut services = services.into_iter();
    loop {
        while looking.len() < TARGETS_AT_ONCE
            && let Some(service) = services.next()
        {
            looking.push_back(of_target(resolver, service));
        }
        match looking.next().await {
            Some(Ok(addresses)) => found.extend(addresses),
            // Others of the same service may be found.
            Some(Err(error)) => last = error,
            None => break,
        }
    }
    let found = first_of(found);
    match found.is_empty() {
        true => Err(last),
        false => Ok(found),
    }
}

async fn of_target(resolver: &TokioResolver, service: SRV) -> Result<Vec<SocketAddr>, String> {
    let found = of_name(resolver, &service.target.to_utf8(), service.port).await;
    found.map_err(|reason| format!("its target {}: {reason}", service.target))
}

/// Those of lower priority first, among equals drawn by weight.
fn ordered<'a>(records: impl Iterator<Item = &'a SRV>, rng: &mut impl Rng) -> Vec<SRV> {
    // Sorting by these numbers draws each next one with a chance that its weight gives.
    let mut drawn = |record: &SRV| match record.weight {
        0 => f64::INFINITY,
        weight => -(1.0 - rng.random::<f64>()).ln() / f64::from(weight),
    };
    let mut records: Vec<_> = records
        .map(|record| (record.priority, drawn(record), record.clone()))
        .collect();
    records.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    records.into_iter().map(|(_, _, record)| record).collect()
}

/// At most [`ADDRESSES_MAX`] different addresses that somebody can be at, in the order given.
fn first_of(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut first: Vec<SocketAddr> = Vec::new();
    for address in found {
        let is_place = |ip: IpAddr| !ip.is_unspecified() && !ip.is_multicast();
        if first.len() < ADDRESSES_MAX && is_place(address.ip()) && !first.contains(&address) {
            first.push(address);
        }
    }
    first
}

fn nothing(kind: &str) -> String {
    format!("the name has no {kind}; a node that is ready has to be listed under it")
}

fn in_words(error: &NetError, kind: &str) -> String {
    if error.is_nx_domain() {
        return "the name service knows no such name; check how it is spelt, or wait until the \
                service is there"
            .to_owned();
    }
    match error {
        _ if error.is_no_records_found() => nothing(kind),
        NetError::Timeout => no_answer(),
        _ => format!("the name service said: {error}"),
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
