//! Reading, updating and querying objects.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::Update;
use crate::api::Api;
use crate::api::body::Document;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InObject, Query, ReadQuery, UpdateQuery};
use crate::api::views::{AnswerView, ErrorView, ObjectView, UpdatedView, is_none};
use crate::data::split_commands;

/// An [`ObjectView`] without its value, which is written behind it as it is.
#[derive(Serialize)]
struct ObjectHead {
    topic: String,
    id: String,
    #[serde(rename = "type")]
    type_name: String,
    version: String,
    #[serde(skip_serializing_if = "is_none")]
    ops_unread: u64,
}

/// An [`AnswerView`] without its answer.
#[derive(Serialize)]
struct AnswerHead {
    version: String,
}

/// Reads an object's whole value.
#[utoipa::path(get, path = "/v1/topics/{topic}/objects/{id}",
    operation_id = "read_object", tag = "objects",
    params(
        ("topic" = String, Path, description = "The topic, percent-encoded"),
        ("id" = String, Path, description = "The object's id, percent-encoded"),
        ReadQuery),
    responses(
        (status = 200, description = "The value", body = ObjectView),
        (status = 404, description = "No such object", body = ErrorView),
        (status = 409, description = "Several objects have the id: say which type",
            body = ErrorView),
        (status = 504, description = "The node did not reach `after` within 10 s",
            body = ErrorView)))]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    InObject { topic, id }: InObject,
    Query(query): Query<ReadQuery>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let object = api
        .node
        .value(topic, id, query.type_name()?, query.after()?)
        .await?;
    let head = ObjectHead {
        topic: object.topic.to_string(),
        id: object.id.to_string(),
        type_name: object.type_name.to_string(),
        version: object.version.to_string(),
        ops_unread: object.ops_unread,
    };
    format.reply_with(&head, &object.type_name, ("value", &object.value))
}

/// Carries out commands on an object; makes it if need be.
///
/// The body is one command, or `{"commands": […]}`. It is answered once everything is durable on
/// the node. A command that its type refuses does not stop those after it.
#[utoipa::path(post, path = "/v1/topics/{topic}/objects/{id}",
    operation_id = "update_object", tag = "objects",
    params(
        ("topic" = String, Path, description = "The topic, percent-encoded"),
        ("id" = String, Path, description = "The object's id, percent-encoded"),
        UpdateQuery),
    request_body(content = serde_json::Value, description = "One command, as the type's command \
        schema says; or many: a `Commands`"),
    responses(
        (status = 200, description = "What became of each command", body = UpdatedView),
        (status = 403, description = "The node is revoked", body = ErrorView),
        (status = 404, description = "No such type; or a new object without a type",
            body = ErrorView),
        (status = 409, description = "Several objects have the id: say which type",
            body = ErrorView),
        (status = 422, description = "Every command was refused; the type's own message",
            body = ErrorView),
        (status = 507, description = "The disk does not take the update; nothing was changed",
            body = ErrorView)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    InObject { topic, id }: InObject,
    Query(query): Query<UpdateQuery>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    // Each command takes memory of its own, many times as much as in the body if it is short: so
    // they are counted before.
    let commands = split_commands(&document.cbor, api.node.commands_max())
        .map_err(|count| api.node.too_many_commands(count))?
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    let type_name = query.type_name()?;
    let updated = api
        .node
        .update(Update {
            topic,
            id,
            type_name,
            commands,
        })
        .await?;
    let mut updated = UpdatedView::from(updated);
    updated.outcomes = ErrorReply::unless_nothing_was_done(updated.outcomes)?;
    format.reply(StatusCode::OK, &updated)
}

/// Asks an object a query, as its type defines it. Changes nothing.
#[utoipa::path(post, path = "/v1/topics/{topic}/objects/{id}/query",
    operation_id = "query_object", tag = "objects",
    params(
        ("topic" = String, Path, description = "The topic, percent-encoded"),
        ("id" = String, Path, description = "The object's id, percent-encoded"),
        ReadQuery),
    request_body = serde_json::Value,
    responses(
        (status = 200, description = "The answer", body = AnswerView),
        (status = 404, description = "No such object", body = ErrorView),
        (status = 409, description = "Several objects have the id: say which type",
            body = ErrorView),
        (status = 422, description = "The type has no answer; its own message", body = ErrorView),
        (status = 504, description = "The node did not reach `after` within 10 s",
            body = ErrorView)))]
pub(super) async fn query(
    State(api): State<Arc<Api>>,
    InObject { topic, id }: InObject,
    Query(query): Query<ReadQuery>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    let (type_name, after) = (query.type_name()?, query.after()?);
    let answer = api
        .node
        .query(topic, id, type_name, document.cbor, after)
        .await?;
    let head = AnswerHead {
        version: answer.version.to_string(),
    };
    format.reply_with(&head, &answer.type_name, ("answer", &answer.answer))
}
