//! Whoever sent a request, with the scope that the call asks for: [`Caller`].

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use palisade::Supervisor;

use crate::denied::Denied;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::token::{Identity, Scope};

/// Scopes as types, so that what a handler may do is in its signature.
pub(crate) mod scope {
    use crate::token::Scope;

    /// A scope as a type.
    pub(crate) trait Needed: Send {
        const SCOPE: Scope;
    }

    macro_rules! needed {
        ($($name:ident)*) => {
            $(pub(crate) enum $name {}

            impl Needed for $name {
                const SCOPE: Scope = Scope::$name;
            })*
        };
    }

    needed!(Read Install Manage Execute Audit Metrics);
}

/// Proof that a request came with the scope `S`, and the only way for a handler to the plugins.
pub(crate) struct Caller<S> {
    supervisor: Supervisor,
    identity: Identity,
    scope: PhantomData<fn() -> S>,
}

impl<S: scope::Needed> Caller<S> {
    /// `identity` with this scope.
    ///
    /// # Errors
    ///
    /// [`Denied::Scope`]: its token does not hold it.
    pub(crate) fn of(service: &Service, identity: &Identity) -> Result<Self, Rejection> {
        if !identity.scopes.hold(S::SCOPE) {
            return Err(Denied::Scope { scope: S::SCOPE }.into());
        }
        Ok(Self {
            supervisor: service.supervisor().acting_as(&format!("token:{}", identity.name)),
            identity: identity.clone(),
            scope: PhantomData,
        })
    }

    /// The plugins, on the caller's behalf: the audit trail names them.
    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl<S: scope::Needed> FromRequestParts<Service> for Caller<S> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Rejection> {
        let missing = || Denied::NoToken { scope: S::SCOPE };
        let secret = bearer(parts).ok_or_else(missing)?;
        let Some(identity) = service.identify(secret) else {
            service.refused().note(service.now());
            return Err(Denied::BadToken { scope: S::SCOPE }.into());
        };
        Self::of(service, &identity)
    }
}

/// The token of an `Authorization` header; the word before it is read in any case, as RFC 9110 has it.
fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The scope a handler asks for, for the description of the API.
pub(crate) fn scope_of<S: scope::Needed>() -> Scope {
    S::SCOPE
}
