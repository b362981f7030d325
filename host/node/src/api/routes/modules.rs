//! Which types the node runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::Api;
use crate::api::body::Component;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InPath, NoParameters, Query};
use crate::api::views::{ErrorView, ModuleView};

/// Lists the modules that the node knows, by name and version.
#[utoipa::path(get, path = "/v1/modules", operation_id = "list_modules", tag = "modules", responses(
    (status = 200, description = "The modules", body = Vec<ModuleView>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
) -> Result<Response, ErrorReply> {
    let modules: Vec<ModuleView> = api.node.modules().into_iter().map(Into::into).collect();
    format.reply(StatusCode::OK, &modules)
}

/// Shows the module that objects of a type run on, or one version of it.
#[utoipa::path(get, path = "/v1/modules/{name}", operation_id = "show_module", tag = "modules",
    params(("name" = String, Path, description = "`name` or `name@version`")),
    responses(
        (status = 200, description = "The module", body = ModuleView),
        (status = 404, description = "It is not loaded here", body = ErrorView)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    InPath(name): InPath,
    format: Format,
) -> Result<Response, ErrorReply> {
    format.reply(StatusCode::OK, &ModuleView::from(api.node.module(&name)?))
}

/// Loads a component into the cluster.
///
/// The other nodes fetch it by its hash. Loading the same bytes again changes nothing.
#[utoipa::path(post, path = "/v1/modules", operation_id = "load_module", tag = "modules",
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "A WebAssembly component of the world `replicant:crdt/op-type`"),
    responses(
        (status = 201, description = "It is loaded", body = ModuleView),
        (status = 409, description = "The name and version are taken", body = ErrorView),
        (status = 422, description = "Not an acceptable component; the message names the module, \
            the export and the limit, as far as they apply", body = ErrorView)))]
pub(super) async fn load(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    format: Format,
    component: Component,
) -> Result<Response, ErrorReply> {
    let module = api.node.load_module(component.bytes).await?;
    format.reply(StatusCode::CREATED, &ModuleView::from(module))
}
