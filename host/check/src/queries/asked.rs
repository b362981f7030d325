//! Counts which queries were asked, and which were answered.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Serialize;

use super::Query;

/// Distinct queries that are counted; the ones beyond are not.
const QUERIES_MAX: usize = 1 << 20;

/// Where a query came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuerySource {
    /// `"value"`, which every type of the SDK answers.
    Value,
    /// The component's query schema.
    Schema,
    /// [`Config::queries`](crate::Config::queries).
    Given,
    /// A command, taken for a query.
    Commands,
    /// Any of these, damaged.
    Damaged,
}

/// How many queries of one source were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueryCount {
    /// Where they came from; a query that came from several places counts for the first of them.
    pub source: QuerySource,
    /// How many distinct ones. Beyond 1,048,576 over all sources they are not counted.
    pub asked: u64,
    /// How many of these were answered by some state, and not refused by all.
    pub answered: u64,
}

/// The queries that were asked, by the hash of their bytes.
#[derive(Default)]
pub(crate) struct Asked(BTreeMap<u64, Seen>);

#[derive(Clone, Copy)]
struct Seen {
    source: QuerySource,
    is_answered: bool,
}

impl Asked {
    /// Notes a query.
    pub(crate) fn note(&mut self, query: &Query, is_answered: bool) {
        let mut hasher = DefaultHasher::new();
        query.data.hash(&mut hasher);
        let source = query.source;
        self.add_one(
            hasher.finish(),
            Seen {
                source,
                is_answered,
            },
        );
    }

    /// Adds what was asked elsewhere.
    pub(crate) fn add(&mut self, others: Self) {
        for (hash, seen) in others.0 {
            self.add_one(hash, seen);
        }
    }

    fn add_one(&mut self, hash: u64, seen: Seen) {
        let has_room = self.0.len() < QUERIES_MAX;
        match self.0.get_mut(&hash) {
            Some(known) => {
                known.is_answered |= seen.is_answered;
                known.source = known.source.min(seen.source);
            }
            None if has_room => {
                self.0.insert(hash, seen);
            }
            None => {}
        }
    }

    /// How many there are of each source that there is.
    pub(crate) fn counts(&self) -> Vec<QueryCount> {
        let mut counts = BTreeMap::new();
        for seen in self.0.values() {
            let (asked, answered) = counts.entry(seen.source).or_insert((0, 0));
            *asked += 1;
            *answered += u64::from(seen.is_answered);
        }
        let count = |(source, (asked, answered))| QueryCount {
            source,
            asked,
            answered,
        };
        counts.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(source: QuerySource, number: u64) -> Query {
        let data = number.to_be_bytes().to_vec();
        Query { source, data }
    }

    #[test]
    fn queries_are_counted_once_wherever_they_were_asked() {
        let (mut here, mut there) = (Asked::default(), Asked::default());
        here.note(&query(QuerySource::Given, 1), false);
        here.note(&query(QuerySource::Given, 2), false);
        there.note(&query(QuerySource::Schema, 1), true);
        here.add(there);
        let count = |source, answered| QueryCount {
            source,
            asked: 1,
            answered,
        };
        let expected = [count(QuerySource::Schema, 1), count(QuerySource::Given, 0)];
        assert_eq!(here.counts(), expected);
    }

    #[test]
    fn counting_ends_at_its_bound() {
        let mut asked = Asked::default();
        for number in 0..=QUERIES_MAX as u64 {
            let seen = Seen {
                source: QuerySource::Damaged,
                is_answered: false,
            };
            asked.add_one(number, seen);
        }
        assert_eq!(asked.counts()[0].asked, QUERIES_MAX as u64);
    }
}
