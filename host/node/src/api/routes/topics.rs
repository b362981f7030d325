//! What topics hold.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::NodeError;
use crate::api::Api;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InTopic, NoParameters, Query};
use crate::api::views::{DigestView, ObjectsView, TopicView};

/// Objects of a page, where the client does not say, and at most.
const PAGE_DEFAULT: usize = 1_000;
const PAGE_MAX: usize = 10_000;

/// Lists the topics that the node holds, by name.
#[utoipa::path(get, path = "/v1/topics", operation_id = "list_topics", tag = "topics", responses(
    (status = 200, description = "The topics", body = Vec<TopicView>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let topics: Vec<TopicView> = api
        .node
        .topics()
        .await?
        .into_iter()
        .map(Into::into)
        .collect();
    format.reply(StatusCode::OK, &topics)
}

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The `next` of the page before; without it, the first page.
    after: Option<String>,
    /// How many objects at most, 1 to 10,000; default 1,000.
    limit: Option<usize>,
}

/// Lists a topic's objects by type and id, a page at a time.
#[utoipa::path(get, path = "/v1/topics/{topic}/objects",
    operation_id = "list_objects", tag = "topics",
    params(("topic" = String, Path, description = "The topic, percent-encoded"), PageQuery),
    responses(
        (status = 200, description = "A page of objects", body = ObjectsView)))]
pub(super) async fn objects(
    State(api): State<Arc<Api>>,
    InTopic(topic): InTopic,
    Query(page): Query<PageQuery>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ErrorReply::bad_request(
            "`limit` is out of range",
            "use 1 to 10000",
        ));
    }
    let objects = api.node.objects(topic.clone(), page.after, limit).await?;
    format.reply(StatusCode::OK, &ObjectsView::new(&topic, objects))
}

/// Hashes a topic's contents, to compare nodes.
///
/// Equal on two nodes exactly if the state of every object is. Loads every object: expensive for
/// large topics, so few are computed at a time.
#[utoipa::path(get, path = "/v1/topics/{topic}/digest",
    operation_id = "digest_topic", tag = "topics",
    params(("topic" = String, Path, description = "The topic, percent-encoded")),
    responses(
        (status = 200, description = "The hash and what it covers", body = DigestView)))]
pub(super) async fn digest(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    InTopic(topic): InTopic,
    format: Format,
) -> Result<Response, ErrorReply> {
    let permit = Arc::clone(&api.digests)
        .try_acquire_owned()
        .map_err(|_| ErrorReply::busy("as many digests are computed as may be"))?;
    let (node, of) = (api.node.clone(), topic.clone());
    // The work goes on when the client leaves, and holds the permit to its end.
    let work = tokio::spawn(async move {
        let digest = node.digest(of).await;
        drop(permit);
        digest
    });
    // Otherwise it panicked, which is reported, or the runtime is ending.
    let digest = work.await.unwrap_or(Err(NodeError::ShuttingDown))?;
    format.reply(StatusCode::OK, &DigestView::new(&topic, digest))
}
