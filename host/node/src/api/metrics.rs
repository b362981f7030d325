//! What `/metrics` shows: the node's own counters, and how the API is used.
//!
//! Labels have few values whatever clients send: the route as it was declared, the method if it
//! is a common one, the class of the status.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Api;
use crate::{Counter as Count, Node, Status};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The API's own figures.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Watches that are open.
    pub(crate) watches: Gauge,
    /// How often a watcher was told that it missed something.
    pub(crate) missed: Counter,
}

/// From half a millisecond to about eight seconds.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

impl Metrics {
    pub(crate) fn new(node: Node) -> Self {
        let mut registry = Registry::with_prefix("replicant");
        let requests = Family::default();
        let seconds = Family::new_with_constructor(latencies as fn() -> Histogram);
        let (connections, watches) = (Gauge::default(), Gauge::default());
        let missed = Counter::default();
        registry.register(
            "api_requests",
            "Requests answered, by route, method and class of status",
            requests.clone(),
        );
        registry.register(
            "api_request_seconds",
            "Seconds until a request was answered, by route",
            seconds.clone(),
        );
        registry.register(
            "api_connections",
            "Connections to the API that are open now",
            connections.clone(),
        );
        registry.register("api_watches", "Watches that are open now", watches.clone());
        registry.register(
            "api_watch_missed",
            "Watchers told the state in place of changes",
            missed.clone(),
        );
        registry.register_collector(Box::new(NodeFigures { node }));
        Self {
            registry,
            requests,
            seconds,
            connections,
            watches,
            missed,
        }
    }

    /// Everything in the text format that Prometheus reads (OpenMetrics 1.0).
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Counts a request and the time until its answer began.
pub(crate) async fn observe(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => "none".to_owned(),
    };
    let method = method(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let status = match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    let elapsed = started.elapsed();
    tracing::debug!(
        method,
        route,
        status = response.status().as_u16(),
        ?elapsed,
        "api request"
    );
    let seconds = api.metrics.seconds.get_or_create(&Route {
        route: route.clone(),
    });
    seconds.observe(elapsed.as_secs_f64());
    api.metrics
        .requests
        .get_or_create(&Answered {
            route,
            method,
            status,
        })
        .inc();
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Reads the node's figures whenever they are asked for.
#[derive(Debug)]
struct NodeFigures {
    node: Node,
}

impl Collector for NodeFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.node.status();
        let own = of_the_node(&status);
        for Count { name, value, about } in own.into_iter().chain(status.counters) {
            match name.strip_suffix("_total") {
                Some(name) => {
                    let counter = ConstCounter::new(value);
                    let kind = counter.metric_type();
                    counter.encode(encoder.encode_descriptor(name, about, None, kind)?)?;
                }
                None => {
                    let gauge = ConstGauge::new(value);
                    let kind = gauge.metric_type();
                    gauge.encode(encoder.encode_descriptor(name, about, None, kind)?)?;
                }
            }
        }
        Ok(())
    }
}

/// What the node's status says besides its counters.
fn of_the_node(status: &Status) -> [Count; 4] {
    let is_writable = u64::from(status.storage.writable);
    let is_enabled = u64::from(status.network.enabled);
    [
        (
            "uptime_seconds",
            status.uptime.as_secs(),
            "Seconds since the node was started.",
        ),
        (
            "storage_writable",
            is_writable,
            "Whether the disk takes writes: 1 if it does, 0 if not.",
        ),
        (
            "network_enabled",
            is_enabled,
            "Whether the node takes part in the network: 1 if it does, 0 if it was taken off.",
        ),
        (
            "sessions",
            status.network.sessions,
            "Sessions with other nodes that are open now.",
        ),
    ]
    .map(|(name, value, about)| Count { name, value, about })
}
