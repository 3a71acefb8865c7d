//! Bounds memory and tables of one instance, and remembers that it had to.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::engine::{TABLE_ELEMENTS, TABLES};
use super::shares::{MemoryBudget, Shares};

/// Refuses growth past the limit, over the sum of all memories of the store.
#[derive(Debug)]
pub(super) struct Limiter {
    limit_bytes: u64,
    used_bytes: u64,
    refused_bytes: Option<u64>,
    /// The last growth that was let through, and may still fail for want of memory.
    growing_bytes: u64,
    /// The memory of all guests of this host.
    budget: Arc<MemoryBudget>,
    /// What the plugin's instances have together is counted in here.
    shares: Arc<Shares>,
    refused_by_host: bool,
}

impl Limiter {
    pub(super) fn new(limit_bytes: u64, budget: Arc<MemoryBudget>, shares: Arc<Shares>) -> Self {
        Self {
            limit_bytes,
            used_bytes: 0,
            refused_bytes: None,
            growing_bytes: 0,
            budget,
            shares,
            refused_by_host: false,
        }
    }

    /// Linear memory in use; memory never shrinks, so this is also the peak.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// What the guest would have needed in total when it was refused. A guest's allocator usually turns the refusal
    /// into an abort, so a trap after a refusal is a memory limit and not a bug of the guest.
    pub(super) fn refused_bytes(&self) -> Option<u64> {
        self.refused_bytes
    }

    /// Whether the host had no memory left for the guest, which was within its own limit.
    pub(super) fn refused_by_host(&self) -> bool {
        self.refused_by_host
    }

    /// Forgets an earlier refusal that the guest has survived.
    pub(super) fn begin_command(&mut self) {
        self.refused_bytes = None;
        self.refused_by_host = false;
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.budget.give_back(self.used_bytes);
        self.shares.usage.give_back_memory(self.used_bytes);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        self.growing_bytes = 0;
        let total = self.used_bytes.saturating_add(added);
        if total > self.limit_bytes {
            self.refused_bytes = Some(total);
            return Ok(false);
        }
        // The module's own maximum is its own business: growth past it fails without being our limit.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if !self.budget.take(added) {
            self.refused_by_host = true;
            return Ok(false);
        }
        self.shares.usage.take_memory(added);
        self.used_bytes = total;
        self.growing_bytes = added;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let failed = std::mem::take(&mut self.growing_bytes);
        self.used_bytes = self.used_bytes.saturating_sub(failed);
        self.budget.give_back(failed);
        self.shares.usage.give_back_memory(failed);
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        usize::try_from(TABLES).unwrap_or(usize::MAX)
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit_bytes: u64, budget_bytes: u64) -> Limiter {
        Limiter::new(limit_bytes, Arc::new(MemoryBudget::new(budget_bytes)), Arc::default())
    }

    #[test]
    fn what_the_host_has_not_is_not_the_guests_limit_and_comes_back() {
        let budget = Arc::new(MemoryBudget::new(150));
        let mut first = Limiter::new(100, Arc::clone(&budget), Arc::default());
        let mut second = Limiter::new(100, budget, Arc::default());
        assert!(first.memory_growing(0, 100, None).unwrap());
        assert!(!second.memory_growing(0, 51, None).unwrap());
        assert!(second.refused_by_host());
        assert_eq!(second.refused_bytes(), None);
        drop(first);
        assert!(second.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_byte_more_is_not() {
        let mut limiter = limiter(100, 1_000);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(
            limiter.memory_growing(0, 40, None).unwrap(),
            "a second memory counts into the same sum"
        );
        assert_eq!(limiter.refused_bytes(), None);
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert_eq!(limiter.refused_bytes(), Some(101));
        assert_eq!(limiter.used_bytes(), 100);
    }

    #[test]
    fn the_modules_own_maximum_is_not_our_limit() {
        let mut limiter = limiter(100, 1_000);
        assert!(!limiter.memory_growing(0, 20, Some(10)).unwrap());
        assert_eq!(limiter.refused_bytes(), None);
    }
}
