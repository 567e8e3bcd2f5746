//! How a row of numbers is cut into vectors of sixteen.

/// Numbers that are computed side by side: an AVX-512 register of `f32`, two AVX2 registers, four of SSE2 or NEON.
pub const LANES: usize = 16;

/// Where vector `v` of a row of `columns` numbers begins: the last vector is moved back so that it ends with the row,
/// and no code for a rest is needed. Its first lanes then repeat what the vector before it holds.
#[inline(always)]
pub fn vector_start(v: usize, columns: usize) -> usize {
    (v * LANES).min(columns.saturating_sub(LANES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_vector_ends_with_the_row() {
        assert_eq!((0..3).map(|v| vector_start(v, 46)).collect::<Vec<_>>(), [0, 16, 30]);
        assert_eq!((0..4).map(|v| vector_start(v, 64)).collect::<Vec<_>>(), [0, 16, 32, 48]);
        assert_eq!(vector_start(0, 7), 0);
    }
}
