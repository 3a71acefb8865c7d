//! Work that would hold up an executor, on threads of its own; a caller needs no runtime for it.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

/// As many threads as the machine has cores: the work is computing, and more would only take turns.
#[derive(Debug)]
pub(super) struct Threads {
    free: Arc<Semaphore>,
}

impl Threads {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(cores())),
        }
    }

    /// Waits for a thread to be free and does the work there. The thread ends with the work, awaited or not.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ThreadError> {
        // Nobody closes the semaphore; if somebody did, the bound would be gone and the work still right.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        on_thread(name, move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }
}

/// Work on another thread did not come to its end.
#[derive(Debug, Error)]
pub(super) enum ThreadError {
    /// The system gives no thread.
    #[error("the system gives no thread")]
    NotStarted(#[source] io::Error),
    /// The work panicked.
    #[error("the work panicked")]
    Panicked,
}

/// How many cores this process may use.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does work on a thread that ends with it, awaited or not.
pub(super) async fn on_thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ThreadError> {
    let (answer, answered) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever asked may have gone away.
        let _ = answer.send(work());
    });
    spawned.map_err(ThreadError::NotStarted)?;
    answered.await.map_err(|_dropped| ThreadError::Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_without_a_runtime_and_a_panic_is_an_error() {
        pollster::block_on(async {
            assert_eq!(on_thread("test", || 7).await.unwrap(), 7);
            assert!(on_thread("test", || panic!("on purpose")).await.is_err());
        });
    }

    #[test]
    fn there_are_no_more_threads_than_cores() {
        let threads = Threads::new();
        let held: Vec<_> = (0..cores())
            .map(|_| Arc::clone(&threads.free).try_acquire_owned().unwrap())
            .collect();
        let mut waiting = Box::pin(threads.run("test", || ()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(held);
        pollster::block_on(waiting).unwrap();
    }
}
