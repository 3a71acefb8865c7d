//! The one `i64` a guest answers with: [`Reply`].
//!
//! Bits 32–63 are the address, bit 31 says "error", bits 0–30 are the length; `0` is "ok, nothing".

/// Bit 31: the bytes are an error.
const ERROR_BIT: u64 = 1 << 31;

/// Where in guest memory an answer lies, and whether it is an error.
///
/// The numbers come from the guest: nothing is known about them until they are checked against its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Reply {
    /// Address of the first byte.
    pub address: u32,
    /// Length in bytes, at most [`Reply::MAX_LEN`].
    pub len: u32,
    /// Whether the bytes are an error: JSON of a [`GuestError`](crate::GuestError), else the message itself.
    pub is_error: bool,
}

impl Reply {
    /// "Ok, nothing": packs to `0`.
    pub const OK: Self = Self {
        address: 0,
        len: 0,
        is_error: false,
    };

    /// The longest reply, 2 GiB − 1: the length has 31 bits.
    pub const MAX_LEN: u32 = (1 << 31) - 1;

    /// Takes apart what a guest returned. Every `i64` is a reply.
    #[must_use]
    pub const fn unpack(packed: i64) -> Self {
        let [l0, l1, l2, l3, a0, a1, a2, a3] = packed.to_le_bytes();
        let low = u32::from_le_bytes([l0, l1, l2, l3]);
        Self {
            address: u32::from_le_bytes([a0, a1, a2, a3]),
            len: low & Self::MAX_LEN,
            is_error: low > Self::MAX_LEN,
        }
    }

    /// Puts the reply into the `i64` that a guest returns; `None` when the length needs more than 31 bits.
    #[must_use]
    pub const fn pack(self) -> Option<i64> {
        if self.len > Self::MAX_LEN {
            return None;
        }
        Some(pack(self.address, self.len, self.is_error))
    }
}

/// Packs an address and a length into the `i64` a guest returns; of `len` only the low 31 bits count.
#[must_use]
pub const fn pack(address: u32, len: u32, is_error: bool) -> i64 {
    let error = if is_error { ERROR_BIT } else { 0 };
    // `as` because `From` is not const yet; both widen.
    let bits = ((address as u64) << 32) | error | (len & Reply::MAX_LEN) as u64;
    bits.cast_signed()
}

/// Bit 32 of a host call's answer: yes.
const YES_BIT: u64 = 1 << 32;

/// What a host call answers with: the one `i64` of every import but `log` and `result_take`.
///
/// Bit 31 says "error", bits 0–30 are the length of what `result_take` hands out: the result, or the JSON of a
/// [`GuestError`](crate::GuestError). Bit 32 says "yes" to the question the call asks: found, existed, swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct HostReply {
    /// Length of the result in bytes, at most [`Reply::MAX_LEN`].
    pub len: u32,
    /// Whether the result is an error.
    pub is_error: bool,
    /// The answer to the call's question, if it asks one.
    pub yes: bool,
}

impl HostReply {
    /// Puts it into the `i64` that the host returns; of `len` only the low 31 bits count.
    #[must_use]
    pub const fn pack(self) -> i64 {
        let yes = if self.yes { YES_BIT } else { 0 };
        pack(0, self.len, self.is_error) | yes.cast_signed()
    }

    /// Takes apart what a host returned.
    #[must_use]
    pub const fn unpack(packed: i64) -> Self {
        let Reply { address, len, is_error } = Reply::unpack(packed);
        Self {
            len,
            is_error,
            yes: address & 1 == 1,
        }
    }
}
