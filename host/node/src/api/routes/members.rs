//! Following the members of the cluster.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};

use super::events::{OpenStream, text};
use crate::api::Api;
use crate::api::error::ErrorReply;
use crate::api::names::{NoParameters, Query};
use crate::api::views::{ErrorView, MemberView};

/// Follows the members: first each that is known, then each about which something changes.
///
/// A stream of server-sent events: `member`, with a `MemberView` as data. Whoever reads late gets
/// the latest of each member.
#[utoipa::path(get, path = "/v1/members/watch", operation_id = "watch_members", tag = "node",
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
    let members = api.node.watch_members()?;
    let heartbeat = KeepAlive::new().interval(api.config.heartbeat);
    let stopped = api.stopped.clone();
    let begun = futures::stream::once(async {
        Ok::<Event, Infallible>(Event::default().comment("watching"))
    });
    let changes = futures::stream::unfold(
        (members, stopped, open),
        |(mut members, mut stopped, open)| async move {
            let member = tokio::select! {
                member = members.next() => member?,
                _ = stopped.wait_for(|stop| *stop) => return None,
            };
            let described = text(&MemberView::from(member));
            let event = Event::default().event("member").data(described);
            Some((Ok(event), (members, stopped, open)))
        },
    );
    let events = futures::StreamExt::chain(begun, changes);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}
