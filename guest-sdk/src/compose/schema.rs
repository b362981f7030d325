//! JSON Schemas made of others.

use std::borrow::Cow;

/// An object with one property, which must be there.
pub(super) fn tagged(tag: &str, content: &str) -> String {
    object(&[(tag, content)])
}

/// An object with these properties, all of which must be there.
pub(super) fn object(properties: &[(&str, &str)]) -> String {
    let all: Vec<String> = properties
        .iter()
        .map(|(name, schema)| format!("\"{name}\": {schema}"))
        .collect();
    let names: Vec<String> = properties
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    format!(
        "{{\"type\": \"object\", \"properties\": {{{}}}, \"required\": [{}], \
         \"additionalProperties\": false}}",
        all.join(", "),
        names.join(", "),
    )
}

/// One of these.
pub(super) fn one_of(schemas: &[String]) -> Cow<'static, str> {
    format!("{{\"oneOf\": [{}]}}", schemas.join(", ")).into()
}
