//! Numbers as a model file has them: 64, 32, 16 or 8 bits each.
//!
//! | type | a number is | bytes |
//! |---|---|---|
//! | `F64` | rounded to 32 bits when it is read; not written | 8 |
//! | `F32` | itself | 4 |
//! | `F16` | the nearest of IEEE 754's binary16: 11 significant bits, relative error 4.9e-4 at most | 2 |
//! | `I8` | the scale of its row, which is the largest number of the row over 127, times `q`, from −127 to 127 | 1, and 4 per row |
//!
//! A tensor `NAME` of type `I8` has its scales in a tensor `NAME.scale` of type `F32`, `[rows]`.

use super::tensors::{Tensor, Tensors};
use crate::error::{Error, Kind, Result};
use crate::kernels::stored::f16_to_f32;
use crate::kernels::{StoredMatrix, StoredNumbers};
use crate::prelude::*;
use alloc::borrow::Cow;

/// What the name of a tensor of scales ends with.
pub(crate) const SCALE: &str = ".scale";

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 16-bit floats.
    F16,
    /// 8-bit integers with a scale per row; tensors of one dimension as 16-bit floats.
    I8,
}

/// The nearest IEEE 754 binary16, of two equally near ones the even one; infinite from 65,520 on.
pub(crate) fn f32_to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let bits = match magnitude {
        0x7f80_0001.. => 0x7e00,
        0x477f_f000.. => 0x7c00,
        // From 2⁻¹⁴ on: the 13 last bits are rounded away, the exponent's bias is 112 less.
        0x3880_0000.. => (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x3800_0000) >> 13,
        // Below: a multiple of 2⁻²⁴, which is the last bit of numbers from 0.5 on.
        _ => (f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000,
    };
    sign | bits as u16
}

/// The numbers of tensor `name` of a file, row after row.
///
/// # Errors
/// [`Kind::Model`] if there is none, or its numbers are of another type.
pub(crate) fn numbers(tensors: &Tensors, name: &str) -> Result<Vec<f32>> {
    let Tensor { dtype, shape, data } = find(tensors, name)?;
    Ok(match *dtype {
        "F64" => floats(data, |bytes| f64::from_le_bytes(bytes) as f32),
        "F32" => floats(data, f32::from_le_bytes),
        "F16" => floats(data, |bytes| f16_to_f32(u16::from_le_bytes(bytes))),
        "I8" => {
            let columns = shape.last().map_or(1, |&columns| columns.max(1));
            let scales = scales(tensors, name, data.len() / columns)?;
            let rows = data.chunks_exact(columns).zip(floats(&scales.data, f32::from_le_bytes));
            rows.flat_map(|(row, scale)| row.iter().map(move |&q| scale * f32::from(q as i8))).collect()
        }
        other => return Err(wrong_type(name, "F64, F32, F16 or I8", other)),
    })
}

/// The matrix that is tensor `name` of a file, where it is.
///
/// # Errors
/// As [`numbers`], and if its numbers have 64 bits.
pub(crate) fn matrix(tensors: &Tensors<'static>, name: &str) -> Result<StoredMatrix> {
    let tensor = find(tensors, name)?;
    let columns = tensor.shape.last().map_or(1, |&columns| columns.max(1));
    let numbers = match tensor.dtype {
        "F32" => StoredNumbers::F32(in_place(tensor)),
        "F16" => StoredNumbers::F16(in_place(tensor)),
        "I8" => StoredNumbers::I8(in_place(tensor), in_place(scales(tensors, name, tensor.data.len() / columns)?)),
        other => return Err(wrong_type(name, "F32, F16 or I8", other)),
    };
    Ok(StoredMatrix::new(columns, numbers))
}

/// The numbers of a tensor, of `N` bytes each.
fn in_place<const N: usize>(tensor: &Tensor<'static>) -> &'static [[u8; N]] {
    match tensor.data {
        Cow::Borrowed(data) => data.as_chunks().0,
        Cow::Owned(_) => unreachable!("what is read is borrowed"),
    }
}

/// The tensor of this name.
pub(super) fn find<'t, 'a>(tensors: &'t Tensors<'a>, name: &str) -> Result<&'t Tensor<'a>> {
    tensors.get(name).ok_or_else(|| wrong(name, "expected this tensor, found none of the name".into()))
}

/// The scales of tensor `name`, one per row.
fn scales<'t, 'a>(tensors: &'t Tensors<'a>, name: &str, rows: usize) -> Result<&'t Tensor<'a>> {
    let place = format!("{name}{SCALE}");
    let found = tensors.get(&place).filter(|scales| scales.dtype == "F32" && scales.shape == [rows]);
    found.ok_or_else(|| wrong(name, format!("expected its scales, F32 [{rows}], as {place}")))
}

fn wrong(name: &str, problem: String) -> Error {
    Error::new(Kind::Model, problem).at(format!("tensor {name}"))
}

fn wrong_type(name: &str, expected: &str, got: &str) -> Error {
    wrong(name, format!("expected values of type {expected}, got {got}"))
        .advice("convert the model before saving it: model.float()")
}

fn floats<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

/// Tensor `name` in fewer bits, with its scales where it has any.
pub(crate) fn quantise<'a>(
    name: &str,
    shape: &[usize],
    values: &[f32],
    precision: Precision,
) -> Vec<(String, Tensor<'a>)> {
    let rows_of_bytes = match (precision, shape) {
        (Precision::I8, &[rows, columns]) if columns > 0 => Some((rows, columns)),
        _ => None,
    };
    let Some((rows, columns)) = rows_of_bytes else {
        let data = values.iter().flat_map(|&value| f32_to_f16(value).to_le_bytes()).collect();
        return vec![(name.into(), Tensor { dtype: "F16", shape: shape.to_vec(), data })];
    };
    let scale = |row: &[f32]| row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
    let scales: Vec<f32> = values.chunks_exact(columns).map(scale).collect();
    let quantised = values.chunks_exact(columns).zip(&scales).flat_map(|(row, &scale)| {
        // A row of zeros has the scale 0.
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        row.iter().map(move |value| (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8)
    });
    vec![
        (name.into(), Tensor { dtype: "I8", shape: shape.to_vec(), data: quantised.collect() }),
        (format!("{name}{SCALE}"), Tensor::of_f32(&[rows], &scales)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_read_and_written_back() {
        for bits in 0..=u16::MAX {
            let x = f16_to_f32(bits);
            match x.is_nan() {
                true => assert_eq!(f32_to_f16(x) & 0x7e00, 0x7e00, "{bits:#06x}"),
                false => assert_eq!(f32_to_f16(x), bits, "{bits:#06x} is {x}"),
            }
        }
        // 1, 2⁻¹⁴, 2⁻²⁴, 65,504 and −∞, as IEEE 754 has them.
        for (bits, x) in [
            (0x3c00, 1.0),
            (0x0400, 6.103_515_6e-5),
            (1, 5.960_464_5e-8),
            (0x7bff, 65_504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits), x);
        }
    }

    #[test]
    fn a_number_becomes_the_nearest_half_and_of_two_the_even_one() {
        let halves: Vec<f32> = (0..0x7c00).map(f16_to_f32).collect();
        for pair in halves.windows(2) {
            let middle = ((f64::from(pair[0]) + f64::from(pair[1])) / 2.0) as f32; // exact in f32
            let [below, above] = [f32_to_f16(pair[0]), f32_to_f16(pair[1])];
            assert_eq!(f32_to_f16(middle), if below % 2 == 0 { below } else { above }, "{middle}");
            assert_eq!(f32_to_f16(middle.next_down()), below, "below {middle}");
            assert_eq!(f32_to_f16(-middle.next_up()), above | 0x8000, "above {middle}");
        }
        assert_eq!([65_519.99, 65_520.0, f32::INFINITY].map(f32_to_f16), [0x7bff, 0x7c00, 0x7c00]);
    }

    #[test]
    fn missing_scales_and_other_types_are_refused() {
        let tensor = |dtype| Tensor { dtype, shape: vec![2, 3], data: vec![0; 6].into() };
        let refused = |tensors: Tensors| numbers(&tensors, "w").unwrap_err().to_string();
        assert_eq!(refused(Tensors::new()), "tensor w: expected this tensor, found none of the name");
        let message = refused([("w".to_string(), tensor("I8"))].into());
        assert_eq!(message, "tensor w: expected its scales, F32 [2], as w.scale");
        let message = refused([("w".to_string(), tensor("U8"))].into());
        assert_eq!(
            message,
            "tensor w: expected values of type F64, F32, F16 or I8, got U8 (convert the model before saving it: model.float())"
        );
    }
}
