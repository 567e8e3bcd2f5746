//! Features as NumPy's `.npy` files: a text header with type and shape, then the values.

use npyz::{NpyFile, Order, WriterBuilder};

use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;

/// Length limit of a header, bytes; that of a matrix takes 128.
const MAX_HEADER: usize = 1024;

/// Limit on the opening brackets of a header; that of a matrix has two. npyz takes three times as long for each one.
const MAX_BRACKETS: usize = 4;

/// The bytes of a `.npy` file with `features` `[T,D]`, float32, one row per frame.
pub fn to_bytes(features: &Matrix<f32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128 + 4 * features.as_slice().len());
    let [frames, columns] = features.shape();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[frames as u64, columns as u64])
        .writer(&mut bytes)
        .begin_nd()
        .expect("memory takes every write");
    writer.extend(features.as_slice()).expect("memory takes every write");
    writer.finish().expect("memory takes every write");
    bytes
}

/// Features `[T,D]` from the bytes of a `.npy` file: float32 or float64 (rounded to float32), in C or Fortran order.
///
/// ```
/// use reslstm_cli::corpus::npy;
/// use reslstm::matrix::Matrix;
///
/// let features = Matrix::from_rows(&[[1.0, 2.5, -3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!(npy::from_bytes(&npy::to_bytes(&features))?, features);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
/// # Errors
/// [`Kind::Features`] if the bytes are not a `.npy` file, are cut off or too long, hold other numbers than floats, are not a
/// matrix of at least one frame and column, or hold a value that is not finite in 32 bits. Memory use is proportional to the
/// bytes given, whatever the header claims.
pub fn from_bytes(bytes: &[u8]) -> Result<Matrix<f32>> {
    check_header(bytes)?;
    let mut rest = bytes;
    let header = npyz::NpyHeader::from_reader(&mut rest).map_err(|error| wrong(error.to_string()))?;
    let &[frames, columns] = header.shape() else {
        let problem = format!("expected two dimensions, frames and feature columns, got shape {:?}", header.shape());
        return Err(wrong(problem));
    };
    if frames == 0 || columns == 0 {
        return Err(wrong(format!("expected at least one frame and column, got [{frames}, {columns}]")));
    }
    let (order, dtype) = (header.order(), header.dtype());
    let size = dtype.num_bytes().unwrap_or(0) as u64;
    // `check_header` limits the product of the shape; times the size of the type it may still overflow.
    if header.len().checked_mul(size) != Some(rest.len() as u64) {
        let problem = format!("expected {frames} × {columns} values of {size} bytes, got {} bytes", rest.len());
        return Err(wrong(problem).advice("the file was cut off: write or copy it again"));
    }
    let (frames, columns) = (frames as usize, columns as usize);
    let values = match NpyFile::with_header(header, rest).try_data::<f32>() {
        Ok(values) => values.collect::<std::io::Result<Vec<f32>>>(),
        Err(file) => match file.try_data::<f64>() {
            Ok(values) => values.map(|value| value.map(|value| value as f32)).collect(),
            Err(_) => return Err(wrong(format!("expected float32 or float64, got type {}", dtype.descr()))),
        },
    }
    .map_err(|error| wrong(error.to_string()))?;
    let features = match order {
        Order::C => Matrix::from_vec(frames, columns, values),
        Order::Fortran => transposed(frames, columns, &values),
    };
    match features.as_slice().iter().position(|value| !value.is_finite()) {
        None => Ok(features),
        Some(at) => {
            let (frame, column, value) = (at / columns, at % columns, features.as_slice()[at]);
            Err(wrong(format!("expected finite values, got {value} in frame {frame}, column {column}")))
        }
    }
}

/// Checks a header before npyz reads it: npyz multiplies the shape without overflow checks, and takes for ever over nested
/// brackets.
fn check_header(bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(b"\x93NUMPY") {
        let beginning = bytes[..bytes.len().min(12)].escape_ascii();
        return Err(wrong(format!("expected a .npy file, got {} bytes beginning \"{beginning}\"", bytes.len()))
            .advice("numpy.save(path, features) writes one"));
    }
    let cut_off = || wrong("expected a whole header, got a part of one".into());
    let (start, length) = match *bytes.get(6..12).ok_or_else(cut_off)? {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [_, _, a, b, c, d] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return Err(cut_off()),
    };
    if length > MAX_HEADER {
        return Err(wrong(format!("expected a header of at most {MAX_HEADER} bytes, got {length}")));
    }
    let header = bytes.get(start..start + length).ok_or_else(cut_off)?;
    let brackets = header.iter().filter(|byte| b"{[(".contains(byte)).count();
    if brackets > MAX_BRACKETS {
        let found = header.escape_ascii();
        return Err(wrong(format!("expected a header with at most {MAX_BRACKETS} brackets, got \"{found}\"")));
    }
    let words = header.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let mut numbers = words.filter(|word| word.first().is_some_and(u8::is_ascii_digit));
    let product = numbers.try_fold(1u64, |product, word| {
        let number: u64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        product.checked_mul(number.max(1))
    });
    match product {
        Some(_) => Ok(()),
        None => Err(wrong(format!("expected a shape that fits into memory, got \"{}\"", header.escape_ascii()))),
    }
}

fn transposed(frames: usize, columns: usize, values: &[f32]) -> Matrix<f32> {
    let mut features = Matrix::zeros(frames, columns);
    for (column, values) in values.chunks_exact(frames).enumerate() {
        for (frame, &value) in values.iter().enumerate() {
            features[(frame, column)] = value;
        }
    }
    features
}

fn wrong(problem: String) -> Error {
    Error::new(Kind::Features, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy writes it, version 1.
    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let length = (header.len() as u16).to_le_bytes();
        [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), data].concat()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn error_of(bytes: &[u8]) -> String {
        let error = from_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::Features);
        error.to_string()
    }

    #[test]
    fn features_are_written_as_numpy_writes_them_and_read_back() {
        let features = Matrix::from_rows(&[[1.0f32, -2.5, f32::MIN_POSITIVE], [4.0, 5.0, f32::MAX]]);
        let bytes = to_bytes(&features);
        assert_eq!(from_bytes(&bytes).unwrap(), features);
        let numpys = file("<f4", "False", "(2, 3)", &f32s(features.as_slice()));
        assert_eq!(from_bytes(&numpys).unwrap(), features);
        assert_eq!(bytes.len() % 64, 24, "NumPy aligns the values to 64 bytes");
    }

    #[test]
    fn fortran_order_float64_and_big_endian_are_read() {
        let expected = Matrix::from_rows(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.5]]);
        let by_column = f32s(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.5]);
        assert_eq!(from_bytes(&file("<f4", "True", "(2, 3)", &by_column)).unwrap(), expected);
        let doubles: Vec<u8> = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(from_bytes(&file("<f8", "False", "(2, 3)", &doubles)).unwrap(), expected);
        let big_endian: Vec<u8> = expected.as_slice().iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(from_bytes(&file(">f4", "False", "(2, 3)", &big_endian)).unwrap(), expected);
    }

    #[test]
    fn other_files_are_refused_with_what_was_found() {
        let six = f32s(&[0.0; 6]);
        for (bytes, expected) in [
            (b"".to_vec(), "expected a .npy file, got 0 bytes"),
            (b"RIFF1234WAVE".to_vec(), "expected a .npy file, got 12 bytes beginning \"RIFF1234WAVE\""),
            (file("<f4", "False", "(6,)", &six), "expected two dimensions, frames and feature columns, got shape [6]"),
            (file("<f4", "False", "(1, 2, 3)", &six), "expected two dimensions"),
            (file("<f4", "False", "()", &six[..4]), "expected two dimensions"),
            (file("<f4", "False", "(6, 0)", b""), "expected at least one frame and column, got [6, 0]"),
            (file("<f4", "False", "(0, 6)", b""), "expected at least one frame and column, got [0, 6]"),
            (file("<f4", "False", "(2, 3)", &six[..23]), "expected 2 × 3 values of 4 bytes, got 23 bytes ("),
            (file("<f4", "False", "(2, 2)", &six), "expected 2 × 2 values of 4 bytes, got 24 bytes ("),
            (file("<i4", "False", "(2, 3)", &six), "expected float32 or float64, got type '<i4'"),
            (file("|O", "False", "(2, 3)", &six), "expected 2 × 3 values of 0 bytes"),
            (file("<f4", "Maybe", "(2, 3)", &six), ""),
            (
                file("<f4", "False", "(2, 3)", &f32s(&[0.0, 1.0, 2.0, 3.0, f32::NAN, 5.0])),
                "expected finite values, got NaN in frame 1, column 1",
            ),
            (
                file("<f8", "False", "(1, 2)", &[1.0f64, -1e300].map(f64::to_le_bytes).concat()),
                "expected finite values, got -inf in frame 0, column 1",
            ),
        ] {
            let message = error_of(&bytes);
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn huge_shapes_and_headers_are_refused_without_allocating() {
        for shape in [
            "(1152921504606846976, 46)",
            "(4294967296, 4294967296)",
            "(0, 9223372036854775808, 9223372036854775808)",
            "(0x7fffffffffffffff, 0x7fffffffffffffff)",
            "(9_000_000_000_000, 9_000_000_000_000)",
            "(99999999999999999999999, 1)",
            "(-1, 46)",
            "(1000000000, 46)",
        ] {
            error_of(&file("<f4", "False", shape, &[0; 184]));
        }
        error_of(&file("<f4", "False", &"(".repeat(40_000), b""));
        let nested = format!("{{'descr': {} }}", "{".repeat(40));
        let nested = [&b"\x93NUMPY\x01\x00"[..], &(nested.len() as u16).to_le_bytes(), nested.as_bytes()].concat();
        assert!(error_of(&nested).starts_with("expected a header with at most 4 brackets"));
        let mut header = file("<f4", "False", "(2, 3)", &[0; 24]);
        header[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
        assert!(error_of(&header).starts_with("expected a header of at most 1024 bytes, got 65535"));
        let version_2 = [&b"\x93NUMPY\x02\x00\xff\xff\xff\xff"[..], &[b' '; 100]].concat();
        assert!(error_of(&version_2).starts_with("expected a header of at most 1024 bytes, got 4294967295"));
    }

    #[test]
    fn cut_off_or_damaged_files_cause_no_panic() {
        let bytes = to_bytes(&Matrix::from_rows(&[[1.0f32, 2.0], [3.0, 4.0]]));
        for length in 0..bytes.len() {
            error_of(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            for byte in (0..8).map(|bit| bytes[at] ^ (1 << bit)).chain(*b"\0'(){}[],:9") {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                let _ = from_bytes(&damaged);
            }
        }
    }
}
