//! What is counted of reconciliation.

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Comparisons that this node led to their end.
    pub compared_count: u64,
    /// Those of them that found nothing to do.
    pub equal_count: u64,
    /// Comparisons that were not answered in time, or refused.
    pub abandoned_count: u64,
    /// Messages of peers that were refused: for want of budget, since too much is under way, or
    /// since they belong to no comparison.
    pub busy_count: u64,
    /// Elements pushed.
    pub pushed_count: u64,
    /// Elements that peers named and did not send.
    pub unserved_count: u64,
    /// Comparisons in which each element was hashed anew.
    pub deep_count: u64,
}
