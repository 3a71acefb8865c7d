//! What this host allows: asked ∩ granted ∩ publisher's ceiling.

use std::collections::{BTreeMap, BTreeSet};

use palisade_bundle::{
    Blame, Code, Coded, Manifest, Permission, Schema, SchemaError, UnknownPermission, VerifiedBundle, Violation,
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::directories::{self, DirectoryMapping, MappingError};
use crate::limits::LimitSettings;

/// What an operator allows one plugin. Denies everything it does not name.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    granted: BTreeSet<Permission>,
    withheld: BTreeSet<Permission>,
    limits: LimitSettings,
    config: Option<Value>,
    directories: Vec<DirectoryMapping>,
    network: NetworkPolicy,
}

impl Policy {
    /// Allows nothing beyond what every plugin may do.
    #[must_use]
    pub fn deny_all() -> Self {
        Self::default()
    }

    /// Allows one permission, or a family of them by its alias.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPermission`] with the nearest name there is.
    pub fn allow(mut self, permission: &str) -> Result<Self, PolicyError> {
        self.granted.extend(Permission::expand(permission)?);
        Ok(self)
    }

    /// Withholds a permission, also one that every plugin has unless it is withheld.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownPermission`] with the nearest name there is.
    pub fn withhold(mut self, permission: &str) -> Result<Self, PolicyError> {
        self.withheld.extend(Permission::expand(permission)?);
        Ok(self)
    }

    /// Sets limits; the manifest can ask for less and the host's ceiling still holds.
    #[must_use]
    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.limits = limits;
        self
    }

    /// Maps a folder of the host. What the plugin may do there also takes `filesystem:read` and `filesystem:write`.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Mapping`] when the name for the guest cannot be used, or there are too many.
    pub fn map_directory(mut self, mapping: DirectoryMapping) -> Result<Self, PolicyError> {
        directories::add(&mut self.directories, mapping)?;
        Ok(self)
    }

    /// Lets requests go to addresses that are not public ones: this machine, and the networks it is in.
    #[must_use]
    pub fn allow_private_network(mut self) -> Self {
        self.network.private = true;
        self
    }

    /// Hands over the value of a credential that the manifest names under `network.credentials`. The host adds it to
    /// requests; the plugin never sees it.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.network.secrets.insert(name.into(), value);
        self
    }

    /// Replaces the manifest's default configuration.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// The limits that were set.
    pub(crate) fn limit_settings(&self) -> &LimitSettings {
        &self.limits
    }

    /// Allows `bundle` here, with the permissions that it asked for, that were granted, and that its publisher may
    /// have at all. An optional permission that is not all three is dropped.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::PermissionDenied`] names the first required permission that is missing.
    /// - [`PolicyError::ConfigInvalid`] when the configuration does not fit the manifest's schema.
    pub fn admit(&self, bundle: VerifiedBundle) -> Result<AdmittedBundle, PolicyError> {
        let permissions = self.permissions(&bundle)?;
        let config = self.checked_config(bundle.manifest())?;
        Ok(AdmittedBundle {
            grant: Grant {
                permissions,
                limits: self.limits.clone(),
                config,
                directories: self.directories.clone(),
                network: self.network.clone(),
            },
            bundle,
        })
    }

    fn permissions(&self, bundle: &VerifiedBundle) -> Result<BTreeSet<Permission>, PolicyError> {
        let ceiling = bundle.permission_ceiling();
        let mut effective: BTreeSet<_> = Permission::granted_to_everyone()
            .filter(|permission| !self.withheld.contains(permission))
            .collect();
        for request in &bundle.manifest().permissions {
            let wanted = &request.name;
            let within_ceiling = ceiling.is_none_or(|ceiling| ceiling.contains(wanted));
            if effective.contains(wanted) || (self.is_granted(wanted) && within_ceiling) {
                effective.insert(wanted.clone());
            } else if !request.optional {
                return Err(PolicyError::PermissionDenied {
                    permission: wanted.clone(),
                    reason: request.reason.clone(),
                    above_ceiling: !within_ceiling,
                });
            }
        }
        Ok(effective)
    }

    fn is_granted(&self, permission: &Permission) -> bool {
        self.granted.contains(permission) && !self.withheld.contains(permission)
    }

    pub(crate) fn checked_config(&self, manifest: &Manifest) -> Result<Map<String, Value>, PolicyError> {
        let config = match &self.config {
            None => return Ok(manifest.config.clone()),
            Some(Value::Object(config)) => config.clone(),
            Some(_) => return Err(PolicyError::ConfigNotObject),
        };
        if let Some(schema) = &manifest.config_schema {
            let violations = Schema::compile(schema)?.violations(&Value::Object(config.clone()));
            if !violations.is_empty() {
                return Err(PolicyError::ConfigInvalid { violations });
            }
        }
        Ok(config)
    }
}

/// A bundle that is vouched for and allowed here. Only [`Policy::admit`] makes one, so a grant cannot be paired with
/// another bundle.
#[derive(Clone, Debug)]
pub struct AdmittedBundle {
    bundle: VerifiedBundle,
    grant: Grant,
}

impl AdmittedBundle {
    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &VerifiedBundle {
        &self.bundle
    }

    /// What it was granted.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// What an operator says of a plugin's requests. Printed without the secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkPolicy {
    /// Whether requests may go to addresses that are not public ones.
    pub(crate) private: bool,
    /// Values of credentials by their name in the manifest.
    pub(crate) secrets: BTreeMap<String, SecretString>,
}

/// The powers of one plugin on this host.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    permissions: BTreeSet<Permission>,
    limits: LimitSettings,
    config: Map<String, Value>,
    directories: Vec<DirectoryMapping>,
    network: NetworkPolicy,
}

impl Grant {
    /// The right to log and nothing else, for code that nobody admitted.
    pub(crate) fn log_only() -> Self {
        Self {
            permissions: BTreeSet::from([Permission::LogWrite]),
            ..Self::default()
        }
    }

    /// Whether the plugin may do this.
    #[must_use]
    pub fn allows(&self, permission: &Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Everything the plugin may do, in the order of `docs/permissions.md`.
    pub fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.iter()
    }

    /// The folders the plugin can see: none without `filesystem:read`, read-only ones without `filesystem:write`.
    pub fn directories(&self) -> impl Iterator<Item = DirectoryMapping> {
        let [read, write] = [Permission::FilesystemRead, Permission::FilesystemWrite].map(|one| self.allows(&one));
        let visible = self.directories.iter().filter(move |_| read).cloned();
        visible.map(move |mapping| if write { mapping } else { mapping.without_writing() })
    }

    /// The operator's limits.
    #[must_use]
    pub fn limits(&self) -> &LimitSettings {
        &self.limits
    }

    /// What the operator says of the plugin's requests.
    pub(crate) fn network(&self) -> &NetworkPolicy {
        &self.network
    }

    /// The configuration the plugin is started with.
    #[must_use]
    pub fn config(&self) -> &Map<String, Value> {
        &self.config
    }
}

/// A bundle is well formed and vouched for, but not allowed here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A permission has a name nobody knows.
    #[error(transparent)]
    UnknownPermission(#[from] UnknownPermission),
    /// The plugin cannot do without a permission it was not given.
    #[error("the plugin needs the permission `{permission}`, which {}", denied_by(*above_ceiling))]
    PermissionDenied {
        /// What is missing.
        permission: Permission,
        /// Why the plugin says it needs it.
        reason: Option<String>,
        /// Whether the publisher may not have it at all on this host.
        above_ceiling: bool,
    },
    /// A folder cannot be mapped like this.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The configuration is no JSON object.
    #[error("the configuration must be a JSON object")]
    ConfigNotObject,
    /// The configuration does not fit the manifest's schema.
    #[error("the configuration does not fit its schema: {}", first(violations))]
    ConfigInvalid {
        /// Every place that does not fit.
        violations: Vec<Violation>,
    },
    /// The manifest's own schema cannot be used.
    #[error(transparent)]
    ConfigSchema(#[from] SchemaError),
}

fn denied_by(above_ceiling: bool) -> &'static str {
    if above_ceiling {
        "its publisher may not have on this host"
    } else {
        "was not granted"
    }
}

fn first(violations: &[Violation]) -> String {
    let words = |violation: &Violation| match violation.pointer.as_str() {
        "" => violation.expected.clone(),
        pointer => format!("at {pointer}: {}", violation.expected),
    };
    violations.first().map(words).unwrap_or_default()
}

impl Coded for PolicyError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownPermission(error) => error.code(),
            Self::Mapping(error) => error.code(),
            Self::PermissionDenied { .. } => Code::PermissionDenied,
            Self::ConfigNotObject | Self::ConfigInvalid { .. } => Code::ConfigInvalid,
            Self::ConfigSchema(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::UnknownPermission(error) => error.blame(),
            Self::Mapping(error) => error.blame(),
            Self::PermissionDenied { .. } => Blame::Policy,
            Self::ConfigNotObject | Self::ConfigInvalid { .. } => Blame::Bundle,
            Self::ConfigSchema(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::UnknownPermission(error) => error.details(),
            Self::Mapping(error) => error.details(),
            Self::PermissionDenied { permission, reason, .. } => {
                let mut details = Map::from_iter([("permission".to_owned(), permission.as_str().into())]);
                if let Some(reason) = reason {
                    details.insert("reason".to_owned(), reason.as_str().into());
                }
                details
            }
            Self::ConfigNotObject => errors([serde_json::json!({"pointer": "", "expected": "an object"})]),
            Self::ConfigInvalid { violations } => errors(
                violations
                    .iter()
                    .map(|violation| serde_json::json!({"pointer": violation.pointer, "expected": violation.expected})),
            ),
            Self::ConfigSchema(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::UnknownPermission(error) => error.help(),
            Self::Mapping(error) => error.help(),
            Self::PermissionDenied {
                permission,
                above_ceiling: false,
                ..
            } => vec![format!("grant it with --grant {permission}")],
            Self::PermissionDenied { .. } | Self::ConfigNotObject | Self::ConfigInvalid { .. } => Vec::new(),
            Self::ConfigSchema(error) => error.help(),
        }
    }
}

fn errors(errors: impl IntoIterator<Item = Value>) -> Map<String, Value> {
    Map::from_iter([("errors".to_owned(), errors.into_iter().collect())])
}
