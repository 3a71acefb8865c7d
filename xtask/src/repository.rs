//! Where the repository is.

use std::path::{Path, PathBuf};

/// Its top folder: the one above this crate, whatever the current directory is. Cargo says where the crate is when it
/// runs it, which is truer than where it was compiled.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = Path::new(&here);
    here.parent().unwrap_or(here).to_path_buf()
}

/// The names of the sample plugins, which are the folders of `sample-plugins/`, sorted.
pub(crate) fn sample_plugins() -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("sample-plugins"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
