//! Reads from the tables.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition};
use replicant_protocol::clock::Hlc;
use replicant_protocol::ids::{
    Counter, Dot, Hash, ModuleHash, NodeId, ObjectId, ObjectKey, ReplicaId, TopicName, TypeName,
};

use super::job::StoredCheckpoint;
use super::record::{Part, Place};
use super::tables::*;
use super::{
    Boundary, Checkpoint, CommandRecord, Job, ObjectNumber, Proof, RedbStorage, Result, Sequence,
    Storage, StorageError, StoredTopic, TopicCounters, TopicNumber,
};

type Values<K> = ReadOnlyTable<K, &'static [u8]>;

impl Storage for RedbStorage {
    fn commit(&self, jobs: &[Job]) -> Result<()> {
        self.commit_jobs(jobs)
    }

    fn meta(&self, key: &'static str) -> Result<Option<Vec<u8>>> {
        self.reading(|transaction| {
            let place = Place {
                table: "meta",
                key: &[Part::Text(key)],
            };
            let table = transaction.open_table(META)?;
            let Some(value) = table.get(key)? else {
                return Ok(None);
            };
            Ok(Some(place.open(value.value())?.to_vec()))
        })
    }

    fn topics(&self) -> Result<Vec<StoredTopic>> {
        self.reading(|transaction| {
            let counters = transaction.open_table(COUNTERS)?;
            let table = transaction.open_table(TOPICS)?;
            let mut topics = Vec::new();
            for row in table.iter()? {
                let (name, value) = row?;
                let place = Place {
                    table: "topics",
                    key: &[Part::Text(name.value())],
                };
                let stored = parse(&place, name.value())
                    .and_then(|name| stored_topic(&counters, name, place.decode(value.value())?));
                match stored {
                    Ok(topic) => topics.push(topic),
                    Err(error @ StorageError::Corrupt { .. }) => {
                        tracing::error!(topic = name.value(), %error, "a topic is passed over");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(topics)
        })
    }

    fn last_topic(&self) -> Result<TopicNumber> {
        let of_topics = self.topics()?.into_iter().map(|topic| topic.topic.0).max();
        self.reading(|transaction| {
            let counters = transaction.open_table(COUNTERS)?;
            let counted = counters.last()?.map(|(key, _)| key.value());
            let bundles = transaction.open_table(BUNDLES)?;
            let logged = bundles.last()?.map(|(key, _)| key.value().0);
            let last = of_topics.max(counted).max(logged);
            Ok(TopicNumber(last.unwrap_or_default()))
        })
    }

    fn topic(&self, name: &TopicName) -> Result<Option<StoredTopic>> {
        self.reading(|transaction| {
            let table = transaction.open_table(TOPICS)?;
            let Some(value) = table.get(name.as_ref())? else {
                return Ok(None);
            };
            let place = Place {
                table: "topics",
                key: &topic_key(name),
            };
            let counters = transaction.open_table(COUNTERS)?;
            stored_topic(&counters, name.clone(), place.decode(value.value())?).map(Some)
        })
    }

    fn heads(&self, topic: TopicNumber) -> Result<Vec<Boundary>> {
        self.reading(|transaction| heads(transaction, topic))
    }

    fn boundary(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        counter: Counter,
    ) -> Result<Option<Boundary>> {
        self.reading(|transaction| {
            let table = transaction.open_table(BOUNDARIES)?;
            let from = (topic.0, replica.get(), counter.get());
            let to = (topic.0, replica.get(), u64::MAX);
            let Some(row) = table.range(from..=to)?.next() else {
                return Ok(None);
            };
            let (key, value) = row?;
            boundary(topic, replica.get(), key.value().2, value.value()).map(Some)
        })
    }

    fn bundle(&self, topic: TopicNumber, sequence: Sequence) -> Result<Option<Vec<u8>>> {
        self.reading(|transaction| {
            let table = transaction.open_table(BUNDLES)?;
            let Some(value) = table.get((topic.0, sequence.0))? else {
                return Ok(None);
            };
            let place = Place {
                table: "bundles",
                key: &bundle_key(topic, sequence),
            };
            let (_, bytes) = bundle(&place, value.value())?;
            Ok(Some(bytes.to_vec()))
        })
    }

    fn bundles(
        &self,
        topic: TopicNumber,
        from: Sequence,
        visit: &mut dyn FnMut(Sequence, Dot, &[u8]) -> bool,
    ) -> Result<()> {
        // A read is repeated after an I/O error; what was shown already is not shown again.
        let next = std::cell::Cell::new(from);
        let visit = std::cell::RefCell::new(visit);
        self.reading(|transaction| {
            let table = transaction.open_table(BUNDLES)?;
            for row in table.range((topic.0, next.get().0)..=(topic.0, u64::MAX))? {
                let (key, value) = row?;
                let sequence = Sequence(key.value().1);
                let place = Place {
                    table: "bundles",
                    key: &bundle_key(topic, sequence),
                };
                let (end, bytes) = bundle(&place, value.value())?;
                next.set(sequence.next());
                if !(visit.borrow_mut())(sequence, end, bytes) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn object(&self, topic: TopicNumber, key: &ObjectKey) -> Result<Option<ObjectNumber>> {
        self.reading(|transaction| object(transaction, topic, key))
    }

    fn objects(
        &self,
        topic: TopicNumber,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(ObjectKey, ObjectNumber)>> {
        use std::ops::Bound;
        self.reading(|transaction| {
            let table = transaction.open_table(OBJECTS)?;
            let from = match after {
                Some(key) => Bound::Excluded((topic.0, key.type_name.as_ref(), key.id.as_ref())),
                None => Bound::Included((topic.0, "", "")),
            };
            let rows = table.range::<(u32, &str, &str)>((from, Bound::Unbounded))?;
            let mut objects = Vec::new();
            for row in rows.take(limit) {
                let (key, value) = row?;
                let (of, type_name, id) = key.value();
                if of != topic.0 {
                    break;
                }
                let parts = [
                    Part::Number(of.into()),
                    Part::Text(type_name),
                    Part::Text(id),
                ];
                let place = Place {
                    table: "objects",
                    key: &parts,
                };
                let key = ObjectKey {
                    type_name: parse(&place, type_name)?,
                    id: parse(&place, id)?,
                };
                objects.push((key, place.decode(value.value())?));
            }
            Ok(objects)
        })
    }

    fn types_of(&self, topic: TopicNumber, id: &ObjectId) -> Result<Vec<TypeName>> {
        self.reading(|transaction| {
            let table = transaction.open_table(OBJECTS)?;
            let mut found = Vec::new();
            // `{` is the character after `z`: no type's name is between this bound and the next.
            let mut from = String::new();
            loop {
                let next = table.range((topic.0, from.as_str(), "")..)?.next();
                let Some(row) = next else { break };
                let key = row?.0;
                let (of, type_name, _) = key.value();
                if of != topic.0 {
                    break;
                }
                let place = Place {
                    table: "objects",
                    key: &[Part::Text(type_name)],
                };
                let type_name: TypeName = parse(&place, type_name)?;
                from = format!("{type_name}\u{0}");
                let key = ObjectKey {
                    type_name,
                    id: id.clone(),
                };
                if object(transaction, topic, &key)?.is_some() {
                    found.push(key.type_name);
                }
            }
            Ok(found)
        })
    }

    fn touched(
        &self,
        topic: TopicNumber,
        object: ObjectNumber,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Sequence>> {
        self.reading(|transaction| {
            let table = transaction.open_table(TOUCHED)?;
            let from = (topic.0, object.0, after.next().0);
            let mut sequences = Vec::new();
            for row in table
                .range(from..=(topic.0, object.0, u64::MAX))?
                .take(limit)
            {
                let (key, value) = row?;
                let sequence = Sequence(key.value().2);
                let key = touched_key(topic, object, sequence);
                Place {
                    table: "touched",
                    key: &key,
                }
                .open(value.value())?;
                sequences.push(sequence);
            }
            Ok(sequences)
        })
    }

    fn checkpoint(&self, topic: TopicNumber, object: ObjectNumber) -> Result<Option<Checkpoint>> {
        self.reading(|transaction| {
            let table = transaction.open_table(CHECKPOINTS)?;
            let Some(value) = table.get((topic.0, object.0))? else {
                return Ok(None);
            };
            let place = Place {
                table: "checkpoints",
                key: &checkpoint_key(topic, object),
            };
            let stored: StoredCheckpoint = place.decode(value.value())?;
            Ok(Some(stored.into()))
        })
    }

    fn commands(
        &self,
        topic: TopicNumber,
        replica: ReplicaId,
        first: Counter,
    ) -> Result<Option<Vec<CommandRecord>>> {
        self.reading(|transaction| {
            let table = transaction.open_table(COMMANDS)?;
            let key = (topic.0, replica.get(), first.get());
            let Some(value) = table.get(key)? else {
                return Ok(None);
            };
            let key = commands_key(topic, replica, first.get());
            Place {
                table: "commands",
                key: &key,
            }
            .decode(value.value())
            .map(Some)
        })
    }

    fn module(&self, hash: &ModuleHash) -> Result<Option<Vec<u8>>> {
        self.reading(|transaction| {
            let table = transaction.open_table(MODULES)?;
            let Some(value) = table.get(hash.as_bytes())? else {
                return Ok(None);
            };
            let place = Place {
                table: "modules",
                key: &[Part::Hash(hash.as_bytes())],
            };
            Ok(Some(place.open(value.value())?.to_vec()))
        })
    }

    fn modules(&self) -> Result<Vec<ModuleHash>> {
        self.reading(|transaction| {
            let rows = transaction.open_table(MODULES)?;
            let hashes = rows
                .iter()?
                .map(|row| Ok(ModuleHash::from_bytes(row?.0.value())));
            hashes.collect()
        })
    }

    fn announcements(&self) -> Result<Vec<(Hash, Vec<u8>)>> {
        self.reading(|transaction| {
            all(
                transaction,
                ANNOUNCEMENTS,
                "announcements",
                |hash, payload, _| Ok((Hash::from_bytes(hash), payload.to_vec())),
            )
        })
    }

    fn facts(&self) -> Result<Vec<(Hash, Vec<u8>)>> {
        self.reading(|transaction| {
            all(transaction, FACTS, "facts", |id, payload, _| {
                Ok((Hash::from_bytes(id), payload.to_vec()))
            })
        })
    }

    fn proofs(&self) -> Result<Vec<Proof>> {
        use minicbor::bytes::ByteVec;
        self.reading(|transaction| {
            let mut proofs = Vec::new();
            for row in transaction.open_table(PROOFS)?.iter()? {
                let (key, value) = row?;
                let (topic, replica) = key.value();
                let parts = [Part::Text(topic), Part::Number(replica)];
                let place = Place {
                    table: "proofs",
                    key: &parts,
                };
                let (first, second) = place.decode::<(ByteVec, ByteVec)>(value.value())?;
                let replica = ReplicaId::new(replica);
                proofs.push(Proof {
                    topic: parse(&place, topic)?,
                    replica: replica.map_err(|_| place.corrupt("it has replica 0"))?,
                    first: first.into(),
                    second: second.into(),
                });
            }
            Ok(proofs)
        })
    }

    fn peers(&self) -> Result<Vec<(NodeId, String)>> {
        self.reading(|transaction| {
            all(transaction, PEERS, "peers", |id, payload, place| {
                let address = std::str::from_utf8(payload);
                let address = address.map_err(|_| place.corrupt("it is not UTF-8"))?;
                Ok((NodeId::from_bytes(id), address.to_owned()))
            })
        })
    }

    fn failure(&self) -> Option<String> {
        self.failure_reason()
    }
}

/// Reads a whole table whose keys are 32 bytes. A corrupt record is logged and passed over.
fn all<T>(
    transaction: &ReadTransaction,
    table: TableDefinition<'static, [u8; 32], &'static [u8]>,
    name: &'static str,
    read: impl Fn([u8; 32], &[u8], &Place<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for row in transaction.open_table(table)?.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let parts = [Part::Hash(&key)];
        let place = Place {
            table: name,
            key: &parts,
        };
        let payload = place.open(value.value());
        match payload.and_then(|payload| read(key, payload, &place)) {
            Ok(record) => found.push(record),
            Err(error) => tracing::error!(%error, "the record is passed over"),
        }
    }
    Ok(found)
}

fn stored_topic(
    counters: &Values<u32>,
    name: TopicName,
    topic: TopicNumber,
) -> Result<StoredTopic> {
    let place = Place {
        table: "counters",
        key: &counters_key(topic),
    };
    let counters = match counters.get(topic.0)? {
        Some(value) => place.decode::<TopicCounters>(value.value())?,
        None => return Err(place.corrupt("it is missing")),
    };
    Ok(StoredTopic {
        topic,
        name,
        counters,
    })
}

/// The last boundary of every replica of a topic.
pub(super) fn heads(transaction: &ReadTransaction, topic: TopicNumber) -> Result<Vec<Boundary>> {
    let table = transaction.open_table(BOUNDARIES)?;
    let mut heads = Vec::new();
    let mut end = (topic.0, u64::MAX, u64::MAX);
    // From the last replica backwards: each step finds one replica's last boundary.
    while let Some(row) = table.range((topic.0, 0, 0)..=end)?.next_back() {
        let (key, value) = row?;
        let (_, replica, last) = key.value();
        heads.push(boundary(topic, replica, last, value.value())?);
        let Some(below) = replica.checked_sub(1) else {
            break;
        };
        end = (topic.0, below, u64::MAX);
    }
    heads.reverse();
    Ok(heads)
}

/// Where a bundle ends, and its bytes.
pub(super) fn bundle<'v>(place: &Place<'_>, value: &'v [u8]) -> Result<(Dot, &'v [u8])> {
    let cut_off = || place.corrupt("it is cut off");
    let payload = place.open(value)?;
    let (replica, payload) = payload.split_first_chunk().ok_or_else(cut_off)?;
    let (last, bytes) = payload.split_first_chunk().ok_or_else(cut_off)?;
    let replica = ReplicaId::new(u64::from_be_bytes(*replica));
    let replica = replica.map_err(|_| place.corrupt("it has replica 0"))?;
    let counter = Counter::new(u64::from_be_bytes(*last));
    Ok((Dot { replica, counter }, bytes))
}

fn boundary(topic: TopicNumber, replica: u64, last: u64, value: &[u8]) -> Result<Boundary> {
    let place = Place {
        table: "boundaries",
        key: &boundary_key(topic, replica, last),
    };
    let (sequence, hlc, hash) = place.decode::<(Sequence, Hlc, Hash)>(value)?;
    let replica = ReplicaId::new(replica).map_err(|_| place.corrupt("it has replica 0"))?;
    Ok(Boundary {
        replica,
        last: Counter::new(last),
        sequence,
        hlc,
        hash,
    })
}

fn object(
    transaction: &ReadTransaction,
    topic: TopicNumber,
    key: &ObjectKey,
) -> Result<Option<ObjectNumber>> {
    let table = transaction.open_table(OBJECTS)?;
    let row = (topic.0, key.type_name.as_ref(), key.id.as_ref());
    let Some(value) = table.get(row)? else {
        return Ok(None);
    };
    let place = Place {
        table: "objects",
        key: &object_key(topic, key),
    };
    place.decode(value.value()).map(Some)
}

fn parse<T: std::str::FromStr>(place: &Place<'_>, text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| place.corrupt("its name is not valid"))
}
