//! What is counted.

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payloads seen for the first time.
    pub delivered_count: u64,
    /// Payloads, or chunks of them, that came again.
    pub duplicate_count: u64,
    /// Payloads dropped since the driver did not keep up.
    pub dropped_count: u64,
    /// Messages with a payload, or a chunk of one, that went out.
    pub bodies_sent_count: u64,
    /// Announcements that went out.
    pub announcements_sent_count: u64,
    /// Announcements that were ignored, since too much is being fetched.
    pub announcements_ignored_count: u64,
    /// Requests that were not answered: for what is not here, or was given often enough.
    pub requests_refused_count: u64,
    /// Acknowledgements that went out.
    pub acknowledgements_sent_count: u64,
    /// Acknowledgements that came.
    pub acknowledgements_count: u64,
    /// Of these, those of messages that this node neither said nor passed on.
    pub acknowledgements_ignored_count: u64,
}

impl Counts {
    /// Adds what happened since an earlier reading of the same state.
    pub fn add(&mut self, now: &Self, before: &Self) {
        self.delivered_count += now.delivered_count - before.delivered_count;
        self.duplicate_count += now.duplicate_count - before.duplicate_count;
        self.dropped_count += now.dropped_count - before.dropped_count;
        self.bodies_sent_count += now.bodies_sent_count - before.bodies_sent_count;
        self.announcements_sent_count +=
            now.announcements_sent_count - before.announcements_sent_count;
        self.announcements_ignored_count +=
            now.announcements_ignored_count - before.announcements_ignored_count;
        self.requests_refused_count += now.requests_refused_count - before.requests_refused_count;
        self.acknowledgements_sent_count +=
            now.acknowledgements_sent_count - before.acknowledgements_sent_count;
        self.acknowledgements_count += now.acknowledgements_count - before.acknowledgements_count;
        self.acknowledgements_ignored_count +=
            now.acknowledgements_ignored_count - before.acknowledgements_ignored_count;
    }
}
