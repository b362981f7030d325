//! Keeps web pages away from a port that trusts whoever reaches it.
//!
//! A page in a browser on this machine can send requests to any local port. Three things stop it:
//! a `Host` that is a name other than `localhost` is refused (*DNS rebinding*: the page's own name
//! was pointed here, so the browser takes the node for the page's server); a request that the
//! browser marks as coming from another origin is refused; and bodies need a content type that a
//! page cannot send without asking first, which it never gets allowed.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::code::Code;
use super::error::ErrorReply;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request through if it was meant for this server and does not come from elsewhere.
pub(crate) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match check(request.uri(), request.headers(), &api.config.host_names) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(uri: &Uri, headers: &HeaderMap, names: &[String]) -> Result<(), ErrorReply> {
    let host = host(headers)?;
    let authority: Authority = host.parse().map_err(|_| bad_host())?;
    // A request line with a whole URL names the host a second time.
    for authority in [Some(&authority), uri.authority()].into_iter().flatten() {
        if authority.as_str().contains('@') || !is_known(authority.host(), names) {
            return Err(foreign_host());
        }
    }
    let own = format!("http://{host}");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if !origins.all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        return Err(foreign_origin());
    }
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    match sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
        true => Ok(()),
        false => Err(foreign_origin()),
    }
}

fn host(headers: &HeaderMap) -> Result<&str, ErrorReply> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(|host| host.to_str()), hosts.next()) {
        (Some(Ok(host)), None) => Ok(host),
        _ => Err(bad_host()),
    }
}

/// Whether nobody can have pointed this host here who should not have: a plain address was typed
/// by whoever sent the request, and names must be on the list.
fn is_known(host: &str, names: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host == "localhost" || host.parse::<IpAddr>().is_ok() || names.contains(&host),
    }
}

fn bad_host() -> ErrorReply {
    ErrorReply::bad_request(
        "the request needs exactly one valid `Host` header",
        "use HTTP/1.1",
    )
}

fn foreign_host() -> ErrorReply {
    ErrorReply::new(
        Code::ForeignHost,
        "the request was addressed to a host name that this node does not go by",
        "use the node's address or `localhost`, or start it with `--api-host NAME`",
    )
}

fn foreign_origin() -> ErrorReply {
    ErrorReply::new(
        Code::ForeignOrigin,
        "the request comes from a web page of another origin",
        "web pages cannot use this port; talk to it from a program",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn judged(pairs: &[(&'static str, &'static str)]) -> Result<(), ErrorReply> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check(
            &Uri::from_static("/v1/status"),
            &headers,
            &["node.example".to_owned()],
        )
    }

    fn status(pairs: &[(&'static str, &'static str)]) -> u16 {
        judged(pairs)
            .err()
            .map_or(200, |error| error.status().as_u16())
    }

    #[test]
    fn addresses_and_known_names_are_hosts() {
        for host in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "node.example:80",
            "192.168.1.7:8080",
        ] {
            assert_eq!(status(&[("host", host)]), 200, "{host}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost.",
            "[evil]",
        ] {
            assert_ne!(status(&[("host", host)]), 200, "{host}");
        }
        assert_eq!(status(&[]), 400);
        assert_eq!(status(&[("host", "localhost"), ("host", "localhost")]), 400);
        assert_eq!(status(&[("host", "")]), 400);
    }

    #[test]
    fn a_whole_url_in_the_request_line_is_held_to_the_same() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let foreign = Uri::from_static("http://evil.example/v1/status");
        assert!(check(&foreign, &headers, &[]).is_err());
        let own = Uri::from_static("http://127.0.0.1:8080/v1/status");
        assert!(check(&own, &headers, &[]).is_ok());
    }

    #[test]
    fn only_the_own_origin_may_ask() {
        let host = ("host", "localhost:8080");
        assert_eq!(status(&[host, ("origin", "http://localhost:8080")]), 200);
        for origin in [
            "http://localhost:8081",
            "https://localhost:8080",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(status(&[host, ("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(status(&[host, ("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(status(&[host, ("sec-fetch-site", "none")]), 200);
        assert_eq!(status(&[host, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status(&[host, ("sec-fetch-site", "same-site")]), 403);
    }
}
