//! Bodies of requests: what they may be, how large, how slow.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use super::Api;
use super::code::Code;
use super::error::ErrorReply;
use crate::data::{check_cbor, json_to_cbor};

/// A request's data as checked CBOR, whichever way it came.
pub(crate) struct Document {
    pub(crate) cbor: Vec<u8>,
    /// Gives the memory back once the request is through.
    _held: Option<OwnedSemaphorePermit>,
}

/// A component's bytes.
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    _held: Option<OwnedSemaphorePermit>,
}

/// What a body says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentType {
    Json,
    Cbor,
    Wasm,
}

fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let field = fields.next()?.to_str().ok()?;
    let media = field.split(';').next()?.trim().to_ascii_lowercase();
    match (media.as_str(), fields.next()) {
        ("application/json", None) => Some(ContentType::Json),
        ("application/cbor", None) => Some(ContentType::Cbor),
        ("application/wasm", None) => Some(ContentType::Wasm),
        _ => None,
    }
}

fn unsupported(accepted: &str) -> ErrorReply {
    ErrorReply::new(
        Code::UnsupportedMediaType,
        "the body's `Content-Type` or `Content-Encoding` is not accepted here",
        format!("send it uncompressed with `Content-Type: {accepted}`"),
    )
}

impl FromRequest<Arc<Api>> for Document {
    type Rejection = ErrorReply;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ErrorReply> {
        let accepted = "application/json (or application/cbor)";
        let kind = match content_type(request.headers()) {
            Some(kind @ (ContentType::Json | ContentType::Cbor)) => kind,
            _ => return Err(unsupported(accepted)),
        };
        let body = read(request, api, api.config.body_bytes_max, accepted).await?;
        Ok(Self {
            cbor: decode(kind, body.bytes).await?,
            _held: body.held,
        })
    }
}

/// Bodies beyond this are decoded on a thread of their own: the largest take a good part of a
/// second, in which the runtime should answer others.
const DECODED_INLINE_BYTES_MAX: usize = 64 << 10;

async fn decode(kind: ContentType, bytes: Vec<u8>) -> Result<Vec<u8>, ErrorReply> {
    let is_small = bytes.len() <= DECODED_INLINE_BYTES_MAX;
    let work = move || match kind {
        ContentType::Json => json_to_cbor(&bytes),
        _ => check_cbor(&bytes).map(|()| bytes),
    };
    let decoded = match is_small {
        true => work(),
        false => tokio::task::spawn_blocking(work).await.map_err(|_| {
            // It panicked, or the process is ending.
            ErrorReply::busy("the body could not be decoded")
        })?,
    };
    Ok(decoded?)
}

impl FromRequest<Arc<Api>> for Component {
    type Rejection = ErrorReply;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ErrorReply> {
        let accepted = COMPONENT;
        if content_type(request.headers()) != Some(ContentType::Wasm) {
            return Err(unsupported(accepted));
        }
        let body = read(request, api, api.config.module_bytes_max, accepted).await?;
        Ok(Self {
            bytes: body.bytes,
            _held: body.held,
        })
    }
}

/// The content type of a component.
const COMPONENT: &str = "application/wasm";

struct Whole {
    bytes: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
}

async fn read(
    request: Request,
    api: &Api,
    max: usize,
    accepted: &str,
) -> Result<Whole, ErrorReply> {
    let (parts, body) = request.into_parts();
    let mut encodings = parts.headers.get_all(header::CONTENT_ENCODING).iter();
    if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported(accepted));
    }
    let what = match accepted {
        COMPONENT => "component",
        _ => "body",
    };
    within(
        api.config.body_wait,
        collect(body, what, max, &api.body_bytes),
    )
    .await
}

async fn within<T>(
    wait: Duration,
    reading: impl Future<Output = Result<T, ErrorReply>>,
) -> Result<T, ErrorReply> {
    timeout(wait, reading).await.unwrap_or_else(|_| {
        Err(ErrorReply::new(
            Code::SlowBody,
            format!("the body was not complete after {} s", wait.as_secs()),
            "send less at a time",
        ))
    })
}

/// Bytes that one permit of the budget stands for.
const BLOCK_BYTES: usize = 1 << 10;

/// The budget for bodies that are held at a time.
pub(crate) fn budget(bytes_max: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(
        (bytes_max / BLOCK_BYTES).min(Semaphore::MAX_PERMITS),
    ))
}

async fn collect(
    mut body: Body,
    what: &str,
    max: usize,
    budget: &Arc<Semaphore>,
) -> Result<Whole, ErrorReply> {
    let announced = axum::body::HttpBody::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > max) {
        drain(body).await;
        return Err(ErrorReply::too_large(what, max));
    }
    let mut bytes = Vec::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    while let Some(chunk) = next_chunk(&mut body).await? {
        if bytes.len() + chunk.len() > max {
            drain(body).await;
            return Err(ErrorReply::too_large(what, max));
        }
        let needed = (bytes.len() + chunk.len()).div_ceil(BLOCK_BYTES);
        let missing = needed - held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = acquire(budget, missing)?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Whole { bytes, held })
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ErrorReply> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            ErrorReply::bad_request("the body ended early or is malformed", "send it again")
        })?;
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

fn acquire(budget: &Arc<Semaphore>, blocks: usize) -> Result<OwnedSemaphorePermit, ErrorReply> {
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    Arc::clone(budget)
        .try_acquire_many_owned(blocks)
        .map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => {
                ErrorReply::busy("the node holds as many bytes of requests as it may")
            }
        })
}

/// What is read and thrown away of a body that is too large, so that a client which sends it all
/// before it looks sees the answer instead of a broken connection.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_WAIT: Duration = Duration::from_secs(2);

async fn drain(mut body: Body) {
    let drained = async {
        let mut length = 0;
        while let Ok(Some(chunk)) = next_chunk(&mut body).await {
            length += chunk.len();
            if length > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    // The answer is the same either way.
    let _ = timeout(DRAIN_WAIT, drained).await;
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, StatusCode};
    use futures::stream;

    use super::*;

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<_> = sizes
            .iter()
            .map(|size| Ok::<_, axum::Error>(vec![7; *size]))
            .collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[test]
    fn content_types_are_matched_without_their_parameters() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            content_type(&headers)
        };
        assert_eq!(
            of("application/json; charset=utf-8"),
            Some(ContentType::Json)
        );
        assert_eq!(of("Application/CBOR"), Some(ContentType::Cbor));
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(content_type(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_body_of_the_largest_size_is_taken_and_one_more_byte_is_not() {
        let budget = budget(1 << 20);
        let whole = collect(chunks(&[60, 40]), "body", 100, &budget)
            .await
            .unwrap();
        assert_eq!(whole.bytes.len(), 100);
        let error = collect(chunks(&[60, 41]), "body", 100, &budget)
            .await
            .err()
            .unwrap();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let known = collect(Body::from(vec![7; 101]), "body", 100, &budget)
            .await
            .err()
            .unwrap();
        assert_eq!(known.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let endless = stream::repeat_with(|| Ok::<_, axum::Error>(vec![0; 1 << 16]));
        let error = collect(
            Body::from_stream(endless),
            "body",
            1 << 20,
            &budget(16 << 20),
        )
        .await;
        assert_eq!(error.err().unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let budget = budget(10 * BLOCK_BYTES);
        let first = collect(chunks(&[4_000, 4_000]), "body", 1 << 20, &budget)
            .await
            .unwrap();
        let second = collect(chunks(&[4_000]), "body", 1 << 20, &budget)
            .await
            .err()
            .unwrap();
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert!(
            collect(chunks(&[10_240]), "body", 1 << 20, &budget)
                .await
                .is_ok()
        );
        assert_eq!(budget.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_given_up() {
        let never = Body::from_stream(stream::pending::<Result<Vec<u8>, axum::Error>>());
        let budget = budget(1 << 20);
        let reading = within(Duration::ZERO, collect(never, "body", 100, &budget));
        assert_eq!(
            reading.await.err().unwrap().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
