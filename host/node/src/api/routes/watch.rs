//! Following changes as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::events::{OpenStream, cbor_as_json, text};
use crate::api::Api;
use crate::api::error::ErrorReply;
use crate::api::names::{InTopic, Query};
use crate::api::views::ErrorView;
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
    let open = OpenStream::begin(&api, &headers)?;
    let id: Option<ObjectId> = query.id.as_deref().map(str::parse).transpose()?;
    let from = match headers.get(LAST_EVENT_ID) {
        Some(last) => Some(last.to_str().unwrap_or("?").to_owned()),
        None => query.from,
    };
    let from = from.filter(|from| !from.is_empty());
    let from: Option<WatchToken> = from.as_deref().map(str::parse).transpose()?;
    let watch = api.node.watch(topic, id, from).await?;
    let heartbeat = KeepAlive::new().interval(api.config.heartbeat);
    let events = Follower::new(watch, open, &api).events();
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

/// One open watch. When the client goes, the connection drops it, and with it what it holds.
struct Follower {
    watch: Watch,
    api: Arc<Api>,
    stopped: watch::Receiver<bool>,
    has_begun: bool,
    _open: OpenStream,
}

impl Follower {
    fn new(watch: Watch, open: OpenStream, api: &Arc<Api>) -> Self {
        Self {
            watch,
            api: Arc::clone(api),
            stopped: api.stopped.clone(),
            has_begun: false,
            _open: open,
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
