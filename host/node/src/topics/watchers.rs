//! What is told of a topic, as long as somebody follows it and for a while after, so that whoever
//! lost the connection can go on where he was.
//!
//! Events stand in a ring that all watchers of the topic read, each at a place of its own: so one
//! that does not read costs nothing. What gives way at the ring's bound is missed by whoever has
//! not read it, and whoever missed something gets the state instead ([`Watch`](super::Watch)).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replicant_protocol::ids::ObjectKey;
use tokio::sync::watch;

use super::context::Context;
use super::engine::Engine;
use crate::vocabulary::{VersionToken, WatchToken};

/// Bytes of events that are kept of one topic.
const TOPIC_BYTES_MAX: usize = 4 << 20;

/// Bytes of events that are kept of all topics.
const ALL_BYTES_MAX: usize = 128 << 20;

/// How long events are kept, and noted, after the last watcher left.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Bytes that an event takes besides those of what it tells, about.
const ENTRY_BYTES: usize = 256;

/// What is told at one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An object changed.
    Change {
        key: ObjectKey,
        version: VersionToken,
        events: Vec<Vec<u8>>,
    },
    /// An object changed in a way that is not told: what it is now, or why that cannot be had.
    State {
        key: ObjectKey,
        version: VersionToken,
        value: Result<Vec<u8>, String>,
    },
    /// Nobody knows what changed.
    Unknown,
}

impl Told {
    fn size_bytes(&self) -> usize {
        let of_what = match self {
            Self::Change { events, .. } => size_of_events(events),
            Self::State { value, .. } => match value {
                Ok(value) => value.len(),
                Err(reason) => reason.len(),
            },
            Self::Unknown => 0,
        };
        ENTRY_BYTES + of_what
    }
}

/// Bytes that events take in memory.
pub(super) fn size_of_events(events: &[Vec<u8>]) -> usize {
    let sizes = events
        .iter()
        .map(|event| size_of::<Vec<u8>>() + event.len());
    sizes.sum()
}

/// How much all rings of a node hold.
#[derive(Debug, Default)]
pub(super) struct HeldBytes(AtomicUsize);

impl HeldBytes {
    /// False if there is no room.
    fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| {
            held.checked_add(bytes)
                .filter(|held| *held <= ALL_BYTES_MAX)
        };
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.is_ok()
    }

    fn give(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The last events of a topic.
#[derive(Debug)]
pub(super) struct Ring {
    /// Tells this ring from others: a random number.
    telling: u64,
    entries: VecDeque<Arc<Told>>,
    /// The position behind the last entry.
    end: u64,
    bytes: usize,
    entries_max: usize,
    all: Arc<HeldBytes>,
}

impl Ring {
    fn new(telling: u64, entries_max: usize, all: Arc<HeldBytes>) -> Self {
        Self {
            telling,
            entries: VecDeque::new(),
            end: 0,
            bytes: 0,
            entries_max: entries_max.max(1),
            all,
        }
    }

    /// The position of the first entry that is still here.
    fn first(&self) -> u64 {
        self.end - self.entries.len() as u64
    }

    /// Where a token points to; none if that is not here (any more).
    pub(super) fn find(&self, token: WatchToken) -> Option<u64> {
        let is_here =
            token.telling == self.telling && (self.first()..=self.end).contains(&token.position);
        is_here.then_some(token.position)
    }

    pub(super) fn token(&self, position: u64) -> WatchToken {
        WatchToken {
            telling: self.telling,
            position,
        }
    }

    /// The token of what is told next.
    pub(super) fn end(&self) -> WatchToken {
        self.token(self.end)
    }

    /// What was told at a position.
    pub(super) fn at(&self, position: u64) -> Entry {
        match position.checked_sub(self.first()) {
            None => Entry::Gone,
            Some(index) => match self.entries.get(index as usize) {
                Some(told) => Entry::Told(Arc::clone(told)),
                None => Entry::NotYet,
            },
        }
    }

    fn push(&mut self, told: Told) {
        let told = match told.size_bytes() {
            size if size > TOPIC_BYTES_MAX / 2 => Told::Unknown,
            _ => told,
        };
        let size = told.size_bytes();
        while self.entries.len() >= self.entries_max || self.bytes + size > TOPIC_BYTES_MAX {
            self.pop();
        }
        while !self.all.take(size) {
            if self.entries.is_empty() {
                // Others hold everything: nothing is kept, and whoever watches gets the state.
                self.end += 1;
                return;
            }
            self.pop();
        }
        self.bytes += size;
        self.entries.push_back(Arc::new(told));
        self.end += 1;
    }

    fn pop(&mut self) {
        if let Some(told) = self.entries.pop_front() {
            self.bytes -= told.size_bytes();
            self.all.give(told.size_bytes());
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.all.give(self.bytes);
    }
}

/// What a reader finds at its position.
#[derive(Debug)]
pub(super) enum Entry {
    Told(Arc<Told>),
    /// It was told, and gave way to later events.
    Gone,
    NotYet,
}

/// A ring and who waits for it to grow. Readers see the end of the telling when this is dropped.
#[derive(Debug)]
pub(super) struct Watchers {
    ring: Arc<Mutex<Ring>>,
    end: watch::Sender<u64>,
    /// Since when nobody reads.
    left_at: Option<Duration>,
}

/// One reader's view of a ring.
#[derive(Debug)]
pub(super) struct Reader {
    ring: Arc<Mutex<Ring>>,
    end: watch::Receiver<u64>,
}

impl Reader {
    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there may be more. False if nothing more will come.
    pub(super) async fn grown(&mut self) -> bool {
        self.end.changed().await.is_ok()
    }
}

impl Watchers {
    pub(super) fn new(telling: u64, entries_max: usize, all: Arc<HeldBytes>) -> Self {
        Self {
            ring: Arc::new(Mutex::new(Ring::new(telling, entries_max, all))),
            end: watch::channel(0).0,
            left_at: None,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new reader, and where it begins: at the token if it is still here, else nowhere; without
    /// a token at the end.
    pub(super) fn read_from(&self, token: Option<WatchToken>) -> (Reader, Option<u64>) {
        let position = {
            let ring = self.ring();
            token.map_or(Some(ring.end), |token| ring.find(token))
        };
        let (ring, end) = (Arc::clone(&self.ring), self.end.subscribe());
        (Reader { ring, end }, position)
    }

    /// From where on a state that is read now is followed by events.
    pub(super) fn end(&self) -> WatchToken {
        self.ring().end()
    }

    pub(super) fn tell(&self, told: Told) {
        let end = {
            let mut ring = self.ring();
            ring.push(told);
            ring.end
        };
        self.end.send_replace(end);
    }

    fn has_readers(&self) -> bool {
        self.end.receiver_count() > 0
    }

    /// Whether nobody has read for as long as events are kept.
    fn is_left(&mut self, now: Duration) -> bool {
        if self.has_readers() {
            self.left_at = None;
            return false;
        }
        now.saturating_sub(*self.left_at.get_or_insert(now)) >= KEPT_FOR
    }
}

impl Engine {
    /// Whether changes are noted.
    pub(super) fn is_told(&self) -> bool {
        self.watchers.is_some()
    }

    /// Whether somebody follows the topic.
    pub(super) fn has_watchers(&self) -> bool {
        self.watchers.as_ref().is_some_and(Watchers::has_readers)
    }

    /// Tells whoever watches now or comes back soon.
    pub(super) fn tell(&self, told: Told) {
        if let Some(watchers) = &self.watchers {
            watchers.tell(told);
        }
    }

    /// The topic's watchers, from now on if there were none.
    pub(super) fn watchers(&mut self, context: &Context) -> &mut Watchers {
        self.watchers.get_or_insert_with(|| {
            let events_max = context.config.watch_events_max;
            let (telling, all) = (context.new_telling(), Arc::clone(&context.told_bytes));
            Watchers::new(telling, events_max, all)
        })
    }

    /// Forgets what was told when nobody has read it for a while.
    pub(super) fn forget_told(&mut self, now: Duration) {
        if self
            .watchers
            .as_mut()
            .is_some_and(|watchers| watchers.is_left(now))
        {
            self.watchers = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> ObjectKey {
        ObjectKey {
            type_name: "g-counter".parse().unwrap(),
            id: id.parse().unwrap(),
        }
    }

    fn change(bytes: usize) -> Told {
        Told::Change {
            key: key("x"),
            version: VersionToken::default(),
            events: vec![vec![0; bytes]],
        }
    }

    #[test]
    fn what_is_kept_of_a_topic_is_bounded_in_events_and_bytes() {
        let all = Arc::new(HeldBytes::default());
        let mut few = Ring::new(1, 4, Arc::clone(&all));
        for _ in 0..100 {
            few.push(change(1_000));
        }
        assert_eq!((few.entries.len(), few.first(), few.end), (4, 96, 100));
        let mut large = Ring::new(1, 1_000, Arc::clone(&all));
        for _ in 0..100 {
            large.push(change(200_000));
            assert!(large.bytes <= TOPIC_BYTES_MAX);
        }
        assert!(large.first() > 70 && large.end == 100);
        assert_eq!(all.0.load(Ordering::Relaxed), few.bytes + large.bytes);
        drop((few, large));
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_kept_of_all_topics_is_bounded_and_none_waits_for_another() {
        let all = Arc::new(HeldBytes::default());
        let topics = ALL_BYTES_MAX / TOPIC_BYTES_MAX + 2;
        let mut rings: Vec<Ring> = (0..topics)
            .map(|n| Ring::new(n as u64, 1_000, Arc::clone(&all)))
            .collect();
        for ring in &mut rings {
            for _ in 0..30 {
                ring.push(change(200_000));
            }
            assert_eq!(ring.end, 30);
        }
        assert!(all.0.load(Ordering::Relaxed) <= ALL_BYTES_MAX);
        // There was no room for the last: whoever watches it gets the state.
        let last = rings.last().unwrap();
        assert!(matches!(last.at(0), Entry::Gone));
    }

    #[test]
    fn events_are_kept_for_a_while_after_the_last_reader_left() {
        let mut watchers = Watchers::new(1, 4, Arc::default());
        let (reader, _) = watchers.read_from(None);
        assert!(!watchers.is_left(Duration::ZERO));
        assert!(!watchers.is_left(2 * KEPT_FOR));
        drop(reader);
        let left = 3 * KEPT_FOR;
        assert!(!watchers.is_left(left));
        // Whoever comes back in time begins the time anew.
        let back = watchers.read_from(None);
        assert!(!watchers.is_left(left + KEPT_FOR));
        drop(back);
        let left = left + KEPT_FOR;
        assert!(!watchers.is_left(left) && !watchers.is_left(left + KEPT_FOR / 2));
        assert!(watchers.is_left(left + KEPT_FOR));
    }

    #[test]
    fn a_token_is_found_as_long_as_what_follows_it_is_here() {
        let mut ring = Ring::new(7, 4, Arc::default());
        let begin = ring.token(0);
        assert_eq!(ring.find(begin), Some(0));
        for _ in 0..4 {
            ring.push(Told::Unknown);
        }
        assert_eq!(ring.find(begin), Some(0));
        ring.push(Told::Unknown);
        assert_eq!(ring.find(begin), None);
        assert_eq!(ring.find(ring.token(1)), Some(1));
        assert_eq!(ring.find(ring.token(5)), Some(5));
        assert_eq!(ring.find(ring.token(6)), None, "of a future");
        let other = WatchToken {
            telling: 8,
            position: 5,
        };
        assert_eq!(ring.find(other), None, "of another telling");
        assert!(matches!(ring.at(0), Entry::Gone));
        assert!(matches!(ring.at(4), Entry::Told(_)));
        assert!(matches!(ring.at(5), Entry::NotYet));
    }
}
