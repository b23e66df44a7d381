//! The image set that `data.path = ""` means: in the binary, or, without the feature `embedded-data`,
//! among the files of the platform, where a page puts it before it trains.

use std::borrow::Cow;

use crate::error::Result;

/// Where a page puts the files.
pub const FOLDER: &str = "/embedded";

/// Images and labels of the training and of the test half.
pub const FILES: [[&str; 2]; 2] =
    [["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"], ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]];

#[cfg(feature = "embedded-data")]
macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../assets/data/fashion-mnist/", $name)))),*]
    };
}

/// The content of one of [`FILES`].
///
/// Errors: on a page, before the file was put there.
#[cfg(feature = "embedded-data")]
pub fn read(name: &str) -> Result<Cow<'static, [u8]>> {
    const EMBEDDED: [(&str, &[u8]); 4] =
        embed!["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",];
    let found = EMBEDDED.iter().find(|(file, _)| *file == name);
    found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(|| crate::error::Error::Internal(format!("{name} is not embedded")))
}

/// The content of one of [`FILES`].
///
/// Errors: before the file was put there.
#[cfg(not(feature = "embedded-data"))]
pub fn read(name: &str) -> Result<Cow<'static, [u8]>> {
    let path = std::path::Path::new(FOLDER).join(name);
    let hint = "this build holds no images; set data.path, or build with the feature embedded-data";
    crate::platform::files::read(&path).map(Cow::Owned).map_err(|_| crate::error::Error::data(&path, "is not there", hint))
}
