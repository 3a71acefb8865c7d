//! The one thread that writes the log: it numbers, chains and signs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use palisade_bundle::Timestamp;
use rusqlite::Connection;
use serde_json::Map;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::{AuditCheckpoint, CheckpointKey, replace_file};
use super::database::{self, Files};
use super::error::{AuditBreak, AuditError};
use super::record::{AuditAction, AuditEntry, AuditOutcome, Head, StoredRecord, number};
use crate::database::take_back;
use crate::services::Clock;

/// Linux shows 15 bytes of a thread's name.
const THREAD_NAME: &str = "audit-writer";

/// Most records of one commit, which takes about as long for 64 as for one.
const MAX_BATCH: usize = 64;

/// Most requests that wait for the thread: the next batch fills while one is committed.
const QUEUE_LENGTH: usize = 2 * MAX_BATCH;

/// After so many records there is a new checkpoint. It costs three times a commit, and this is how many records, and
/// those of one batch, can be cut from the end of a stopped host's log without a trace.
pub(super) const CHECKPOINT_EVERY: u64 = 128;

type Answer<T> = oneshot::Sender<Result<T, AuditError>>;

/// What the thread is asked for.
enum Request {
    /// Somebody waits until it is on the disk.
    Append(AuditEntry, Answer<u64>),
    /// Nobody waits.
    Note(AuditEntry),
    /// Somebody waits for a checkpoint of everything up to here.
    Checkpoint(Answer<AuditCheckpoint>),
    /// Something was lost, so that there is something to record.
    Lost,
}

/// How many entries nobody waited for were not recorded.
#[derive(Debug, Default)]
struct Lost {
    ever: AtomicU64,
    /// Of those, how many no record tells of yet.
    untold: AtomicU64,
}

impl Lost {
    fn add(&self, count: u64) {
        self.ever.fetch_add(count, Ordering::Relaxed);
        self.untold.fetch_add(count, Ordering::Relaxed);
    }
}

/// The thread. It ends when this is dropped, after what was asked for until then, and leaves a checkpoint.
pub(super) struct Writer {
    /// There until the drop.
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<Lost>,
}

impl Writer {
    pub(super) fn spawn(pen: Pen) -> io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let lost = Arc::clone(&pen.lost);
        let thread = Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || write_until_closed(pen, requests))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            lost,
        })
    }

    pub(super) async fn append(&self, entry: AuditEntry) -> Result<u64, AuditError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Append(entry, answer)).await?;
        answered.await.map_err(|_| AuditError::Ended)?
    }

    pub(super) async fn checkpoint(&self) -> Result<AuditCheckpoint, AuditError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Checkpoint(answer)).await?;
        answered.await.map_err(|_| AuditError::Ended)?
    }

    async fn ask(&self, request: Request) -> Result<(), AuditError> {
        let queue = self.queue.as_ref().ok_or(AuditError::Ended)?;
        queue.send(request).await.map_err(|_| AuditError::Ended)
    }

    /// Never waits. What does not fit is counted.
    pub(super) fn note(&self, entry: AuditEntry) {
        if !self.try_ask(Request::Note(entry)) {
            self.lose();
        }
    }

    pub(super) fn lose(&self) {
        self.lost.add(1);
        // Without room in the queue the thread has yet to take what is in it, and sees the count then.
        self.try_ask(Request::Lost);
    }

    fn try_ask(&self, request: Request) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.try_send(request).is_ok())
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.ever.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, everybody who asked was told so.
            let _ = thread.join();
        }
    }
}

fn write_until_closed(mut pen: Pen, mut queue: mpsc::Receiver<Request>) {
    let mut requests = Vec::new();
    while queue.blocking_recv_many(&mut requests, MAX_BATCH) > 0 {
        pen.serve(requests.drain(..));
    }
    // Nobody is left who could be told that it failed; the last checkpoint stays.
    let _ = pen.write(&[]).and_then(|_| pen.checkpoint());
}

/// What it takes to write.
pub(super) struct Pen {
    pub(super) database: Connection,
    files: Files,
    clock: Arc<dyn Clock>,
    key: Arc<CheckpointKey>,
    head: Head,
    /// What the newest checkpoint is about.
    signed_seq: u64,
    lost: Arc<Lost>,
}

impl Pen {
    /// Goes on after `head`.
    pub(super) fn new(
        database: Connection,
        files: Files,
        (clock, key): (Arc<dyn Clock>, Arc<CheckpointKey>),
        head: Head,
        signed_seq: u64,
    ) -> Self {
        Self {
            database,
            files,
            clock,
            key,
            head,
            signed_seq,
            lost: Arc::default(),
        }
    }

    fn serve(&mut self, requests: impl Iterator<Item = Request>) {
        let (mut entries, mut answers, mut signatures) = (Vec::new(), Vec::new(), Vec::new());
        for request in requests {
            match request {
                Request::Append(entry, answer) => {
                    entries.push(entry);
                    answers.push(Some(answer));
                }
                Request::Note(entry) => {
                    entries.push(entry);
                    answers.push(None);
                }
                Request::Checkpoint(answer) => signatures.push(answer),
                Request::Lost => {}
            }
        }
        match self.write(&entries) {
            // What does not fit must not take with it what does.
            Err(AuditError::Full(_)) if entries.len() > 1 => {
                for (entry, answer) in entries.into_iter().zip(answers) {
                    let written = self.write(&[entry]);
                    self.tell(&written, [answer]);
                }
            }
            written => self.tell(&written, answers),
        }
        // A failure here is tried again, and tells, before the next record.
        let due = self.is_checkpoint_due() || !signatures.is_empty();
        let signed = due.then(|| self.checkpoint());
        for (answer, signed) in signatures.into_iter().zip(std::iter::repeat(signed)) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(signed.unwrap_or(Err(AuditError::Ended)));
        }
    }

    fn tell(&self, written: &Result<u64, AuditError>, answers: impl IntoIterator<Item = Option<Answer<u64>>>) {
        for (answer, seq) in answers.into_iter().zip(written.as_ref().map_or(0, |first| *first)..) {
            match answer {
                // Whoever asked may have stopped waiting.
                Some(answer) => drop(answer.send(written.clone().map(|_| seq))),
                None if written.is_err() => self.lost.add(1),
                None => {}
            }
        }
    }

    /// Appends all of `entries` and what is to be told of lost ones, or nothing. Answers with the first number.
    fn write(&mut self, entries: &[AuditEntry]) -> Result<u64, AuditError> {
        let untold = self.lost.untold.load(Ordering::Relaxed);
        let told = (untold > 0).then(|| lost_entry(untold));
        if entries.is_empty() && told.is_none() {
            return Ok(self.head.seq);
        }
        if self.is_checkpoint_due() {
            self.checkpoint()?;
        }
        let timestamp = self.now()?;
        let transaction = database::write(&self.database).map_err(AuditError::database)?;
        let (before, signed_seq) = self.follow(&transaction)?;
        let mut head = before;
        for entry in entries.iter().chain(&told) {
            let record = StoredRecord::following(head, entry, timestamp).map_err(AuditError::Entry)?;
            database::insert_record(&transaction, &record).map_err(AuditError::database)?;
            head = record.head();
        }
        if let Err(error) = transaction.commit() {
            take_back(&self.database);
            return Err(AuditError::database(error));
        }
        (self.head, self.signed_seq) = (head, signed_seq);
        self.lost.untold.fetch_sub(untold, Ordering::Relaxed);
        Ok(before.seq.saturating_add(1))
    }

    /// Signs where the log ends: in the file first, so that it is never behind the database.
    pub(super) fn checkpoint(&mut self) -> Result<AuditCheckpoint, AuditError> {
        let timestamp = self.now()?;
        let transaction = database::write(&self.database).map_err(AuditError::database)?;
        let (head, _) = self.follow(&transaction)?;
        let newest = newest_checkpoint(&transaction)?;
        let checkpoint = match newest.filter(|newest| newest.head() == head) {
            Some(newest) => newest,
            None => {
                let checkpoint = self.key.sign(head, timestamp).map_err(AuditError::Entry)?;
                replace_file(&self.files.checkpoint, &checkpoint)
                    .map_err(|error| AuditError::Checkpoint(Arc::new(error)))?;
                database::insert_checkpoint(&transaction, &checkpoint).map_err(AuditError::database)?;
                transaction.commit().map_err(AuditError::database)?;
                checkpoint
            }
        };
        (self.head, self.signed_seq) = (head, head.seq);
        Ok(checkpoint)
    }

    fn is_checkpoint_due(&self) -> bool {
        self.head.seq.saturating_sub(self.signed_seq) >= CHECKPOINT_EVERY
    }

    /// Where the log ends now, and what its newest checkpoint is about. Another process may have added to what this one
    /// wrote; nobody may have changed it.
    fn follow(&self, database: &Connection) -> Result<(Head, u64), AuditError> {
        let found = database::head(database).map_err(AuditError::database)?;
        if found == self.head {
            return Ok((found, self.signed_seq));
        }
        if found.seq < self.head.seq {
            return Err(AuditError::Broken(AuditBreak::CutTail {
                first: found.seq.saturating_add(1),
                last: self.head.seq,
            }));
        }
        let own = database::head_at(database, self.head.seq).map_err(AuditError::database)?;
        if own != Some(self.head) {
            return Err(AuditError::Broken(AuditBreak::Edited { seq: self.head.seq }));
        }
        Ok((found, newest_checkpoint(database)?.map_or(0, |newest| newest.seq)))
    }

    fn now(&self) -> Result<Timestamp, AuditError> {
        Timestamp::try_from(self.clock.wall()).map_err(|_| AuditError::Clock)
    }
}

fn newest_checkpoint(database: &Connection) -> Result<Option<AuditCheckpoint>, AuditError> {
    let newest = database::newest_checkpoint(database).map_err(AuditError::database)?;
    newest.map_err(AuditError::Broken)
}

fn lost_entry(count: u64) -> AuditEntry {
    AuditEntry {
        actor: "host".to_owned(),
        plugin_id: None,
        action: AuditAction::RecordsLost,
        resource: "audit".to_owned(),
        outcome: AuditOutcome::Failed,
        details: Map::from_iter([("count".to_owned(), number(count))]),
    }
}
