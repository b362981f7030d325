//! Which types the node runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::Direction;
use crate::api::Api;
use crate::api::body::Component;
use crate::api::error::ErrorReply;
use crate::api::format::Format;
use crate::api::names::{InModule, InPath, LoadQuery, NoParameters, Query, SwitchQuery};
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

/// Shows the module that objects of a type run on, one version of it, or the one with a hash.
#[utoipa::path(get, path = "/v1/modules/{name}", operation_id = "show_module", tag = "modules",
    params(("name" = String, Path,
        description = "`name`, `name@version`, or a hash: at least its first 8 digits")),
    responses(
        (status = 200, description = "The module", body = ModuleView),
        (status = 400, description = "It cannot be the name of one", body = ErrorView),
        (status = 404, description = "It is not known here", body = ErrorView),
        (status = 503, description = "It is announced and not loaded here; the message says why",
            body = ErrorView)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    _: Query<NoParameters>,
    InModule(name): InModule,
    format: Format,
) -> Result<Response, ErrorReply> {
    format.reply(StatusCode::OK, &ModuleView::from(api.node.module(&name)?))
}

/// Loads a component into the cluster.
///
/// The other nodes fetch it by its hash. The first version of a type runs at once, a further one
/// when the type is switched to it. Loading the same bytes again changes nothing.
#[utoipa::path(post, path = "/v1/modules", operation_id = "load_module", tag = "modules",
    params(LoadQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "A WebAssembly component of the world `replicant:crdt/op-type`"),
    responses(
        (status = 201, description = "It is loaded", body = ModuleView),
        (status = 409, description = "The name and version are taken, or registered with other \
            limits", body = ErrorView),
        (status = 422, description = "Not an acceptable component; the message names the module, \
            the export and the limit, as far as they apply", body = ErrorView),
        (status = 503, description = "Compiling it was stopped on this machine; the message says \
            how", body = ErrorView),
        (status = 504, description = "It is not loaded yet; that goes on", body = ErrorView)))]
pub(super) async fn load(
    State(api): State<Arc<Api>>,
    Query(query): Query<LoadQuery>,
    format: Format,
    component: Component,
) -> Result<Response, ErrorReply> {
    let load = api.node.load_module_with(component.bytes, query.limits());
    format.reply(StatusCode::CREATED, &ModuleView::from(load.await?))
}

/// Has objects of a type run on a higher version, on every node.
///
/// Every node that hears of it makes the type's objects anew, out of the log.
#[utoipa::path(post, path = "/v1/modules/{name}/upgrade", operation_id = "upgrade_module",
    tag = "modules", params(("name" = String, Path, description = "The type"), SwitchQuery),
    responses(
        (status = 200, description = "The module that runs now", body = ModuleView),
        (status = 404, description = "It is not known here", body = ErrorView),
        (status = 409, description = "There may be ops that it does not read", body = ErrorView),
        (status = 503, description = "It is announced and not loaded here", body = ErrorView)))]
pub(super) async fn upgrade(
    state: State<Arc<Api>>,
    query: Query<SwitchQuery>,
    name: InPath,
    format: Format,
) -> Result<Response, ErrorReply> {
    switch(state, query, name, format, Direction::Upgrade).await
}

/// Has objects of a type run on a lower version, on every node.
///
/// Every node that hears of it makes the type's objects anew, out of the log.
#[utoipa::path(post, path = "/v1/modules/{name}/rollback", operation_id = "rollback_module",
    tag = "modules", params(("name" = String, Path, description = "The type"), SwitchQuery),
    responses(
        (status = 200, description = "The module that runs now", body = ModuleView),
        (status = 404, description = "It is not known here", body = ErrorView),
        (status = 409, description = "There may be ops that it does not read", body = ErrorView),
        (status = 503, description = "It is announced and not loaded here", body = ErrorView)))]
pub(super) async fn rollback(
    state: State<Arc<Api>>,
    query: Query<SwitchQuery>,
    name: InPath,
    format: Format,
) -> Result<Response, ErrorReply> {
    switch(state, query, name, format, Direction::Rollback).await
}

async fn switch(
    State(api): State<Arc<Api>>,
    Query(query): Query<SwitchQuery>,
    InPath(name): InPath,
    format: Format,
    direction: Direction,
) -> Result<Response, ErrorReply> {
    let switching = query.switching(&name, direction)?;
    let module = api.node.switch_module(switching).await?;
    format.reply(StatusCode::OK, &ModuleView::from(module))
}
