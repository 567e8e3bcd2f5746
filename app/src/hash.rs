//! A hash with the same value on every machine and for every compiler version: FNV-1a with 128 bits.
//!
//! It is written here because fingerprints in kept files are this hash of bytes that arrive in pieces. The crate `fnv` has 64
//! bits only, and the crates with 128 bits want all bytes at once.

/// `h ← (h xor byte) · prime` for every byte, starting from the offset basis.
pub(crate) struct Hash(u128);

/// The 128-bit prime of Fowler, Noll and Vo: 2⁸⁸ + 2⁸ + 0x3b.
const PRIME: u128 = (1 << 88) + 0x13b;
const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

impl Hash {
    pub(crate) fn new() -> Self {
        Hash(OFFSET_BASIS)
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
        }
        self
    }

    /// Adds the length of a field, then its bytes, so that `ab`, `c` differs from `a`, `bc`.
    pub(crate) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes(&(bytes.len() as u64).to_le_bytes()).bytes(bytes)
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0
    }

    /// Both halves combined by xor, as the authors recommend.
    pub(crate) fn finish64(&self) -> u64 {
        (self.0 ^ (self.0 >> 64)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values_are_reproduced() {
        // From the FNV test vectors: the empty text, and "a".
        assert_eq!(Hash::new().finish(), 0x6c62272e07bb014262b821756295c58d);
        assert_eq!(Hash::new().bytes(b"a").finish(), 0xd228cb696f1a8caf78912b704e4a8964);
    }

    #[test]
    fn the_end_of_a_field_counts() {
        let of = |fields: [&str; 2]| Hash::new().field(fields[0].as_bytes()).field(fields[1].as_bytes()).finish64();
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
        assert_ne!(of(["ab", "c"]), of(["c", "ab"]));
        assert_eq!(of(["ab", "c"]), of(["ab", "c"]));
    }
}
