//! Base64 (RFC 4648): numbers and sound within the text of a page, four letters for three bytes.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as letters, filled up with `=` to whole groups of four.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |n: usize| group.get(n).map_or(0, |&byte| u32::from(byte));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..4 {
            let six = bits >> (18 - 6 * letter) & 63;
            text.push(if letter > group.len() { '=' } else { char::from(LETTERS[six as usize]) });
        }
    }
    text
}

/// 32-bit floats, little-endian, as letters: what a `Float32Array` in a page is made of.
pub fn encode_floats(values: impl IntoIterator<Item = f32>) -> String {
    encode(&values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn a_float_is_four_bytes_the_lowest_first() {
        assert_eq!(encode_floats([1.0]), encode(&[0, 0, 0x80, 0x3f]));
    }
}
