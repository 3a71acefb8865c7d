//! What changes while a server runs: whom it trusts, which tokens it accepts, and what its file of settings says.

use std::sync::{Arc, PoisonError, RwLock};

use palisade::TrustStore;
use palisade_server::TokenList;
use palisade_signer::Failure;

use super::server::Server;
use super::settings::Settings;
use crate::operate::{House, loosening};

/// Whom the server trusts now. Cheap to clone.
#[derive(Clone)]
pub(super) struct Trusted(Arc<RwLock<TrustStore>>);

impl Trusted {
    pub(super) fn new(store: TrustStore) -> Self {
        Self(Arc::new(RwLock::new(store)))
    }

    pub(super) fn store(&self) -> TrustStore {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, store: TrustStore) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = store;
    }
}

/// Reads everything again. What cannot be read stays as it was.
pub(super) struct Reload<'a> {
    server: &'a Server<'a>,
    house: &'a House,
    tokens: TokenList,
    trusted: Trusted,
    settings: Settings,
}

impl<'a> Reload<'a> {
    pub(super) fn new(server: &'a Server<'a>, (house, tokens, trusted): (&'a House, TokenList, Trusted)) -> Self {
        Self {
            server,
            house,
            tokens,
            trusted,
            settings: server.settings.clone(),
        }
    }

    pub(super) async fn again(&mut self) {
        let settings = match self.server.serve.settings() {
            Ok(settings) => settings,
            Err(failure) => return self.keep("settings", failure),
        };
        for name in settings.fixed_differences(&self.settings) {
            self.note(&format!("`{name}` has changed, and takes effect at the next start"));
        }
        match settings.brought_tokens(self.server.surroundings) {
            Ok(tokens) => self.take_tokens(tokens),
            Err(failure) => self.keep("tokens", failure),
        }
        if let Err(failure) = self.trust(&settings).await {
            self.keep("trust store", settings.trust.explain(failure));
        }
        // The others are compared with what is the case, which is what they were at the start.
        self.settings.trust = settings.trust;
        self.settings.allow_unsigned = settings.allow_unsigned;
    }

    fn take_tokens(&self, tokens: Vec<palisade_server::Token>) {
        let (before, after) = (self.tokens.tokens(), &tokens);
        let names = |gone: &[palisade_server::Token], kept: &[palisade_server::Token]| {
            let names = gone
                .iter()
                .filter(|token| !kept.contains(token))
                .map(|token| token.name.clone());
            names.collect::<Vec<_>>().join(", ")
        };
        let (revoked, added) = (names(&before, after), names(after, &before));
        self.tokens.replace(tokens);
        for (word, names) in [("not accepted any more", revoked), ("accepted from now on", added)] {
            if !names.is_empty() {
                self.note(&format!("tokens {word}: {names}"));
            }
        }
    }

    async fn trust(&self, settings: &Settings) -> Result<(), Failure> {
        let store = settings.trust_store(self.server.surroundings)?;
        let before = self.settings.loosened();
        // On record before it has an effect, as at the start.
        for setting in settings
            .loosened()
            .into_iter()
            .filter(|setting| !before.contains(setting))
        {
            self.house.audit.append(loosening(setting))?;
            self.server.voice.warn(&format!("{setting} holds from now on"));
        }
        self.trusted.replace(store.clone());
        let changed = self.house.supervisor.set_trust(store).await;
        for id in changed.disabled {
            self.server.voice.warn(&format!("{id} is revoked, and was stopped"));
        }
        if let Some(error) = changed.unrecorded {
            self.server.voice.warn(&format!(
                "the audit trail does not say that the trust store was read: {error}"
            ));
        }
        self.note("the trust store was read again");
        Ok(())
    }

    fn keep(&self, what: &str, failure: Failure) {
        self.server.voice.report(failure, self.server.surroundings);
        self.server.voice.warn(&format!("the {what} stay as they were"));
    }

    fn note(&self, text: &str) {
        self.server.voice.note(text);
    }
}
