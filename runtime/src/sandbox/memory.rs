//! The only place where numbers from a guest meet its memory.
//!
//! Every address and length is checked in 64-bit arithmetic against the memory's current size before a byte moves.

use std::ops::Range;

use wasmtime::{AsContext, AsContextMut, Memory};

/// The linear memory of one instance.
#[derive(Clone, Copy)]
pub(super) struct GuestMemory(Memory);

/// A range of guest addresses that is not inside the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfBounds {
    pub(super) address: u32,
    pub(super) length: u64,
    pub(super) memory_bytes: u64,
}

impl GuestMemory {
    pub(super) fn new(memory: Memory) -> Self {
        Self(memory)
    }

    /// Copies `bytes` to `address`.
    pub(super) fn write(self, mut store: impl AsContextMut, address: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let memory = self.0.data_mut(&mut store);
        let range = check(address, bytes.len(), memory.len())?;
        if let Some(target) = memory.get_mut(range) {
            target.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// The `length` bytes at `address`, to be copied out before the guest runs again.
    pub(super) fn read<'a, T: 'static>(
        self,
        store: impl Into<wasmtime::StoreContext<'a, T>>,
        address: u32,
        length: u32,
    ) -> Result<&'a [u8], OutOfBounds> {
        let memory = self.0.data(store);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let range = check(address, length, memory.len())?;
        Ok(memory.get(range).unwrap_or_default())
    }

    /// Refuses a range that is not inside the memory.
    pub(super) fn check(self, store: impl AsContext, address: u32, length: usize) -> Result<(), OutOfBounds> {
        check(address, length, self.0.data_size(store)).map(drop)
    }
}

fn check(address: u32, length: usize, memory_bytes: usize) -> Result<Range<usize>, OutOfBounds> {
    let as_u64 = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let start = u64::from(address);
    let outside = OutOfBounds {
        address,
        length: as_u64(length),
        memory_bytes: as_u64(memory_bytes),
    };
    let end = start.checked_add(as_u64(length)).ok_or(outside)?;
    if end > as_u64(memory_bytes) {
        return Err(outside);
    }
    let index = |number: u64| usize::try_from(number).map_err(|_| outside);
    Ok(index(start)?..index(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_up_to_the_last_byte_and_refuses_the_next() {
        assert_eq!(check(0, 65_536, 65_536), Ok(0..65_536));
        assert_eq!(check(65_536, 0, 65_536), Ok(65_536..65_536));
        assert!(check(0, 65_537, 65_536).is_err());
        assert!(check(65_536, 1, 65_536).is_err());
        assert!(check(65_537, 0, 65_536).is_err());
    }

    #[test]
    fn refuses_a_range_that_would_wrap_around_32_bits() {
        assert!(check(u32::MAX, 1, 65_536).is_err());
        assert!(check(u32::MAX, usize::MAX, 65_536).is_err());
        assert!(check(u32::MAX, 1, usize::MAX).is_ok());
    }
}
