//! Names of entries that mean the same file on every system, and none outside the bundle.

use std::collections::BTreeSet;

use super::{Entry, SIGNATURE_PATH, StructureError, StructureReason};

/// Every file system we know takes names of this length below a folder of ours.
const MAX_NAME_BYTES: usize = 200;

/// Deep enough for any asset tree.
const MAX_LEVELS: usize = 16;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// No name at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than 200 bytes.
    #[error("the name is longer than 200 bytes")]
    TooLong,
    /// Something else than `A-Z a-z 0-9 . _ / -`.
    #[error("the name holds a character other than A-Z a-z 0-9 . _ / -")]
    Character,
    /// Begins with `/`.
    #[error("the name begins with `/`")]
    Absolute,
    /// Two `/` in a row, or one at the end: a folder.
    #[error("the name has an empty part: folders are not entries")]
    EmptyPart,
    /// `.` or `..` as a part.
    #[error("the name has a part `.` or `..`")]
    Traversal,
    /// More than 16 parts.
    #[error("the name has more than 16 levels")]
    TooDeep,
    /// A part that ends in `.`, which Windows drops.
    #[error("a part of the name ends in `.`")]
    TrailingDot,
    /// `con`, `nul`, `com1` and so on, with or without an extension: Windows opens the device.
    #[error("a part of the name is a device on Windows")]
    Device,
}

/// Takes a name that the profile allows.
pub(crate) fn check_name(name: &[u8]) -> Result<&str, NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameFault::TooLong);
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/-".contains(byte);
    if !name.iter().all(allowed) {
        return Err(NameFault::Character);
    }
    let name = str::from_utf8(name).map_err(|_| NameFault::Character)?;
    if name.starts_with('/') {
        return Err(NameFault::Absolute);
    }
    if name.split('/').count() > MAX_LEVELS {
        return Err(NameFault::TooDeep);
    }
    for part in name.split('/') {
        check_part(part)?;
    }
    Ok(name)
}

fn check_part(part: &str) -> Result<(), NameFault> {
    match part {
        "" => return Err(NameFault::EmptyPart),
        "." | ".." => return Err(NameFault::Traversal),
        _ if part.ends_with('.') => return Err(NameFault::TrailingDot),
        _ => {}
    }
    let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if is_device(&stem) {
        Err(NameFault::Device)
    } else {
        Ok(())
    }
}

/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>; the spellings with other characters are out of
/// the alphabet anyway.
fn is_device(stem: &str) -> bool {
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    match numbered {
        Some(number) => matches!(number.as_bytes(), [b'0'..=b'9']),
        None => matches!(stem, "con" | "prn" | "aux" | "nul"),
    }
}

/// Checks names against each other: unique after lower-casing, none a folder of another.
pub(super) fn check_names(entries: &[Entry]) -> Result<(), StructureError> {
    let mut names = BTreeSet::new();
    for entry in entries {
        if !names.insert(entry.name.to_ascii_lowercase()) {
            return Err(StructureError::of(&entry.name, StructureReason::DuplicateName));
        }
    }
    // The place of the envelope is taken in an unsigned bundle too, or signing could make a second one.
    let is_signed = entries.first().is_some_and(|entry| entry.name == SIGNATURE_PATH);
    if !is_signed && !names.insert(SIGNATURE_PATH.to_ascii_lowercase()) {
        return Err(StructureError::of(SIGNATURE_PATH, StructureReason::Order));
    }
    let signature = (!is_signed).then_some(SIGNATURE_PATH);
    for name in entries.iter().map(|entry| entry.name.as_str()).chain(signature) {
        let lower_case = name.to_ascii_lowercase();
        for (end, _) in lower_case.match_indices('/') {
            let folder = lower_case.get(..end).unwrap_or_default();
            if names.contains(folder) {
                let folder = folder.to_owned();
                return Err(StructureError::of(name, StructureReason::FolderClash { folder }));
            }
        }
    }
    Ok(())
}
