//! Bundles, honest and hostile, for the tests of this crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bundle::Bundle;
use crate::container::replace_signature;
use crate::envelope::{Envelope, EnvelopeSignature, PayloadType, pre_authentication_encoding};
use crate::key::SigningKey;
use crate::sign::{SignOptions, pack, sign};
use crate::time::Timestamp;

/// The smallest module there is.
pub(crate) const MODULE: &[u8] = b"\0asm\x01\0\0\0";

pub(crate) const CREATED: &str = "2026-11-21T06:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The time of day as a host reads it.
pub(crate) fn clock(text: &str) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at(text).unix_seconds().try_into().unwrap())
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn manifest(id: &str, version: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}","name":"Weather","version":"{version}","author":"Acme"}}"#).into_bytes()
}

pub(crate) fn files(id: &str) -> Vec<(String, Vec<u8>)> {
    vec![
        ("assets/clouds.txt".to_owned(), b"cirrus cumulus stratus ".repeat(8)),
        ("plugin.json".to_owned(), manifest(id, "1.2.0")),
        ("plugin.wasm".to_owned(), MODULE.to_vec()),
    ]
}

pub(crate) fn unsigned(id: &str) -> Bundle {
    Bundle::open(pack(files(id)).unwrap()).unwrap()
}

pub(crate) fn options(sequence: u64) -> SignOptions {
    SignOptions {
        created: at(CREATED),
        not_after: None,
        sequence,
        append: false,
    }
}

pub(crate) fn signed_with(id: &str, seeds: &[u8], options: SignOptions) -> Bundle {
    let mut bundle = unsigned(id);
    for (position, seed) in seeds.iter().enumerate() {
        let options = SignOptions {
            append: position > 0,
            ..options
        };
        bundle = Bundle::open(sign(&bundle, &key(*seed), &options).unwrap()).unwrap();
    }
    bundle
}

pub(crate) fn signed(id: &str, seeds: &[u8]) -> Bundle {
    signed_with(id, seeds, options(17))
}

/// A ZIP file of which every field can be set.
#[derive(Clone)]
pub(crate) struct RawZip {
    pub(crate) before: Vec<u8>,
    pub(crate) entries: Vec<RawEntry>,
    /// Indexes of the entries in the order of the central directory.
    pub(crate) directory: Vec<usize>,
    pub(crate) before_directory: Vec<u8>,
    pub(crate) before_end: Vec<u8>,
    pub(crate) end: RawEnd,
    pub(crate) after: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct RawEntry {
    pub(crate) local: RawHeader,
    pub(crate) central: RawHeader,
    pub(crate) data: Vec<u8>,
    /// Between the data and the next header.
    pub(crate) after: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct RawHeader {
    pub(crate) signature: [u8; 4],
    pub(crate) made_by: u16,
    pub(crate) version_needed: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u16,
    pub(crate) date: u16,
    pub(crate) crc32: u32,
    pub(crate) packed_bytes: u32,
    pub(crate) size_bytes: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) disk: u16,
    pub(crate) internal: u16,
    pub(crate) external: u32,
    /// Added to the offset of the local header.
    pub(crate) offset_shift: u32,
}

/// Added to what an honest end record says.
#[derive(Clone, Default)]
pub(crate) struct RawEnd {
    pub(crate) disk: u16,
    pub(crate) directory_disk: u16,
    pub(crate) count_here: u16,
    pub(crate) count: u16,
    pub(crate) directory_bytes: u32,
    pub(crate) directory_start: u32,
    pub(crate) comment: Vec<u8>,
    /// Said of the comment, when not its length.
    pub(crate) comment_bytes: Option<u16>,
}

impl RawZip {
    /// Entries stored, every field as the profile wants it.
    pub(crate) fn stored(entries: &[(&str, &[u8])]) -> Self {
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, data)| RawEntry::stored(name.as_bytes(), data))
            .collect();
        Self {
            before: Vec::new(),
            directory: (0..entries.len()).collect(),
            entries,
            before_directory: Vec::new(),
            before_end: Vec::new(),
            end: RawEnd::default(),
            after: Vec::new(),
        }
    }

    /// Manifest and module.
    pub(crate) fn plugin() -> Self {
        Self::stored(&[("plugin.json", b"{}"), ("plugin.wasm", MODULE)])
    }

    pub(crate) fn push(&mut self, entry: RawEntry) {
        self.directory.push(self.entries.len());
        self.entries.push(entry);
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bytes = self.before.clone();
        let mut offsets = Vec::new();
        for entry in &self.entries {
            offsets.push(u32::try_from(bytes.len()).unwrap());
            entry.local.write_local(&mut bytes);
            bytes.extend_from_slice(&entry.data);
            bytes.extend_from_slice(&entry.after);
        }
        bytes.extend_from_slice(&self.before_directory);
        let start = bytes.len();
        for index in &self.directory {
            self.entries[*index].central.write_central(offsets[*index], &mut bytes);
        }
        let length = u32::try_from(bytes.len() - start).unwrap();
        bytes.extend_from_slice(&self.before_end);
        self.end.write(
            u16::try_from(self.directory.len()).unwrap(),
            length,
            u32::try_from(start).unwrap(),
            &mut bytes,
        );
        bytes.extend_from_slice(&self.after);
        bytes
    }
}

impl RawEntry {
    pub(crate) fn stored(name: &[u8], data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap();
        Self::packed(name, 0, data, crc32fast::hash(data), length)
    }

    pub(crate) fn deflated(name: &[u8], data: &[u8]) -> Self {
        let mut packed = Vec::with_capacity(data.len() + 64);
        let mut stream = flate2::Compress::new(flate2::Compression::new(9), false);
        stream
            .compress_vec(data, &mut packed, flate2::FlushCompress::Finish)
            .unwrap();
        Self::packed(
            name,
            8,
            &packed,
            crc32fast::hash(data),
            u32::try_from(data.len()).unwrap(),
        )
    }

    pub(crate) fn packed(name: &[u8], method: u16, packed: &[u8], crc32: u32, size_bytes: u32) -> Self {
        let local = RawHeader {
            signature: *b"PK\x03\x04",
            made_by: 0x0314,
            version_needed: 20,
            flags: 0,
            method,
            time: 0,
            date: 0x0021,
            crc32,
            packed_bytes: u32::try_from(packed.len()).unwrap(),
            size_bytes,
            name: name.to_vec(),
            extra: Vec::new(),
            comment: Vec::new(),
            disk: 0,
            internal: 0,
            external: 0o100_644 << 16,
            offset_shift: 0,
        };
        let central = RawHeader {
            signature: *b"PK\x01\x02",
            ..local.clone()
        };
        Self {
            local,
            central,
            data: packed.to_vec(),
            after: Vec::new(),
        }
    }

    /// Changes both headers.
    pub(crate) fn both(&mut self, change: impl Fn(&mut RawHeader)) {
        change(&mut self.local);
        change(&mut self.central);
    }
}

impl RawHeader {
    fn write_local(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.signature);
        self.write_shared(bytes);
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.extra);
    }

    fn write_central(&self, offset: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.signature);
        put16(bytes, &[self.made_by]);
        self.write_shared(bytes);
        put16(
            bytes,
            &[u16::try_from(self.comment.len()).unwrap(), self.disk, self.internal],
        );
        put32(bytes, &[self.external, offset.wrapping_add(self.offset_shift)]);
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.extra);
        bytes.extend_from_slice(&self.comment);
    }

    fn write_shared(&self, bytes: &mut Vec<u8>) {
        put16(
            bytes,
            &[self.version_needed, self.flags, self.method, self.time, self.date],
        );
        put32(bytes, &[self.crc32, self.packed_bytes, self.size_bytes]);
        put16(
            bytes,
            &[
                u16::try_from(self.name.len()).unwrap(),
                u16::try_from(self.extra.len()).unwrap(),
            ],
        );
    }
}

impl RawEnd {
    fn write(&self, count: u16, directory_bytes: u32, directory_start: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"PK\x05\x06");
        put16(bytes, &[self.disk, self.directory_disk]);
        put16(
            bytes,
            &[count.wrapping_add(self.count_here), count.wrapping_add(self.count)],
        );
        let directory_bytes = directory_bytes.wrapping_add(self.directory_bytes);
        put32(
            bytes,
            &[directory_bytes, directory_start.wrapping_add(self.directory_start)],
        );
        put16(
            bytes,
            &[self.comment_bytes.unwrap_or(u16::try_from(self.comment.len()).unwrap())],
        );
        bytes.extend_from_slice(&self.comment);
    }
}

fn put16(bytes: &mut Vec<u8>, numbers: &[u16]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// The bundle with another payload under its envelope, signed by these keys whatever it says.
pub(crate) fn with_payload(bundle: &Bundle, payload: Vec<u8>, seeds: &[u8]) -> Bundle {
    let message = pre_authentication_encoding(PayloadType::Bundle.as_str(), &payload);
    let signatures = seeds.iter().map(|seed| {
        let key = key(*seed);
        EnvelopeSignature {
            key_id: key.public().id(),
            bytes: key.sign(&message),
        }
    });
    with_signatures(bundle, payload, signatures.collect())
}

/// The bundle with another envelope, of which nothing need be true.
pub(crate) fn with_signatures(bundle: &Bundle, payload: Vec<u8>, mut signatures: Vec<EnvelopeSignature>) -> Bundle {
    signatures.sort_by_key(|signature| signature.key_id);
    let envelope = Envelope::new(PayloadType::Bundle, payload, signatures)
        .unwrap()
        .to_bytes()
        .unwrap();
    Bundle::open(replace_signature(bundle.bytes(), Some(&envelope)).unwrap()).unwrap()
}
