//! Telling what a file is that is no core WASM module.

use std::fmt;

use super::ModuleError;

/// What bytes are that are no core WASM module, by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Nothing at all.
    Empty,
    /// A module whose header is cut off.
    Truncated,
    /// WASM of a version other than 1.
    Version(u16),
    /// A component.
    Component,
    /// WAT, the text format.
    TextFormat,
    /// An object file that was not linked.
    ObjectFile,
    /// A shared library for a dynamic linker.
    SharedLibrary,
    /// Code precompiled by wasmtime.
    Precompiled,
    /// A native executable or library.
    NativeCode,
    /// LLVM bitcode.
    Bitcode,
    /// A ZIP file, such as a whole bundle.
    Zip,
    /// Compressed data: gzip, zstd, bzip2 or xz.
    Compressed,
    /// Some text.
    Text,
    /// None of these.
    Unknown,
}

impl Foreign {
    /// What the bytes are, or nothing when they begin like a core module.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let foreign = match bytes {
            [] => Self::Empty,
            [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return None,
            [b'\0', b'a', b's', b'm', low, high, 0, 0, ..] => Self::Version(u16::from_le_bytes([*low, *high])),
            [b'\0', b'a', b's', b'm', _, _, _, _, ..] => Self::Component,
            _ if b"\0asm".starts_with(bytes) || bytes.starts_with(b"\0asm") => Self::Truncated,
            // e_ident[EI_OSABI] that wasmtime writes into its precompiled code (wasmtime `ELFOSABI_WASMTIME`).
            [0x7f, b'E', b'L', b'F', _, _, _, 200, ..] => Self::Precompiled,
            [0x7f, b'E', b'L', b'F', ..]
            | [b'M', b'Z', ..]
            | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
            | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..]
            | [0xca, 0xfe, 0xba, 0xbe, ..] => Self::NativeCode,
            [b'B', b'C', 0xc0, 0xde, ..] => Self::Bitcode,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Zip,
            [0x1f, 0x8b, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [b'B', b'Z', b'h', ..]
            | [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Compressed,
            _ => text(bytes),
        };
        Some(foreign)
    }

    pub(super) fn help(self) -> Option<&'static str> {
        match self {
            Self::TextFormat => Some("compile it with `wat2wasm` or `wasm-tools parse`"),
            Self::Component => Some("build a core module: target wasm32-wasip1, not wasm32-wasip2"),
            Self::Precompiled | Self::NativeCode | Self::Bitcode => {
                Some("pack the WASM module itself; the host compiles it and keeps the result")
            }
            Self::Zip | Self::Compressed => Some("pack the module uncompressed; `palisade pack` compresses the bundle"),
            Self::ObjectFile | Self::SharedLibrary => {
                Some("link it as a WASI reactor: `-mexec-model=reactor`, or crate type cdylib")
            }
            Self::Empty | Self::Truncated | Self::Version(_) | Self::Text | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Truncated => f.write_str("a WASM file that ends inside its header"),
            Self::Version(version) => write!(f, "WASM version {version}; only version 1 exists"),
            Self::Component => f.write_str("a WASM component"),
            Self::TextFormat => f.write_str("the text format (WAT)"),
            Self::ObjectFile => f.write_str("an object file that was not linked"),
            Self::SharedLibrary => f.write_str("a shared library for a dynamic linker"),
            Self::Precompiled => f.write_str("code precompiled by wasmtime"),
            Self::NativeCode => f.write_str("native code"),
            Self::Bitcode => f.write_str("LLVM bitcode"),
            Self::Zip => f.write_str("a ZIP file"),
            Self::Compressed => f.write_str("compressed data"),
            Self::Text => f.write_str("text"),
            Self::Unknown => f.write_str("unknown data"),
        }
    }
}

pub(super) fn refuse(bytes: &[u8]) -> Result<(), ModuleError> {
    match Foreign::of(bytes) {
        Some(foreign) => Err(ModuleError::Foreign(foreign)),
        None => Ok(()),
    }
}

/// How much of a file decides whether it is text.
const SNIFFED_BYTES: usize = 1_024;

fn text(bytes: &[u8]) -> Foreign {
    let start = bytes.get(..SNIFFED_BYTES).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let is_text = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\n' | b'\r' | b'\t');
    let readable = match std::str::from_utf8(start) {
        Ok(_) => true,
        // A character that the end of the sample cuts.
        Err(error) => error.error_len().is_none(),
    };
    if !readable || !start.iter().all(is_text) {
        return Foreign::Unknown;
    }
    if code(start).starts_with(b"(") {
        Foreign::TextFormat
    } else {
        Foreign::Text
    }
}

/// WAT after its leading space and comments. An open block comment counts as code: it begins with `(`.
fn code(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let Some(comment) = text.strip_prefix(b";;") else {
            return text;
        };
        let end = comment.iter().position(|byte| *byte == b'\n').unwrap_or(comment.len());
        text = comment.get(end..).unwrap_or_default();
    }
}
