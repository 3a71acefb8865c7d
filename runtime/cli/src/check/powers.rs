//! What the manifest asks for, against what the module can use and a host can give.

use std::time::Duration;

use palisade::manifest::AbiVersion;
use palisade::{Code, Limits, Manifest, ModuleOutline, Permission};
use palisade_abi::{IMPORT_MODULE, IMPORTS};

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
    let mut findings = Vec::new();
    for request in &manifest.permissions {
        if !can_use(outline, &request.name) {
            let message = format!(
                "it asks for `{}`, and the module imports nothing that could use it",
                request.name
            );
            findings.push(Finding::warning(Code::PermissionDenied, MANIFEST, message).with_help("leave it out"));
        }
    }
    for import in IMPORTS {
        let Some(needed) = import.permission else { continue };
        let imported = outline
            .imports
            .iter()
            .any(|used| used.module == IMPORT_MODULE && used.name == import.name);
        let asked = manifest
            .permissions
            .iter()
            .any(|request| request.name.as_str() == needed);
        if imported && !asked {
            let message = format!("the module imports `{}`, which needs `{needed}`", import.name);
            let found = Finding::warning(Code::PermissionDenied, MANIFEST, message);
            findings.push(found.with_help(format!("add \"{needed}\" to `permissions`")));
        }
    }
    findings
}

/// Whether anything the module imports can make use of a permission.
fn can_use(outline: &ModuleOutline, permission: &Permission) -> bool {
    if permission.is_granted_to_everyone() {
        return true;
    }
    match permission {
        Permission::ClockPrecise => imports_wasi(outline, "clock_") || imports_wasi(outline, "poll_oneoff"),
        Permission::FilesystemRead | Permission::FilesystemWrite => imports_wasi(outline, "path_"),
        other => IMPORTS.iter().any(|import| {
            import.permission == Some(other.as_str())
                && outline
                    .imports
                    .iter()
                    .any(|used| used.module == IMPORT_MODULE && used.name == import.name)
        }),
    }
}
