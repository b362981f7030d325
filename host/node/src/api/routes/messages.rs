//! What programs say to each other by way of the nodes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::events::{OpenStream, cbor_as_json, text};
use crate::api::Api;
use crate::api::body::Document;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InPath, InTopic, NoParameters, PublishQuery, Query};
use crate::api::views::{ErrorView, PublishedView, SentView, SubscriptionView};
use crate::ids::NodeId;
use crate::messages::{Listener, Scope};
use crate::{Heard, ListenEvent};

/// Lists the paths that members subscribe to.
#[utoipa::path(get, path = "/v1/subscriptions", operation_id = "list_subscriptions",
    tag = "messages", responses(
    (status = 200, description = "The paths by name", body = Vec<SubscriptionView>)))]
pub(super) async fn subscriptions(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let subscriptions = api.node.subscriptions().into_iter();
    let views: Vec<SubscriptionView> = subscriptions.map(Into::into).collect();
    format.reply(StatusCode::OK, &views)
}

/// Says something in a topic, to all that listen to it or to a path above it.
///
/// Messages pass by: who is away does not hear them later. What has to last is an object. With
/// `acks` the answer says who has it: as far as was heard, since other nodes pass that on. With
/// `rapid` it goes to many nodes at once, for what has to be heard now and is said rarely.
#[utoipa::path(post, path = "/v1/topics/{topic}/messages", operation_id = "publish",
    tag = "messages",
    params(("topic" = String, Path, description = "The topic, percent-encoded"), PublishQuery),
    request_body(content = serde_json::Value, description = "What is said: any JSON or CBOR"),
    responses(
        (status = 200, description = "It was handed to the network, and, with `acks`, who has it \
            is known as far as was wanted or the deadline has come", body = PublishedView),
        (status = 503, description = "256 messages wait for acknowledgements", body = ErrorView),
        (status = 409, description = "All are to acknowledge it, and the node keeps partial views",
            body = ErrorView),
        (status = 403, description = "The access rules do not let this node publish there, or it \
            is revoked",
            body = ErrorView)))]
pub(super) async fn publish(
    State(api): State<Arc<Api>>,
    InTopic(topic): InTopic,
    Query(query): Query<PublishQuery>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    let (node, said) = (&api.node, document.cbor);
    let strategy = query.strategy();
    let view: PublishedView = match query.ask()? {
        None => node.publish(topic, said, strategy).await?.into(),
        Some(ask) => {
            let asked = node.publish_acknowledged(topic, said, strategy, ask);
            asked.await?.into()
        }
    };
    format.reply(StatusCode::OK, &view)
}

/// Says something to one member.
///
/// It is heard by the programs that listen there at that moment; if none does it is gone, and that
/// node counts it (`direct_messages_unheard_total`). Nothing comes back.
#[utoipa::path(post, path = "/v1/members/{id}/messages", operation_id = "send",
    tag = "messages",
    params(("id" = String, Path, description = "The member's id")),
    request_body(content = serde_json::Value, description = "What is said: any JSON or CBOR"),
    responses(
        (status = 200, description = "It was handed to the session with the member",
            body = SentView),
        (status = 403, description = "This node is revoked", body = ErrorView),
        (status = 409, description = "The node is no neighbour, and this one keeps partial views",
            body = ErrorView),
        (status = 503, description = "There is no session with that node now",
            body = ErrorView)))]
pub(super) async fn send(
    State(api): State<Arc<Api>>,
    InPath(id): InPath,
    _: Query<NoParameters>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    let to: NodeId = id.parse()?;
    api.node.send(to, document.cbor).await?;
    format.reply(StatusCode::OK, &SentView { to: to.to_string() })
}

/// Follows what is said in a topic and in all below it.
///
/// A stream of server-sent events: `message`, with a `MessageView` as data, and `missed`, with the
/// number of messages that came faster than the client read. The node subscribes to the topic for
/// as long as somebody listens to it.
#[utoipa::path(get, path = "/v1/topics/{topic}/messages", operation_id = "listen",
    tag = "messages",
    params(("topic" = String, Path, description = "The topic, percent-encoded")),
    responses(
        (status = 200, description = "Events until either side ends them",
            content_type = "text/event-stream", body = String),
        (status = 403, description = "The access rules do not let this node subscribe to it",
            body = ErrorView),
        (status = 503, description = "As many watches are open as may be", body = ErrorView)))]
pub(super) async fn listen(
    State(api): State<Arc<Api>>,
    InTopic(topic): InTopic,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, ErrorReply> {
    stream(&api, &headers, Scope::Topic(topic))
}

/// Follows what is said to this node alone.
#[utoipa::path(get, path = "/v1/messages", operation_id = "receive", tag = "messages",
    responses(
        (status = 200, description = "Events as of `/v1/topics/{topic}/messages`",
            content_type = "text/event-stream", body = String),
        (status = 503, description = "As many watches are open as may be", body = ErrorView)))]
pub(super) async fn receive(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, ErrorReply> {
    stream(&api, &headers, Scope::Direct)
}

fn stream(api: &Arc<Api>, headers: &HeaderMap, scope: Scope) -> Result<Response, ErrorReply> {
    let open = OpenStream::begin(api, headers)?;
    let listener = api.node.listen(scope)?;
    let heartbeat = KeepAlive::new().interval(api.config.heartbeat);
    let stopped = api.stopped.clone();
    let begun = futures::stream::once(async {
        // Tells the client that no later message escapes it.
        Ok::<Event, Infallible>(Event::default().comment("watching"))
    });
    let heard = futures::stream::unfold(
        (listener, stopped, open),
        |(mut listener, mut stopped, open)| async move {
            let event = tokio::select! {
                event = next(&mut listener) => event?,
                _ = stopped.wait_for(|stop| *stop) => return None,
            };
            Some((Ok(event), (listener, stopped, open)))
        },
    );
    let events = futures::StreamExt::chain(begun, heard);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

async fn next(listener: &mut Listener) -> Option<Event> {
    Some(match listener.next().await? {
        ListenEvent::Heard(heard) => {
            let described = text(&DescribedMessage::of(&heard));
            Event::default().event("message").data(described)
        }
        ListenEvent::Missed(count) => Event::default().event("missed").data(count.to_string()),
    })
}

/// A [`MessageView`](crate::api::views::MessageView) whose payload is JSON text already.
#[derive(Serialize)]
struct DescribedMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    author: String,
    payload: Box<RawValue>,
}

impl DescribedMessage {
    fn of(heard: &Heard) -> Self {
        Self {
            topic: heard.topic.as_ref().map(ToString::to_string),
            author: heard.author.to_string(),
            payload: cbor_as_json(&heard.payload),
        }
    }
}
