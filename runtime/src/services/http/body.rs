//! The body of a response, bounded twice: as it is transferred and as it is after decompressing.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::HttpError;

/// A body on its way in.
pub(super) struct BodyReader {
    limit_bytes: u64,
    received_bytes: u64,
    content: Content,
}

enum Content {
    Plain(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl BodyReader {
    pub(super) fn plain(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            received_bytes: 0,
            content: Content::Plain(Vec::new()),
        }
    }

    /// A body of one or more members of gzip (RFC 1952 §2.2).
    pub(super) fn gzip(limit_bytes: u64) -> Self {
        let decoded = Bounded {
            limit_bytes,
            bytes: Vec::new(),
            is_full: false,
        };
        Self {
            content: Content::Gzip(Box::new(MultiGzDecoder::new(decoded))),
            ..Self::plain(limit_bytes)
        }
    }

    /// Takes in what arrived.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), HttpError> {
        self.received_bytes = self.received_bytes.saturating_add(length(chunk));
        if self.received_bytes > self.limit_bytes {
            return Err(self.too_large());
        }
        match &mut self.content {
            Content::Plain(bytes) => bytes.extend_from_slice(chunk),
            Content::Gzip(decoder) => {
                if decoder.write_all(chunk).is_err() {
                    let is_full = decoder.get_ref().is_full;
                    return Err(self.undecodable(is_full));
                }
            }
        }
        Ok(())
    }

    /// The body, when that was all of it.
    pub(super) fn finish(mut self) -> Result<Body, HttpError> {
        let received_bytes = self.received_bytes;
        let (bytes, decoded) = match &mut self.content {
            Content::Plain(bytes) => (std::mem::take(bytes), false),
            // The answer to HEAD, or one without content: it says what it would be encoded in, and there is nothing.
            Content::Gzip(_) if received_bytes == 0 => (Vec::new(), false),
            Content::Gzip(decoder) => {
                if decoder.try_finish().is_err() {
                    let is_full = decoder.get_ref().is_full;
                    return Err(self.undecodable(is_full));
                }
                (std::mem::take(&mut decoder.get_mut().bytes), true)
            }
        };
        Ok(Body {
            bytes,
            decoded,
            received_bytes,
        })
    }

    fn undecodable(&self, is_full: bool) -> HttpError {
        if is_full {
            self.too_large()
        } else {
            HttpError::Failed { reason: "encoding" }
        }
    }

    fn too_large(&self) -> HttpError {
        HttpError::ResponseTooLarge {
            limit_bytes: self.limit_bytes,
        }
    }
}

/// A body that arrived.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether it was decompressed.
    pub(super) decoded: bool,
    pub(super) received_bytes: u64,
}

/// Takes bytes up to a limit.
struct Bounded {
    limit_bytes: u64,
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if length(&self.bytes).saturating_add(length(bytes)) > self.limit_bytes {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
