//! Whether a part of the node, a thread or a task, has ended by a panic.
//!
//! A panic is a fault of this program. It ends one thread; the others do not notice, and half a
//! node would go on that looks well from outside. So each part that everything needs is watched.

use tokio::sync::watch;

/// A part of the node that must not end before the node does.
#[derive(Clone, Debug)]
pub(crate) struct Vital {
    part: &'static str,
    is_dead: watch::Sender<bool>,
}

impl Vital {
    /// A part by its name, as people are told of it.
    pub(crate) fn new(part: &'static str) -> Self {
        let is_dead = watch::Sender::new(false);
        Self { part, is_dead }
    }

    /// What the part's thread or task holds for as long as it runs.
    pub(crate) fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    /// The part's name, if it has ended by a panic.
    pub(crate) fn dead(&self) -> Option<&'static str> {
        self.is_dead.borrow().then_some(self.part)
    }

    /// Waits until the part has ended by a panic.
    pub(crate) async fn died(&self) -> &'static str {
        // There is a sender: this one.
        let _ = self.is_dead.subscribe().wait_for(|dead| *dead).await;
        self.part
    }
}

/// Tells of a panic when it is dropped by one.
pub(crate) struct Guard(Vital);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_dead.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_is_told_of_only_if_it_panicked() {
        let vital = Vital::new("a thread");
        let guard = vital.guard();
        std::thread::spawn(move || drop(guard)).join().unwrap();
        assert_eq!(vital.dead(), None);
        let guard = vital.guard();
        let ended = std::thread::spawn(move || {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(ended.join().is_err());
        assert_eq!(vital.died().await, "a thread");
        assert_eq!(vital.dead(), Some("a thread"));
    }

    #[tokio::test]
    async fn a_task_that_panics_is_told_of() {
        let vital = Vital::new("a task");
        let guard = vital.guard();
        let task = tokio::spawn(async move {
            let _guard = guard;
            panic!("on purpose");
        });
        assert_eq!(vital.died().await, "a task");
        assert!(task.await.is_err());
    }
}
