//! Health, metrics and the API's own description: for the programs that watch over a node.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::NodeError;
use crate::api::Api;
use crate::api::code::Code;
use crate::api::error::{ErrorReply, WHEN_REVOKED};
use crate::api::format::{Format, not_acceptable};
use crate::api::views::ErrorView;

const REPORT_IT: &str = "this is a fault of the node; please report it";

/// Answers as long as the process serves requests.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the node takes reads and writes.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain"),
    (status = 503, description = "It does not, and why", body = ErrorView)))]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<&'static str, ErrorReply> {
    let refuse = |message: &str, hint: &str| Err(ErrorReply::new(Code::NotReady, message, hint));
    let not_ready = |message: &str| {
        refuse(
            message,
            "send requests to another node until this one is ready",
        )
    };
    if *api.stopped.borrow() {
        return not_ready("the node is shutting down");
    }
    if let Some(part) = api.node.failed_part() {
        return not_ready(&format!(
            "a part of the node, {part}, has ended by a fault of the program; it has to be started \
             again"
        ));
    }
    let storage = api.node.status().storage;
    if !storage.writable {
        let reason = storage
            .reason
            .unwrap_or_else(|| "no reason given".to_owned());
        return not_ready(&format!("the disk does not take writes: {reason}"));
    }
    match api.node.revocation() {
        None => Ok("ready\n"),
        Some(fact) => refuse(&NodeError::Revoked(fact).to_string(), WHEN_REVOKED),
    }
}

/// Shows metrics in the text format of Prometheus (OpenMetrics 1.0).
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "The metrics", body = String,
        content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, ErrorReply> {
    let failed = |_| ErrorReply::new(Code::Internal, "the metrics cannot be written", REPORT_IT);
    let text = api.metrics.text().map_err(failed)?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// Describes this API, in JSON only.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operation", responses(
    (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
    (status = 406, description = "`Accept` does not allow JSON", body = ErrorView)))]
pub(super) async fn document(headers: HeaderMap) -> Result<Response, ErrorReply> {
    match Format::is_json_accepted(&headers) {
        true => Ok(Json(super::openapi()).into_response()),
        false => Err(not_acceptable("application/json")),
    }
}
