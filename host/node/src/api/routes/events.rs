//! What all streams of server-sent events have in common.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::Api;
use crate::api::error::ErrorReply;
use crate::api::format::not_acceptable;
use crate::data::write_json;

/// One of a bounded number of streams; counts as open while it lives.
pub(super) struct OpenStream {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl OpenStream {
    /// Begins a stream, if the client takes one and there is room.
    pub(super) fn begin(api: &Api, headers: &HeaderMap) -> Result<Self, ErrorReply> {
        if !accepts_events(headers) {
            return Err(not_acceptable("text/event-stream"));
        }
        let permit = Arc::clone(&api.watches)
            .try_acquire_owned()
            .map_err(|_| ErrorReply::busy("as many watches are open as may be"))?;
        let gauge = api.metrics.watches.clone();
        gauge.inc();
        Ok(Self {
            gauge,
            _permit: permit,
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(header::ACCEPT).iter().peekable();
    fields.peek().is_none()
        || fields.any(|field| {
            let ranges = field.to_str().unwrap_or_default().to_ascii_lowercase();
            ranges.split(',').any(|range| {
                let media = range.split(';').next().unwrap_or_default().trim();
                matches!(media, "text/event-stream" | "text/*" | "*/*")
            })
        })
}

/// The data of an event.
pub(super) fn text(described: &impl Serialize) -> String {
    // Names, tokens and JSON text: nothing in it can fail to be written.
    serde_json::to_string(described).unwrap_or_else(|_| "{}".to_owned())
}

/// What a type or a program gave, as JSON; null for what it should not have given.
pub(super) fn cbor_as_json(cbor: &[u8]) -> Box<RawValue> {
    let mut text = Vec::new();
    let written = write_json(cbor, &mut text).ok();
    let text = written.and_then(|()| String::from_utf8(text).ok());
    text.and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}
