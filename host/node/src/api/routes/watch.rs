//! Following changes as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::api::Api;
use crate::api::error::ErrorReply;
use crate::api::format::not_acceptable;
use crate::api::names::{InTopic, Query};
use crate::api::views::ErrorView;
use crate::data::write_json;
use crate::ids::ObjectId;
use crate::{Change, Watch, WatchEvent};

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WatchQuery {
    /// Only this object's changes.
    id: Option<String>,
}

/// Follows the changes of a topic, or of one object, from now on.
///
/// A stream of server-sent events: `change`, with a `ChangeView` as data, and `overrun` when some
/// changes are missing because the client read too slowly; what it follows must be read again
/// then. Comments come in between so that a broken connection is noticed.
#[utoipa::path(get, path = "/v1/topics/{topic}/watch",
    operation_id = "watch_topic", tag = "objects",
    params(("topic" = String, Path, description = "The topic, percent-encoded"), WatchQuery),
    responses(
        (status = 200, description = "Events until either side ends them",
            content_type = "text/event-stream", body = String),
        (status = 503, description = "As many watches are open as may be", body = ErrorView)))]
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    InTopic(topic): InTopic,
    Query(query): Query<WatchQuery>,
    headers: HeaderMap,
) -> Result<Response, ErrorReply> {
    if !accepts_events(&headers) {
        return Err(not_acceptable("text/event-stream"));
    }
    let id: Option<ObjectId> = query.id.as_deref().map(str::parse).transpose()?;
    let permit = Arc::clone(&api.watches)
        .try_acquire_owned()
        .map_err(|_| ErrorReply::busy("as many watches are open as may be"))?;
    let watch = api.node.watch(topic, id).await?;
    let heartbeat = KeepAlive::new().interval(api.config.heartbeat);
    let events = Follower::new(watch, permit, &api).events();
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(header::ACCEPT).iter().peekable();
    fields.peek().is_none()
        || fields.any(|field| {
            let ranges = field.to_str().unwrap_or_default().to_ascii_lowercase();
            ranges.split(',').any(|range| {
                let media = range.split(';').next().unwrap_or_default().trim();
                matches!(media, "text/event-stream" | "text/*" | "*/*")
            })
        })
}

/// One open watch. When the client goes, the connection drops it, and with it what it holds.
struct Follower {
    watch: Watch,
    api: Arc<Api>,
    stopped: watch::Receiver<bool>,
    has_begun: bool,
    _open: OpenWatch,
}

/// Counts as open while it lives.
struct OpenWatch {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Follower {
    fn new(watch: Watch, permit: OwnedSemaphorePermit, api: &Arc<Api>) -> Self {
        let gauge = api.metrics.watches.clone();
        gauge.inc();
        Self {
            watch,
            api: Arc::clone(api),
            stopped: api.stopped.clone(),
            has_begun: false,
            _open: OpenWatch {
                gauge,
                _permit: permit,
            },
        }
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if !self.has_begun {
            self.has_begun = true;
            // Tells the client that no later change escapes it.
            return Some(Event::default().comment("watching"));
        }
        let event = tokio::select! {
            event = self.watch.next() => event?,
            _ = self.stopped.wait_for(|stop| *stop) => return None,
        };
        Some(match event {
            WatchEvent::Change(change) => Event::default().event("change").data(describe(change)),
            WatchEvent::Overrun => {
                self.api.metrics.overruns.inc();
                Event::default().event("overrun").data("{}")
            }
        })
    }
}

/// A [`ChangeView`](crate::api::views::ChangeView) whose events are JSON text already.
#[derive(Serialize)]
struct Described {
    topic: String,
    id: String,
    #[serde(rename = "type")]
    type_name: String,
    version: String,
    events: Vec<Box<RawValue>>,
}

fn describe(change: Change) -> String {
    let described = Described {
        topic: change.topic.to_string(),
        id: change.id.to_string(),
        type_name: change.type_name.to_string(),
        version: change.version.to_string(),
        events: change
            .events
            .iter()
            .map(|event| event_json(event))
            .collect(),
    };
    // Names, tokens and JSON text: nothing in it can fail to be written.
    serde_json::to_string(&described).unwrap_or_else(|_| "{}".to_owned())
}

/// An event as JSON; null for what a type should not have sent.
fn event_json(cbor: &[u8]) -> Box<RawValue> {
    let mut text = Vec::new();
    let written = write_json(cbor, &mut text).ok();
    let text = written.and_then(|()| String::from_utf8(text).ok());
    text.and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}
