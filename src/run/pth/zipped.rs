//! The zip of `torch.save`: its pickle, and the numbers of the tensors that the pickle describes.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read as _};

use safetensors::tensor::Dtype;
use zip::ZipArchive;

use super::super::pickle::{self, Element, Id, Node, Pickle, View};
use super::super::tensors::{Tensor, Tensors, numbers_from_bytes};

/// Where checkpoints keep their state dict, the likeliest first.
const STATE_DICT_KEYS: [&str; 8] = ["model", "state_dict", "model_state_dict", "model_ema", "teacher", "student", "net", "module"];
/// Elements of all tensors together per byte of the file: tied tensors share their numbers, but not so often.
const MAX_ELEMENTS_PER_BYTE: u64 = 4;

/// The tensors of a file that begins like a zip, or what is wrong with it.
pub fn from_zip(bytes: &[u8]) -> Result<Tensors, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("it is a damaged zip: {error}"))?;
    let prefix = archive.file_names().flatten().find_map(|name| name.strip_suffix("data.pkl").map(str::to_string));
    let prefix = prefix.ok_or("it is a zip, but not of PyTorch: it has no data.pkl")?;
    if let Ok(order) = stored(&mut archive, bytes, &format!("{prefix}byteorder"))
        && order != b"little"
    {
        return Err("its numbers are big-endian".to_string());
    }
    let pickle = pickle::read(stored(&mut archive, bytes, &format!("{prefix}data.pkl"))?)?;
    let views = state_dict(&pickle)?;
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    let mut left = bytes.len() as u64 * MAX_ELEMENTS_PER_BYTE;
    let mut by_name = BTreeMap::new();
    for (name, view) in views {
        let key = view.storage.key.as_str();
        if !storages.contains_key(key) {
            storages.insert(key, stored(&mut archive, bytes, &format!("{prefix}data/{key}"))?);
        }
        let tensor = materialised(view, storages[key], &mut left).map_err(|what| format!("{name}: {what}"))?;
        by_name.insert(name.to_string(), tensor);
    }
    Ok(Tensors { by_name, about: String::new() })
}

/// The bytes of a stored file, its checksum held.
fn stored<'a>(archive: &mut ZipArchive<Cursor<&[u8]>>, bytes: &'a [u8], name: &str) -> Result<&'a [u8], String> {
    let mut file = archive.by_name(name).map_err(|error| format!("it is damaged: {name}: {error}"))?;
    if file.compression() != zip::CompressionMethod::Stored {
        return Err(format!("{name} is compressed, which PyTorch never does"));
    }
    let mut block = [0; 1 << 14];
    let mut len = 0;
    loop {
        match file.read(&mut block).map_err(|error| format!("it is damaged: {name}: {error}"))? {
            0 => break,
            count => len += count,
        }
    }
    let start = file.data_start().and_then(|start| usize::try_from(start).ok());
    let found = start.and_then(|start| bytes.get(start..start.checked_add(len)?));
    found.ok_or_else(|| format!("it is damaged: {name} does not lie in it"))
}

/// The tensors of the state dict, by name.
fn state_dict(pickle: &Pickle) -> Result<Vec<(&str, &View)>, String> {
    let tensors = tensors_of(pickle, pickle.root);
    if !tensors.is_empty() {
        return Ok(tensors);
    }
    let nested = STATE_DICT_KEYS.iter().filter_map(|key| entry(pickle, pickle.root, key));
    let found = nested.map(|id| tensors_of(pickle, id)).find(|tensors| !tensors.is_empty());
    found.ok_or_else(|| match keys(pickle, pickle.root) {
        keys if keys.is_empty() => "it holds no state dict".to_string(),
        keys => format!("it holds no state dict; its keys are {}", keys.join(", ")),
    })
}

/// Tensors of a dictionary, by their name; what else it has is left out.
fn tensors_of(pickle: &Pickle, id: Id) -> Vec<(&str, &View)> {
    let Node::Dict(dict) = &pickle.nodes[id] else { return Vec::new() };
    let pair = |&(key, value): &(Id, Id)| match (&pickle.nodes[key], &pickle.nodes[value]) {
        (Node::Text(name), Node::Tensor(view)) => Some((name.as_str(), view)),
        _ => None,
    };
    dict.iter().filter_map(pair).collect()
}

fn entry(pickle: &Pickle, id: Id, name: &str) -> Option<Id> {
    let Node::Dict(dict) = &pickle.nodes[id] else { return None };
    dict.iter().find(|(key, _)| matches!(&pickle.nodes[*key], Node::Text(text) if text == name)).map(|pair| pair.1)
}

/// The first text keys of a dictionary.
fn keys(pickle: &Pickle, id: Id) -> Vec<String> {
    let Node::Dict(dict) = &pickle.nodes[id] else { return Vec::new() };
    let texts = dict.iter().filter_map(|(key, _)| if let Node::Text(text) = &pickle.nodes[*key] { Some(text) } else { None });
    texts.take(8).map(|text| text.chars().take(60).flat_map(char::escape_debug).collect()).collect()
}

/// A tensor's numbers, row by row.
fn materialised(view: &View, storage: &[u8], left: &mut u64) -> Result<Tensor, String> {
    let (dtype, size) = dtype_of(view.storage.element);
    let count = view.shape.iter().try_fold(1u64, |count, &side| count.checked_mul(side)).ok_or("its shape is too large")?;
    *left = left.checked_sub(count).ok_or("its tensors are larger than the file")?;
    let shape: Vec<usize> = view.shape.iter().map(|&side| side as usize).collect();
    let num_stored = (storage.len() / size) as u64;
    let reach = view
        .shape
        .iter()
        .zip(&view.strides)
        .try_fold(view.offset, |end, (&side, &stride)| end.checked_add(side.saturating_sub(1).checked_mul(stride)?));
    if count > 0 && reach.is_none_or(|last| last >= num_stored) {
        return Err(format!("it reaches beyond its storage of {num_stored} elements"));
    }
    let mut bytes = Vec::with_capacity(count as usize * size);
    let mut index = vec![0; view.shape.len()];
    for _ in 0..count {
        let place: u64 = view.offset + index.iter().zip(&view.strides).map(|(ix, stride)| ix * stride).sum::<u64>();
        let start = place as usize * size;
        bytes.extend_from_slice(&storage[start..start + size]);
        for (ix, side) in index.iter_mut().zip(&view.shape).rev() {
            *ix += 1;
            if *ix < *side {
                break;
            }
            *ix = 0;
        }
    }
    let numbers = numbers_from_bytes(dtype, &bytes).expect("every type of a storage is known");
    Ok(Tensor { shape, numbers })
}

fn dtype_of(element: Element) -> (Dtype, usize) {
    match element {
        Element::F32 => (Dtype::F32, 4),
        Element::F64 => (Dtype::F64, 8),
        Element::F16 => (Dtype::F16, 2),
        Element::BF16 => (Dtype::BF16, 2),
        Element::I64 => (Dtype::I64, 8),
        Element::I32 => (Dtype::I32, 4),
        Element::I16 => (Dtype::I16, 2),
        Element::I8 => (Dtype::I8, 1),
        Element::U8 => (Dtype::U8, 1),
        Element::Bool => (Dtype::BOOL, 1),
    }
}
