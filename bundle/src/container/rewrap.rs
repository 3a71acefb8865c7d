//! Putting another envelope around the same content, for signing.

use super::record::{tail_bytes, too_large};
use super::write::write_entry;
use super::{Archive, Entry, MAX_ENTRIES, SIGNATURE_PATH, StructureError, StructureReason};

/// The signed part of a container: from the first file to the central directory.
pub(crate) fn file_content(bytes: &[u8]) -> Result<&[u8], StructureError> {
    let archive = Archive::parse(bytes)?;
    content_of(&archive).map(|(_, content)| content)
}

/// Writes the container anew with another envelope or none, every file taken over byte by byte.
pub(crate) fn replace_signature(bytes: &[u8], envelope: Option<&[u8]>) -> Result<Vec<u8>, StructureError> {
    let archive = Archive::parse(bytes)?;
    let (old_start, content) = content_of(&archive)?;
    let mut rewritten = Vec::new();
    let mut entries = Vec::new();
    if let Some(envelope) = envelope {
        entries.push(write_entry(SIGNATURE_PATH, envelope, &mut rewritten)?);
    }
    let new_start = rewritten.len();
    rewritten.extend_from_slice(content);
    let files = archive.entries.into_iter().filter(|entry| entry.name != SIGNATURE_PATH);
    for file in files {
        entries.push(moved(file, old_start, new_start).ok_or_else(too_large)?);
    }
    if entries.len() > MAX_ENTRIES {
        let reason = StructureReason::TooManyEntries {
            actual: entries.len(),
            limit: MAX_ENTRIES,
        };
        return Err(StructureError::whole(reason));
    }
    rewritten.extend_from_slice(&tail_bytes(&entries)?);
    Ok(rewritten)
}

fn content_of<'a>(archive: &Archive<'a>) -> Result<(usize, &'a [u8]), StructureError> {
    let mut files = archive.entries.iter().filter(|entry| entry.name != SIGNATURE_PATH);
    let start = files.next().and_then(|first| usize::try_from(first.header_start).ok());
    let end = archive.entries.last().map(|last| last.data.end);
    let content = start
        .zip(end)
        .and_then(|(start, end)| Some((start, archive.bytes.get(start..end)?)));
    content.ok_or_else(|| StructureError::whole(StructureReason::ManifestMissing))
}

fn moved(entry: Entry, old_start: usize, new_start: usize) -> Option<Entry> {
    let shift = |position: usize| position.checked_sub(old_start)?.checked_add(new_start);
    let header_start = shift(usize::try_from(entry.header_start).ok()?)?;
    Some(Entry {
        header_start: u64::try_from(header_start).ok()?,
        data: shift(entry.data.start)?..shift(entry.data.end)?,
        ..entry
    })
}
