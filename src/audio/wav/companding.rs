//! A-law and µ-law (ITU-T G.711): telephone speech, eight bits a sample. A sign, an exponent of three bits and a mantissa of
//! four make an integer of 14 (A-law: 13) bits, here scaled to 16.

/// A sample of A-law, −1 to 1.
pub(super) fn a_law([byte]: [u8; 1]) -> f32 {
    // Even bits are sent inverted; the sign bit is set for positive values.
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = (byte >> 4 & 7, i32::from(byte & 15) << 4);
    let size = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    (if byte & 0x80 != 0 { size } else { -size }) as f32 / 32_768.0
}

/// A sample of µ-law, −1 to 1.
pub(super) fn mu_law([byte]: [u8; 1]) -> f32 {
    // All bits are sent inverted. The bias of 0x84 makes the steps of the lowest exponent as even as the others.
    let byte = !byte;
    let size = (((i32::from(byte & 15) << 3) + 0x84) << (byte >> 4 & 7)) - 0x84;
    (if byte & 0x80 != 0 { -size } else { size }) as f32 / 32_768.0
}
