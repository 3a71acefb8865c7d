//! How much one call moves between guest memory and a file.

use wasmtime_wasi::p1::types::{Ciovec, Errno, Error};
use wiggle::{GuestMemory, GuestPtr};

/// Most bytes one read or write moves; the guest's library asks again for the rest. Half of what the host copies in
/// one call, so that a long list of buffers does not turn it into "out of memory".
const TRANSFER_BYTES: u32 = 128 * 1024;

/// Longest list of buffers; what POSIX calls `IOV_MAX` and Linux has.
const MOST_BUFFERS: u32 = 1024;

/// The buffer a read or write uses: the first of its list that is not empty. While the call goes on it is no longer
/// than one call may move.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Where the list has the buffer, and what it says, when it was made shorter.
    shortened: Option<(GuestPtr<Ciovec>, Ciovec)>,
    bytes: u32,
}

impl Transfer {
    /// Looks at the list, and shortens the buffer in it if it is too long.
    ///
    /// # Errors
    ///
    /// `inval` for a list that is too long; a trap for one that is outside of memory.
    pub(super) fn begin(memory: &mut GuestMemory<'_>, buffers: GuestPtr<[Ciovec]>) -> Result<Self, Error> {
        if buffers.len() > MOST_BUFFERS {
            return Err(Errno::Inval.into());
        }
        for place in buffers.iter() {
            let place = place?;
            let buffer: Ciovec = memory.read(place)?;
            if buffer.buf_len == 0 {
                continue;
            }
            let bytes = buffer.buf_len.min(TRANSFER_BYTES);
            let shortened = (bytes < buffer.buf_len).then(|| (place, buffer.clone()));
            if shortened.is_some() {
                let buf_len = bytes;
                memory.write(place, Ciovec { buf_len, ..buffer })?;
            }
            return Ok(Self { shortened, bytes });
        }
        Ok(Self {
            shortened: None,
            bytes: 0,
        })
    }

    /// What will be moved at most.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    /// Gives the guest its list back as it was.
    pub(super) fn end(self, memory: &mut GuestMemory<'_>) -> Result<(), Error> {
        if let Some((place, buffer)) = self.shortened {
            memory.write(place, buffer)?;
        }
        Ok(())
    }
}
