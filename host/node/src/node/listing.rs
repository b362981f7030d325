//! Lists that come straight from storage: topics, and a topic's objects in pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use replicant_protocol::ids::{ObjectKey, TopicName};

use super::NodeError;
use crate::storage::Storage;
use crate::vocabulary::{ObjectPage, TopicInfo};

/// Objects on one page.
pub(super) const PAGE_MAX: usize = 10_000;

pub(super) fn topics(storage: &dyn Storage) -> Result<Vec<TopicInfo>, NodeError> {
    let topics = storage.topics()?.into_iter();
    let info = topics.map(|topic| TopicInfo {
        name: topic.name,
        ops: topic.counters.ops,
        objects: topic.counters.objects.0,
    });
    Ok(info.collect())
}

pub(super) fn objects(
    storage: &dyn Storage,
    topic: &TopicName,
    after: Option<&str>,
    limit: usize,
) -> Result<ObjectPage, NodeError> {
    let after = after.map(read_cursor).transpose()?;
    let limit = limit.clamp(1, PAGE_MAX);
    let Some(topic) = storage.topic(topic)? else {
        return Ok(ObjectPage {
            objects: Vec::new(),
            next: None,
        });
    };
    // One more than asked for tells whether there is a next page.
    let mut rows = storage.objects(topic.topic, after.as_ref(), limit + 1)?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|(key, _)| cursor(key));
    let objects = rows
        .into_iter()
        .map(|(key, _)| (key.type_name, key.id))
        .collect();
    Ok(ObjectPage { objects, next })
}

/// Where the next page begins, as text. A type's name has no zero byte.
fn cursor(key: &ObjectKey) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\0{}", key.type_name, key.id))
}

fn read_cursor(text: &str) -> Result<ObjectKey, NodeError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (type_name, id) = text.split_once('\0')?;
        Some(ObjectKey {
            type_name: type_name.parse().ok()?,
            id: id.parse().ok()?,
        })
    };
    read().ok_or(NodeError::BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_anything_else_is_refused() {
        let key = ObjectKey {
            type_name: "or-set".parse().unwrap(),
            id: "é x".parse().unwrap(),
        };
        assert_eq!(read_cursor(&cursor(&key)).unwrap(), key);
        for text in ["", "!", "AAAA", &"A".repeat(10_000)] {
            assert!(matches!(read_cursor(text), Err(NodeError::BadCursor)));
        }
    }
}
