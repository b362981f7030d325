//! The node and its cluster.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::Api;
use crate::api::body::Document;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{NoParameters, Query};
use crate::api::views::{MemberView, NetworkSwitch, NetworkView, StatusView};

/// Shows how the node is doing.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses(
    (status = 200, description = "How the node is doing", body = StatusView)))]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let view = StatusView::new(api.node.status(), api.address.to_string());
    format.reply(StatusCode::OK, &view)
}

/// Lists the members of the cluster, as this node sees them.
#[utoipa::path(get, path = "/v1/members", tag = "node", responses(
    (status = 200, description = "The members by id, with this node",
        body = Vec<MemberView>)))]
pub(super) async fn members(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let members: Vec<MemberView> = api.node.members().into_iter().map(Into::into).collect();
    format.reply(StatusCode::OK, &members)
}

/// Says whether the node takes part in the network.
#[utoipa::path(get, path = "/v1/network", tag = "node", responses(
    (status = 200, description = "Whether it does", body = NetworkView)))]
pub(super) async fn network(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    format.reply(StatusCode::OK, &NetworkView::from(api.node.network()))
}

/// Takes the node off the network, or puts it back.
///
/// For drills: its sessions are closed and new ones refused, as if its cable were pulled. It goes
/// on serving this API.
#[utoipa::path(put, path = "/v1/network", tag = "node", request_body = NetworkSwitch, responses(
    (status = 200, description = "Whether it takes part now", body = NetworkView)))]
pub(super) async fn set_network(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
    document: Document,
) -> Result<Response, ErrorReply> {
    let switch: NetworkSwitch = ciborium::from_reader(&document.cbor[..]).map_err(|_| {
        ErrorReply::bad_request(
            "the body is not a network switch",
            "send `{\"enabled\": false}`",
        )
    })?;
    api.node.set_network(switch.enabled).await;
    format.reply(StatusCode::OK, &NetworkView::from(api.node.network()))
}
