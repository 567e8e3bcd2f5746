//! The tensors of a [safetensors](https://huggingface.co/docs/safetensors) file, borrowed from its bytes: nothing is copied, so
//! that weights can stay in flash. The format's own library needs `std` or four crates more; the tests compare the two.
//!
//! ```text
//! length of the header, u64 │ header: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …} │ data
//! ```
//! Numbers are little-endian. The data is covered by the tensors without gap or overlap. The header may hold texts by name,
//! under `__metadata__`.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::prelude::*;

/// Key of the texts in the header.
const TEXTS: &str = "__metadata__";
/// The format's own limit, in bytes.
const LONGEST_HEADER: usize = 100_000_000;
/// Bytes of the header's length.
const LENGTH: usize = 8;

/// Types of numbers by their names in the format, with their sizes in bytes, in the order in which a file has its tensors.
const SIZES: [(&str, usize); 15] = [
    ("U64", 8),
    ("I64", 8),
    ("F64", 8),
    ("F32", 4),
    ("U32", 4),
    ("I32", 4),
    ("BF16", 2),
    ("F16", 2),
    ("U16", 2),
    ("I16", 2),
    ("F8_E4M3", 1),
    ("F8_E5M2", 1),
    ("I8", 1),
    ("U8", 1),
    ("BOOL", 1),
];

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor<'a> {
    /// The format's name of the type of its numbers, one of [`SIZES`].
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    /// As many bytes as type and shape say.
    pub data: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    /// A tensor of its own, of type F32.
    pub fn of_f32(shape: &[usize], values: &[f32]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dtype: "F32", shape: shape.to_vec(), data }
    }
}

/// By name, sorted, so that errors are the same every time.
pub(crate) type Tensors<'a> = BTreeMap<String, Tensor<'a>>;

/// A tensor in the header.
#[derive(Deserialize, Serialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The tensors and the texts of a file. Memory is taken in proportion to the bytes given, whatever their header claims.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(bytes: &[u8]) -> Result<(Tensors<'_>, BTreeMap<String, String>), String> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>().ok_or("it has no header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST_HEADER {
        return Err(format!("its header would have {length} bytes"));
    }
    let (header, data) = rest.split_at_checked(length).ok_or("it ends within its header")?;
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let texts = match header.remove(TEXTS) {
        Some(texts) => serde_json::from_value(texts).map_err(|error| format!("header: {TEXTS}: {error}"))?,
        None => BTreeMap::new(),
    };
    let mut tensors = Tensors::new();
    // In order. A list to sort would be 4 kB more of a microcontroller's flash.
    let mut places = BTreeSet::new();
    let gap_or_overlap = |at: usize| Err(format!("its tensors leave a gap or overlap at byte {at} of the data"));
    for (name, entry) in header {
        let tensor = serde_json::from_value::<Entry>(entry).map_err(|error| error.to_string());
        let (tensor, place) = tensor
            .and_then(|entry| borrow(entry, data))
            .map_err(|problem| format!("tensor {}: {problem}", name.escape_debug()))?;
        if !places.insert(place) && place[0] < place[1] {
            return gap_or_overlap(place[0]);
        }
        tensors.insert(name, tensor);
    }
    let mut end = 0;
    for [first, last] in places {
        if first != end {
            return gap_or_overlap(end);
        }
        end = last;
    }
    if end != data.len() {
        return Err(format!("its tensors have {end} bytes of data, it has {}", data.len()));
    }
    Ok((tensors, texts))
}

/// A tensor and its place in `data`.
fn borrow(entry: Entry, data: &[u8]) -> Result<(Tensor<'_>, [usize; 2]), String> {
    let Entry { dtype, shape, data_offsets: [first, last] } = entry;
    let known = SIZES.iter().find(|(name, _)| *name == dtype);
    let &(dtype, size) = known.ok_or_else(|| format!("values of an unknown type, {}", dtype.escape_debug()))?;
    let bytes = shape.iter().try_fold(size, |product, &length| product.checked_mul(length));
    let data = data.get(first..last).ok_or("its data lies beyond the end")?;
    if bytes != Some(data.len()) {
        return Err(format!("{} bytes of {dtype} do not fill the shape {shape:?}", data.len()));
    }
    Ok((Tensor { dtype, shape, data: data.into() }, [first, last]))
}

/// The bytes of a file with these tensors and texts; the same ones give the same bytes.
pub(crate) fn write(tensors: &Tensors, texts: &BTreeMap<String, String>) -> Vec<u8> {
    let json = |error| -> String { unreachable!("texts and numbers are JSON: {error}") };
    let place = |dtype: &str| SIZES.iter().position(|&(name, _)| name == dtype);
    let mut ordered: Vec<_> = tensors.iter().collect();
    // Stable: by name where the type is the same.
    ordered.sort_by_key(|(_, tensor)| place(tensor.dtype));
    let mut entries = Vec::new();
    if !texts.is_empty() {
        entries.push(format!("\"{TEXTS}\":{}", serde_json::to_string(texts).unwrap_or_else(json)));
    }
    let mut end = 0;
    for (name, Tensor { dtype, shape, data }) in &ordered {
        let entry = Entry { dtype: dtype.to_string(), shape: shape.clone(), data_offsets: [end, end + data.len()] };
        end += data.len();
        let [name, entry] =
            [serde_json::to_string(name), serde_json::to_string(&entry)].map(|it| it.unwrap_or_else(json));
        entries.push(format!("{name}:{entry}"));
    }
    let mut header = format!("{{{}}}", entries.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    ordered.iter().for_each(|(_, tensor)| bytes.extend_from_slice(&tensor.data));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, SafeTensors, TensorView};

    fn file() -> Vec<u8> {
        let (weights, counts) = ([1u8; 24], [2u8; 16]);
        let views = [
            ("b.weight", TensorView::new(Dtype::F32, vec![2, 3], &weights).unwrap()),
            ("a", TensorView::new(Dtype::I64, vec![2], &counts).unwrap()),
            ("empty", TensorView::new(Dtype::F16, vec![0, 7], &[]).unwrap()),
            ("scalar", TensorView::new(Dtype::U8, vec![], &[9]).unwrap()),
        ];
        let texts = [("one".to_string(), "1 \"\u{e9}".to_string())].into_iter().collect();
        safetensors::serialize(views, Some(texts)).unwrap()
    }

    #[test]
    fn a_file_is_read_as_the_formats_own_library_reads_it() {
        let file = file();
        let (tensors, texts) = read(&file).unwrap();
        let expected = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(tensors.len(), expected.len());
        for (name, tensor) in expected.tensors() {
            let got = &tensors[&name];
            let expected = (&*tensor.dtype().to_string(), tensor.shape(), tensor.data());
            assert_eq!((got.dtype, &got.shape[..], &*got.data), expected);
            assert_eq!(got.data.as_ptr(), tensor.data().as_ptr(), "borrowed");
        }
        assert_eq!(texts.into_iter().collect::<Vec<_>>(), [("one".into(), "1 \"\u{e9}".into())]);
    }

    #[test]
    fn a_file_is_written_as_the_formats_own_library_writes_it() {
        let file = file();
        let (tensors, texts) = read(&file).unwrap();
        assert_eq!(write(&tensors, &texts), file);
        let nothing = safetensors::serialize(Vec::<(String, TensorView)>::new(), None).unwrap();
        assert_eq!(write(&Tensors::new(), &BTreeMap::new()), nothing);
    }

    #[test]
    fn what_the_library_refuses_is_refused_and_nothing_panics() {
        let whole = file();
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut off at {end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let (ours, theirs) = (read(&damaged), SafeTensors::deserialize(&damaged));
                // Types of less than a byte, and 4-byte complex numbers, are the library's alone.
                assert!(ours.is_err() || theirs.is_ok(), "bit {bit} of byte {at}: {theirs:?}");
            }
        }
    }

    #[test]
    fn problems_are_named() {
        let with = |header: &str, data: usize| {
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat();
            read(&bytes).unwrap_err()
        };
        let one = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        for (problem, expected) in [
            (with(&one("F32", "[2]", "[0,7]"), 7), "tensor w: 7 bytes of F32 do not fill the shape [2]"),
            (with(&one("F32", "[2]", "[0,8]"), 7), "tensor w: its data lies beyond the end"),
            (with(&one("F32", "[2]", "[8,0]"), 8), "tensor w: its data lies beyond the end"),
            (with(&one("F32", "[2]", "[0,8]"), 9), "its tensors have 8 bytes of data, it has 9"),
            (with(&one("F32", "[2]", "[1,9]"), 9), "its tensors leave a gap or overlap at byte 0"),
            (
                with(
                    r#"{"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#,
                    1,
                ),
                "its tensors leave a gap or overlap at byte 0",
            ),
            (with(&one("C128", "[2]", "[0,32]"), 32), "tensor w: values of an unknown type, C128"),
            (with(&one("F64", "[4294967296,4294967296]", "[0,8]"), 8), "tensor w: 8 bytes of F64 do not fill"),
            (with(r#"{"w":3}"#, 0), "tensor w: invalid type"),
            (with("[]", 0), "header: invalid type"),
            (with("", 0), "header: EOF"),
            (read(&[0xff; 9]).unwrap_err(), "its header would have 18446744073709551615 bytes"),
            (read(&[9, 0, 0, 0, 0, 0, 0, 0, b'{']).unwrap_err(), "it ends within its header"),
            (read(&[1, 2]).unwrap_err(), "it has no header"),
        ] {
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}
