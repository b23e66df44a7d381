//! Python's pickle, as far as a PyTorch state dict needs it; nothing in it is ever run.
//!
//! A pickle is a program for a small stack machine, and `GLOBAL` and `REDUCE` call any function of
//! Python by name: loading one is running it. This reader knows dictionaries, lists, tuples, text,
//! numbers, and of the functions only those by which PyTorch rebuilds tensors, which here are plain
//! records. Any other name is refused before it could be used. Own code, because the crates that
//! read pickles (serde-pickle 1.2) know no persistent ids, and a framework would be a large
//! dependency for three functions.
//!
//! Values lie in an arena, so that shared and cyclic ones cost nothing; every operation adds at
//! most one of bounded size, hence memory is linear in the bytes read.
//! Source: CPython's Lib/pickletools.py; torch/_weights_only_unpickler.py for the names.

use std::collections::HashMap;

/// Sides of a tensor.
const MAX_SIDES: usize = 16;

/// Letters of a storage's name. With the limit above, values that are used often stay small.
const MAX_KEY_LEN: usize = 100;

/// A value, by its index in [`Pickle::nodes`].
pub type Id = usize;

/// Types of a storage's elements: PyTorch's name, bytes each.
pub const STORAGES: [(&str, Element); 10] = [
    ("FloatStorage", Element::F32),
    ("DoubleStorage", Element::F64),
    ("HalfStorage", Element::F16),
    ("BFloat16Storage", Element::BF16),
    ("LongStorage", Element::I64),
    ("IntStorage", Element::I32),
    ("ShortStorage", Element::I16),
    ("CharStorage", Element::I8),
    ("ByteStorage", Element::U8),
    ("BoolStorage", Element::Bool),
];

/// Type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 16-bit float.
    F16,
    /// bfloat16.
    BF16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// 16-bit integer.
    I16,
    /// 8-bit integer.
    I8,
    /// Byte.
    U8,
    /// Truth value.
    Bool,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `None`, and what has no meaning here: bytes, sets.
    Nothing,
    /// A truth value or an integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(String),
    /// A tuple or a list.
    Row(Vec<Id>),
    /// A dictionary.
    Dict(Vec<(Id, Id)>),
    /// One of the known functions or types.
    Known(Known),
    /// A tensor's storage: where its bytes are.
    Storage(Storage),
    /// A tensor.
    Tensor(View),
}

/// The names that a pickle may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2` and its older kin.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch.Size`.
    Size,
    /// `torch.FloatStorage` …
    StorageType(Element),
}

/// Where a storage's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Name of the file in the archive's `data/`.
    pub key: String,
    /// Type of its elements.
    pub element: Element,
}

/// A tensor as a view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The storage.
    pub storage: Storage,
    /// First element.
    pub offset: u64,
    /// Sides.
    pub shape: Vec<u64>,
    /// Elements from one index to the next, by side.
    pub strides: Vec<u64>,
}

/// What a pickle holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pickle {
    /// All values.
    pub nodes: Vec<Node>,
    /// The one that was pickled.
    pub root: Id,
}

/// Reads a pickle.
///
/// Errors: in words, what is wrong or not allowed.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut reader = Reader { rest: bytes, ..Reader::default() };
    while !reader.step()? {}
    let root = reader.pop()?;
    Ok(Pickle { nodes: reader.nodes, root })
}

#[derive(Debug, Default)]
struct Reader<'a> {
    rest: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Reader<'_> {
    /// Carries out one operation; true at the end.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.take(1)?[0];
        match code {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = *self.stack.last().ok_or(EMPTY)?;
                self.stack.push(top);
            }
            b'q' | b'r' | b'h' | b'j' | 0x94 => self.memorise(code)?,
            b'c' | 0x93 => self.global(code)?,
            b'R' | b'b' | b'Q' | 0x81 => self.call(code)?,
            b'a' | b'e' | b's' | b'u' => self.extend(code)?,
            b')' | b']' | b'}' | 0x8f | b't' | b'l' | b'd' | 0x85..=0x87 => self.gather(code)?,
            _ => {
                let node = self.scalar(code)?;
                self.push(node);
            }
        }
        Ok(false)
    }

    /// Numbers, text and bytes.
    fn scalar(&mut self, code: u8) -> Result<Node, String> {
        Ok(match code {
            b'N' => Node::Nothing,
            0x88 | 0x89 => Node::Integer(i64::from(code == 0x88)),
            b'J' => Node::Integer(self.unsigned(4)? as u32 as i32 as i64),
            b'K' => Node::Integer(self.unsigned(1)? as i64),
            b'M' => Node::Integer(self.unsigned(2)? as i64),
            0x8a => {
                let len = self.unsigned(1)?;
                let digits = self.take(len)?;
                Node::Integer(long(digits)?)
            }
            b'G' => Node::Float(f64::from_be_bytes(self.take(8)?.try_into().expect("eight bytes"))),
            b'X' | 0x8c | 0x8d | b'U' | b'T' => {
                let len = self.length(code)?;
                Node::Text(String::from_utf8_lossy(self.take(len)?).into_owned())
            }
            b'B' | b'C' | 0x8e => {
                let len = self.length(code)?;
                self.take(len)?;
                Node::Nothing
            }
            _ => return Err(format!("it uses the operation {code:#04x}, which no state dict needs")),
        })
    }

    fn length(&mut self, code: u8) -> Result<u64, String> {
        match code {
            0x8c | b'U' | b'C' => self.unsigned(1),
            0x8d | 0x8e => self.unsigned(8),
            _ => self.unsigned(4),
        }
    }

    /// Tuples, lists and dictionaries that begin.
    fn gather(&mut self, code: u8) -> Result<(), String> {
        let node = match code {
            b')' | b']' => Node::Row(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            // A set, which no state dict has in a place that counts.
            0x8f => Node::Nothing,
            b't' | b'l' => Node::Row(self.pop_mark()?),
            b'd' => Node::Dict(pairs(self.pop_mark()?)?),
            _ => {
                let len = usize::from(code - 0x84);
                let from = self.stack.len().checked_sub(len).ok_or(EMPTY)?;
                Node::Row(self.stack.split_off(from))
            }
        };
        self.push(node);
        Ok(())
    }

    /// Elements that come later.
    fn extend(&mut self, code: u8) -> Result<(), String> {
        let items = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let target = *self.stack.last().ok_or(EMPTY)?;
        match (&mut self.nodes[target], code) {
            (Node::Row(row), b'a' | b'e') => row.extend(items),
            (Node::Dict(dict), b's' | b'u') => dict.extend(pairs(items)?),
            _ => return Err("it adds elements to what holds none".to_string()),
        }
        Ok(())
    }

    fn memorise(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' | b'h' => self.unsigned(1)?,
            b'r' | b'j' => self.unsigned(4)?,
            _ => self.memo.len() as u64,
        };
        if matches!(code, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or("it remembers what it never saw")?;
            self.stack.push(id);
        } else {
            let top = *self.stack.last().ok_or(EMPTY)?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    /// A name of Python, known or refused.
    fn global(&mut self, code: u8) -> Result<(), String> {
        let (module, name) = if code == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            (self.text(module)?, self.text(name)?)
        };
        let known = known(&module, &name).ok_or_else(|| {
            let full: String = format!("{module}.{name}").chars().take(100).flat_map(char::escape_debug).collect();
            format!("it holds `{full}`, which is code and no tensor, and code of a file is never run here")
        })?;
        self.push(Node::Known(known));
        Ok(())
    }

    /// A known function and its arguments, a state that is passed over, or a storage.
    fn call(&mut self, code: u8) -> Result<(), String> {
        let argument = self.pop()?;
        let node = match code {
            b'Q' => self.storage(argument)?,
            b'b' => {
                // An OrderedDict's own attributes, such as `_metadata`.
                let target = *self.stack.last().ok_or(EMPTY)?;
                let is_dict = matches!(self.nodes[target], Node::Dict(_));
                return if is_dict { Ok(()) } else { Err("it sets the state of an object".to_string()) };
            }
            _ => {
                let function = self.pop()?;
                let Node::Known(function) = self.nodes[function] else { return Err("it calls what is no function".to_string()) };
                let arguments = self.row(argument)?;
                let first = arguments.first().copied().ok_or("a function lacks its arguments");
                match function {
                    Known::OrderedDict if arguments.is_empty() => Node::Dict(Vec::new()),
                    Known::OrderedDict => return Err("it fills a dictionary in a way of PyTorch before 1.6".to_string()),
                    Known::RebuildTensor => self.tensor(arguments)?,
                    // The same value, so that a value used often is held once.
                    Known::RebuildParameter | Known::Size => {
                        let first = first?;
                        self.stack.push(first);
                        return Ok(());
                    }
                    Known::StorageType(_) => return Err("it makes a storage out of nothing".to_string()),
                }
            }
        };
        self.push(node);
        Ok(())
    }

    /// (storage, offset, sides, strides, …).
    fn tensor(&self, arguments: &[Id]) -> Result<Node, String> {
        let &[storage, offset, shape, strides, ..] = arguments else { return Err("a tensor lacks its parts".to_string()) };
        let Node::Storage(storage) = &self.nodes[storage] else { return Err("a tensor has no storage".to_string()) };
        let (shape, strides) = (self.naturals(shape)?, self.naturals(strides)?);
        if shape.len() != strides.len() {
            return Err("a tensor's shape and strides differ in length".to_string());
        }
        Ok(Node::Tensor(View { storage: storage.clone(), offset: self.natural(offset)?, shape, strides }))
    }

    /// `('storage', torch.FloatStorage, key, device, numel)`.
    fn storage(&self, id: Id) -> Result<Node, String> {
        let &[word, kind, key, ..] = self.row(id)? else { return Err("a storage lacks its parts".to_string()) };
        let Node::Known(Known::StorageType(element)) = self.nodes[kind] else { return Err("a storage has no known type".to_string()) };
        if self.text(word)? != "storage" {
            return Err("it refers to something that is no storage".to_string());
        }
        let key = self.text(key)?;
        if key.len() > MAX_KEY_LEN {
            return Err("a storage's name is too long".to_string());
        }
        Ok(Node::Storage(Storage { key, element }))
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor { Err(EMPTY.to_string()) } else { self.stack.pop().ok_or(EMPTY.to_string()) }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let height = self.marks.pop().ok_or(EMPTY)?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    fn take(&mut self, len: impl TryInto<usize>) -> Result<&[u8], String> {
        let taken = len.try_into().ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = taken.ok_or("it is truncated")?;
        self.rest = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, len: usize) -> Result<u64, String> {
        Ok(self.take(len)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<String, String> {
        let len = self.rest.iter().position(|&byte| byte == b'\n').ok_or("it is truncated")?;
        let line = String::from_utf8_lossy(self.take(len)?).into_owned();
        self.take(1usize)?;
        Ok(line)
    }

    fn text(&self, id: Id) -> Result<String, String> {
        match &self.nodes[id] {
            Node::Text(text) => Ok(text.clone()),
            _ => Err("a name is no text".to_string()),
        }
    }

    fn row(&self, id: Id) -> Result<&[Id], String> {
        match &self.nodes[id] {
            Node::Row(row) => Ok(row),
            _ => Err("arguments are no tuple".to_string()),
        }
    }

    fn natural(&self, id: Id) -> Result<u64, String> {
        match self.nodes[id] {
            Node::Integer(value) if value >= 0 => Ok(value as u64),
            _ => Err("a size is no natural number".to_string()),
        }
    }

    fn naturals(&self, id: Id) -> Result<Vec<u64>, String> {
        let row = self.row(id)?;
        if row.len() > MAX_SIDES {
            return Err(format!("a tensor has {} sides", row.len()));
        }
        row.iter().map(|&id| self.natural(id)).collect()
    }
}

const EMPTY: &str = "it takes more from its stack than is there";

fn pairs(items: Vec<Id>) -> Result<Vec<(Id, Id)>, String> {
    let is_even = items.len().is_multiple_of(2);
    is_even.then(|| items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()).ok_or("a dictionary has half a pair".to_string())
}

/// A little-endian integer of any length that fits into 64 bits.
fn long(digits: &[u8]) -> Result<i64, String> {
    let is_negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = [if is_negative { 0xff } else { 0 }; 8];
    let fits = digits.len() <= 8;
    bytes.iter_mut().zip(digits).for_each(|(byte, digit)| *byte = *digit);
    fits.then(|| i64::from_le_bytes(bytes)).ok_or("it holds an integer of more than 64 bits".to_string())
}

fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Known::RebuildParameter,
        ("torch", "Size") => Known::Size,
        ("torch", name) => Known::StorageType(STORAGES.iter().find(|storage| storage.0 == name)?.1),
        _ => return None,
    })
}
