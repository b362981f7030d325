//! Bounds memory and tables of one store in sum, and remembers which bound was hit.
//!
//! Growing beyond a bound is a trap and not a failure that the guest could see: so what a guest
//! learns from `memory.grow` is the same on every machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

use crate::fault::{FaultKind, Grouped};
use crate::limits::Limits;

/// Core instances of one component instance. Rust and C take two to four, Python about thirty.
const INSTANCES_MAX: usize = 100;
/// Tables of one component instance.
const TABLES_MAX: usize = 64;
/// Memories of one component instance; QuickJS components have three.
const MEMORIES_MAX: usize = 16;

/// What all stores of an engine have together.
#[derive(Debug)]
pub(crate) struct TotalMemory {
    bytes: AtomicU64,
    bytes_max: u64,
}

impl TotalMemory {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            bytes_max,
        }
    }

    fn take(&self, more: u64) -> bool {
        let sum = |bytes: u64| bytes.checked_add(more).filter(|sum| *sum <= self.bytes_max);
        let taken = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        taken.is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The bounds of one store and what is used of them.
#[derive(Debug)]
pub(crate) struct Limiter {
    total: Arc<TotalMemory>,
    memory_bytes: u64,
    memory_bytes_max: u64,
    table_elements: u64,
    table_elements_max: u64,
    hit: Option<FaultKind>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, total: Arc<TotalMemory>) -> Self {
        Self {
            total,
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements: 0,
            table_elements_max: limits.table_elements_max,
            hit: None,
        }
    }

    /// Bytes of all memories.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// The bound that was hit, if one was; it explains the trap that followed.
    pub(crate) fn take_hit(&mut self) -> Option<FaultKind> {
        self.hit.take()
    }

    fn refuse(&mut self, kind: FaultKind) -> wasmtime::Error {
        let error = wasmtime::Error::msg(kind.to_string());
        self.hit = Some(kind);
        error
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.total.give_back(self.memory_bytes);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.memory_bytes - current as u64 + desired as u64;
        if wanted > self.memory_bytes_max {
            let limit = self.memory_bytes_max;
            return Err(self.refuse(FaultKind::Memory { limit }));
        }
        if !self.total.take((desired - current) as u64) {
            let limit = Grouped(self.total.bytes_max);
            let reason = format!("all instances together have {limit} bytes of memory");
            return Err(self.refuse(FaultKind::Host { reason }));
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    /// Comes after `memory_growing` said yes, and the machine did not have it.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let reason = format!("memory: {error:#}");
        Err(self.refuse(FaultKind::Host { reason }))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.table_elements - current as u64 + desired as u64;
        if wanted > self.table_elements_max {
            let limit = self.table_elements_max;
            return Err(self.refuse(FaultKind::Table { limit }));
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let reason = format!("table: {error:#}");
        Err(self.refuse(FaultKind::Host { reason }))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        with_total(&Arc::new(TotalMemory::new(u64::MAX)))
    }

    fn with_total(total: &Arc<TotalMemory>) -> Limiter {
        let limits = Limits {
            memory_bytes_max: 100,
            table_elements_max: 10,
            ..Limits::default()
        };
        Limiter::new(&limits, Arc::clone(total))
    }

    #[test]
    fn what_one_gives_back_another_can_have() {
        let total = Arc::new(TotalMemory::new(150));
        let mut one = with_total(&total);
        let mut other = with_total(&total);
        assert!(one.memory_growing(0, 100, None).unwrap());
        assert!(other.memory_growing(0, 50, None).unwrap());
        other.memory_growing(50, 51, None).unwrap_err();
        assert!(matches!(other.take_hit(), Some(FaultKind::Host { .. })));
        drop(one);
        assert!(other.memory_growing(50, 100, None).unwrap());
    }

    #[test]
    fn memories_are_bounded_in_sum_up_to_the_last_byte() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert_eq!(limiter.memory_bytes(), 100);
        limiter.memory_growing(40, 41, None).unwrap_err();
        assert_eq!(limiter.take_hit(), Some(FaultKind::Memory { limit: 100 }));
        assert_eq!(limiter.memory_bytes(), 100);
    }

    #[test]
    fn tables_are_bounded_in_sum() {
        let mut limiter = limiter();
        assert!(limiter.table_growing(0, 10, None).unwrap());
        limiter.table_growing(0, 1, None).unwrap_err();
        assert_eq!(limiter.take_hit(), Some(FaultKind::Table { limit: 10 }));
    }

    #[test]
    fn a_maximum_of_the_guests_own_is_its_own_affair() {
        let mut limiter = limiter();
        assert!(!limiter.memory_growing(0, 60, Some(50)).unwrap());
        assert_eq!(limiter.take_hit(), None);
        assert_eq!(limiter.memory_bytes(), 0);
    }
}
