//! What the module offers and needs, against what the ABI says.

use palisade::module::ItemKind;
use palisade::{Code, Limits, Manifest, ModuleOutline};
use palisade_abi::{EXPORTS, IMPORT_MODULE, IMPORTS, MARKER_EXPORT};

use super::Finding;

/// The module part of every WASI preview 1 import.
const WASI: &str = "wasi_snapshot_preview1";

/// Size of a WebAssembly page.
const PAGE_BYTES: u64 = 64 * 1024;

/// Exports of the ABI that are missing or have another type.
pub(super) fn exports(outline: &ModuleOutline) -> Vec<Finding> {
    if outline.export(MARKER_EXPORT).is_none() {
        let found = Finding::error(
            Code::AbiViolation,
            "module",
            format!(
                "it does not export `{MARKER_EXPORT}`, so it is no plugin for ABI {}",
                palisade_abi::VERSION_MAJOR
            ),
        );
        return vec![found.with_help("palisade new NAME   starts a plugin that is one")];
    }
    let mut findings = Vec::new();
    for wanted in EXPORTS {
        let expected = wanted
            .signature
            .map_or_else(|| "a memory".to_owned(), |signature| signature.to_string());
        match outline.export(wanted.name) {
            None if wanted.required => findings.push(Finding::error(
                Code::AbiViolation,
                "module",
                format!("it does not export `{}`, which must be {expected}", wanted.name),
            )),
            None => {}
            Some(found) => {
                let fits = match wanted.signature {
                    Some(signature) => found.kind == ItemKind::Function && found.signature == signature.to_string(),
                    None => found.kind == ItemKind::Memory,
                };
                if !fits {
                    let message = format!(
                        "it exports `{}` as {} {}, which must be {expected}",
                        wanted.name, found.kind, found.signature
                    );
                    findings.push(Finding::error(Code::AbiViolation, "module", message));
                }
            }
        }
    }
    findings
}

/// Imports that no host offers, or with another type.
pub(super) fn imports(outline: &ModuleOutline) -> Vec<Finding> {
    let mut findings = Vec::new();
    for import in &outline.imports {
        if import.module == WASI && WASI_FUNCTIONS.contains(&import.name.as_str()) {
            continue;
        }
        let name = format!("{}.{}", import.module, import.name);
        let known = IMPORTS
            .iter()
            .find(|known| import.module == IMPORT_MODULE && known.name == import.name);
        match known {
            Some(known) if known.signature.to_string() == import.signature => {}
            Some(known) => {
                let message = format!(
                    "it imports `{name}` as {}, which is {}",
                    import.signature, known.signature
                );
                findings.push(Finding::error(Code::AbiViolation, "module", message));
            }
            None => {
                let offered: Vec<_> = IMPORTS.iter().map(|known| known.name).collect();
                let message = format!("it imports `{name}`, which no host offers");
                let found = Finding::error(Code::AbiViolation, "module", message);
                findings.push(found.with_help(format!(
                    "offered are the functions of {WASI}, and of {IMPORT_MODULE}: {}",
                    offered.join(", ")
                )));
            }
        }
    }
    findings
}

/// More memory at the start than the plugin may ever have.
pub(super) fn memory(manifest: &Manifest, outline: &ModuleOutline) -> Option<Finding> {
    let pages: u64 = outline.memories.iter().map(|memory| memory.minimum_pages).sum();
    let used_bytes = pages.saturating_mul(PAGE_BYTES);
    let wish = manifest.resource_limits.memory.map(|memory| memory.as_bytes());
    let limit_bytes = wish
        .unwrap_or(Limits::DEFAULT.memory_bytes)
        .min(Limits::CEILING.memory_bytes);
    (used_bytes > limit_bytes).then(|| {
        let message = format!("it starts with {used_bytes} bytes of memory and may have {limit_bytes}");
        Finding::error(Code::MemoryLimitExceeded, "module", message)
    })
}

/// The functions of WASI preview 1 (wasi_snapshot_preview1.witx).
const WASI_FUNCTIONS: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Whether the module imports a WASI function whose name starts like this.
pub(super) fn imports_wasi(outline: &ModuleOutline, prefix: &str) -> bool {
    outline
        .imports
        .iter()
        .any(|import| import.module == WASI && import.name.starts_with(prefix))
}
