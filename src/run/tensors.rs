//! Named arrays in safetensors files: weights, checkpoints, probes, traces.
//!
//! Floats of 16, 32 and 64 bits are read as f32, integers as i64; f32, i64 and, where small files
//! matter more than digits, f16 and u8 are written. The bytes of a file depend on its content alone,
//! so equal runs leave equal files.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, View};

use crate::error::{Error, Result};
use crate::platform;

/// Numbers of an array, row by row.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Floats.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Floats that are written in 16 bits; read back, they are [`Numbers::F32`].
    F16(Vec<f32>),
    /// Integers that are written in 8 bits; read back, they are [`Numbers::I64`].
    U8(Vec<u8>),
}

/// An array.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sides, outermost first; none for a single number.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub numbers: Numbers,
}

impl Tensor {
    /// Floats of this shape.
    pub fn floats(shape: &[usize], values: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values for shape {shape:?}");
        Self { shape: shape.to_vec(), numbers: Numbers::F32(values) }
    }

    /// Integers of this shape.
    pub fn integers(shape: &[usize], values: Vec<i64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values for shape {shape:?}");
        Self { shape: shape.to_vec(), numbers: Numbers::I64(values) }
    }

    /// Floats of this shape, to be written in 16 bits.
    pub fn halves(shape: &[usize], values: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values for shape {shape:?}");
        Self { shape: shape.to_vec(), numbers: Numbers::F16(values) }
    }

    /// Bytes of this shape.
    pub fn bytes(shape: &[usize], values: Vec<u8>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values for shape {shape:?}");
        Self { shape: shape.to_vec(), numbers: Numbers::U8(values) }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match &self.numbers {
            Numbers::F32(_) => Dtype::F32,
            Numbers::I64(_) => Dtype::I64,
            Numbers::F16(_) => Dtype::F16,
            Numbers::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // The format is little-endian, and so is every platform that wgpu runs on.
        match &self.numbers {
            Numbers::F32(values) => bytemuck::cast_slice(values).into(),
            Numbers::I64(values) => bytemuck::cast_slice(values).into(),
            Numbers::F16(values) => values.iter().flat_map(|value| f16_from_f32(*value).to_le_bytes()).collect::<Vec<u8>>().into(),
            Numbers::U8(values) => values.as_slice().into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.numbers {
            Numbers::F32(values) => 4 * values.len(),
            Numbers::I64(values) => 8 * values.len(),
            Numbers::F16(values) => 2 * values.len(),
            Numbers::U8(values) => values.len(),
        }
    }
}

/// Content of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// The arrays.
    pub by_name: BTreeMap<String, Tensor>,
    /// Vitrine's own words about the file, as JSON; empty for files of others.
    pub about: String,
}

/// The one metadata key; the writer's map keeps no order, so a second would make the bytes vary.
const ABOUT_KEY: &str = "vitrine";

impl Tensors {
    /// Reads a file.
    ///
    /// Errors: missing, truncated, damaged, not safetensors, or an array of another type.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = platform::files::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}"), ""))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a file; `path` is for messages.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = |error: SafeTensorError| {
            let (what, hint) = explain(&error, bytes.len());
            Error::file(path, what, hint)
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut by_name = BTreeMap::new();
        for (name, view) in file.iter() {
            let numbers = numbers_from(&view).ok_or_else(|| {
                Error::file(path, format!("{name} is of type {}", view.dtype()), "convert it to 32-bit floats with PyTorch's `.float()`")
            })?;
            by_name.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), numbers });
        }
        let about = header.metadata().as_ref().and_then(|metadata| metadata.get(ABOUT_KEY)).cloned().unwrap_or_default();
        Ok(Self { by_name, about })
    }

    /// The bytes of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let metadata = (!self.about.is_empty()).then(|| HashMap::from([(ABOUT_KEY.to_string(), self.about.clone())]));
        safetensors::serialize(&self.by_name, metadata).expect("shapes and lengths agree by construction")
    }

    /// Replaces the file as a whole.
    pub fn write(&self, path: &Path) -> Result<()> {
        platform::write_atomically(path, &self.to_bytes())
    }

    /// Floats of `name` and their shape.
    ///
    /// Errors: no such array, or one of integers. `path` is for messages.
    pub fn floats(&self, name: &str, path: &Path) -> Result<(&[usize], &[f32])> {
        match self.by_name.get(name) {
            Some(Tensor { shape, numbers: Numbers::F32(values) | Numbers::F16(values) }) => Ok((shape, values)),
            Some(_) => Err(Error::file(path, format!("{name} holds integers, not floats"), "")),
            None => Err(Error::file(path, format!("it has no {name}"), format!("it holds {}", some_of(self.by_name.keys())))),
        }
    }
}

/// What a user can make of the reader's complaint, and what to do.
fn explain(error: &SafeTensorError, len: usize) -> (String, &'static str) {
    const CONVERT: &str = "PyTorch's own files become safetensors with `safetensors.torch.save_file`";
    match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            (format!("it is truncated or damaged: its arrays do not end where its {len} bytes do"), "copy it again")
        }
        SafeTensorError::HeaderTooSmall => (format!("it is truncated: {len} bytes do not hold a header"), "copy it again"),
        SafeTensorError::InvalidHeaderLength => {
            (format!("it is truncated, or not a safetensors file: the header does not fit into {len} bytes"), CONVERT)
        }
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeader(_) | SafeTensorError::InvalidHeaderDeserialization(_) => {
            (format!("it is no safetensors file, or its header is damaged: {error}"), CONVERT)
        }
        other => (format!("it is damaged: {other}"), "copy it again"),
    }
}

fn numbers_from(view: &TensorView) -> Option<Numbers> {
    numbers_from_bytes(view.dtype(), view.data())
}

/// Little-endian numbers of a type; none for types that weights do not have.
pub(super) fn numbers_from_bytes(dtype: Dtype, bytes: &[u8]) -> Option<Numbers> {
    Some(match dtype {
        Dtype::F32 => Numbers::F32(read(bytes, f32::from_le_bytes)),
        Dtype::F64 => Numbers::F32(read(bytes, |word| f64::from_le_bytes(word) as f32)),
        Dtype::F16 => Numbers::F32(read(bytes, |word| f32_from_f16(u16::from_le_bytes(word)))),
        Dtype::BF16 => Numbers::F32(read(bytes, |word| f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16))),
        Dtype::I64 => Numbers::I64(read(bytes, i64::from_le_bytes)),
        Dtype::I32 => Numbers::I64(read(bytes, |word| i32::from_le_bytes(word).into())),
        Dtype::I16 => Numbers::I64(read(bytes, |word| i16::from_le_bytes(word).into())),
        Dtype::I8 => Numbers::I64(read(bytes, |word| i8::from_le_bytes(word).into())),
        Dtype::U8 | Dtype::BOOL => Numbers::I64(read(bytes, |word| u8::from_le_bytes(word).into())),
        _ => return None,
    })
}

fn read<const BYTES: usize, T>(bytes: &[u8], convert: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    bytes.chunks_exact(BYTES).map(|word| convert(word.try_into().expect("chunks have this length"))).collect()
}

/// IEEE 754 binary16 to binary32, exactly: subnormals, infinities and NaN too.
pub fn f32_from_f16(bits: u16) -> f32 {
    const MANTISSA: u32 = 0x3FF;
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(bits >> 10) & 0x1F, u32::from(bits) & MANTISSA);
    match exponent {
        0 => f32::from_bits(sign | (mantissa as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7F80_0000 | (mantissa << 13)),
        _ => f32::from_bits(sign | ((exponent + 127 - 15) << 23) | (mantissa << 13)),
    }
}

/// Largest finite binary16.
const F16_MAX: f32 = 65_504.0;

/// The binary16 nearest to a binary32, ties to even. A finite value beyond the range becomes the
/// largest finite one, so that what is not finite in a file was not finite before.
pub fn f16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    if (bits >> 23) & 0xFF == 0xFF {
        return sign | if bits & 0x007F_FFFF == 0 { 0x7C00 } else { 0x7E00 };
    }
    let magnitude = value.abs().min(F16_MAX);
    // Below the least normal number the spacing is constant; above, it is 2^(exponent − 10).
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-14);
    let steps = (magnitude / 2f32.powi(exponent - 10)).round_ties_even() as u16;
    // `steps` holds the implicit bit of normal numbers, and a carry moves on into the exponent.
    sign | (((exponent + 14) as u16) << 10).wrapping_add(steps)
}

/// Names in a list that a message can show.
const SHOWN: usize = 8;

/// The first names, and how many there are.
pub fn some_of<T: AsRef<str>>(names: impl ExactSizeIterator<Item = T>) -> String {
    let len = names.len();
    let shown: Vec<String> = names.take(SHOWN).map(|name| name.as_ref().to_string()).collect();
    match len {
        0 => "nothing".to_string(),
        _ if len > SHOWN => format!("{}, … ({len} in all)", shown.join(", ")),
        _ => shown.join(", "),
    }
}
