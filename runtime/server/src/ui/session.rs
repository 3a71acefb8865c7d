//! Who is logged in: [`Sessions`].

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use palisade::{Digest, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::token::Identity;

/// Random bytes of a session, and of what its forms carry. As long as the digest they are kept by.
const SECRET_BYTES: usize = 32;

/// How long a session lasts: a working day with its breaks. Who works longer pastes the token again.
pub(super) const SESSION_SECONDS: i64 = 12 * 3_600;

/// Sessions at once, over all tokens: each is a few hundred bytes, and no team has a thousand browsers.
const MAX_SESSIONS: usize = 1_000;

/// The sessions of browsers. What a browser holds is not kept, but its digest.
#[derive(Default)]
pub(crate) struct Sessions {
    kept: Mutex<HashMap<Digest, Session>>,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) identity: Identity,
    /// What the forms of its pages carry, so that a page of somebody else cannot send one.
    pub(super) form_token: String,
    ends: Timestamp,
}

/// There is no source of chance, and so no session that nobody could guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoChance;

impl Sessions {
    /// Begins a session, and answers with what the browser is to hold. When there are too many, the one that would end
    /// first makes room.
    pub(super) fn begin(&self, identity: Identity, now: Timestamp) -> Result<String, NoChance> {
        let (secret, form_token) = (secret()?, secret()?);
        let ends = Timestamp::from_unix_seconds(now.unix_seconds().saturating_add(SESSION_SECONDS)).unwrap_or(now);
        let mut kept = self.kept();
        kept.retain(|_, session| now < session.ends);
        while kept.len() >= MAX_SESSIONS {
            let Some(first) = kept.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key) else {
                break;
            };
            kept.remove(&first);
        }
        let session = Session {
            identity,
            form_token,
            ends,
        };
        kept.insert(Digest::of(secret.as_bytes()), session);
        Ok(secret)
    }

    /// The session that a browser holds, unless it has ended.
    pub(super) fn find(&self, secret: &str, now: Timestamp) -> Option<Session> {
        let session = self.kept().get(&Digest::of(secret.as_bytes())).cloned();
        session.filter(|session| now < session.ends)
    }

    /// Ends a session.
    pub(super) fn end(&self, secret: &str) {
        self.kept().remove(&Digest::of(secret.as_bytes()));
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether a form is of this session. How long it takes says nothing of how close a wrong one came.
    pub(super) fn sent(&self, form_token: &str) -> bool {
        self.form_token.as_bytes().ct_eq(form_token.as_bytes()).into()
    }
}

fn secret() -> Result<String, NoChance> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|_| NoChance)?;
    Ok(data_encoding::BASE64URL_NOPAD.encode(&random))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::token::Scopes;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn identity() -> Identity {
        Identity {
            name: Arc::from("ada"),
            scopes: Scopes::ALL,
            digest: Digest::of(b"token"),
        }
    }

    #[test]
    fn a_session_is_known_by_its_secret_alone_and_until_it_ends() {
        let sessions = Sessions::default();
        let secret = sessions.begin(identity(), at(0)).unwrap();
        assert!(sessions.find(&secret, at(SESSION_SECONDS - 1)).is_some());
        assert!(sessions.find(&secret, at(SESSION_SECONDS)).is_none());
        assert!(sessions.find("", at(0)).is_none());
        assert!(
            sessions
                .find(&Digest::of(secret.as_bytes()).to_string(), at(0))
                .is_none()
        );
        sessions.end(&secret);
        assert!(sessions.find(&secret, at(0)).is_none());
    }

    #[test]
    fn a_form_of_another_session_is_refused() {
        let sessions = Sessions::default();
        let [one, other] = [(), ()].map(|()| sessions.begin(identity(), at(0)).unwrap());
        let [one, other] = [one, other].map(|secret| sessions.find(&secret, at(0)).unwrap());
        assert!(one.sent(&one.form_token));
        assert!(!one.sent(&other.form_token));
        assert!(!one.sent(""));
    }

    #[test]
    fn one_too_many_ends_the_oldest() {
        let sessions = Sessions::default();
        let first = sessions.begin(identity(), at(0)).unwrap();
        let second = sessions.begin(identity(), at(1)).unwrap();
        for _ in 2..MAX_SESSIONS {
            sessions.begin(identity(), at(2)).unwrap();
        }
        assert!(sessions.find(&first, at(3)).is_some());
        sessions.begin(identity(), at(3)).unwrap();
        assert!(sessions.find(&first, at(3)).is_none());
        assert!(sessions.find(&second, at(3)).is_some());
    }
}
