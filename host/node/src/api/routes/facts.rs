//! Facts: signed statements that everybody comes to know.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ciborium::Value;
use serde_json::json;
use tokio::sync::watch;

use super::events::{OpenStream, text};
use crate::api::Api;
use crate::api::body::Document;
use crate::api::code::Code;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InFact, NoParameters, Query};
use crate::api::views::{ErrorView, FactDraft, FactView, FactsView};
use crate::facts::{EQUIVOCATION, NODE_REVOCATION, PUBLISHER_REVOCATION};
use crate::ids::{IdError, NodeId};
use crate::{FactChange, FactFilter, FactWatch};

/// Facts of a page, where the client does not say, and at most.
const PAGE_DEFAULT: usize = 1_000;
const PAGE_MAX: usize = 10_000;

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FactsQuery {
    /// Only of this kind.
    kind: Option<String>,
    /// Only of this issuer.
    issuer: Option<String>,
    /// The `next` of the page before; without it, the first page.
    after: Option<String>,
    /// How many at most, 1 to 10,000; default 1,000.
    limit: Option<usize>,
}

/// Lists the facts that the node knows, by id, a page at a time.
#[utoipa::path(get, path = "/v1/facts", operation_id = "list_facts", tag = "facts",
    params(FactsQuery), responses(
    (status = 200, description = "A page of facts", body = FactsView)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<FactsQuery>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ErrorReply::bad_request(
            "`limit` is out of range",
            "use 1 to 10000",
        ));
    }
    let filter = FactFilter {
        kind: query.kind.as_deref().map(str::parse).transpose()?,
        issuer: query.issuer.as_deref().map(str::parse).transpose()?,
        after: query.after.as_deref().map(str::parse).transpose()?,
    };
    let found = api.node.facts(&filter, limit)?;
    let is_full = found.len() == limit;
    let next = found
        .last()
        .filter(|_| is_full)
        .map(|fact| fact.id().to_string());
    let facts = found.iter().map(|fact| FactView::from(&**fact)).collect();
    format.reply(StatusCode::OK, &FactsView { facts, next })
}

/// Shows a fact.
#[utoipa::path(get, path = "/v1/facts/{id}", operation_id = "show_fact", tag = "facts",
    params(("id" = String, Path, description = "Its id, or the first 8 digits of it or more")),
    responses(
        (status = 200, description = "The fact", body = FactView),
        (status = 400, description = "It cannot be an id", body = ErrorView),
        (status = 404, description = "No fact has it", body = ErrorView),
        (status = 409, description = "Several begin like this", body = ErrorView)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    InFact(id): InFact,
    format: Format,
) -> Result<Response, ErrorReply> {
    format.reply(StatusCode::OK, &FactView::from(&*api.node.fact(&id)?))
}

/// Signs a fact as this node and tells everybody.
///
/// It is on this node's disk when it is answered. Facts cannot be taken back; they expire. Who
/// revokes what they have revoked before gets that fact, and makes no new one.
#[utoipa::path(post, path = "/v1/facts", operation_id = "publish_fact", tag = "facts",
    request_body = FactDraft, responses(
        (status = 201, description = "The fact", body = FactView),
        (status = 200, description = "The fact by which this node has revoked it before",
            body = FactView),
        (status = 403, description = "This node is revoked", body = ErrorView),
        (status = 409, description = "This node may not issue it, or its kind is not declared",
            body = ErrorView)))]
pub(super) async fn publish(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    let draft: Draft = ciborium::from_reader(&document.cbor[..]).map_err(|error| {
        let reason = match error {
            ciborium::de::Error::Semantic(_, reason) => format!(": {reason}"),
            _ => String::new(),
        };
        ErrorReply::bad_request(
            format!("this is not a fact to publish{reason}"),
            "send `{\"kind\": …, \"body\": …}`, and `ttl_seconds` if you like",
        )
    })?;
    let ttl = draft.ttl_seconds.map(Duration::from_secs);
    let published = match draft.kind.as_str() {
        NODE_REVOCATION | PUBLISHER_REVOCATION => {
            let (subject, reason) = revocation(&draft.kind, &draft.body)?;
            let revoked = api.node.revoke(&draft.kind, subject, &reason, ttl).await?;
            if !revoked.is_new {
                let mut view = FactView::from(&*revoked.fact);
                view.already = true;
                return format.reply(StatusCode::OK, &view);
            }
            revoked.fact
        }
        EQUIVOCATION => {
            return Err(ErrorReply::bad_request(
                "proofs of equivocation are made by nodes that find them",
                "list them with `GET /v1/facts?kind=equivocation`",
            ));
        }
        _ => {
            let mut body = Vec::new();
            ciborium::into_writer(&draft.body, &mut body)
                .map_err(|_| ErrorReply::bad_request("the body cannot be written", ""))?;
            let kind = draft.kind.parse().map_err(|error: IdError| {
                ErrorReply::new(Code::BadName, error.to_string(), "nothing was published")
            })?;
            api.node.publish_fact(kind, body, ttl).await?
        }
    };
    format.reply(StatusCode::CREATED, &FactView::from(&*published))
}

/// A [`FactDraft`] whose body may be anything that CBOR can say.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    kind: String,
    body: Value,
    ttl_seconds: Option<u64>,
}

/// Whom a revocation is about, and why. Anything else in its body is refused: what is signed for
/// ten years says what was meant.
fn revocation(kind: &str, body: &Value) -> Result<(NodeId, String), ErrorReply> {
    let who = match kind {
        NODE_REVOCATION => "node",
        _ => "publisher",
    };
    let wrong = |message: String| {
        let hint = format!(
            "nothing was published; send `{{\"{who}\": \"…\", \"reason\": \"…\"}}` with the \
             node's whole id"
        );
        ErrorReply::bad_request(message, &hint)
    };
    let (mut subject, mut reason) = (None, None);
    for (key, value) in body.as_map().into_iter().flatten() {
        match (key.as_text(), value.as_text()) {
            (Some(key), Some(id)) if key == who && subject.is_none() => subject = Some(id),
            (Some("reason"), Some(why)) if reason.is_none() => reason = Some(why),
            _ => {
                return Err(wrong(format!(
                    "the body of a {kind} says more than whom and why"
                )));
            }
        }
    }
    let subject =
        subject.ok_or_else(|| wrong("the body does not say who is revoked".to_owned()))?;
    let subject = subject.parse();
    let subject = subject.map_err(|error: IdError| wrong(error.to_string()))?;
    Ok((subject, reason.unwrap_or_default().to_owned()))
}

/// Follows facts as they come and go, from now on.
///
/// A stream of server-sent events: `fact`, with a `FactView` as data; `gone`, with the `id` of one
/// that expired or made room; `missed`, where the client read too slowly: list the facts again.
#[utoipa::path(get, path = "/v1/facts/watch", operation_id = "watch_facts", tag = "facts",
    responses(
        (status = 200, description = "Events until either side ends them",
            content_type = "text/event-stream", body = String),
        (status = 503, description = "As many watches are open as may be", body = ErrorView)))]
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, ErrorReply> {
    let open = OpenStream::begin(&api, &headers)?;
    let follower = Follower {
        watch: api.node.watch_facts()?,
        stopped: api.stopped.clone(),
        has_begun: false,
        _open: open,
    };
    let events = futures::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<Event, Infallible>(event), follower))
    });
    let heartbeat = KeepAlive::new().interval(api.config.heartbeat);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

/// One open watch. When the client goes, the connection drops it, and with it what it holds.
struct Follower {
    watch: FactWatch,
    stopped: watch::Receiver<bool>,
    has_begun: bool,
    _open: OpenStream,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.has_begun, true) {
            // Tells the client that no later fact escapes it.
            return Some(Event::default().comment("watching"));
        }
        let change = tokio::select! {
            change = self.watch.next() => change?,
            _ = self.stopped.wait_for(|stop| *stop) => return None,
        };
        let (name, data) = match change {
            FactChange::Published(fact) => ("fact", text(&FactView::from(&*fact))),
            FactChange::Gone(id) => ("gone", text(&json!({ "id": id.to_string() }))),
            FactChange::Missed => ("missed", "{}".to_owned()),
        };
        Some(Event::default().event(name).data(data))
    }
}
