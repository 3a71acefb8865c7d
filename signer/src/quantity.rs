//! Bytes for people.

use std::fmt;

/// A number of bytes, rounded to what a person compares: `812 B`, `179.1 KiB`, `1.2 MiB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = |unit: u64| {
            let tenths = u128::from(self.0) * 10 / u128::from(unit);
            (tenths / 10, tenths % 10)
        };
        let ((whole, tenth), unit) = match self.0 {
            bytes if bytes < 1 << 10 => return write!(f, "{bytes} B"),
            bytes if bytes < 1 << 20 => (tenths(1 << 10), "KiB"),
            bytes if bytes < 1 << 30 => (tenths(1 << 20), "MiB"),
            _ => (tenths(1 << 30), "GiB"),
        };
        write!(f, "{whole}.{tenth} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_exact_where_units_meet() {
        let shown = [0, 1023, 1024, (1 << 20) - 1, 1 << 20, 1 << 30].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "1.0 GiB"]);
    }
}
