//! What can be wrong with a container.

use std::fmt;

use serde_json::Map;

use super::name::NameFault;
use crate::problem::{Blame, Code, Coded};

/// A rule of the container profile is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct StructureError {
    /// The entry it was found in; `None` when it concerns the file as a whole. Never holds control characters.
    pub entry: Option<String>,
    /// Which rule.
    pub reason: StructureReason,
}

impl StructureError {
    pub(crate) fn of(entry: impl Into<String>, reason: StructureReason) -> Self {
        Self {
            entry: Some(entry.into()),
            reason,
        }
    }

    pub(crate) fn whole(reason: StructureReason) -> Self {
        Self { entry: None, reason }
    }
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "entry `{entry}`: {}", self.reason),
            None => write!(f, "{}", self.reason),
        }
    }
}

/// One row a rule: variant with its data, stable word, message.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* })? $word:literal $message:literal;)*) => {
        /// Which rule of the container profile is broken.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum StructureReason {
            $($(#[$doc])* #[error($message)] $variant $({ $($(#[$field_doc])* $field: $type),* })?,)*
        }

        impl StructureReason {
            /// The stable word, as in `details.reason`.
            #[must_use]
            pub fn as_str(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word,)* }
            }
        }
    };
}

reasons! {
    /// The file ends inside a header or the data of an entry, or they reach into the central directory.
    Truncated "truncated" "the file ends too early";
    /// The last 22 bytes are not an end record.
    EndRecordMissing "end_record_missing" "the file does not end with an end record";
    /// The end record has a comment.
    Comment "comment" "the file has a comment";
    /// The end record speaks of more than one disk.
    SeveralDisks "several_disks" "the file is part of a set of disks";
    /// The two numbers of entries in the end record differ, or differ from the number of local headers.
    EntryCount "entry_count" "the number of entries is not what the end record says";
    /// The central directory does not lie exactly between the entries and the end record.
    DirectoryBounds "directory_bounds" "the central directory does not end where the end record begins";
    /// More entries than allowed.
    TooManyEntries {
        /// What the end record says.
        actual: usize,
        /// What is allowed.
        limit: usize
    } "too_many_entries" "{actual} entries are more than the {limit} allowed";
    /// Bytes that are not a local header where one must begin.
    LocalHeaderMissing "local_header_missing" "there is no local header where one must begin";
    /// Another version than 2.0.
    VersionNeeded {
        /// What the header says.
        actual: u16
    } "version_needed" "version needed is {actual}, not 20";
    /// Encryption, data descriptor, UTF-8 names and the like.
    Flags {
        /// What the header says.
        actual: u16
    } "flags" "flags are {actual:#06x}, not 0";
    /// Neither stored nor deflated.
    Method {
        /// What the header says.
        actual: u16
    } "method" "compression method {actual} is neither 0 nor 8";
    /// Another time than the fixed one.
    ModificationTime "modification_time" "the time is not 00:00:00";
    /// Another date than the fixed one.
    ModificationDate "modification_date" "the date is not 1980-01-01";
    /// An extra field, ZIP64 among them.
    ExtraField "extra_field" "there is an extra field";
    /// A stored entry whose two sizes differ.
    StoredSize "stored_size" "the entry is stored, but its packed and unpacked sizes differ";
    /// A name that the profile does not allow.
    Name {
        /// What is wrong with it.
        fault: NameFault
    } "name" "{fault}";
    /// Two entries whose names differ in case at most.
    DuplicateName "duplicate_name" "another entry has this name, upper and lower case not counted";
    /// An entry that is also a folder of another.
    FolderClash {
        /// The name that is both.
        folder: String
    } "folder_clash" "`{folder}` is an entry and a folder at once";
    /// The manifest is not at its place.
    ManifestMissing "manifest_missing" "the first entry (after the signature) is not `plugin.json`";
    /// The entries are not sorted.
    Order "order" "the entry is not in its place: names are sorted bytewise";
    /// The envelope is compressed.
    SignatureCompressed "signature_compressed" "the signature is compressed";
    /// The envelope is too large.
    SignatureTooLarge {
        /// What the header says.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64
    } "signature_too_large" "{actual_bytes} bytes of signature are more than the {limit_bytes} allowed";
    /// One entry is too large unpacked.
    EntryTooLarge {
        /// What the header says.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64
    } "entry_too_large" "{actual_bytes} bytes unpacked are more than the {limit_bytes} allowed for an entry";
    /// All entries together are too large unpacked.
    UnpackedTooLarge {
        /// What the headers add up to.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64
    } "unpacked_too_large" "{actual_bytes} bytes unpacked are more than the {limit_bytes} allowed";
    /// The entry is a decompression bomb.
    Ratio {
        /// Size in the file.
        packed_bytes: u64,
        /// Size unpacked.
        size_bytes: u64
    } "ratio" "{size_bytes} bytes out of {packed_bytes} are more than 200:1";
    /// Central directory and end record are not those of these entries.
    DirectoryMismatch "directory_mismatch" "the central directory does not match the entries";
    /// The data is not deflate.
    Deflate "deflate" "the compressed data is damaged";
    /// The data unpacks to less than the header says.
    TooShort "too_short" "the data unpacks to less than its header says";
    /// The data unpacks to more than the header says.
    TooLong "too_long" "the data unpacks to more than its header says";
    /// There are bytes behind the end of the compressed data.
    TrailingData "trailing_data" "there are bytes behind the end of the compressed data";
    /// The data has another CRC-32.
    Checksum "checksum" "the checksum does not match the data";
}

impl Coded for StructureError {
    fn code(&self) -> Code {
        Code::CorruptedData
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, serde_json::Value> {
        let mut details = Map::new();
        if let Some(entry) = &self.entry {
            details.insert("entry".to_owned(), entry.as_str().into());
        }
        details.insert("reason".to_owned(), self.reason.as_str().into());
        details
    }

    fn help(&self) -> Vec<String> {
        vec![
            "bundles have one exact form that ordinary ZIP tools do not write: make it with `palisade pack`".to_owned(),
        ]
    }
}
