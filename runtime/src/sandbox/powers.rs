//! What a loaded plugin may do, and what it does it with: shared by all its instances.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use palisade_bundle::manifest::{DependencyKind, Topic};
use palisade_bundle::{Code, Manifest, Permission, VerifiedBundle};
use semver::VersionReq;

use super::imports::{HostCallError, MalformedSecret, Network};
use super::network;
use super::shares::{MemoryBudget, Shares};
use super::wasi::Directories;
use crate::event::{Event, EventId, EventKind};
use crate::limits::Limits;
use crate::policy::{AdmittedBundle, Grant};
use crate::services::{HostServices, Namespace, StorageQuota, Trail};

/// Everything a host call of one plugin may reach.
pub(super) struct Powers {
    pub(super) namespace: Namespace,
    /// Where everything the plugin does of itself comes from.
    pub(super) trail: Trail,
    pub(super) version: Arc<str>,
    pub(super) limits: Limits,
    pub(super) services: HostServices,
    pub(super) shares: Arc<Shares>,
    pub(super) memory: Arc<MemoryBudget>,
    /// Topics it may publish to.
    pub(super) topics: Vec<Topic>,
    /// Plugins it may call, in which versions.
    pub(super) dependencies: BTreeMap<String, VersionReq>,
    /// Its way to the network.
    pub(super) network: Network,
    /// Folders of the host that were mapped for it.
    pub(super) directories: Arc<Directories>,
    /// Set once another generation has taken over: what this one still does must not undo the other's state.
    state_is_frozen: AtomicBool,
    grant: Grant,
    /// Its own files; none for a module that was never in a bundle.
    bundle: Option<VerifiedBundle>,
}

impl Powers {
    /// The powers of an admitted plugin.
    ///
    /// # Errors
    ///
    /// [`MalformedSecret`] when the operator's value of a credential cannot be sent.
    pub(super) fn of(
        bundle: &AdmittedBundle,
        limits: Limits,
        services: &HostServices,
        shares: Arc<Shares>,
        memory: Arc<MemoryBudget>,
    ) -> Result<Self, MalformedSecret> {
        let verified = bundle.bundle();
        let manifest = verified.manifest();
        let namespace = namespace(verified);
        let grant = network::grant(manifest, bundle.grant(), &limits)?;
        Ok(Self {
            trail: Trail::of(&namespace.plugin_id),
            network: network::of(grant, &namespace, &limits, services, &shares),
            namespace,
            version: Arc::from(manifest.version.to_string()),
            limits,
            services: services.clone(),
            shares,
            memory,
            topics: manifest.events.publish.clone(),
            dependencies: dependencies(manifest),
            directories: Arc::default(),
            state_is_frozen: AtomicBool::new(false),
            grant: bundle.grant().clone(),
            bundle: Some(verified.clone()),
        })
    }

    /// The same powers, and these folders.
    pub(super) fn with_directories(self, directories: Directories) -> Self {
        Self {
            directories: Arc::new(directories),
            ..self
        }
    }

    /// No power but to log, for code that nobody admitted.
    pub(super) fn none(name: &str, services: &HostServices, memory: Arc<MemoryBudget>) -> Self {
        let namespace = Namespace {
            plugin_id: Arc::from(name),
            publisher: None,
        };
        let (limits, shares) = (Limits::DEFAULT, Arc::<Shares>::default());
        Self {
            trail: Trail::of(&namespace.plugin_id),
            network: network::of(network::nothing(), &namespace, &limits, services, &shares),
            namespace,
            version: Arc::from(""),
            limits,
            services: services.clone(),
            shares,
            memory,
            topics: Vec::new(),
            dependencies: BTreeMap::new(),
            directories: Arc::default(),
            state_is_frozen: AtomicBool::new(false),
            grant: Grant::log_only(),
            bundle: None,
        }
    }

    pub(super) fn plugin_id(&self) -> &Arc<str> {
        &self.namespace.plugin_id
    }

    /// The one place where a permission is checked, on every host call that needs it.
    pub(super) fn check(&self, permission: &Permission) -> Result<(), HostCallError> {
        if self.grant.allows(permission) {
            return Ok(());
        }
        Err(denied(permission))
    }

    /// Refuses every change of the state record from now on.
    pub(super) fn freeze_state(&self) {
        self.state_is_frozen.store(true, Ordering::Release);
    }

    /// Whether the state record may be changed.
    pub(super) fn check_state_write(&self) -> Result<(), HostCallError> {
        match self.state_is_frozen.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(HostCallError::new(
                Code::InvalidState,
                "a newer generation of the plugin has the state now",
            )),
        }
    }

    /// What was granted.
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(super) fn storage_quota(&self) -> StorageQuota {
        StorageQuota {
            bytes: self.limits.storage_bytes,
            keys: self.limits.storage_keys,
        }
    }

    /// The size of a file of the plugin's own bundle.
    pub(super) fn asset_bytes(&self, path: &str) -> Option<u64> {
        let mut files = self.bundle.as_ref()?.files().iter();
        files.find(|file| file.path == path).map(|file| file.size_bytes)
    }

    /// A file of the plugin's own bundle.
    pub(super) fn asset(&self, path: &str) -> Option<Vec<u8>> {
        let bytes = self.bundle.as_ref()?.read(path).ok()?;
        Some(bytes.into_owned())
    }

    /// Tells the host what happened.
    pub(super) fn tell(&self, kind: EventKind) {
        self.services.events.emit(Event {
            event_id: EventId::default(),
            seq: self.shares.next_event(),
            plugin_id: Arc::clone(self.plugin_id()),
            version: Arc::clone(&self.version),
            timestamp: self.services.clock.wall(),
            operation_id: None,
            kind,
        });
    }
}

/// The refusal of a host call for want of a permission.
pub(super) fn denied(permission: &Permission) -> HostCallError {
    HostCallError::new(
        Code::PermissionDenied,
        format!("this needs the permission `{permission}`"),
    )
    .with("permission", permission.as_str())
}

/// Where a plugin's data lies.
pub(super) fn namespace(bundle: &VerifiedBundle) -> Namespace {
    Namespace {
        plugin_id: Arc::from(bundle.id().as_str()),
        publisher: bundle.publisher().map(Arc::from),
    }
}

fn dependencies(manifest: &Manifest) -> BTreeMap<String, VersionReq> {
    let callable = manifest
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Conflict);
    callable
        .map(|dependency| (dependency.id.to_string(), dependency.version.clone()))
        .collect()
}
