//! Those who follow a topic, and how much is kept for the slowest of them.

use std::collections::VecDeque;

use tokio::sync::broadcast;

use super::engine::Engine;
use crate::vocabulary::WatchEvent;

/// Bytes of events that are kept for watchers of one topic who have not read them. Beyond, they
/// are told of an overrun instead.
const HELD_BYTES_MAX: usize = 4 << 20;

/// The watchers of one topic.
#[derive(Debug)]
pub(super) struct Watchers {
    sender: broadcast::Sender<WatchEvent>,
    /// Sizes of the last events; those at the end may not be read by everyone.
    sizes: VecDeque<usize>,
    held_bytes: usize,
}

impl Watchers {
    /// Nobody yet; each may be `events_max` events behind.
    pub(super) fn new(events_max: usize) -> Self {
        Self {
            sender: broadcast::channel(events_max).0,
            sizes: VecDeque::new(),
            held_bytes: 0,
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<WatchEvent> {
        self.sender.subscribe()
    }

    fn tell(&mut self, event: WatchEvent) {
        self.forget_read();
        let (event, size) = match size_bytes(&event) {
            size if self.held_bytes + size > HELD_BYTES_MAX => (WatchEvent::Overrun, 0),
            size => (event, size),
        };
        // The last watcher may leave in this moment.
        if self.sender.send(event).is_ok() {
            self.sizes.push_back(size);
            self.held_bytes += size;
        }
        self.forget_read();
    }

    /// What everyone has read, or what gave way to newer events, is kept no longer.
    fn forget_read(&mut self) {
        while self.sizes.len() > self.sender.len() {
            self.held_bytes -= self.sizes.pop_front().unwrap_or(0);
        }
    }
}

fn size_bytes(event: &WatchEvent) -> usize {
    const EVENT_BYTES: usize = 24;
    match event {
        WatchEvent::Overrun => 0,
        WatchEvent::Change(change) => {
            let events = change.events.iter();
            events.map(|event| EVENT_BYTES + event.len()).sum()
        }
    }
}

impl Engine {
    pub(super) fn has_watchers(&self) -> bool {
        self.watchers
            .as_ref()
            .is_some_and(|watchers| watchers.sender.receiver_count() > 0)
    }

    /// Tells whoever watches.
    pub(super) fn tell(&mut self, event: WatchEvent) {
        if !self.has_watchers() {
            self.watchers = None;
        }
        if let Some(watchers) = &mut self.watchers {
            watchers.tell(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Change, VersionToken};

    fn change(bytes: usize) -> WatchEvent {
        WatchEvent::Change(Change {
            topic: "t".parse().unwrap(),
            id: "x".parse().unwrap(),
            type_name: "g-counter".parse().unwrap(),
            version: VersionToken::default(),
            events: vec![vec![0; bytes]],
        })
    }

    #[test]
    fn a_watcher_who_does_not_read_holds_a_bounded_number_of_bytes() {
        let mut watchers = Watchers::new(64);
        let mut watch = watchers.subscribe();
        for _ in 0..40 {
            watchers.tell(change(200_000));
            assert!(watchers.held_bytes <= HELD_BYTES_MAX);
        }
        let mut told = std::iter::from_fn(|| watch.try_recv().ok());
        let changes = told
            .by_ref()
            .take_while(|event| *event != WatchEvent::Overrun);
        assert_eq!(changes.count(), HELD_BYTES_MAX / 200_024);
        assert!(told.all(|event| event == WatchEvent::Overrun));
        // Whoever reads again is told everything again.
        watchers.tell(change(200_000));
        assert_eq!(watch.try_recv(), Ok(change(200_000)));
        assert_eq!(watchers.held_bytes, 200_024);
    }

    #[test]
    fn what_gives_way_to_newer_events_is_held_no_longer() {
        let mut watchers = Watchers::new(4);
        let _watch = watchers.subscribe();
        for _ in 0..100 {
            watchers.tell(change(1_000));
        }
        assert_eq!(watchers.held_bytes, 4 * 1_024);
        assert_eq!(watchers.sizes.len(), 4);
    }
}
