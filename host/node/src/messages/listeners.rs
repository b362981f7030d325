//! Who listens at this node, and what waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::topics::{Rules, TopicsError, check_subscriptions};
use tokio::sync::{Notify, watch};

use super::{LISTENERS_MAX, MESSAGES_MAX, QUEUE_BYTES_MAX};
use crate::vocabulary::{Heard, ListenEvent, NodeError};

/// What somebody listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What is said in a topic and in all below it.
    Topic(TopicName),
    /// What is said to this node alone.
    Direct,
}

impl Scope {
    fn covers(&self, heard: &Heard) -> bool {
        match (self, &heard.topic) {
            (Self::Topic(path), Some(topic)) => {
                topic.and_above().any(|above| above == path.as_str())
            }
            (Self::Direct, None) => true,
            _ => false,
        }
    }
}

/// All listeners of a node. Clones are handles to the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    own: NodeId,
    rules: Rules,
    slots: Mutex<Slots>,
    /// The paths that somebody listens to.
    subscriptions: watch::Sender<BTreeSet<TopicName>>,
}

#[derive(Debug, Default)]
struct Slots {
    next: u64,
    open: BTreeMap<u64, Slot>,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot {
    scope: Scope,
    queue: VecDeque<Heard>,
    queued_bytes: usize,
    missed: u64,
    filled: Arc<Notify>,
}

impl Slot {
    fn push(&mut self, heard: &Heard) {
        let size = heard.payload.len();
        while self.queue.len() >= MESSAGES_MAX
            || (!self.queue.is_empty() && self.queued_bytes + size > QUEUE_BYTES_MAX)
        {
            if let Some(oldest) = self.queue.pop_front() {
                self.queued_bytes -= oldest.payload.len();
                self.missed += 1;
            }
        }
        self.queued_bytes += size;
        self.queue.push_back(heard.clone());
        self.filled.notify_one();
    }

    fn pop(&mut self) -> Option<ListenEvent> {
        if self.missed > 0 {
            return Some(ListenEvent::Missed(std::mem::take(&mut self.missed)));
        }
        let heard = self.queue.pop_front()?;
        self.queued_bytes -= heard.payload.len();
        Some(ListenEvent::Heard(heard))
    }
}

impl Shared {
    /// Nothing panics while the lock is held.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the network which paths are listened to now. Called with the lock held, so that the
    /// last one to change them also tells last.
    fn tell(&self, slots: &Slots) {
        let scopes = slots.open.values().map(|slot| &slot.scope);
        let paths = scopes.filter_map(|scope| match scope {
            Scope::Topic(path) => Some(path.clone()),
            Scope::Direct => None,
        });
        let paths: BTreeSet<TopicName> = paths.collect();
        self.subscriptions.send_if_modified(|told| {
            let is_new = *told != paths;
            *told = paths;
            is_new
        });
    }
}

impl Listeners {
    /// Nobody listens yet. `rules` are those of the network.
    pub(crate) fn new(own: NodeId, rules: Rules) -> Self {
        Self {
            shared: Arc::new(Shared {
                own,
                rules,
                slots: Mutex::default(),
                subscriptions: watch::Sender::default(),
            }),
        }
    }

    /// The paths that this node has to subscribe to, and their changes.
    pub(crate) fn subscriptions(&self) -> watch::Receiver<BTreeSet<TopicName>> {
        self.shared.subscriptions.subscribe()
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// [`NodeError::Topics`], [`NodeError::Busy`], [`NodeError::ShuttingDown`].
    pub(crate) fn listen(&self, scope: Scope) -> Result<Listener, NodeError> {
        let mut slots = self.shared.slots();
        if slots.is_closed {
            return Err(NodeError::ShuttingDown);
        }
        if slots.open.len() >= LISTENERS_MAX {
            let queue = "the list of listeners";
            return Err(NodeError::Busy { queue });
        }
        if let Scope::Topic(topic) = &scope {
            self.check(topic)?;
        }
        let number = slots.next;
        slots.next += 1;
        let filled = Arc::new(Notify::new());
        let slot = Slot {
            scope,
            queue: VecDeque::new(),
            queued_bytes: 0,
            missed: 0,
            filled: filled.clone(),
        };
        slots.open.insert(number, slot);
        self.shared.tell(&slots);
        Ok(Listener {
            shared: self.shared.clone(),
            number,
            filled,
        })
    }

    fn check(&self, topic: &TopicName) -> Result<(), TopicsError> {
        if !self.shared.rules.may_subscribe(self.shared.own, topic) {
            let topic = topic.clone();
            return Err(TopicsError::MayNotSubscribe { topic });
        }
        let mut paths = self.shared.subscriptions.borrow().clone();
        paths.insert(topic.clone());
        check_subscriptions(paths.iter())
    }

    /// Something was said. Never waits. Whether somebody listens.
    pub(crate) fn hear(&self, heard: &Heard) -> bool {
        let mut slots = self.shared.slots();
        let mut is_heard = false;
        for slot in slots.open.values_mut() {
            if slot.scope.covers(heard) {
                slot.push(heard);
                is_heard = true;
            }
        }
        is_heard
    }

    /// The node shuts down: listeners get what waits for them, and then the end.
    pub(crate) fn close(&self) {
        let mut slots = self.shared.slots();
        slots.is_closed = true;
        for slot in slots.open.values() {
            slot.filled.notify_one();
        }
    }
}

/// Hears what is said in a topic, or to this node. Dropping it ends it.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    number: u64,
    filled: Arc<Notify>,
}

impl Listener {
    /// Waits for the next message; none once the node has shut down. May be dropped while it waits
    /// without losing a message.
    pub async fn next(&mut self) -> Option<ListenEvent> {
        loop {
            {
                let mut slots = self.shared.slots();
                let is_closed = slots.is_closed;
                let slot = slots.open.get_mut(&self.number)?;
                if let Some(event) = slot.pop() {
                    return Some(event);
                }
                if is_closed {
                    return None;
                }
            }
            // A message that came since then has left its permit.
            self.filled.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut slots = self.shared.slots();
        slots.open.remove(&self.number);
        self.shared.tell(&slots);
    }
}
