//! How many requests at a time, and for how long.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Api;
use super::code::Code;
use super::error::ErrorReply;

/// Lets at most `requests_max` requests of the API through at a time and ends those that take
/// longer than `request_wait`. Health and metrics are always answered: a node that is full should
/// still be able to say so.
pub(crate) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let Ok(_permit) = Arc::clone(&api.requests).try_acquire_owned() else {
        return ErrorReply::busy("the node has as many requests under way as it may")
            .into_response();
    };
    let wait = api.config.request_wait;
    let is_loading = request.method() == Method::POST && request.uri().path() == "/v1/modules";
    match timeout(wait, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ErrorReply::new(
            Code::Timeout,
            format!("the request was not finished after {} s", wait.as_secs()),
            match is_loading {
                true => {
                    "it goes on, and the module may still be compiled: `GET /v1/modules` has it as \
                     soon as it is loaded; loading it again changes nothing"
                }
                false => {
                    "an update may have been carried out all the same: read before you repeat it"
                }
            },
        )
        .into_response(),
    }
}
