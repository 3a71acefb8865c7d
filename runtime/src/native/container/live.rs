//! One container from its start to its removal.
//!
//! A thread of its own has it, with the runtime that the library of the engine needs, so that nobody else needs one. It
//! ends when the container was removed: because somebody asked for that, or because nobody holds it any more.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use testcontainers::core::error::TestcontainersError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage};
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::command::ContainerCommand;
use crate::native::error::ServiceFault;
use crate::native::lines::Output;
use crate::native::taken::Release;
use crate::services::ServiceFuture;

/// How long the engine may take to answer a question, and to remove a container that has ended.
const ANSWER: Duration = Duration::from_secs(10);

/// A container that runs, to be looked at. It is removed when the last of these is dropped.
pub(in crate::native) struct Container {
    requests: mpsc::Sender<Request>,
    pub(super) id: String,
}

enum Request {
    IsRunning(oneshot::Sender<bool>),
    /// After so long it is killed.
    End(Duration, oneshot::Sender<Result<(), ServiceFault>>),
}

type Born = oneshot::Sender<Result<Container, ServiceFault>>;

impl Container {
    /// Creates and starts a container. When nobody waits for it any more, it is removed.
    pub(super) async fn start(command: Arc<ContainerCommand>, output: Output) -> Result<Self, ServiceFault> {
        let (born, birth) = oneshot::channel();
        let thread = thread::Builder::new().name("palisade-container".to_owned());
        let spawned = thread.spawn(move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(live(&command, output, born)),
            // Whoever asked may have gone away.
            Err(error) => drop(born.send(Err(ServiceFault::NoThread(error)))),
        });
        spawned.map_err(ServiceFault::NoThread)?;
        birth.await.map_err(|_dropped| ServiceFault::Panicked)?
    }

    /// Whether it runs, as far as the engine says; one that nobody can tell of does not.
    pub(super) async fn is_running(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::IsRunning(answer)).await.is_ok() && answered.await.unwrap_or(false)
    }

    async fn end(&self, grace: Duration) -> Result<(), ServiceFault> {
        let (answer, answered) = oneshot::channel();
        let asked = self.requests.send(Request::End(grace, answer)).await;
        asked.map_err(|_gone| ServiceFault::UnknownHandle)?;
        answered.await.map_err(|_gone| ServiceFault::UnknownHandle)?
    }
}

/// A container that has to be removed.
pub(super) struct Owner {
    pub(super) container: Arc<Container>,
    pub(super) grace: Duration,
}

impl Release for Owner {
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
        Box::pin(async move { self.container.end(self.grace).await })
    }
}

async fn live(command: &ContainerCommand, output: Output, mut born: Born) {
    let limit = command.start_within;
    let start = timeout(limit, command.to_request(output).start());
    let container = match unless(start, born.closed()).await {
        None => return,
        Some(started) => match started.map_err(|_elapsed| EngineError::Slow { limit }) {
            Ok(Ok(container)) => container,
            Ok(Err(error)) => return drop(born.send(Err(ServiceFault::refused(EngineError::from(error))))),
            Err(slow) => return drop(born.send(Err(ServiceFault::refused(slow)))),
        },
    };
    // One that waits is enough: whoever asks waits for the answer.
    let (requests, mut queue) = mpsc::channel(1);
    let id = container.id().to_owned();
    // If nobody waits any more, the queue is closed, and the container is removed at once.
    let _ = born.send(Ok(Container { requests, id }));
    while let Some(request) = queue.recv().await {
        match request {
            Request::IsRunning(answer) => {
                let running = timeout(ANSWER, container.is_running()).await;
                let _ = answer.send(matches!(running, Ok(Ok(true))));
            }
            Request::End(grace, answer) => return drop(answer.send(end(container, grace).await)),
        }
    }
    // Nobody is left who could be told.
    let _ = end(container, Duration::ZERO).await;
}

/// Stops and removes a container; it is removed even if it could not be stopped.
async fn end(container: ContainerAsync<GenericImage>, grace: Duration) -> Result<(), ServiceFault> {
    let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
    let limit = grace.saturating_add(ANSWER);
    let stopped = within(limit, container.stop_with_timeout(Some(seconds))).await;
    let removed = within(ANSWER, container.rm()).await;
    stopped.and(removed).map_err(ServiceFault::refused)
}

async fn within(
    limit: Duration,
    work: impl Future<Output = Result<(), TestcontainersError>>,
) -> Result<(), EngineError> {
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_elapsed) => Err(EngineError::Slow { limit }),
    }
}

/// The work, or nothing when somebody is gone before.
async fn unless<T>(work: impl Future<Output = T>, gone: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut gone) = (pin!(work), pin!(gone));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => gone.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// The container engine did not do what it was asked to.
#[derive(Debug, Error)]
enum EngineError {
    /// It refused or cannot be reached.
    #[error("the container engine: {0}")]
    Refused(#[from] TestcontainersError),
    /// It did not answer.
    #[error("the container engine did not do it within {limit:?}")]
    Slow { limit: Duration },
}

impl Coded for EngineError {
    fn code(&self) -> Code {
        match self {
            Self::Refused(_) => Code::InitializationFailed,
            Self::Slow { .. } => Code::InitializationTimeout,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}
