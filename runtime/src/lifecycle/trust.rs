//! Another trust store, and the end of what it revokes.

use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::{Code, Coded, TrustStore};
use serde_json::Map;
use tokio::task::JoinSet;

use super::audit_sink::AuditFailed;
use super::disk::PluginRow;
use super::error::{InstallError, TransitionError};
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::state::State;
use super::supervisor::Supervisor;
use crate::audit::{AuditAction, AuditEntry, AuditOutcome};
use crate::event::EventKind;

impl Supervisor {
    /// Whom this host trusts.
    #[must_use]
    pub fn trust(&self) -> TrustStore {
        self.host.trust()
    }

    /// Replaces whose word counts. Plugins that run and whose bundle or key the new store revokes are disabled at once,
    /// without a word of theirs; the others go on, and what is started from now on has to be vouched for anew.
    ///
    /// Returns once nothing runs any more that is revoked. Waits for operations under way.
    ///
    /// The change is written down, and made also when it cannot be: to keep running what is revoked would be worse.
    pub async fn set_trust(&self, trust: TrustStore) -> TrustChanged {
        let entry = AuditEntry {
            actor: self.actor().to_string(),
            plugin_id: None,
            action: AuditAction::TrustChange,
            resource: "trust store".to_owned(),
            outcome: AuditOutcome::Succeeded,
            details: Map::new(),
        };
        let unrecorded = self.host.record(entry).await.err();
        self.host.set_trust(trust);
        let (host, actor) = (Arc::clone(&self.host), Arc::clone(self.actor()));
        let stop_all = async move {
            let (mut stopped, mut busy) = (Vec::new(), JoinSet::new());
            // One after another, because each reads its bundle; those that have to be waited for side by side.
            for managed in host.all() {
                let id = managed.id.to_string();
                match host.stop_if_revoked(&managed, &actor).await {
                    Seen::Well => {}
                    Seen::Stopped => stopped.push(id),
                    Seen::Busy => {
                        let (host, actor) = (Arc::clone(&host), Arc::clone(&actor));
                        busy.spawn(async move { host.wait_to_stop(&managed, &actor).await.then_some(id) });
                    }
                }
            }
            while let Some(waited_for) = busy.join_next().await {
                stopped.extend(waited_for.ok().flatten());
            }
            stopped.sort();
            stopped
        };
        TrustChanged {
            disabled: self.host.settings.executor.spawn(stop_all).await.unwrap_or_default(),
            unrecorded,
        }
    }
}

/// What came of another trust store.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrustChanged {
    /// The plugins that it revokes and that ran, by id.
    pub disabled: Vec<String>,
    /// Why the audit trail does not say that it was changed, if it does not.
    pub unrecorded: Option<AuditFailed>,
}

/// What came of a look at one plugin.
enum Seen {
    /// It does not run, or is not revoked.
    Well,
    Stopped,
    /// An operation has it, which may have looked at the old store.
    Busy,
}

impl Host {
    async fn stop_if_revoked(self: &Arc<Self>, managed: &Arc<Managed>, actor: &Arc<str>) -> Seen {
        if managed.is_occupied() {
            return Seen::Busy;
        }
        if managed.view().state != State::Active {
            return Seen::Well;
        }
        let file = managed.view().row.active.file;
        let Some(revoked) = self.verify_installed(file).await.err().and_then(Revoked::of) else {
            return Seen::Well;
        };
        match Ongoing::taking_down(self, Arc::clone(managed), "revoke_trust", actor) {
            Ok(ongoing) => {
                ongoing.stop_revoked(&revoked).await;
                Seen::Stopped
            }
            Err(TransitionError::Busy(_)) => Seen::Busy,
            Err(_stopped_meanwhile) => Seen::Well,
        }
    }

    async fn wait_to_stop(self: &Arc<Self>, managed: &Arc<Managed>, actor: &Arc<str>) -> bool {
        loop {
            // Listened to before, so that an end that comes at once is not missed.
            let vacated = managed.vacated.notified();
            match self.stop_if_revoked(managed, actor).await {
                Seen::Well => return false,
                Seen::Stopped => return true,
                Seen::Busy => vacated.await,
            }
        }
    }
}

/// Why a bundle that was vouched for is not any more.
struct Revoked {
    code: Code,
    kind: &'static str,
}

impl Revoked {
    /// That a key is unknown or past its time is no revocation: the bundle was good when it was installed.
    fn of(error: InstallError) -> Option<Self> {
        let code = error.code();
        match code {
            Code::KeyRevoked => Some(Self {
                code,
                kind: "key_revoked",
            }),
            Code::BundleRevoked => Some(Self {
                code,
                kind: "bundle_revoked",
            }),
            _ => None,
        }
    }
}

impl Ongoing {
    async fn stop_revoked(&self, revoked: &Revoked) {
        let version = self.row().active.version;
        // What is revoked is stopped also when that cannot be written down.
        let recorded = self.record(AuditOutcome::Succeeded, &version, Some(revoked.code)).await;
        if let Err(failed) = recorded {
            self.warn(&failed);
        }
        self.tell(EventKind::SecurityViolation { kind: revoked.kind });
        self.tell(EventKind::Disabling);
        self.enter(State::Unloading);
        self.shut();
        // Nobody waits for it, and its cleanup does not run either: it is not to do anything any more.
        self.drain(Duration::ZERO).await;
        self.managed.update(|view| view.current = None);
        self.enter(State::Disabled);
        let row = PluginRow {
            enabled: false,
            was_started: true,
            failure: None,
            ..self.row()
        };
        if let Err(unsaved) = self.save(row, None).await {
            // The next start is refused all the same.
            self.warn(&unsaved);
        }
        self.tell(EventKind::Disabled);
    }
}
