//! Folders of images dropped on the page: the browser has decoded and scaled them, and they lie among the worker's files.
//!
//! They are not kept over a reload: that would be a copy of somebody's pictures. A training that wants to go on
//! needs its folder dropped again.

use std::path::{Path, PathBuf};

use vitrine::dashboard::host::Notice;
use vitrine::data::folder;
use vitrine::error::Result;
use vitrine::platform::files;

/// Where dropped folders lie.
const FOLDER: &str = "/images";

/// Takes an image: `NAME/CLASS/file.jpg`, or with `train` and `val` between.
pub fn put(name: &str, bytes: Vec<u8>) {
    let path = Path::new(FOLDER).join(name);
    // Every folder above is one.
    let above: Vec<PathBuf> = path.ancestors().skip(1).take_while(|path| path.starts_with(FOLDER)).map(Path::to_path_buf).collect();
    above.iter().for_each(|folder| files::restore(folder, None));
    files::restore(&path, Some((bytes, Default::default())));
}

/// What the screens are told of the whole folder.
pub fn shown(name: &str) -> Result<Notice> {
    let path = Path::new(FOLDER).join(name);
    let num_classes = folder::count_classes(&path)?;
    Ok(Notice::Images(path.display().to_string(), num_classes))
}
