//! What waits to be sent to one peer.
//!
//! Two lanes: failure detection, and everything else. The first goes first and has bounds of its
//! own, so a peer that is behind with bundles is not taken for dead. A message that does not fit
//! is dropped and counted; nothing ever waits for a slow peer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use replicant_protocol::session::CloseReason;
use tokio::sync::Notify;

use super::config::NetworkLimits;

/// Which messages a message waits behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Failure detection.
    Control,
    /// Everything else.
    Data,
}

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many messages or bytes wait for the peer.
    Full,
    /// The session is ending.
    Closed,
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this.
    Message(Arc<[u8]>),
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
    data: Queue,
    closing: Option<CloseReason>,
}

#[derive(Debug)]
struct Queue {
    messages: VecDeque<Arc<[u8]>>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

impl Queue {
    fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            messages_max,
            bytes_max,
        }
    }

    /// A message of any size fits an empty queue.
    fn push(&mut self, message: Arc<[u8]>) -> Result<(), Refusal> {
        let is_full = self.messages.len() >= self.messages_max
            || self.bytes.saturating_add(message.len()) > self.bytes_max;
        if is_full && !self.messages.is_empty() {
            return Err(Refusal::Full);
        }
        self.bytes += message.len();
        self.messages.push_back(message);
        Ok(())
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }

    fn pop(&mut self) -> Option<Arc<[u8]>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

impl Outbox {
    /// Starts empty.
    pub(super) fn new(limits: &NetworkLimits) -> Self {
        Self {
            state: Mutex::new(State {
                control: Queue::new(limits.control_messages_max, limits.control_bytes_max),
                data: Queue::new(limits.queue_messages_max, limits.queue_bytes_max),
                closing: None,
            }),
            wake: Notify::new(),
        }
    }

    /// Adds a message.
    pub(super) fn push(&self, lane: Lane, message: Arc<[u8]>) -> Result<(), Refusal> {
        {
            let mut state = self.lock();
            if state.closing.is_some() {
                return Err(Refusal::Closed);
            }
            match lane {
                Lane::Control => state.control.push(message)?,
                Lane::Data => state.data.push(message)?,
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Takes what is to be sent next.
    pub(super) fn pop(&self) -> Next {
        let mut state = self.lock();
        let message = state.control.pop().or_else(|| state.data.pop());
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
        let mut state = self.lock();
        state.closing.get_or_insert(reason);
        state.control.clear();
        state.data.clear();
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
        state.control.bytes + state.data.bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the state is valid between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(byte: u8, length: usize) -> Arc<[u8]> {
        vec![byte; length].into()
    }

    fn outbox() -> Outbox {
        Outbox::new(&NetworkLimits {
            queue_bytes_max: 100,
            queue_messages_max: 4,
            control_bytes_max: 100,
            control_messages_max: 2,
            ..NetworkLimits::default()
        })
    }

    #[test]
    fn failure_detection_goes_first() {
        let outbox = outbox();
        outbox.push(Lane::Data, message(1, 1)).unwrap();
        outbox.push(Lane::Data, message(2, 1)).unwrap();
        outbox.push(Lane::Control, message(3, 1)).unwrap();
        let order = [3, 1, 2].map(|byte| Next::Message(message(byte, 1)));
        assert_eq!([outbox.pop(), outbox.pop(), outbox.pop()], order);
        assert_eq!(outbox.pop(), Next::Nothing);
    }

    #[test]
    fn each_lane_is_full_at_its_own_bounds() {
        let outbox = outbox();
        outbox.push(Lane::Data, message(1, 60)).unwrap();
        let refused = outbox.push(Lane::Data, message(1, 41));
        assert_eq!(refused, Err(Refusal::Full));
        outbox.push(Lane::Data, message(1, 40)).unwrap();
        assert_eq!(outbox.waiting_bytes(), 100);
        for _ in 0..2 {
            outbox.push(Lane::Control, message(2, 1)).unwrap();
        }
        let refused = outbox.push(Lane::Control, message(2, 1));
        assert_eq!(refused, Err(Refusal::Full));
        assert_eq!(outbox.pop(), Next::Message(message(2, 1)));
        outbox.push(Lane::Control, message(2, 1)).unwrap();
    }

    #[test]
    fn a_message_beyond_the_bound_fits_an_empty_queue() {
        let outbox = outbox();
        outbox.push(Lane::Data, message(1, 1_000)).unwrap();
        assert_eq!(outbox.push(Lane::Data, message(1, 1)), Err(Refusal::Full));
    }

    #[test]
    fn a_closing_outbox_takes_nothing_and_ends_with_the_goodbye() {
        let outbox = outbox();
        outbox.push(Lane::Data, message(1, 1)).unwrap();
        outbox.close(CloseReason::Shutdown);
        outbox.close(CloseReason::Duplicate);
        assert_eq!(outbox.push(Lane::Data, message(1, 1)), Err(Refusal::Closed));
        assert_eq!(outbox.pop(), Next::Message(message(1, 1)));
        assert_eq!(outbox.pop(), Next::Close(CloseReason::Shutdown));
    }

    #[test]
    fn closing_at_once_forgets_what_waits() {
        let outbox = outbox();
        outbox.push(Lane::Data, message(1, 1)).unwrap();
        outbox.close_at_once(CloseReason::Refused);
        assert_eq!(outbox.pop(), Next::Close(CloseReason::Refused));
        assert_eq!(outbox.waiting_bytes(), 0);
    }
}
