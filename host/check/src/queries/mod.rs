//! Which queries are asked.
//!
//! A type's own queries are made from its query schema, with texts and numbers that occur in its
//! value and its commands; others are given ([`Config::queries`](crate::Config::queries)). Besides
//! there are `"value"`, commands taken for queries, and damaged ones of all kinds.

mod asked;
mod found;
mod schema;

use std::convert::Infallible;

use minicbor::encode::{Encoder, Error};
use serde_json::Value;

pub(crate) use asked::Asked;
pub use asked::{QueryCount, QuerySource};

use self::found::Found;
use self::schema::Schema;
use crate::chance::Chance;
use crate::law::Outcome;
use crate::object::Object;

/// How many queries of each source are asked of one state.
const TRIES: usize = 6;

/// How many commands are looked at for texts and numbers that queries can be about.
const COMMANDS: usize = 3;

/// The CBOR text `value`, which every type of the SDK answers.
const VALUE: &[u8] = b"\x65value";

/// What is known of a type's queries.
pub(crate) struct Queries {
    schema: Option<Schema>,
    given: Vec<Vec<u8>>,
}

/// A query in CBOR.
pub(crate) struct Query {
    /// Where it comes from.
    pub(crate) source: QuerySource,
    /// What is asked.
    pub(crate) data: Vec<u8>,
}

impl Queries {
    /// Those that a schema describes, and those that are given.
    pub(crate) fn new(schema: &str, given: &[Vec<u8>]) -> Self {
        Self {
            schema: Schema::read(schema),
            given: given.to_vec(),
        }
    }

    /// Queries of the type's own for an object.
    pub(crate) fn own(&self, object: &mut Object, chance: &mut Chance) -> Outcome<Vec<Query>> {
        let mut queries = Vec::new();
        for _ in 0..TRIES.min(self.given.len()) {
            let given = chance.pick(&self.given).into_iter();
            queries.extend(given.map(|data| Query::new(QuerySource::Given, data.clone())));
        }
        if let Some(schema) = &self.schema {
            let found = found_in(object, chance)?;
            for _ in 0..TRIES {
                let data = cbor(&schema.data(&found, chance));
                queries.push(Query::new(QuerySource::Schema, data));
            }
        }
        Ok(queries)
    }

    /// All kinds of queries, some of which make no sense.
    pub(crate) fn all(&self, object: &mut Object, chance: &mut Chance) -> Outcome<Vec<Query>> {
        let mut queries = vec![Query::new(QuerySource::Value, VALUE.to_vec())];
        for _ in 0..TRIES {
            let mut query = Query::new(QuerySource::Commands, object.sample(chance.number())?);
            if chance.percent(70) {
                query.damage(chance);
            }
            queries.push(query);
        }
        for mut query in self.own(object, chance)? {
            let is_damaged = chance.percent(10);
            if is_damaged {
                let source = query.source;
                queries.push(Query::new(source, query.data.clone()));
                query.damage(chance);
            }
            queries.push(query);
        }
        Ok(queries)
    }
}

impl Query {
    fn new(source: QuerySource, data: Vec<u8>) -> Self {
        let source = match data == VALUE {
            true => QuerySource::Value,
            false => source,
        };
        Self { source, data }
    }

    fn damage(&mut self, chance: &mut Chance) {
        chance.damage(&mut self.data);
        self.source = QuerySource::Damaged;
    }
}

/// What occurs in an object's value and in commands that it would take.
fn found_in(object: &mut Object, chance: &mut Chance) -> Outcome<Found> {
    let mut found = Found::default();
    for _ in 0..COMMANDS {
        found.add(&object.sample(chance.number())?);
    }
    if let Ok(value) = object.value()? {
        found.add(&value);
    }
    Ok(found)
}

/// Plain JSON as CBOR.
fn cbor(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // A vector takes whatever is written.
    let _ = write(value, &mut encoder);
    encoder.into_writer()
}

fn write(value: &Value, encoder: &mut Encoder<Vec<u8>>) -> Result<(), Error<Infallible>> {
    match value {
        Value::Null => encoder.null()?,
        Value::Bool(is) => encoder.bool(*is)?,
        Value::String(text) => encoder.str(text)?,
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => encoder.u64(number)?,
            (None, Some(number)) => encoder.i64(number)?,
            (None, None) => encoder.f64(number.as_f64().unwrap_or_default())?,
        },
        Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            return items.iter().try_for_each(|item| write(item, encoder));
        }
        Value::Object(entries) => {
            encoder.map(entries.len() as u64)?;
            for (key, value) in entries {
                encoder.str(key)?;
                write(value, encoder)?;
            }
            encoder
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_written_as_types_read_it() {
        let value = serde_json::json!({"a": [1, -1, 1.5, null, true], "b": "x"});
        let expected = b"\xa2\x61a\x85\x01\x20\xfb\x3f\xf8\0\0\0\0\0\0\xf6\xf5\x61b\x61x";
        assert_eq!(cbor(&value), expected);
    }
}
