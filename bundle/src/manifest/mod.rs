//! `plugin.json`: what a plugin says about itself and asks for.
//!
//! Reading is strict: an unknown key, a duplicate key or a value that breaks its rule is an error that names the
//! place and what would be right there, and one run names all of them. Keys are snake_case; the camelCase spelling of
//! each is accepted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;
use serde_json::{Map, Value};

mod command;
mod credential;
mod cron;
mod difference;
mod error;
mod id;
mod json_schema;
mod license;
mod lifecycle;
mod limits;
mod permissions;
mod prose;
mod read;
mod rules;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod version;
mod wire;

pub use command::{Command, Encoding, Instance, InstanceMode};
pub use credential::{NetworkCredential, SecretHeader, is_transfer_header};
pub use difference::{Difference, RaisedLimit, Widened};
pub use error::{Location, ManifestError, ManifestFault, ManifestProblem};
pub use id::{MAX_ID_BYTES, MalformedPluginId, PluginId};
pub use lifecycle::{
    Cron, Dependency, DependencyKind, Events, HealthChecks, Recurrence, RestartPolicy, ScheduledCommand, Topic,
    TopicPattern,
};
pub use limits::{HostPattern, HttpMethod, NetworkAccess, NetworkLimits, ResourceLimits};
pub use permissions::PermissionRequest;
pub use prose::{MAX_DESCRIPTION_CHARS, MAX_KEYWORD_CHARS, MAX_NAME_CHARS};
pub use rules::ConfigError;
pub use version::{AbiVersion, MalformedAbiVersion, UnsupportedVersion, VersionSubject};

use read::{At, Problems, object};
use values::text;

/// Largest manifest: room for hundreds of commands with their schemas, and read in milliseconds.
pub const MAX_MANIFEST_BYTES: usize = 256 * 1024;

/// The most values in a manifest, objects and lists included. In memory a value takes up to 1 KiB (an object of one
/// member does), so this keeps any manifest below 10 MiB, well within what verifying a bundle may take.
pub const MAX_VALUES: usize = 10_000;

/// Deepest nesting of a manifest. A command's schema begins at level 3 and takes two levels for each level of its
/// data, of which there are at most 32.
pub const MAX_DEPTH: usize = 72;

/// The most problems reported at once: a screenful.
pub const MAX_PROBLEMS: usize = 20;

/// The form of `plugin.json` that this crate reads.
pub const MANIFEST_VERSION: u32 = 1;

/// What a plugin says about itself and asks for.
///
/// ```
/// use palisade_bundle::Manifest;
///
/// let text = br#"{"id": "com.acme.greeter", "name": "Greeter", "version": "1.2.0", "author": "Acme"}"#;
/// let manifest = Manifest::parse(text)?;
/// assert_eq!(manifest.id.last_label(), "greeter");
/// assert_eq!(Manifest::parse(&manifest.to_json())?, manifest);
/// # Ok::<(), palisade_bundle::ManifestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(
    title = "Palisade plugin manifest",
    description = "What a plugin says about itself and asks for.",
    deny_unknown_fields
)]
pub struct Manifest {
    /// Who the plugin is; belongs to the publisher that first installs it.
    pub id: PluginId,
    /// What people call it.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS))]
    pub name: String,
    /// Its version.
    #[schemars(with = "wire::SemVer")]
    pub version: Version,
    /// Who made it.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS))]
    pub author: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_DESCRIPTION_CHARS))]
    pub description: Option<String>,
    /// Its licence, as an SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where people read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[hH][tT][tT][pP][sS]?://."))]
    pub homepage: Option<String>,
    /// Where its source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[hH][tT][tT][pP][sS]?://."))]
    pub repository: Option<String>,
    /// Where its manual is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[hH][tT][tT][pP][sS]?://."))]
    pub documentation: Option<String>,
    /// What people search for to find it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, inner(length(min = 1, max = MAX_KEYWORD_CHARS)), extend("uniqueItems" = true))]
    pub keywords: Vec<String>,
    /// The form of this file.
    #[schemars(default = "default_manifest_version", range(min = MANIFEST_VERSION, max = MANIFEST_VERSION))]
    pub manifest_version: u32,
    /// The contract with the host that the module speaks.
    #[schemars(default)]
    pub abi_version: AbiVersion,
    /// The oldest host it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<wire::SemVer>")]
    pub min_core_version: Option<Version>,
    /// The newest host it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<wire::SemVer>")]
    pub max_core_version: Option<Version>,
    /// The module in the bundle.
    #[schemars(default = "default_entry_point", regex(pattern = r"^[A-Za-z0-9._/-]{1,195}\.wasm$"))]
    pub entry_point: String,
    /// What it asks to be allowed, families expanded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<permissions::PermissionEntry>")]
    pub permissions: Vec<PermissionRequest>,
    /// What it answers to. Empty when the manifest has no list: then any command reaches the plugin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(min = 1))]
    pub commands: Vec<Command>,
    /// How its instances live.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub instance: Instance,
    /// The limits it asks for.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub resource_limits: ResourceLimits,
    /// Where it asks to send requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAccess>,
    /// Its configuration until the operator gives another.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(default, with = "Map<String, Value>")]
    pub config: Map<String, Value>,
    /// What a configuration looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<wire::JsonSchemaDocument>")]
    pub config_schema: Option<Value>,
    /// Other plugins it needs, uses, or cannot live beside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub dependencies: Vec<Dependency>,
    /// Topics it publishes and receives.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub events: Events,
    /// Commands the host runs by the clock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub schedule: Vec<ScheduledCommand>,
    /// How the host finds out that it is well.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub health: HealthChecks,
    /// What happens after a crash.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub restart: RestartPolicy,
    /// Members whose key starts with `x-`: free for anybody, kept as they are.
    #[serde(flatten)]
    #[schemars(skip)]
    pub extensions: BTreeMap<String, Value>,
}

impl Manifest {
    /// Reads a manifest. Pure: no file, network or clock.
    ///
    /// # Errors
    /// [`ManifestError`] lists what is wrong, each with its JSON pointer, line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let (text, root) = source::read(bytes).map_err(|unreadable| ManifestError::unreadable(bytes, unreadable))?;
        let root = At::root(&root);
        let mut problems = Problems::new(text);
        let manifest = Self::read(&root, &mut problems);
        if let Some(manifest) = &manifest {
            rules::together(manifest, &root, &mut problems);
        }
        problems.verdict(manifest)
    }

    /// The manifest as pretty JSON in canonical order: what [`parse`](Self::parse) reads as the same manifest. Values
    /// at their default are left out, except versions and entry point.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// The JSON Schema (draft 2020-12) of `plugin.json`, for editors.
    #[must_use]
    pub fn schema() -> Value {
        json_schema::of_manifest()
    }

    /// The declared command of this name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// Compares what the manifest needs with a host.
    ///
    /// # Errors
    /// [`UnsupportedVersion`] when the host is older than `min_core_version` or newer than `max_core_version`, or
    /// speaks another ABI: the major must be equal, the minor at most the host's.
    pub fn check_host(&self, host: &Version, host_abi: AbiVersion) -> Result<(), UnsupportedVersion> {
        let range = (self.min_core_version.as_ref(), self.max_core_version.as_ref());
        version::check_host(range, self.abi_version, host, host_abi)
    }

    /// Checks a configuration that an operator gives against `config_schema`.
    ///
    /// # Errors
    /// [`ConfigError`] lists the violations with their pointers.
    pub fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        rules::check_config(self.config_schema.as_ref(), config)
    }

    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            fields.optional("$schema", |at, problems| {
                text(at, problems, "a link to a schema", |_| Ok(()))
            });
            let id = fields.required("id", PluginId::read);
            let name = fields.required("name", prose::name);
            let version = fields.required("version", rules::version);
            let author = fields.required("author", prose::name);
            let schema = fields.optional("config_schema", command::schema);
            Some(Self {
                description: fields.optional("description", prose::description),
                license: fields.optional("license", license::license),
                homepage: fields.optional("homepage", prose::url),
                repository: fields.optional("repository", prose::url),
                documentation: fields.optional("documentation", prose::url),
                keywords: fields.or_default("keywords", prose::keywords),
                manifest_version: fields
                    .optional("manifest_version", rules::manifest_version)
                    .unwrap_or(MANIFEST_VERSION),
                abi_version: fields.or_default("abi_version", AbiVersion::read),
                min_core_version: fields.optional("min_core_version", rules::version),
                max_core_version: fields.optional("max_core_version", rules::version),
                entry_point: fields
                    .optional("entry_point", rules::entry_point)
                    .unwrap_or_else(default_entry_point),
                permissions: fields.or_default("permissions", permissions::requests),
                commands: fields.or_default("commands", Command::read_all),
                instance: fields.or_default("instance", Instance::read),
                resource_limits: fields.or_default("resource_limits", ResourceLimits::read),
                network: fields.optional("network", NetworkAccess::read),
                config: fields.or_default("config", |at, problems| rules::config(at, problems, schema.as_ref())),
                config_schema: schema,
                dependencies: fields.or_default("dependencies", Dependency::read_all),
                events: fields.or_default("events", Events::read),
                schedule: fields.or_default("schedule", ScheduledCommand::read_all),
                health: fields.or_default("health", HealthChecks::read),
                restart: fields.or_default("restart", RestartPolicy::read),
                extensions: fields.free("x-").into_iter().collect(),
                id: id?,
                name: name?,
                version: version?,
                author: author?,
            })
        })
    }
}

fn default_entry_point() -> String {
    "plugin.wasm".to_owned()
}

fn default_manifest_version() -> u32 {
    MANIFEST_VERSION
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
