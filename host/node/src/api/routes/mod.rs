//! Which path does what. Every route is declared with its description for `/openapi.json`.

mod document;
mod events;
mod facts;
mod members;
mod messages;
mod modules;
mod node;
mod objects;
mod operation;
mod topics;
mod watch;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::code::Code;
use super::error::ErrorReply;
use super::{Api, admission, format, guard, metrics, views};

/// What stands around the paths in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Replicant",
        description = "The API of one Replicant node. See docs/http-api.md.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "objects", description = "Read, update, query and watch objects"),
        (name = "topics", description = "What a topic holds"),
        (name = "messages", description = "What programs say to each other by way of the nodes"),
        (name = "facts", description = "Signed statements that everybody comes to know"),
        (name = "modules", description = "Which types the node runs"),
        (name = "node", description = "The node and its cluster"),
        (name = "operation", description = "Health, metrics and this document")
    ),
    components(schemas(
        views::ErrorView,
        views::MessageView,
        views::ChangeView,
        views::MissedView,
        views::Commands
    ))
)]
struct Document;

fn declared() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(node::status))
        .routes(routes!(node::members))
        .routes(routes!(members::watch))
        .routes(routes!(node::network, node::set_network))
        .routes(routes!(modules::list, modules::load))
        .routes(routes!(modules::show))
        .routes(routes!(modules::upgrade))
        .routes(routes!(modules::rollback))
        .routes(routes!(facts::list, facts::publish))
        .routes(routes!(facts::watch))
        .routes(routes!(facts::show))
        .routes(routes!(topics::list))
        .routes(routes!(topics::objects))
        .routes(routes!(topics::digest))
        .routes(routes!(objects::read, objects::update))
        .routes(routes!(objects::query))
        .routes(routes!(watch::watch))
        .routes(routes!(messages::subscriptions))
        .routes(routes!(messages::listen, messages::publish))
        .routes(routes!(messages::receive))
        .routes(routes!(messages::send))
        .routes(routes!(operation::healthz))
        .routes(routes!(operation::readyz))
        .routes(routes!(operation::metrics))
        .routes(routes!(operation::document))
}

/// The OpenAPI 3.1 document of the API, as it is served under `/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = declared().into_openapi();
    document::complete(&mut document);
    document
}

/// The whole service. The last layer that is added sees a request first.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let (router, _) = declared().split_for_parts();
    let no_sniff = HeaderName::from_static("x-content-type-options");
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&api), admission::admit))
        .layer(from_fn_with_state(Arc::clone(&api), guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(format::render_errors))
        .layer(from_fn_with_state(Arc::clone(&api), metrics::observe))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            no_sniff,
            HeaderValue::from_static("nosniff"),
        ))
        .with_state(api)
}

async fn no_route() -> ErrorReply {
    ErrorReply::new(
        Code::NoSuchPath,
        "there is nothing at this path",
        "see /openapi.json for the paths; names in a path are percent-encoded (`shop%2Feu`)",
    )
}

async fn no_method() -> ErrorReply {
    ErrorReply::new(
        Code::NoSuchMethod,
        "this path does not take this method",
        "see /openapi.json for the methods of each path",
    )
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    ErrorReply::new(
        Code::Internal,
        "the node failed on this request",
        "the node's log says more; please report it",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method and path of everything in the document.
    fn documented() -> Vec<String> {
        let document = serde_json::to_value(openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        operations.collect()
    }

    #[test]
    fn the_document_has_exactly_the_paths_that_are_promised() {
        let mut documented = documented();
        documented.sort();
        let mut promised = vec![
            "GET /healthz",
            "GET /metrics",
            "GET /openapi.json",
            "GET /readyz",
            "GET /v1/facts",
            "POST /v1/facts",
            "GET /v1/facts/watch",
            "GET /v1/facts/{id}",
            "GET /v1/members",
            "GET /v1/members/watch",
            "POST /v1/members/{id}/messages",
            "GET /v1/messages",
            "GET /v1/modules",
            "POST /v1/modules",
            "GET /v1/modules/{name}",
            "POST /v1/modules/{name}/rollback",
            "POST /v1/modules/{name}/upgrade",
            "GET /v1/network",
            "PUT /v1/network",
            "GET /v1/status",
            "GET /v1/subscriptions",
            "GET /v1/topics",
            "GET /v1/topics/{topic}/digest",
            "GET /v1/topics/{topic}/messages",
            "POST /v1/topics/{topic}/messages",
            "GET /v1/topics/{topic}/objects",
            "GET /v1/topics/{topic}/objects/{id}",
            "POST /v1/topics/{topic}/objects/{id}",
            "POST /v1/topics/{topic}/objects/{id}/query",
            "GET /v1/topics/{topic}/watch",
        ];
        promised.sort_unstable();
        assert_eq!(documented, promised);
    }

    #[test]
    fn routes_are_only_declared_together_with_their_description() {
        let sources = [
            include_str!("mod.rs"),
            include_str!("document.rs"),
            include_str!("events.rs"),
            include_str!("members.rs"),
            include_str!("messages.rs"),
            include_str!("facts.rs"),
            include_str!("modules.rs"),
            include_str!("node.rs"),
            include_str!("objects.rs"),
            include_str!("operation.rs"),
            include_str!("topics.rs"),
            include_str!("watch.rs"),
        ];
        for source in sources {
            let source = source.split("#[cfg(test)]").next().unwrap();
            for way in [".route(", ".route_service(", ".nest(", ".merge("] {
                assert!(!source.contains(way), "{way} leaves the document out");
            }
        }
    }

    #[test]
    fn every_operation_describes_itself_its_answers_and_its_errors() {
        let document = serde_json::to_value(openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(
                    operation["summary"].is_string(),
                    "{method} {path} has no summary"
                );
                let answers = operation["responses"].as_object().unwrap();
                assert!(
                    answers.keys().any(|status| status.starts_with('2')),
                    "{method} {path}"
                );
                let failure = &answers["default"]["content"];
                for format in ["application/json", "application/cbor"] {
                    let schema = &failure[format]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/ErrorView", "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn no_two_operations_have_the_same_id() {
        let document = serde_json::to_value(openapi()).unwrap();
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        let mut ids: Vec<&str> = operations
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{ids:?}");
    }

    #[test]
    fn every_code_of_an_error_is_in_the_document() {
        let document = serde_json::to_value(openapi()).unwrap();
        let code = &document["components"]["schemas"]["Failure"]["properties"]["code"];
        for known in Code::ALL {
            let described = format!("`{}` ({})", known.text(), known.status().as_u16());
            let text = code["description"].as_str().unwrap();
            assert!(text.contains(&described), "{described} in {text}");
        }
    }

    #[test]
    fn data_is_described_in_both_formats_and_numbers_at_their_width() {
        let document = serde_json::to_value(openapi()).unwrap();
        let update = &document["paths"]["/v1/topics/{topic}/objects/{id}"]["post"];
        for content in [
            &update["requestBody"]["content"],
            &update["responses"]["200"]["content"],
        ] {
            assert_eq!(content["application/cbor"], content["application/json"]);
            assert!(content["application/cbor"].is_object());
        }
        let itself = &document["paths"]["/openapi.json"]["get"]["responses"]["200"]["content"];
        assert_eq!(itself["application/cbor"], serde_json::Value::Null);
        let outcome = document["components"]["schemas"]["OutcomeView"].to_string();
        assert!(outcome.contains("\"uint64\""), "{outcome}");
        for key in ["applied", "unchanged", "refused", "failed"] {
            let named = format!("\"properties\":{{\"{key}\":");
            assert!(outcome.contains(&named), "{key}: {outcome}");
            let updated = &document["components"]["schemas"]["UpdatedView"]["properties"];
            let about = updated["outcomes"]["description"].as_str().unwrap();
            assert!(about.contains(&format!("`{key}`")), "{about}");
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let reference = reference.split('"').next().unwrap();
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference}");
        }
    }

    #[test]
    fn the_page_for_people_has_every_path() {
        let page = include_str!("../../../../../docs/http-api.md");
        for operation in documented() {
            assert!(page.contains(&format!("`{operation}`")), "{operation}");
        }
    }
}
