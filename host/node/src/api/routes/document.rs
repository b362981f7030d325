//! What all operations of the OpenAPI document have in common, written once.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema};

use crate::api::code::Code;

/// The document about itself is the one answer that is JSON whatever a client accepts.
const DOCUMENT_PATH: &str = "/openapi.json";

/// Adds to every operation how it fails, and CBOR wherever JSON is spoken.
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            responses
                .entry("default".to_owned())
                .or_insert_with(|| RefOr::T(failure()));
            for (status, response) in responses {
                if let RefOr::T(response) = response
                    && (path != DOCUMENT_PATH || status != "200")
                    && let Some(json) = response.content.get("application/json").cloned()
                {
                    response.content.insert("application/cbor".to_owned(), json);
                }
            }
            if let Some(RefOr::T(body)) = &mut operation.request_body
                && let Some(json) = body.content.get("application/json").cloned()
            {
                body.content.insert("application/cbor".to_owned(), json);
            }
        }
    }
    name_codes(document);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post]
        .into_iter()
        .flatten()
}

fn failure() -> Response {
    let view = Content::new(Some(Ref::from_schema_name("ErrorView")));
    ResponseBuilder::new()
        .description("Why not")
        .content("application/json", view)
        .build()
}

/// Lists the codes of errors. Not as the only ones that there can be: a client that was made from
/// this document should not stumble over one that a later release adds.
fn name_codes(document: &mut OpenApi) {
    let schemas = document
        .components
        .as_mut()
        .map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(view))) = schemas.and_then(|all| all.get_mut("Failure"))
        && let Some(RefOr::T(Schema::Object(code))) = view.properties.get_mut("code")
    {
        let known = Code::ALL.iter().map(|code| {
            let (status, text) = (code.status().as_u16(), code.text());
            format!("`{text}` ({status})")
        });
        code.description = Some(format!(
            "For programs; does not change between releases, and later ones may add some. {}.",
            known.collect::<Vec<_>>().join(", ")
        ));
    }
}
