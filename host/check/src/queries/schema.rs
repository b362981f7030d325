//! Makes data that a JSON Schema (2020-12) describes.
//!
//! Read are `const`, `enum`, `examples`, `type`, `oneOf`, `anyOf`, `allOf`, `$ref` within the
//! schema, what objects and lists consist of, and the bounds of numbers and texts. What else a
//! schema asks for, a pattern for example, is passed over: whoever is given the data may refuse
//! it then.
//!
//! A schema comes from a component: how deep and how large the data gets is bounded here.

use serde_json::{Map, Value};

use super::found::Found;
use crate::chance::Chance;

/// How deep schemas are followed.
const DEPTH_MAX: usize = 24;
/// Values that one piece of data consists of.
const VALUES_MAX: usize = 256;
/// Characters of a text, unless it was found.
const TEXT_LENGTH_MAX: usize = 64;
/// How many items a list has that need not have as many.
const ITEMS: u64 = 4;

/// The keywords that say what a value is.
const KEYWORDS: [&str; 18] = [
    "const",
    "enum",
    "examples",
    "type",
    "oneOf",
    "anyOf",
    "allOf",
    "$ref",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
];

/// A schema that says what is accepted.
pub(crate) struct Schema(Value);

impl Schema {
    /// Reads a schema; none if it is none, or accepts everything.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let schema: Value = serde_json::from_str(text).ok()?;
        let says = KEYWORDS.iter().any(|key| schema.get(key).is_some());
        says.then_some(Self(schema))
    }

    /// Data that it describes, often with what was found in other data.
    pub(crate) fn data(&self, found: &Found, chance: &mut Chance) -> Value {
        let mut making = Making {
            root: &self.0,
            found,
            chance,
            left: VALUES_MAX,
        };
        making.value(&self.0, DEPTH_MAX)
    }
}

struct Making<'a> {
    root: &'a Value,
    found: &'a Found,
    chance: &'a mut Chance,
    /// How many values may still be made.
    left: usize,
}

impl Making<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if self.left == 0 || depth == 0 {
            return Value::Null;
        }
        self.left -= 1;
        let Value::Object(schema) = schema else {
            return self.anything();
        };
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(one) = self.one_of(schema, "enum") {
            return one;
        }
        if self.chance.percent(30)
            && let Some(example) = self.one_of(schema, "examples")
        {
            return example;
        }
        let own = self.own(schema, depth);
        let parts = self.parts(schema, depth);
        let all = own.into_iter().chain(parts);
        match all.reduce(together) {
            Some(made) => made,
            None => self.anything(),
        }
    }

    fn one_of(&mut self, schema: &Map<String, Value>, key: &str) -> Option<Value> {
        let listed = schema.get(key)?.as_array()?;
        self.chance.pick(listed).cloned()
    }

    /// What the schemas within a schema describe that it refers to.
    fn parts(&mut self, schema: &Map<String, Value>, depth: usize) -> Vec<Value> {
        let root = self.root;
        let mut parts = Vec::new();
        if let Some(Value::String(place)) = schema.get("$ref") {
            let there = place.strip_prefix('#').and_then(|path| root.pointer(path));
            parts.extend(there);
        }
        for key in ["oneOf", "anyOf"] {
            let listed = schema.get(key).and_then(Value::as_array);
            parts.extend(listed.and_then(|listed| self.chance.pick(listed)));
        }
        let all = schema.get("allOf").and_then(Value::as_array);
        parts.extend(all.into_iter().flatten().take(self.left));
        let made = parts.into_iter().map(|part| self.value(part, depth - 1));
        made.collect()
    }

    /// What a schema describes without those within it; none if it leaves that to them.
    fn own(&mut self, schema: &Map<String, Value>, depth: usize) -> Option<Value> {
        let named = match schema.get("type") {
            Some(Value::Array(types)) => self.chance.pick(types).and_then(Value::as_str),
            Some(named) => named.as_str(),
            None => None,
        };
        let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
        let kind = match named {
            Some(named) => named,
            None if has(&["properties", "required"]) => "object",
            None if has(&["items", "prefixItems"]) => "array",
            None if has(&["minimum", "maximum", "multipleOf"]) => "integer",
            None if has(&["minLength", "maxLength", "pattern"]) => "string",
            None => return None,
        };
        Some(match kind {
            "object" => self.object(schema, depth),
            "array" => self.list(schema, depth),
            "integer" => self.integer(schema).into(),
            "number" => self.number(schema),
            "string" => self.text(schema).into(),
            "boolean" => self.chance.percent(50).into(),
            _ => Value::Null,
        })
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().take(VALUES_MAX);
        let required = || required.clone().filter_map(Value::as_str);
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties: Vec<_> = properties.into_iter().flatten().take(self.left).collect();
        // An object of which nothing is required is hardly ever meant to be empty.
        let one = self.chance.index(properties.len());
        let mut made = Map::new();
        for (at, (name, of)) in properties.into_iter().enumerate() {
            let is_required = required().any(|required| required == name);
            let is_wanted = is_required || at == one && required().next().is_none();
            if is_wanted || self.chance.percent(50) {
                made.insert(name.clone(), self.value(of, depth - 1));
            }
        }
        for name in required().take(self.left) {
            if !made.contains_key(name) {
                made.insert(name.to_owned(), self.anything());
            }
        }
        if let Some(of @ Value::Object(_)) = schema.get("additionalProperties")
            && made.is_empty()
        {
            for _ in 0..self.chance.below(ITEMS) {
                let name = self.text(&Map::new());
                made.insert(name, self.value(of, depth - 1));
            }
        }
        made.into()
    }

    fn list(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(u64::MAX);
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let mut made: Vec<Value> = Vec::new();
        for of in first.into_iter().flatten().take(self.left) {
            made.push(self.value(of, depth - 1));
        }
        let count = least.saturating_add(self.chance.below(ITEMS)).min(most);
        let items = schema.get("items").unwrap_or(&Value::Bool(true));
        while *items != Value::Bool(false) && (made.len() as u64) < count && self.left > 0 {
            made.push(self.value(items, depth - 1));
        }
        made.into()
    }

    fn integer(&mut self, schema: &Map<String, Value>) -> i64 {
        let bound = |key, by| {
            let bound: &Value = schema.get(key)?;
            let whole = bound.as_i64().or_else(|| Some(bound.as_f64()? as i64))?;
            Some(whole.saturating_add(by))
        };
        let least = bound("minimum", 0).or_else(|| bound("exclusiveMinimum", 1));
        let most = bound("maximum", 0).or_else(|| bound("exclusiveMaximum", -1));
        let (least, most) = (least.unwrap_or(i64::MIN), most.unwrap_or(i64::MAX));
        let drawn = self.chance.below(100);
        let near = self.chance.below(8) as i64;
        let made = match self.found.number(self.chance) {
            // What is beside something is often another case.
            Some(number) if drawn < 50 => number.saturating_add(near / 3 - 1),
            _ if drawn < 90 => least.max(-1).saturating_add(near),
            _ if drawn < 95 => most.saturating_sub(near),
            _ => self.chance.number() as i64,
        };
        made.min(most).max(least)
    }

    fn number(&mut self, schema: &Map<String, Value>) -> Value {
        let whole = self.integer(schema);
        match self.chance.percent(50) {
            true => whole.into(),
            false => (whole as f64).into(),
        }
    }

    fn text(&mut self, schema: &Map<String, Value>) -> String {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let least = bound("minLength").unwrap_or(0).min(TEXT_LENGTH_MAX as u64);
        let most = bound("maxLength").unwrap_or(TEXT_LENGTH_MAX as u64);
        let mut made = match self.found.text(self.chance) {
            Some(text) if self.chance.percent(70) => text.to_owned(),
            _ => String::new(),
        };
        if made.is_empty() {
            let length = self.chance.below(5);
            made.extend((0..length).map(|_| letter(self.chance)));
        }
        while (made.chars().count() as u64) < least {
            made.push(letter(self.chance));
        }
        if let Ok(most) = usize::try_from(most)
            && let Some((end, _)) = made.char_indices().nth(most)
        {
            made.truncate(end);
        }
        made
    }

    /// A value of which nothing is said.
    fn anything(&mut self) -> Value {
        let none = Map::new();
        match self.chance.below(4) {
            0 => Value::Null,
            1 => self.integer(&none).into(),
            2 => self.chance.percent(50).into(),
            _ => self.text(&none).into(),
        }
    }
}

fn letter(chance: &mut Chance) -> char {
    char::from(b'a' + chance.below(26) as u8)
}

/// What two parts of a schema describe, as one value.
fn together(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            first.into()
        }
        (_, second) => second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many pieces of data that a schema describes.
    fn many(schema: &str) -> Vec<Value> {
        let schema = Schema::read(schema).unwrap();
        let mut found = Found::default();
        found.add(b"\x83\x64plum\x18\x2a\x61x");
        let mut chance = Chance::new(1, "schema test", 0);
        (0..300).map(|_| schema.data(&found, &mut chance)).collect()
    }

    #[test]
    fn each_of_several_alternatives_comes_up() {
        let made = many(
            r##"{"oneOf": [
                {"type": "object", "properties": {"contains": {"type": "string"}},
                    "required": ["contains"], "additionalProperties": false},
                {"enum": ["size", "value"]},
                {"$ref": "#/$defs/slice"}
            ], "$defs": {"slice": {"type": "object", "required": ["at"],
                "properties": {"at": {"type": "integer", "minimum": 3, "maximum": 50},
                    "count": {"type": "integer", "exclusiveMaximum": 9}}}}}"##,
        );
        for wanted in [
            serde_json::json!({"contains": "plum"}),
            serde_json::json!("size"),
            serde_json::json!({"at": 42}),
        ] {
            assert!(made.contains(&wanted), "{wanted} of {made:?}");
        }
        let slices: Vec<_> = made
            .iter()
            .filter(|made| made.get("at").is_some())
            .collect();
        let within = |made: &&&Value| (3..=50).contains(&made["at"].as_i64().unwrap());
        assert!(slices.iter().all(|made| within(&made)), "{slices:?}");
        let count = |made: &&Value| made.get("count").and_then(Value::as_i64);
        assert!(slices.iter().filter_map(count).all(|count| count < 9));
    }

    #[test]
    fn objects_have_what_is_required_and_parts_are_put_together() {
        let made = many(
            r#"{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a", "b"],
                "allOf": [{"properties": {"c": {"minLength": 3, "maxLength": 4}}}]}"#,
        );
        for one in &made {
            assert!(one["a"].is_boolean() && one.get("b").is_some(), "{one}");
            let length = one["c"].as_str().unwrap().chars().count();
            assert!((3..=4).contains(&length), "{one}");
        }
        // Of an object in which nothing is required, something is there.
        let made = many(r#"{"properties": {"has": {"type": "integer"}}}"#);
        assert!(made.iter().all(|one| one["has"].is_i64()));
    }

    #[test]
    fn examples_and_maps_and_lists_are_made() {
        let made = many(r#"{"type": "string", "examples": ["exactly this"]}"#);
        assert!(made.contains(&"exactly this".into()));
        let made = many(r#"{"type": "object", "additionalProperties": {"const": 1}}"#);
        assert!(made.contains(&serde_json::json!({"plum": 1})), "{made:?}");
        let made = many(
            r#"{"prefixItems": [{"const": 0}], "items": {"type": ["null", "number"]},
                "minItems": 2, "maxItems": 3}"#,
        );
        let lengths = made.iter().map(|one| one.as_array().unwrap().len());
        assert!(lengths.clone().all(|length| (2..=3).contains(&length)));
        assert!(made.iter().all(|one| one[0] == 0));
    }

    #[test]
    fn a_schema_that_says_nothing_is_none() {
        for text in [
            "",
            "{}",
            "true",
            "junk",
            r#"{"description": "ask anything"}"#,
        ] {
            assert!(Schema::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn schemas_without_end_make_data_that_ends() {
        let bytes = |schema: &str| {
            let made = many(schema).into_iter().map(|one| one.to_string().len());
            made.max().unwrap()
        };
        let list = r##"{"items": {"$ref": "#"}, "minItems": 1000000000}"##;
        let chain = r##"{"properties": {"next": {"$ref": "#"}}, "required": ["next"]}"##;
        let itself = r##"{"$ref": "#", "allOf": [{"$ref": "#"}, {"$ref": "#"}]}"##;
        let text = r#"{"type": "string", "minLength": 1000000000}"#;
        for schema in [list, chain, itself, text] {
            assert!(bytes(schema) <= VALUES_MAX * TEXT_LENGTH_MAX, "{schema}");
        }
        let names: Vec<String> = (0..5_000).map(|at| format!("\"{at}\"")).collect();
        let wide = format!(r#"{{"required": [{}]}}"#, names.join(","));
        assert!(bytes(&wide) <= VALUES_MAX * 2 * TEXT_LENGTH_MAX);
        let empty = r#"{"minimum": 5, "maximum": 3, "oneOf": [], "enum": [], "type": []}"#;
        assert!(many(empty).iter().all(|one| !one.is_object()));
    }
}
