//! One file of a pack: a header, a table of places, images one after the other.
//!
//!   "VITSHARD", version u32, count u32, key u64, (count + 1) × place u64, records
//!   record: kind u8, then by kind: 1 an image file; 2 width u32, height u32, pixels; 3 a text
//!
//! All numbers little endian. No number of a file is believed before it is held against the
//! file's length.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::pack::IMAGES_PER_SHARD;
use crate::augment::crop::Picture;
use crate::error::{Error, Result};
use crate::platform;

const MAGIC: &[u8; 8] = b"VITSHARD";
const VERSION: u32 = 1;
/// Bytes before the table of places.
pub const HEADER_LEN: usize = 24;
const REPACK: &str = "delete the pack's folder and run `vitrine data pack` again, or set data.pack=false";

/// One image of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The content of an image file.
    Encoded(Vec<u8>),
    /// Pixels.
    Raw(Picture),
    /// Why there is no image.
    Unreadable(String),
}

impl Record {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Encoded(file) => {
                bytes.push(1);
                bytes.extend_from_slice(file);
            }
            Self::Raw(picture) => {
                bytes.push(2);
                bytes.extend_from_slice(&(picture.width as u32).to_le_bytes());
                bytes.extend_from_slice(&(picture.height as u32).to_le_bytes());
                bytes.extend_from_slice(&picture.rgb);
            }
            Self::Unreadable(why) => {
                bytes.push(3);
                bytes.extend_from_slice(why.as_bytes());
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            1 => Some(Self::Encoded(rest.to_vec())),
            2 => {
                let (width, height) = (number(rest, 0)? as usize, number(rest, 4)? as usize);
                let len = width.checked_mul(height)?.checked_mul(3)?;
                let rgb = rest[8..].to_vec();
                (rgb.len() == len).then_some(Self::Raw(Picture { width, height, rgb }))
            }
            3 => Some(Self::Unreadable(String::from_utf8_lossy(rest).into_owned())),
            _ => None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Writes a shard as a whole, or not at all.
pub fn write(path: &Path, key: u64, records: &[Record]) -> Result<()> {
    let mut body = Vec::new();
    let first = (HEADER_LEN + (records.len() + 1) * 8) as u64;
    let mut places = vec![first];
    for record in records {
        record.append_to(&mut body);
        places.push(first + body.len() as u64);
    }
    let mut bytes = Vec::with_capacity(first as usize + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(records.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&key.to_le_bytes());
    places.iter().for_each(|place| bytes.extend_from_slice(&place.to_le_bytes()));
    bytes.extend_from_slice(&body);
    platform::write_atomically(path, &bytes)
}

/// A shard that has been looked at; its images are read when needed.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    /// Ascending, one more than there are images, all within the file.
    places: Vec<u64>,
}

impl Shard {
    /// The shard at `path`, which must be about `key`.
    ///
    /// Errors: it is missing, cut off, damaged, or about something else.
    pub fn open(path: &Path, key: u64) -> Result<Self> {
        let bad = |what: String| Error::data(path, what, REPACK);
        let mut file = File::open(path).map_err(|e| bad(format!("cannot be opened: {e}")))?;
        let len = file.metadata().map_err(|e| bad(format!("cannot be read: {e}")))?.len();
        let mut header = [0; HEADER_LEN];
        file.read_exact(&mut header).map_err(|_| bad(format!("is cut off after {len} bytes")))?;
        if &header[..8] != MAGIC || number(&header, 8) != Some(VERSION) {
            return Err(bad("is no shard of this version".into()));
        }
        let count = number(&header, 12).map_or(0, |count| count as usize);
        if header[16..] != key.to_le_bytes() || count > IMAGES_PER_SHARD {
            return Err(bad("belongs to another pack".into()));
        }
        let mut table = vec![0; (count + 1) * 8];
        file.read_exact(&mut table).map_err(|_| bad(format!("is cut off after {len} bytes")))?;
        let places: Vec<u64> = table.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().expect("eight bytes"))).collect();
        let first = (HEADER_LEN + table.len()) as u64;
        if places[0] != first || !places.is_sorted() || places[count] != len {
            return Err(bad(format!("is damaged: {len} bytes do not fit its table")));
        }
        Ok(Self { path: path.to_path_buf(), places })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.places.len() - 1
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The image `ix`.
    pub fn record(&self, ix: usize) -> Result<Record> {
        let bad = |what: String| Error::data(&self.path, format!("image {ix} of the shard {what}"), REPACK);
        let (start, end) = (self.places[ix], self.places[ix + 1]);
        let mut bytes = vec![0; (end - start) as usize];
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut bytes)
        });
        read.map_err(|e| bad(format!("cannot be read: {e}")))?;
        Record::from_bytes(&bytes).ok_or_else(|| bad("is damaged".into()))
    }
}
