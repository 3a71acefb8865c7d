//! Requests that are sent twice and carried out once: `Idempotency-Key`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, StatusCode};
use bytes::Bytes;
use palisade::Digest;

use crate::rejection::Rejection;
use crate::request_error::RequestError;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// A key is as long as this: a UUID has 36 characters, and nobody needs a document.
const MAX_KEY: usize = 255;

/// Answers that are kept. Each is a few KiB, and who installs a thousand plugins does not wait for the first any more.
const CAPACITY: usize = 1_024;

/// Answers by the key of their request, since the server started. Only requests that were carried out are kept: one that
/// was refused can be sent again.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    by_key: BTreeMap<Key, Entry>,
    oldest: VecDeque<Key>,
}

/// Whose key it is, too: nobody gets at another's answer.
type Key = (Digest, String);

struct Entry {
    request: Digest,
    /// `None` while the request is carried out.
    answer: Option<Answer>,
}

/// What was answered.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What is to be done with a request.
pub(crate) enum Turn {
    /// It is carried out; the answer is given to the turn.
    First(Running),
    /// It was, and this came of it.
    Again(Answer),
}

/// A request that is carried out. Forgotten when it is dropped without an answer.
pub(crate) struct Running {
    kept: Kept,
    /// `None` for a request without a key.
    key: Option<Key>,
}

impl Kept {
    /// Whether a request of `sender` with these headers was carried out already. `request` is everything it asks for.
    pub(crate) fn turn(
        &self,
        sender: Digest,
        headers: &HeaderMap,
        request: impl FnOnce() -> Digest,
    ) -> Result<Turn, Rejection> {
        let Some(key) = headers.get(HEADER) else {
            return Ok(Turn::First(Running {
                kept: self.clone(),
                key: None,
            }));
        };
        let malformed = || RequestError::Header {
            name: "Idempotency-Key",
            expected: "1 to 255 printable characters",
        };
        let text = key.to_str().map_err(|_| malformed().reject())?;
        if !(1..=MAX_KEY).contains(&text.len()) {
            return Err(malformed().reject());
        }
        let (key, request) = ((sender, text.to_owned()), request());
        let mut answers = self.answers();
        match answers.by_key.get(&key) {
            Some(entry) if entry.request != request => Err(RequestError::KeyReused.reject()),
            Some(Entry { answer: None, .. }) => Err(RequestError::KeyInUse.reject()),
            Some(Entry {
                answer: Some(answer), ..
            }) => Ok(Turn::Again(answer.clone())),
            None => {
                answers.by_key.insert(key.clone(), Entry { request, answer: None });
                Ok(Turn::First(Running {
                    kept: self.clone(),
                    key: Some(key),
                }))
            }
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Keeps the answer for whoever asks again.
    pub(crate) fn done(mut self, answer: &Answer) {
        let Some(key) = self.key.take() else { return };
        let mut answers = self.kept.answers();
        if let Some(entry) = answers.by_key.get_mut(&key) {
            entry.answer = Some(answer.clone());
            answers.oldest.push_back(key);
        }
        while answers.oldest.len() > CAPACITY {
            if let Some(oldest) = answers.oldest.pop_front() {
                answers.by_key.remove(&oldest);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.kept.answers().by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, key.parse().unwrap())])
    }

    fn turn(kept: &Kept, sender: &str, key: &str, request: &str) -> Result<Turn, Rejection> {
        kept.turn(Digest::of(sender.as_bytes()), &keyed(key), || {
            Digest::of(request.as_bytes())
        })
    }

    fn answer() -> Answer {
        Answer {
            status: StatusCode::CREATED,
            body: Bytes::from_static(b"done"),
        }
    }

    #[test]
    fn a_request_is_carried_out_once() {
        let kept = Kept::default();
        let Ok(Turn::First(first)) = turn(&kept, "ada", "1", "install") else {
            panic!()
        };
        assert_eq!(
            turn(&kept, "ada", "1", "install").err().unwrap().code(),
            palisade::Code::OperationInProgress
        );
        first.done(&answer());
        assert!(matches!(turn(&kept, "ada", "1", "install"), Ok(Turn::Again(again)) if again.body == "done"));
    }

    #[test]
    fn another_request_or_another_sender_gets_nothing_of_it() {
        let kept = Kept::default();
        let Ok(Turn::First(first)) = turn(&kept, "ada", "1", "install") else {
            panic!()
        };
        first.done(&answer());
        assert_eq!(
            turn(&kept, "ada", "1", "other").err().unwrap().status(),
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert!(matches!(turn(&kept, "bob", "1", "install"), Ok(Turn::First(_))));
    }

    #[test]
    fn a_request_that_came_to_nothing_can_be_sent_again() {
        let kept = Kept::default();
        drop(turn(&kept, "ada", "1", "install"));
        assert!(matches!(turn(&kept, "ada", "1", "install"), Ok(Turn::First(_))));
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let kept = Kept::default();
        for number in 0..=CAPACITY {
            let Ok(Turn::First(first)) = turn(&kept, "ada", &number.to_string(), "install") else {
                panic!()
            };
            first.done(&answer());
        }
        assert!(matches!(turn(&kept, "ada", "0", "install"), Ok(Turn::First(_))));
        assert!(matches!(turn(&kept, "ada", "1024", "install"), Ok(Turn::Again(_))));
    }
}
