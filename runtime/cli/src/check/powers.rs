//! What the manifest asks for, against what the module can use and a host can give.

use std::time::Duration;

use palisade::manifest::AbiVersion;
use palisade::{Code, Limits, Manifest, ModuleOutline, Permission};
use palisade_abi::{IMPORT_MODULE, IMPORTS, Import, export, import};

use super::Finding;
use super::module::imports_wasi;

const MANIFEST: &str = "plugin.json";

/// A host or an ABI that is not this one.
pub(super) fn host(manifest: &Manifest) -> Option<Finding> {
    let abi = AbiVersion {
        major: palisade_abi::VERSION_MAJOR,
        minor: palisade_abi::VERSION_MINOR,
    };
    let version = env!("CARGO_PKG_VERSION").parse().ok()?;
    manifest
        .check_host(&version, abi)
        .err()
        .map(|error| Finding::of_error(MANIFEST, &error))
}

/// Wishes that no host grants unless its ceiling was raised.
pub(super) fn limits(manifest: &Manifest) -> Vec<Finding> {
    let wish = &manifest.resource_limits;
    let ceiling = &Limits::CEILING;
    let over = |name: &str, asked: Option<u64>, most: u64| {
        let asked = asked.filter(|asked| *asked > most)?;
        let message = format!("`resource_limits.{name}` asks for {asked}, and hosts give {most} unless told otherwise");
        Some(Finding::warning(Code::ResourceExhausted, MANIFEST, message))
    };
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let findings = [
        over("fuel", wish.fuel, ceiling.fuel),
        over("memory", wish.memory.map(|size| size.as_bytes()), ceiling.memory_bytes),
        over("output", wish.output.map(|size| size.as_bytes()), ceiling.output_bytes),
        over(
            "execution_time",
            wish.execution_time.map(ms),
            ms(ceiling.execution_time),
        ),
    ];
    findings.into_iter().flatten().collect()
}

/// Permissions that no import can use, and imports whose permission is not asked for.
pub(super) fn permissions(manifest: &Manifest, outline: &ModuleOutline) -> Vec<Finding> {
    let asked = &manifest.permissions;
    let unused = asked.iter().filter(|request| !can_use(outline, &request.name));
    let unused = unused.map(|request| {
        let message = format!(
            "it asks for `{}`, and the module has nothing that could use it",
            request.name
        );
        Finding::warning(Code::PermissionDenied, MANIFEST, message).with_help("leave it out")
    });
    let has = |name: &str| asked.iter().any(|request| request.name.as_str() == name);
    let missing = IMPORTS.iter().filter(|import| imports_function(outline, import.name));
    let missing = missing.filter_map(|import| {
        let needed = needed_for(import);
        let is_given = needed.is_empty() || needed.iter().any(|name| has(name));
        (!is_given).then(|| lacking(&format!("the module imports `{}`", import.name), &needed))
    });
    unused.chain(missing).chain(unasked_events(manifest)).collect()
}

/// What of an import's permissions a manifest has to ask for.
fn needed_for(import: &Import) -> Vec<&'static str> {
    let granted: Vec<_> = Permission::granted_to_everyone().collect();
    let is_granted = |name: &str| granted.iter().any(|permission| permission.as_str() == name);
    let asked_for = import.permissions.iter().copied().filter(|name| !is_granted(name));
    asked_for.collect()
}

/// Sections of the manifest that are in vain without a permission.
fn unasked_events(manifest: &Manifest) -> Vec<Finding> {
    let sections = [
        (
            "`events.publish` names topics",
            !manifest.events.publish.is_empty(),
            "events:publish",
        ),
        (
            "`events.subscribe` names topics",
            !manifest.events.subscribe.is_empty(),
            "events:subscribe",
        ),
        (
            "`schedule` names commands",
            !manifest.schedule.is_empty(),
            "schedule:run",
        ),
    ];
    let lacks = |needed: &str| {
        manifest
            .permissions
            .iter()
            .all(|request| request.name.as_str() != needed)
    };
    let found = sections
        .into_iter()
        .filter(|(_, is_there, needed)| *is_there && lacks(needed));
    found.map(|(what, _, needed)| lacking(what, &[needed])).collect()
}

fn lacking(what: &str, needed: &[&str]) -> Finding {
    let quoted: Vec<_> = needed.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("{what}, which needs {}", quoted.join(" or "));
    let first = needed.last().copied().unwrap_or_default();
    Finding::warning(Code::PermissionDenied, MANIFEST, message).with_help(format!("add \"{first}\" to `permissions`"))
}

/// Whether anything of the module can make use of a permission.
fn can_use(outline: &ModuleOutline, permission: &Permission) -> bool {
    if permission.is_granted_to_everyone() {
        return true;
    }
    match permission {
        Permission::ClockPrecise => imports_wasi(outline, "clock_") || imports_wasi(outline, "poll_oneoff"),
        Permission::FilesystemRead | Permission::FilesystemWrite => imports_wasi(outline, "path_"),
        Permission::EventsSubscribe | Permission::MessageReceive => outline.export(export::PLUGIN_ON_EVENT).is_some(),
        // The host itself runs the commands.
        Permission::ScheduleRun => true,
        Permission::Custom(_) => imports_function(outline, import::HOST_CALL),
        other => IMPORTS
            .iter()
            .any(|import| import.permissions.contains(&other.as_str()) && imports_function(outline, import.name)),
    }
}

fn imports_function(outline: &ModuleOutline, name: &str) -> bool {
    let mut imports = outline.imports.iter();
    imports.any(|used| used.module == IMPORT_MODULE && used.name == name)
}
