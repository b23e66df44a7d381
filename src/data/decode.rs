//! One JPEG, PNG or WebP file to pixels.
//!
//! Grey images become RGB; alpha is dropped and EXIF rotation ignored, as torchvision does.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{ImageFormat, ImageReader, Limits};

use crate::augment::crop::Picture;
use crate::platform;

/// Larger images are refused before they are decoded, pixels a side.
const MAX_SIDE: u32 = 16_384;
/// Memory that one image may take while it is decoded.
const MAX_DECODE_BYTES: u64 = 512 << 20;

/// Whether a file that begins like this is one of the three formats.
pub fn is_image(start: &[u8]) -> bool {
    matches!(image::guess_format(start), Ok(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP))
}

/// The pixels of the file at `path`.
///
/// Errors: what is wrong with it.
pub fn file(path: &Path) -> Result<Picture, String> {
    bytes(&platform::files::read(path).map_err(|e| e.to_string())?)
}

/// The pixels of an image file's content.
///
/// Errors: what is wrong with it.
pub fn bytes(bytes: &[u8]) -> Result<Picture, String> {
    // A decoder that panics on a damaged file counts as one that says so.
    catch_unwind(AssertUnwindSafe(|| decode(bytes))).unwrap_or_else(|_| Err("the decoder gave up".to_string()))
}

fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format() == Some(ImageFormat::Jpeg) && !has_jpeg_end(bytes) {
        return Err(format!("the JPEG is cut off after {} bytes", bytes.len()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let rgb = reader.decode().map_err(|e| e.to_string())?.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(Picture { width, height, rgb: rgb.into_raw() })
}

/// Whether the end-of-image marker stands near the end; the decoder fills what is missing with
/// grey and says nothing. Cameras append data of their own, and a preview at the front has an end
/// marker too, so the last half of the file is searched.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    bytes[bytes.len() / 2..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}
