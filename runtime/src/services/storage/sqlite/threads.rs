//! The two threads that use the database, and how they are asked.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::super::StorageError;
use crate::database::take_back;

/// Linux shows 15 bytes of a thread's name.
const WRITER_NAME: &str = "storage-writer";
const READER_NAME: &str = "storage-reader";

/// Most writes of one commit. A commit takes about as long for 64 small writes as for one; more would only let the
/// first of them wait longer, and with values of 1 MiB this is 64 MiB of log already.
const MAX_BATCH: usize = 64;

/// Most requests that wait for a thread: the next batch fills while one is committed. Whoever comes later waits to be
/// let in, and holds its request itself.
const QUEUE_LENGTH: usize = 2 * MAX_BATCH;

type Queue = mpsc::Receiver<Box<dyn Job>>;

/// A thread with a connection. It ends when the worker is dropped, after what was asked for until then.
pub(super) struct Worker {
    /// There until the drop.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Each `work` has a savepoint of its own. What it answered is told after the commit.
    pub(super) fn writer(mut database: Connection) -> io::Result<Self> {
        Self::spawn(WRITER_NAME, move |queue| write_until_closed(&mut database, queue))
    }

    pub(super) fn reader(database: Connection) -> io::Result<Self> {
        Self::spawn(READER_NAME, move |queue| read_until_closed(&database, queue))
    }

    fn spawn(name: &str, run: impl FnOnce(Queue) + Send + 'static) -> io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let thread = Builder::new().name(name.to_owned()).spawn(move || run(requests))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Has `work` done on the thread. The writer may do it a second time, after everything it did was undone.
    pub(super) async fn ask<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> Result<T, StorageError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            work,
            outcome: None,
            answer,
        };
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Box::new(request)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, everybody who asked was told so.
            let _ = thread.join();
        }
    }
}

/// Something to do with the database, and somebody to tell of it.
trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Does it, and says whether that went well. After everything was undone it may be done again.
    fn run(&mut self, database: &Connection) -> bool;

    /// It came to nothing, even if the run went well.
    fn undo(&mut self, reason: &Arc<rusqlite::Error>);

    fn answer(self: Box<Self>);
}

struct Request<T, W> {
    work: W,
    /// What the last run came to.
    outcome: Option<Result<T, StorageError>>,
    answer: oneshot::Sender<Result<T, StorageError>>,
}

impl<T, W> Job for Request<T, W>
where
    T: Send,
    W: Fn(&Connection) -> Result<T, StorageError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(&mut self, database: &Connection) -> bool {
        let outcome = (self.work)(database);
        let went_well = outcome.is_ok();
        self.outcome = Some(outcome);
        went_well
    }

    fn undo(&mut self, reason: &Arc<rusqlite::Error>) {
        // A change that failed by itself knows better why.
        if !matches!(self.outcome, Some(Err(_))) {
            self.outcome = Some(Err(StorageError::Database(Box::new(Arc::clone(reason)))));
        }
    }

    fn answer(self: Box<Self>) {
        // Whoever asked may have stopped waiting.
        let _ = self.answer.send(self.outcome.unwrap_or_else(|| Err(gone())));
    }
}

/// Answers queries until the queue is closed.
fn read_until_closed(database: &Connection, mut queue: Queue) {
    while let Some(mut job) = queue.blocking_recv() {
        if !job.is_abandoned() {
            job.run(database);
            job.answer();
        }
    }
}

/// Makes changes until the queue is closed, those that wait together in one commit.
fn write_until_closed(database: &mut Connection, mut queue: Queue) {
    let mut batch = Vec::new();
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        commit(database, &mut batch);
        batch.drain(..).for_each(|job| job.answer());
    }
}

/// Makes the changes of `jobs`, each whole or not at all whatever becomes of the others, and lasting.
fn commit(database: &mut Connection, jobs: &mut [Box<dyn Job>]) {
    let transaction = match database.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return undo(jobs, error),
    };
    match commit_together(transaction, jobs) {
        Ok(()) => {}
        // Some failures, such as a full disk, undo the whole transaction. One change must not take others with it.
        Err(_) if jobs.len() > 1 => jobs.chunks_mut(1).for_each(|alone| commit(database, alone)),
        Err(error) => {
            take_back(database);
            undo(jobs, error);
        }
    }
}

fn commit_together(mut transaction: Transaction<'_>, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in jobs {
        let savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        } else {
            // Fails if the whole transaction was undone already, with the savepoint in it.
            savepoint.finish()?;
        }
    }
    transaction.commit()
}

fn undo(jobs: &mut [Box<dyn Job>], reason: rusqlite::Error) {
    let reason = Arc::new(reason);
    for job in jobs {
        job.undo(&reason);
    }
}

#[derive(Debug, Error)]
#[error("the thread of the storage has ended")]
struct Gone;

fn gone() -> StorageError {
    StorageError::Database(Box::new(Gone))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc as blocking;
    use std::task::{Context, Waker};

    use super::super::failed;
    use super::*;
    use crate::services::ServiceFuture;

    type Ask<'a> = ServiceFuture<'a, Result<(), StorageError>>;

    /// Queues the asks while the writer is kept busy, so that they are one batch. Says which of them went well.
    fn in_one_batch(worker: &Worker, mut asks: Vec<Ask<'_>>) -> Vec<bool> {
        let (started, has_started) = blocking::channel();
        let (go_on, may_go_on) = blocking::channel::<()>();
        let mut busy = Box::pin(worker.ask(move |_| {
            started.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(busy.as_mut().poll(&mut context).is_pending());
        has_started.recv().unwrap();
        for ask in &mut asks {
            assert!(ask.as_mut().poll(&mut context).is_pending());
        }
        go_on.send(()).unwrap();
        asks.into_iter().map(|ask| pollster::block_on(ask).is_ok()).collect()
    }

    fn insert(worker: &Worker, bytes: i64, fails: bool) -> Ask<'_> {
        Box::pin(worker.ask(move |database: &Connection| {
            let inserted = database.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes]);
            inserted.map_err(failed)?;
            if fails { Err(gone()) } else { Ok(()) }
        }))
    }

    fn rows(path: &Path) -> Vec<i64> {
        let database = Connection::open(path).unwrap();
        let mut statement = database.prepare("SELECT length(b) FROM t ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn undoes_only_the_change_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let database = Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE t (b)").unwrap();
        let worker = Worker::writer(database).unwrap();
        let asks = vec![
            insert(&worker, 1, false),
            insert(&worker, 2, true),
            insert(&worker, 3, false),
        ];
        assert_eq!(in_one_batch(&worker, asks), [true, false, true]);
        assert_eq!(rows(&path), [1, 3]);
    }

    /// A full disk makes SQLite undo the whole transaction, not only the statement.
    #[test]
    fn does_not_let_a_change_that_fills_the_disk_take_others_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let database = Connection::open(&path).unwrap();
        database
            .execute_batch("CREATE TABLE t (b); PRAGMA max_page_count = 20")
            .unwrap();
        let worker = Worker::writer(database).unwrap();
        let asks = vec![
            insert(&worker, 1, false),
            insert(&worker, 1_000_000, false),
            insert(&worker, 3, false),
        ];
        assert_eq!(in_one_batch(&worker, asks), [true, false, true]);
        assert_eq!(rows(&path), [1, 3]);
    }

    #[test]
    fn answers_when_the_thread_has_died() {
        let worker = Worker::reader(Connection::open_in_memory().unwrap()).unwrap();
        let died = pollster::block_on(worker.ask(|_| -> Result<(), _> { panic!("as a clock of the host could") }));
        assert!(matches!(died, Err(StorageError::Database(_))));
        let later = pollster::block_on(worker.ask(|_| Ok(())));
        assert!(matches!(later, Err(StorageError::Database(_))));
    }
}
