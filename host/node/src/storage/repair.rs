//! Rows that say which topics there are, made again from the log when they are corrupt.
//!
//! Such a row holds nothing that the rest of its topic does not tell: every bundle names its topic,
//! and the ends of the log are its counters. Yet what is made again is what can still be found. If
//! more was lost than that, the node would not see some of its own history and use its dots a
//! second time. So it begins a new generation with the repair, as a node does whose database was
//! lost, and gets what it does not find from its peers.
//!
//! What cannot be made again stays: it is named in the log, its topic is refused, the others go on.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable};
use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::TopicName;

use super::record::{Part, Place};
use super::tables::*;
use super::{
    General, Job, ObjectNumber, RedbStorage, Result, Sequence, StorageError, TopicCounters,
    TopicNumber, TopicWrite, generation,
};

/// What the tables say of topics.
#[derive(Debug, Default)]
struct Found {
    /// The topics whose row in `topics` can be read.
    named: BTreeMap<TopicNumber, TopicName>,
    /// Under which keys rows of `topics` stand that cannot be read.
    unreadable: BTreeSet<String>,
    /// The topics whose row in `counters` can be read.
    counted: BTreeSet<TopicNumber>,
    /// The topics that have bundles.
    logged: BTreeSet<TopicNumber>,
    /// The topics that have a row in `counters`, readable or not.
    listed: BTreeSet<TopicNumber>,
}

impl Found {
    /// Topics with a history that no readable row gives a name.
    fn nameless(&self) -> impl Iterator<Item = TopicNumber> {
        let all = self.logged.union(&self.listed).copied();
        all.filter(|topic| !self.named.contains_key(topic))
    }

    fn uncounted(&self) -> impl Iterator<Item = TopicNumber> {
        let all = self.logged.iter().chain(self.named.keys()).copied();
        let all: BTreeSet<TopicNumber> = all.collect();
        all.into_iter()
            .filter(|topic| !self.counted.contains(topic))
    }

    fn is_whole(&self) -> bool {
        self.unreadable.is_empty()
            && self.nameless().next().is_none()
            && self.uncounted().next().is_none()
    }
}

impl RedbStorage {
    /// Makes again what can be made again of the tables of topics. Cost, if nothing is wrong: a
    /// read of both tables and a look-up for each topic.
    ///
    /// # Errors
    /// [`StorageError::Failed`] if the disk refuses: going on would use dots a second time.
    pub(super) fn repair_topics(&self) -> Result<()> {
        let found = self.reading(find)?;
        if found.is_whole() {
            return Ok(());
        }
        let mut job = Job::general(generation::record(generation::after(generation::read(
            self,
        )?)?));
        let mut names = found.named.clone();
        let nameless: Vec<TopicNumber> = found.nameless().collect();
        for topic in &nameless {
            let name = self.reading(|transaction| name_in_log(transaction, *topic))?;
            match name.filter(|name| !names.values().any(|known| known == name)) {
                Some(name) => {
                    tracing::error!(topic = %name, "its row was corrupt, and is made again");
                    names.insert(*topic, name);
                }
                None => tracing::error!(number = topic.0, "a topic has lost its name"),
            }
        }
        for (topic, name) in &names {
            let is_new = !found.named.contains_key(topic);
            if !is_new && found.counted.contains(topic) {
                continue;
            }
            match self.reading(|transaction| counters_in_log(transaction, *topic)) {
                Ok(counters) => {
                    tracing::error!(topic = %name, ?counters, "it is counted anew");
                    let name = is_new.then(|| name.clone());
                    job.topics.push(TopicWrite::new(*topic, name, counters));
                }
                Err(error @ StorageError::Corrupt { .. }) => {
                    tracing::error!(topic = %name, %error, "a topic cannot be served");
                }
                Err(error) => return Err(error),
            }
        }
        if nameless.iter().all(|topic| names.contains_key(topic)) {
            // They name nothing that is missing.
            let gone = found.unreadable.iter();
            let gone = gone.filter(|key| !names.values().any(|name| name.as_ref() == key.as_str()));
            job.general
                .extend(gone.cloned().map(General::ForgetTopicRow));
        }
        self.commit_jobs(&[job])
    }
}

fn find(transaction: &ReadTransaction) -> Result<Found> {
    let mut found = Found::default();
    for row in transaction.open_table(TOPICS)?.iter()? {
        let (name, value) = row?;
        let place = Place {
            table: "topics",
            key: &[Part::Text(name.value())],
        };
        match (place.decode(value.value()), name.value().parse()) {
            (Ok(topic), Ok(name)) => drop(found.named.insert(topic, name)),
            (Err(error), _) => {
                tracing::error!(%error, "a topic's row cannot be read");
                found.unreadable.insert(name.value().to_owned());
            }
            (Ok(_), Err(_)) => drop(found.unreadable.insert(name.value().to_owned())),
        }
    }
    for row in transaction.open_table(COUNTERS)?.iter()? {
        let (key, value) = row?;
        let topic = TopicNumber(key.value());
        let place = Place {
            table: "counters",
            key: &counters_key(topic),
        };
        found.listed.insert(topic);
        match place.decode::<TopicCounters>(value.value()) {
            Ok(_) => drop(found.counted.insert(topic)),
            Err(error) => tracing::error!(%error, "a topic's counters cannot be read"),
        }
    }
    let bundles = transaction.open_table(BUNDLES)?;
    let mut from = Some(0);
    while let Some(first) = from
        && let Some(row) = bundles.range((first, 0)..)?.next()
    {
        let topic = row?.0.value().0;
        found.logged.insert(TopicNumber(topic));
        from = topic.checked_add(1);
    }
    Ok(found)
}

/// The name that a topic's first readable bundle gives it.
fn name_in_log(transaction: &ReadTransaction, topic: TopicNumber) -> Result<Option<TopicName>> {
    let bundles = transaction.open_table(BUNDLES)?;
    for row in bundles.range((topic.0, 0)..=(topic.0, u64::MAX))? {
        let (key, value) = row?;
        let place = Place {
            table: "bundles",
            key: &bundle_key(topic, Sequence(key.value().1)),
        };
        let bundle = super::read::bundle(&place, value.value());
        let bundle = bundle.ok().map(|(_, bytes)| SignedBundle::decode(bytes));
        if let Some(Ok(bundle)) = bundle {
            return Ok(Some(bundle.body().topic.clone()));
        }
    }
    Ok(None)
}

/// The counters that fit to a topic's log. That the ends of its chains fit to them is checked
/// whenever it is opened.
fn counters_in_log(transaction: &ReadTransaction, topic: TopicNumber) -> Result<TopicCounters> {
    let bundles = transaction.open_table(BUNDLES)?;
    let last = bundles
        .range((topic.0, 0)..=(topic.0, u64::MAX))?
        .next_back();
    let last = last.transpose()?.map_or(0, |(key, _)| key.value().1);
    // Every object is touched by the bundle that made it.
    let touched = transaction.open_table(TOUCHED)?;
    let all = (topic.0, 0, 0)..=(topic.0, u64::MAX, u64::MAX);
    let object = touched.range(all)?.next_back().transpose()?;
    let heads = super::read::heads(transaction, topic)?;
    let ends = heads.iter().map(|end| end.last.get());
    Ok(TopicCounters {
        last: Sequence(last),
        objects: ObjectNumber(object.map_or(0, |(key, _)| key.value().1)),
        ops: ends.fold(0, u64::saturating_add),
    })
}
