//! Connections on which no request is under way, and how they give way.
//!
//! A client that opens connections and sends no request, or half the head of one, would else keep
//! everybody out until it ran out of time. While all connections are taken, the one that has
//! waited longest is closed for each client that wants in, if it has waited as long as a head
//! takes to arrive. One that has a request under way is never closed for that: how many requests
//! and watches there may be is bounded for itself.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

/// Since when a connection waits, and its number.
type Place = (Instant, u64);

/// All connections that wait for a request.
#[derive(Debug, Default)]
pub(super) struct Idle {
    waiting: Mutex<BTreeMap<Place, Arc<Notify>>>,
    numbers: AtomicU64,
}

impl Idle {
    /// Tells the connection that has waited longest to end, if it has waited this long. Gives how
    /// long to wait for its end, or until one has waited long enough.
    pub(super) fn end_longest(&self, least: Duration) -> Duration {
        let mut waiting = self.lock();
        let Some(first) = waiting.first_entry() else {
            return least;
        };
        let waited = first.key().0.elapsed();
        if waited >= least {
            first.remove().notify_one();
            return least;
        }
        least - waited
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Notify>>> {
        // Nothing panics while the lock is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection. It waits for a request from the start, and again after each.
#[derive(Debug)]
pub(super) struct Seat {
    idle: Arc<Idle>,
    number: u64,
    end: Arc<Notify>,
    /// Since when it waits; nothing while a request is under way.
    since: Mutex<Option<Instant>>,
}

impl Seat {
    pub(super) fn take(idle: &Arc<Idle>) -> Arc<Self> {
        let seat = Self {
            idle: Arc::clone(idle),
            number: idle.numbers.fetch_add(1, Ordering::Relaxed),
            end: Arc::new(Notify::new()),
            since: Mutex::new(None),
        };
        seat.wait();
        Arc::new(seat)
    }

    /// Ends when the connection is to give way.
    pub(super) async fn told_to_end(&self) {
        self.end.notified().await;
    }

    /// A request has begun; it ends with what is returned.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.leave();
        UnderWay(Arc::clone(self))
    }

    fn wait(&self) {
        let now = Instant::now();
        let place = (now, self.number);
        *self.lock() = Some(now);
        self.idle.lock().insert(place, Arc::clone(&self.end));
    }

    fn leave(&self) {
        if let Some(since) = self.lock().take() {
            self.idle.lock().remove(&(since, self.number));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing panics while the lock is held.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Seat>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// The body of an answer; with its end the request ends.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _request: UnderWay,
}

impl Answer {
    pub(super) fn new(body: Body, request: UnderWay) -> Self {
        Self {
            body,
            _request: request,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn waiting(idle: &Idle) -> Vec<u64> {
        idle.lock().keys().map(|(_, number)| *number).collect()
    }

    #[test]
    fn who_has_waited_longest_gives_way_first_and_a_request_begins_the_wait_anew() {
        let idle = Arc::new(Idle::default());
        let seats: Vec<_> = (0..3).map(|_| Seat::take(&idle)).collect();
        let request = seats[0].begin();
        assert_eq!(waiting(&idle), [1, 2]);
        drop(request);
        assert_eq!(waiting(&idle), [1, 2, 0]);
        idle.end_longest(AT_ONCE);
        assert_eq!(waiting(&idle), [2, 0]);
    }

    #[test]
    fn who_has_a_request_under_way_or_came_just_now_stays() {
        let idle = Arc::new(Idle::default());
        let (busy, new) = (Seat::take(&idle), Seat::take(&idle));
        let _request = busy.begin();
        let long = Duration::from_secs(3_600);
        assert!(idle.end_longest(long) <= long);
        assert_eq!(waiting(&idle), [1]);
        drop(new);
        assert_eq!(idle.end_longest(AT_ONCE), AT_ONCE);
        assert!(waiting(&idle).is_empty());
    }
}
