//! The executor of whoever called: what host calls run in, whatever the sandbox itself needs.
//!
//! A guest is polled within the runtime of the sandbox's timers, so that WASI can sleep under any executor. Functions of the
//! host application are not of the sandbox: they spawn and wait where their caller does.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;

/// The tokio runtime around the poll that is going on, if there is one; written by the task that polls an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside(Arc<Mutex<Option<Handle>>>);

impl Outside {
    /// Remembers the runtime of the caller, before the sandbox enters one of its own.
    pub(super) fn remember(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Handle::try_current().ok();
    }

    fn handle(&self) -> Option<Handle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `work`, polled within the caller's runtime.
    pub(super) fn around<F>(self, work: F) -> Around<F> {
        Around { work, outside: self }
    }
}

pin_project! {
    /// Work that is polled within the caller's runtime.
    pub(super) struct Around<F> {
        #[pin]
        work: F,
        outside: Outside,
    }
}

impl<F: Future> Future for Around<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let handle = this.outside.handle();
        let _entered = handle.as_ref().map(Handle::enter);
        this.work.poll(context)
    }
}
