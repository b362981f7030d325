//! The queues that the driver listens to.

use tokio::sync::mpsc;

use super::budget::Share;
use super::driver::{ControlInput, DataInput};
use super::handle::{Broadcast, Request};

/// What the driver listens to.
pub(super) struct Inputs {
    pub(super) control: mpsc::Receiver<ControlInput>,
    pub(super) data: mpsc::Receiver<DataInput>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) broadcasts: mpsc::Receiver<(Broadcast, Share)>,
}

impl Inputs {
    /// Refuses what comes from now on, and drops what waits.
    pub(super) async fn close(mut self) {
        close(&mut self.control).await;
        close(&mut self.data).await;
        close(&mut self.requests).await;
        close(&mut self.broadcasts).await;
    }
}

/// Merely dropping a receiver leaves in the queue what is sent at that moment, for as long as there
/// are senders; and one of them may wait until what it sent is dropped.
async fn close<T>(inputs: &mut mpsc::Receiver<T>) {
    inputs.close();
    while inputs.recv().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn whoever_sends_at_the_moment_of_the_end_is_not_kept_waiting() {
        let (sender, mut inputs) = mpsc::channel(1);
        // Half of sending: the place is taken, nothing is in it yet.
        let place = sender.reserve().await.unwrap();
        let closing = tokio::spawn(async move { close(&mut inputs).await });
        sender.closed().await;
        let (answer, wait) = oneshot::channel::<()>();
        place.send(answer);
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        waited.expect("it waits for ever").unwrap_err();
        closing.await.unwrap();
    }
}
