//! PyTorch's own files (`.pth`, `.pt`, `.bin` of `torch.save`): the tensors of a state dict, and nothing else.
//!
//! Such a file is a zip of stored files: `NAME/data.pkl`, a pickle that describes the tensors, and
//! `NAME/data/KEY`, their numbers. The pickle is read by [`super::pickle`], which runs nothing; a file
//! with anything but tensors, text and numbers is refused by name. The state dict is the root, or
//! what lies under one of the usual keys; the rest of a training checkpoint is passed over. Memory is
//! bounded by the length of the file. A build without the feature `formats` refuses such a file.

use std::path::Path;

use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::platform;

#[cfg(feature = "formats")]
mod zipped;

/// The first bytes of a zip, and of a pickle of PyTorch before 1.6.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const PICKLE_MAGIC: &[u8] = b"\x80\x02";

/// How to make a file that opens anywhere.
const CONVERT: &str = "in PyTorch, `safetensors.torch.save_file(state_dict, \"weights.safetensors\")` makes a file that opens";

/// Reads weights from a safetensors file or one of PyTorch's.
///
/// Errors: an unreadable or damaged file, a pickle with anything but tensors.
pub fn read_weights(path: &Path) -> Result<Tensors> {
    let bytes = platform::files::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}"), ""))?;
    weights_from_bytes(&bytes, path)
}

/// [`read_weights`] from bytes; `path` is for messages.
pub fn weights_from_bytes(bytes: &[u8], path: &Path) -> Result<Tensors> {
    if bytes.starts_with(ZIP_MAGIC) {
        #[cfg(feature = "formats")]
        return zipped::from_zip(bytes).map_err(|what| Error::file(path, what, CONVERT));
        #[cfg(not(feature = "formats"))]
        return Err(Error::file(path, "it is a file of PyTorch, which this build does not read", CONVERT));
    }
    if bytes.starts_with(PICKLE_MAGIC) {
        let what = "it is a pickle of PyTorch before 1.6, which only Python opens safely";
        return Err(Error::file(path, what, "in PyTorch, load it with weights_only=True and save it again"));
    }
    Tensors::from_bytes(bytes, path)
}
