//! How many of each kind of thing services may have at once: [`ResourceTracker`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::ServiceId;
use super::taken::Release;
use crate::services::ServiceFuture;

/// How many of a kind there may be where a host says nothing: more than one machine serves, and few enough that a loop
/// which starts services is noticed.
const DEFAULT_LIMIT: usize = 1024;

/// Counts what services have, by kind, and gives no more than the limit of each.
#[derive(Debug, Default)]
pub struct ResourceTracker {
    limits: BTreeMap<String, usize>,
    taken: Mutex<BTreeMap<String, usize>>,
}

impl ResourceTracker {
    /// A tracker that allows 1,024 of each kind.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows `limit` of `kind`.
    #[must_use]
    pub fn limit(mut self, kind: impl Into<String>, limit: usize) -> Self {
        self.limits.insert(kind.into(), limit);
        self
    }

    /// Takes one of `kind`, for as long as the [`Resource`] is kept.
    ///
    /// # Errors
    ///
    /// [`PluginLifecycleError::ResourceAllocationFailed`] when there are as many as there may be;
    /// [`PluginLifecycleError::StartFailed`] when the system gives no random numbers for an id.
    pub fn allocate(self: &Arc<Self>, kind: &str) -> Result<Resource, PluginLifecycleError> {
        let id = ServiceId::random().map_err(|fault| PluginLifecycleError::StartFailed {
            service: kind.to_owned(),
            fault,
        })?;
        let limit = self.limits.get(kind).copied().unwrap_or(DEFAULT_LIMIT);
        // Compared and counted under one lock, so that nobody slips in between.
        let mut taken = self.taken();
        let count = taken.get(kind).copied().unwrap_or(0);
        if count >= limit {
            return Err(ResourceLimitExceeded {
                kind: kind.to_owned(),
                limit,
            }
            .into());
        }
        taken.insert(kind.to_owned(), count.saturating_add(1));
        Ok(Resource {
            tracker: Arc::clone(self),
            kind: kind.to_owned(),
            id: format!("{kind}_{id}"),
        })
    }

    /// How many of `kind` there are.
    #[must_use]
    pub fn in_use(&self, kind: &str) -> usize {
        self.taken().get(kind).copied().unwrap_or(0)
    }

    fn give_back(&self, kind: &str) {
        let mut taken = self.taken();
        let left = taken.get(kind).map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => taken.remove(kind),
            left => taken.insert(kind.to_owned(), left),
        };
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that a service has; given back when dropped.
pub struct Resource {
    tracker: Arc<ResourceTracker>,
    kind: String,
    id: String,
}

impl Resource {
    /// What it is known by: `{kind}_{uuid}`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.tracker.give_back(&self.kind);
    }
}

impl Release for Resource {
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
        drop(self);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&self.id).finish()
    }
}

/// There are as many of a kind as there may be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Resource limit exceeded for {kind}")]
pub struct ResourceLimitExceeded {
    /// The kind.
    pub kind: String,
    /// How many there may be.
    pub limit: usize,
}

impl Coded for ResourceLimitExceeded {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([
            ("resource".to_owned(), self.kind.as_str().into()),
            ("limit".to_owned(), self.limit.into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn gives_the_limit_and_not_one_more_and_again_what_was_given_back() {
        let tracker = Arc::new(ResourceTracker::new().limit("port", 2));
        let first = tracker.allocate("port").unwrap();
        let _second = tracker.allocate("port").unwrap();
        let error = tracker.allocate("port").unwrap_err();
        assert_eq!(error.to_string(), "Resource limit exceeded for port");
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert!(tracker.allocate("process").is_ok(), "another kind has its own limit");
        drop(first);
        assert!(tracker.allocate("port").is_ok());
        assert_eq!(tracker.in_use("port"), 1);
    }

    #[test]
    fn an_id_is_the_kind_and_a_uuid_of_its_own() {
        let tracker = Arc::new(ResourceTracker::new());
        let [one, other] = [(); 2].map(|()| tracker.allocate("process").unwrap());
        assert_ne!(one.id(), other.id());
        let uuid = one.id().strip_prefix("process_").unwrap();
        assert_eq!(uuid.len(), 36);
    }

    #[test]
    fn a_kind_that_nobody_mentioned_is_bounded_too() {
        let tracker = Arc::new(ResourceTracker::new());
        let all: Vec<_> = (0..DEFAULT_LIMIT).map(|_| tracker.allocate("any").unwrap()).collect();
        assert!(tracker.allocate("any").is_err());
        drop(all);
        assert_eq!(tracker.in_use("any"), 0);
    }

    #[test]
    fn many_threads_at_the_limit_get_exactly_the_limit() {
        const THREADS: usize = 16;
        let tracker = Arc::new(ResourceTracker::new().limit("process", 5));
        let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
        let got = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        let resource = tracker.allocate("process");
                        // Kept until everybody has asked.
                        end.wait();
                        resource.is_ok()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|got| *got)
                .count()
        });
        assert_eq!(got, 5);
        assert_eq!(tracker.in_use("process"), 0);
    }
}
