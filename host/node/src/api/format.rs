//! JSON or CBOR: what a client accepts, and answers written that way.

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;

use super::code::Code;
use super::error::ErrorReply;
use crate::data::{check_cbor, write_json};
use crate::ids::TypeName;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Cbor,
}

impl Format {
    /// The format that `Accept` prefers, JSON where it does not say. None if it wants neither.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        match Self::wanted(headers) {
            (None, None) => None,
            (json, cbor) if cbor > json => Some(Self::Cbor),
            _ => Some(Self::Json),
        }
    }

    /// Whether `Accept` allows JSON, be there something it likes better or not.
    pub(crate) fn is_json_accepted(headers: &HeaderMap) -> bool {
        Self::wanted(headers).0.is_some()
    }

    /// How much `Accept` wants JSON and CBOR, each if at all.
    fn wanted(headers: &HeaderMap) -> (Option<u32>, Option<u32>) {
        let mut fields = headers.get_all(header::ACCEPT).iter().peekable();
        if fields.peek().is_none() {
            return (Some(1_000), None);
        }
        let (mut json, mut cbor) = (None, None);
        for field in fields {
            for range in field.to_str().unwrap_or_default().split(',') {
                let (media, weight) = media_range(range);
                match media.as_str() {
                    "*/*" | "application/*" => json = json.max(Some(weight)),
                    "application/json" => json = json.max(Some(weight)),
                    "application/cbor" => cbor = cbor.max(Some(weight)),
                    _ => {}
                }
            }
        }
        let wanted = |weight: Option<u32>| weight.filter(|weight| *weight > 0);
        (wanted(json), wanted(cbor))
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// Writes an answer.
    pub(crate) fn reply<T: Serialize>(
        self,
        status: StatusCode,
        view: &T,
    ) -> Result<Response, ErrorReply> {
        let body = self.encode(view)?;
        Ok(self.respond(status, body))
    }

    /// Writes an answer that has data of a type at its end: `view` is written as a map, and gets
    /// `name` with `data` (CBOR), which a query of the type gave, as a last entry. For clients of
    /// CBOR the data stays as it is.
    pub(crate) fn reply_with<T: Serialize>(
        self,
        view: &T,
        of: &TypeName,
        (name, data): (&str, &[u8]),
    ) -> Result<Response, ErrorReply> {
        let mut body = self.encode(view)?;
        match self {
            Self::Json => {
                body.pop();
                body.extend_from_slice(format!(",\"{name}\":").as_bytes());
                write_json(data, &mut body).map_err(|error| malformed(of, &error))?;
                body.push(b'}');
            }
            Self::Cbor => {
                check_cbor(data).map_err(|error| malformed(of, &error))?;
                // The head of a map of fewer than 23 entries is one byte that counts them.
                body[0] += 1;
                ciborium::into_writer(name, &mut body).map_err(|_| unwritable())?;
                body.extend_from_slice(data);
            }
        }
        Ok(self.respond(StatusCode::OK, body))
    }

    fn encode<T: Serialize>(self, view: &T) -> Result<Vec<u8>, ErrorReply> {
        match self {
            Self::Json => serde_json::to_vec(view).map_err(|_| unwritable()),
            Self::Cbor => {
                let mut body = Vec::new();
                ciborium::into_writer(view, &mut body).map_err(|_| unwritable())?;
                Ok(body)
            }
        }
    }

    fn respond(self, status: StatusCode, body: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let media_type = HeaderValue::from_static(self.media_type());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// The media type in lower case and its weight in thousandths (RFC 9110, section 12.5.1).
fn media_range(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts
        .filter_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
        .find_map(|weight| weight.parse::<f64>().ok())
        .map_or(1_000, |weight| (weight.clamp(0.0, 1.0) * 1_000.0) as u32);
    (media, weight)
}

fn malformed(of: &TypeName, error: &dyn std::error::Error) -> ErrorReply {
    ErrorReply::new(
        Code::MalformedAnswer,
        format!("{of}: query gave an answer that cannot be passed on: {error}"),
        "the module's author must correct this",
    )
}

fn unwritable() -> ErrorReply {
    ErrorReply::new(
        Code::Internal,
        "the answer cannot be written",
        "this is a fault of the node; please report it",
    )
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ErrorReply> {
        Self::accepted(&parts.headers)
            .ok_or_else(|| not_acceptable("application/json, application/cbor"))
    }
}

pub(crate) fn not_acceptable(offered: &str) -> ErrorReply {
    ErrorReply::new(
        Code::NotAcceptable,
        "the answer cannot be written in any format that `Accept` allows",
        format!("accept one of: {offered}"),
    )
}

/// Writes the errors of a client that asked for CBOR in CBOR.
pub(crate) async fn render_errors(request: Request, next: Next) -> Response {
    let format = Format::accepted(request.headers());
    let mut response = next.run(request).await;
    let error = response.extensions_mut().remove::<ErrorReply>();
    if let (Some(Format::Cbor), Some(error)) = (format, error)
        && let Ok(body) = Format::Cbor.encode(error.view())
    {
        let length = HeaderValue::from(body.len());
        *response.body_mut() = Body::from(body);
        let media_type = HeaderValue::from_static(Format::Cbor.media_type());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::accepted(&headers)
    }

    #[test]
    fn json_is_written_unless_cbor_is_preferred() {
        assert_eq!(Format::accepted(&HeaderMap::new()), Some(Format::Json));
        for accept in [
            "*/*",
            "application/json",
            "application/cbor, */*",
            "text/html, */*;q=0.1",
        ] {
            assert_eq!(accepted(accept), Some(Format::Json), "{accept}");
        }
        for accept in [
            "application/cbor",
            "Application/CBOR;q=0.5",
            "*/*;q=0.1, application/cbor",
        ] {
            assert_eq!(accepted(accept), Some(Format::Cbor), "{accept}");
        }
    }

    #[test]
    fn a_client_that_takes_neither_is_told_so() {
        for accept in [
            "text/html",
            "application/json;q=0",
            "application/cbor;q=0",
            "",
            "nonsense",
        ] {
            assert_eq!(accepted(accept), None, "{accept}");
        }
    }
}
