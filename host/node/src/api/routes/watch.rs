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
use crate::{Change, Missed, ObjectState, Watch, WatchEvent, WatchToken};

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WatchQuery {
    /// Only this object's changes.
    id: Option<String>,
    /// The `token` of the last event that was read: go on behind it.
    from: Option<String>,
}

/// The header in which a browser sends the id of the last event that it read.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follows the changes of a topic, or of one object, from now on or from where one was.
///
/// A stream of server-sent events: `change`, with a `ChangeView` as data, and `missed`, with a
/// `MissedView`, in place of changes that cannot be told: the client read too slowly, came back too
/// late or to another node, or the node started anew. Each has its token as id: whoever sends that
/// as `from` or `Last-Event-ID` (which counts if both are sent) gets what follows it, no change
/// twice and none left out. Comments come in between so that a broken connection is noticed.
#[utoipa::path(get, path = "/v1/topics/{topic}/watch",
    operation_id = "watch_topic", tag = "objects",
    params(("topic" = String, Path, description = "The topic, percent-encoded"), WatchQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "As `from`")),
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
    let from = match headers.get(LAST_EVENT_ID) {
        Some(last) => Some(last.to_str().unwrap_or("?").to_owned()),
        None => query.from,
    };
    let from = from.filter(|from| !from.is_empty());
    let from: Option<WatchToken> = from.as_deref().map(str::parse).transpose()?;
    let watch = api.node.watch(topic, id, from).await?;
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
            let begun = Event::default().comment("watching");
            return Some(match self.watch.token() {
                Some(token) => begun.id(token.to_string()),
                None => begun,
            });
        }
        let event = tokio::select! {
            event = self.watch.next() => event?,
            _ = self.stopped.wait_for(|stop| *stop) => return None,
        };
        let told = Event::default().id(event.token().to_string());
        Some(match event {
            WatchEvent::Change(change) => told.event("change").data(text(&Described::of(change))),
            WatchEvent::Missed(missed) => {
                self.api.metrics.missed.inc();
                told.event("missed").data(text(&DescribedState::of(missed)))
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
    token: String,
    events: Vec<Box<RawValue>>,
}

impl Described {
    fn of(change: Change) -> Self {
        let events = change.events.iter();
        Self {
            topic: change.topic.to_string(),
            id: change.id.to_string(),
            type_name: change.type_name.to_string(),
            version: change.version.to_string(),
            token: change.token.to_string(),
            events: events.map(|event| cbor_as_json(event)).collect(),
        }
    }
}

/// A [`MissedView`](crate::api::views::MissedView) whose values are JSON text already.
#[derive(Serialize)]
struct DescribedState {
    topic: String,
    version: String,
    token: String,
    whole: bool,
    complete: bool,
    objects: Vec<DescribedObject>,
}

#[derive(Serialize)]
struct DescribedObject {
    id: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<String>,
}

impl DescribedState {
    fn of(missed: Missed) -> Self {
        let object = |object: ObjectState| {
            let (value, unavailable) = match object.value {
                Ok(value) => (Some(cbor_as_json(&value)), None),
                Err(reason) => (None, Some(reason)),
            };
            DescribedObject {
                id: object.id.to_string(),
                type_name: object.type_name.to_string(),
                value,
                unavailable,
            }
        };
        Self {
            topic: missed.topic.to_string(),
            version: missed.version.to_string(),
            token: missed.token.to_string(),
            whole: missed.whole,
            complete: missed.complete,
            objects: missed.objects.into_iter().map(object).collect(),
        }
    }
}

fn text(described: &impl Serialize) -> String {
    // Names, tokens and JSON text: nothing in it can fail to be written.
    serde_json::to_string(described).unwrap_or_else(|_| "{}".to_owned())
}

/// What a type gave, as JSON; null for what it should not have given.
fn cbor_as_json(cbor: &[u8]) -> Box<RawValue> {
    let mut text = Vec::new();
    let written = write_json(cbor, &mut text).ok();
    let text = written.and_then(|()| String::from_utf8(text).ok());
    text.and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}
