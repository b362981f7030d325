//! What waits to be sent to one peer.
//!
//! Three lanes, each with bounds of its own. Failure detection goes first, so a peer that is behind
//! with bundles is not taken for dead. Rapid broadcast goes before everything else, but for one
//! message in nine, so that nobody keeps the rest waiting by talking rapidly. A message that does
//! not fit is dropped and counted; nothing ever waits for a slow peer.
//!
//! What waits for all peers together is bounded too. A message for many is held once and counted
//! once. No queue may hold more than is left of the whole (the "dynamic threshold" of Choudhury and
//! Hahne, 1998): so *n* peers that do not read leave room for one more, and never use up all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use replicant_protocol::session::CloseReason;
use tokio::sync::Notify;

use super::budget::{Budget, Share};
use super::config::NetworkLimits;

/// Which messages a message waits behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Failure detection.
    Control,
    /// Rapid broadcast.
    Rapid,
    /// Everything else.
    Data,
}

/// Messages of rapid broadcast that go one after the other while others wait.
const RAPID_IN_A_ROW_MAX: u8 = 8;

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many messages or bytes wait for the peer.
    Full,
    /// The session is ending.
    Closed,
}

/// A message on its way, to one peer or to several.
#[derive(Debug)]
pub(super) struct Parcel {
    bytes: Vec<u8>,
    #[allow(dead_code, reason = "held for its drop")]
    share: Share,
}

impl Parcel {
    /// The message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The room for what waits for all peers together, by lane.
#[derive(Debug)]
pub(super) struct Rooms {
    control: Budget,
    rapid: Budget,
    data: Budget,
}

impl Rooms {
    /// Starts empty.
    pub(super) fn new(limits: &NetworkLimits) -> Self {
        Self {
            control: Budget::new(limits.control_total_bytes_max),
            rapid: Budget::new(limits.rapid_total_bytes_max),
            data: Budget::new(limits.queue_total_bytes_max),
        }
    }

    /// Takes a message in. None: too much waits for peers.
    pub(super) fn parcel(&self, lane: Lane, bytes: Vec<u8>) -> Option<Arc<Parcel>> {
        let room = match lane {
            Lane::Control => &self.control,
            Lane::Rapid => &self.rapid,
            Lane::Data => &self.data,
        };
        let share = room.try_take(bytes.len())?;
        Some(Arc::new(Parcel { bytes, share }))
    }
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this.
    Message(Arc<Parcel>),
    /// Say goodbye; nothing is left to send.
    Close(CloseReason),
    /// Wait for [`Outbox::changed`].
    Nothing,
}

/// The queue of one session. Whoever has something to send pushes; the session's writer pops.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug)]
struct State {
    control: Queue,
    rapid: Queue,
    data: Queue,
    /// Messages of rapid broadcast since one of the others went.
    rapid_in_a_row: u8,
    closing: Option<CloseReason>,
}

#[derive(Debug)]
struct Queue {
    messages: VecDeque<Arc<Parcel>>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
    room: Budget,
}

impl Queue {
    fn new((messages_max, bytes_max): (usize, usize), room: &Budget) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            messages_max,
            bytes_max,
            room: room.clone(),
        }
    }

    /// A message of any size fits an empty queue.
    fn push(&mut self, message: Arc<Parcel>) -> Result<(), Refusal> {
        let is_full = self.messages.len() >= self.messages_max
            || self.bytes.saturating_add(message.bytes.len()) > self.bytes_max
            || self.bytes > self.room.free();
        if is_full && !self.messages.is_empty() {
            return Err(Refusal::Full);
        }
        self.bytes += message.bytes.len();
        self.messages.push_back(message);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }

    fn pop(&mut self) -> Option<Arc<Parcel>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.bytes.len();
        Some(message)
    }
}

impl State {
    fn pop(&mut self) -> Option<Arc<Parcel>> {
        if let Some(message) = self.control.pop() {
            return Some(message);
        }
        let is_rapid_next = self.rapid_in_a_row < RAPID_IN_A_ROW_MAX || self.data.is_empty();
        if is_rapid_next && let Some(message) = self.rapid.pop() {
            self.rapid_in_a_row = self.rapid_in_a_row.saturating_add(1);
            return Some(message);
        }
        self.rapid_in_a_row = 0;
        self.data.pop()
    }
}

impl Outbox {
    /// Starts empty.
    pub(super) fn new(limits: &NetworkLimits, rooms: &Rooms) -> Self {
        let control = (limits.control_messages_max, limits.control_bytes_max);
        let rapid = (limits.rapid_messages_max, limits.rapid_bytes_max);
        let data = (limits.queue_messages_max, limits.queue_bytes_max);
        Self {
            state: Mutex::new(State {
                control: Queue::new(control, &rooms.control),
                rapid: Queue::new(rapid, &rooms.rapid),
                data: Queue::new(data, &rooms.data),
                rapid_in_a_row: 0,
                closing: None,
            }),
            wake: Notify::new(),
        }
    }

    /// Adds a message.
    pub(super) fn push(&self, lane: Lane, message: Arc<Parcel>) -> Result<(), Refusal> {
        {
            let mut state = self.lock();
            if state.closing.is_some() {
                return Err(Refusal::Closed);
            }
            match lane {
                Lane::Control => state.control.push(message)?,
                Lane::Rapid => state.rapid.push(message)?,
                Lane::Data => state.data.push(message)?,
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Takes what is to be sent next.
    pub(super) fn pop(&self) -> Next {
        let mut state = self.lock();
        let message = state.pop();
        match (message, state.closing) {
            (Some(message), _) => Next::Message(message),
            (None, Some(reason)) => Next::Close(reason),
            (None, None) => Next::Nothing,
        }
    }

    /// Takes no more messages; says goodbye after those that wait. The first reason stays.
    pub(super) fn close(&self, reason: CloseReason) {
        self.lock().closing.get_or_insert(reason);
        self.wake.notify_one();
    }

    /// Forgets what waits, if any, and says goodbye at once.
    pub(super) fn close_at_once(&self, reason: CloseReason) {
        self.close_with(reason, None);
    }

    /// Forgets what waits; says a last message, if there is one, and goodbye.
    pub(super) fn close_with(&self, reason: CloseReason, last: Option<Arc<Parcel>>) {
        let mut state = self.lock();
        state.closing.get_or_insert(reason);
        state.control.clear();
        state.rapid.clear();
        state.data.clear();
        if let Some(last) = last {
            // Cannot be refused: a message of any size fits an empty queue.
            let _ = state.data.push(last);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Why the session is ending, if it is.
    pub(super) fn closing(&self) -> Option<CloseReason> {
        self.lock().closing
    }

    /// Waits until something was pushed or the outbox was closed since the last wait.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// How many bytes wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        let state = self.lock();
        state.control.bytes + state.rapid.bytes + state.data.bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the state is valid between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total_bytes_max: usize) -> NetworkLimits {
        NetworkLimits {
            queue_bytes_max: 100,
            queue_messages_max: 4,
            queue_total_bytes_max: total_bytes_max,
            control_bytes_max: 100,
            control_messages_max: 2,
            control_total_bytes_max: total_bytes_max,
            rapid_bytes_max: 100,
            rapid_messages_max: 20,
            rapid_total_bytes_max: total_bytes_max,
            ..NetworkLimits::default()
        }
    }

    /// One outbox, in a room that is large enough.
    struct Alone {
        rooms: Rooms,
        outbox: Outbox,
    }

    impl Alone {
        fn new() -> Self {
            let limits = limits(10_000);
            let rooms = Rooms::new(&limits);
            let outbox = Outbox::new(&limits, &rooms);
            Self { rooms, outbox }
        }

        fn push(&self, lane: Lane, byte: u8, length: usize) -> Result<(), Refusal> {
            let parcel = self.rooms.parcel(lane, vec![byte; length]).unwrap();
            self.outbox.push(lane, parcel)
        }

        /// The first byte of the next message.
        fn pop(&self) -> Option<u8> {
            match self.outbox.pop() {
                Next::Message(parcel) => Some(parcel.bytes()[0]),
                Next::Nothing | Next::Close(_) => None,
            }
        }
    }

    #[test]
    fn failure_detection_goes_first() {
        let alone = Alone::new();
        alone.push(Lane::Data, 1, 1).unwrap();
        alone.push(Lane::Data, 2, 1).unwrap();
        alone.push(Lane::Control, 3, 1).unwrap();
        let order = [alone.pop(), alone.pop(), alone.pop()];
        assert_eq!(order, [Some(3), Some(1), Some(2)]);
        assert!(matches!(alone.outbox.pop(), Next::Nothing));
    }

    #[test]
    fn rapid_broadcast_goes_before_the_rest_which_is_not_kept_waiting() {
        let alone = Alone::new();
        for _ in 0..4 {
            alone.push(Lane::Data, 1, 1).unwrap();
        }
        for _ in 0..20 {
            alone.push(Lane::Rapid, 2, 1).unwrap();
        }
        alone.push(Lane::Control, 3, 1).unwrap();
        let order: Vec<u8> = std::iter::from_fn(|| alone.pop()).collect();
        let rapid = [2; 8];
        let expected = [&[3], &rapid[..], &[1], &rapid, &[1], &rapid[..4], &[1, 1]].concat();
        assert_eq!(order, expected);
    }

    #[test]
    fn each_lane_is_full_at_its_own_bounds() {
        let alone = Alone::new();
        alone.push(Lane::Data, 1, 60).unwrap();
        assert_eq!(alone.push(Lane::Data, 1, 41), Err(Refusal::Full));
        alone.push(Lane::Data, 1, 40).unwrap();
        assert_eq!(alone.outbox.waiting_bytes(), 100);
        for _ in 0..2 {
            alone.push(Lane::Control, 2, 1).unwrap();
        }
        assert_eq!(alone.push(Lane::Control, 2, 1), Err(Refusal::Full));
        alone.push(Lane::Rapid, 3, 100).unwrap();
        assert_eq!(alone.push(Lane::Rapid, 3, 1), Err(Refusal::Full));
        assert_eq!(alone.pop(), Some(2));
        alone.push(Lane::Control, 2, 1).unwrap();
    }

    #[test]
    fn a_message_beyond_the_bound_fits_an_empty_queue() {
        let alone = Alone::new();
        alone.push(Lane::Data, 1, 1_000).unwrap();
        assert_eq!(alone.push(Lane::Data, 1, 1), Err(Refusal::Full));
    }

    #[test]
    fn what_waits_for_all_is_bounded_and_a_late_comer_finds_room() {
        let limits = limits(100);
        let rooms = Rooms::new(&limits);
        let outboxes = [(); 4].map(|()| Outbox::new(&limits, &rooms));
        for outbox in &outboxes[..3] {
            let mut pushed = Ok(());
            while pushed.is_ok() {
                let parcel = rooms.parcel(Lane::Data, vec![1; 5]).unwrap();
                pushed = outbox.push(Lane::Data, parcel);
            }
        }
        assert!(rooms.data.free() >= 5);
        let parcel = rooms.parcel(Lane::Data, vec![1; 5]).unwrap();
        assert_eq!(outboxes[3].push(Lane::Data, parcel), Ok(()));
        // The other lanes have rooms of their own.
        assert_eq!([rooms.control.free(), rooms.rapid.free()], [100, 100]);
        assert!(rooms.parcel(Lane::Data, vec![1; 100]).is_none());
        drop(outboxes);
        assert_eq!(rooms.data.free(), 100);
    }

    #[test]
    fn a_message_for_many_is_counted_once() {
        let limits = limits(100);
        let rooms = Rooms::new(&limits);
        let outboxes = [(); 9].map(|()| Outbox::new(&limits, &rooms));
        let parcel = rooms.parcel(Lane::Data, vec![1; 50]).unwrap();
        for outbox in &outboxes {
            outbox.push(Lane::Data, parcel.clone()).unwrap();
        }
        drop(parcel);
        assert_eq!(rooms.data.free(), 50);
        for outbox in &outboxes {
            assert!(matches!(outbox.pop(), Next::Message(_)));
        }
        assert_eq!(rooms.data.free(), 100);
    }

    #[test]
    fn a_closing_outbox_takes_nothing_and_ends_with_the_goodbye() {
        let alone = Alone::new();
        alone.push(Lane::Data, 1, 1).unwrap();
        alone.outbox.close(CloseReason::Shutdown);
        alone.outbox.close(CloseReason::Duplicate);
        assert_eq!(alone.push(Lane::Data, 1, 1), Err(Refusal::Closed));
        assert_eq!(alone.pop(), Some(1));
        let next = alone.outbox.pop();
        assert!(matches!(next, Next::Close(CloseReason::Shutdown)));
    }

    #[test]
    fn closing_with_a_last_message_forgets_the_others() {
        let alone = Alone::new();
        for (lane, byte) in [(Lane::Control, 1), (Lane::Rapid, 2), (Lane::Data, 3)] {
            alone.push(lane, byte, 100).unwrap();
        }
        let last = alone.rooms.parcel(Lane::Data, vec![4; 1_000]);
        alone.outbox.close_with(CloseReason::Refused, last);
        assert_eq!(alone.pop(), Some(4));
        let next = alone.outbox.pop();
        assert!(matches!(next, Next::Close(CloseReason::Refused)));
        assert_eq!(alone.rooms.data.free(), 10_000);
    }

    #[test]
    fn closing_at_once_forgets_what_waits() {
        let alone = Alone::new();
        alone.push(Lane::Data, 1, 1).unwrap();
        alone.outbox.close_at_once(CloseReason::Refused);
        let next = alone.outbox.pop();
        assert!(matches!(next, Next::Close(CloseReason::Refused)));
        assert_eq!(alone.outbox.waiting_bytes(), 0);
        assert_eq!(alone.rooms.data.free(), 10_000);
    }
}
