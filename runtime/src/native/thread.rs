//! Work that blocks, on a thread of its own; whoever waits for it needs no runtime.

use std::thread;

use tokio::sync::oneshot;

use super::error::ServiceFault;

/// Whether somebody still waits for what a thread does.
pub(super) struct Caller<'a, T>(&'a oneshot::Sender<T>);

impl<T> Caller<'_, T> {
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Does work on a thread that ends with it. What it made is dropped there when nobody waits for it any more.
pub(super) async fn on_thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce(&Caller<'_, T>) -> T + Send + 'static,
) -> Result<T, ServiceFault> {
    let (answer, answered) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let done = work(&Caller(&answer));
        // Whoever asked may have gone away.
        let _ = answer.send(done);
    });
    spawned.map_err(ServiceFault::NoThread)?;
    answered.await.map_err(|_dropped| ServiceFault::Panicked)
}
