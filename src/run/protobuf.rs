//! The wire format of protocol buffers, as far as event files need it.
//!
//! Source: protobuf.dev/programming-guides/encoding. Unknown fields are passed over, as it demands.

/// A message being written.
#[derive(Clone, Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
}

/// Wire types, the low three bits of a field's key.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// An integer, `int32`, `int64`, `bool` or an enum.
    pub fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, VARINT);
        push_varint(&mut self.bytes, value as u64);
        self
    }

    /// A `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, FIXED64);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// A `float`.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, FIXED32);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Bytes, a string or a packed list.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, LENGTH);
        push_varint(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    /// A message inside this one.
    pub fn message(self, field: u32, inner: Self) -> Self {
        self.bytes(field, &inner.bytes)
    }

    /// A packed list of `double`.
    pub fn doubles(self, field: u32, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &packed)
    }

    /// The whole message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn key(&mut self, field: u32, wire_type: u64) {
        push_varint(&mut self.bytes, u64::from(field) << 3 | wire_type);
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer, `bool` or enum.
    Integer(i64),
    /// Eight bytes: a `double`.
    Double(f64),
    /// Four bytes: a `float`.
    Float(f32),
    /// Bytes, a string, a message or a packed list.
    Bytes(&'a [u8]),
}

/// The fields of a message in their order, as (number, value).
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Reads a message.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { rest: bytes }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Broken);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|&number| number > 0)?;
        let value = match key & 7 {
            VARINT => Value::Integer(self.varint()? as i64),
            FIXED64 => Value::Double(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            FIXED32 => Value::Float(f32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            LENGTH => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            _ => return None,
        };
        Some((number, value))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}
