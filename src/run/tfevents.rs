//! TensorBoard's event files: records of protocol buffers, each with checksums.
//!
//!   record = length u64 · crc(length) u32 · message · crc(message) u32, little-endian
//!   crc(x) = rotate_right(crc32c(x), 15) + 0xa282ead8
//!
//! Written: scalars, histograms, images, text, hyperparameters. Read: scalars, also those that
//! PyTorch's `SummaryWriter` and Keras wrote. Floats keep NaN and the infinities.
//! Source: tensorflow/core/lib/io/record_writer.h; tensorboard/compat/proto/{event,summary}.proto,
//! tensorboard/plugins/hparams/plugin_data.proto.

use std::path::Path;

use super::number::is_finite;
use super::protobuf::{Broken, Message, Value, fields};
use crate::error::{Error, Result};

/// Added to the turned checksum.
const MASK_DELTA: u32 = 0xa282_ead8;

/// The Castagnoli polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Bars of a histogram.
const NUM_BARS: usize = 40;

/// `DT_FLOAT`, `DT_DOUBLE` and `DT_STRING` of TensorFlow's types.
const DT_FLOAT: i64 = 1;
const DT_DOUBLE: i64 = 2;
const DT_STRING: i64 = 7;

/// `SessionLog.START`: what was recorded at this step and later no longer counts.
const START: i64 = 1;

/// CRC-32C of bytes.
pub fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    !bytes.iter().fold(!0, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    /// Step of the run.
    pub step: i64,
    /// Seconds since 1970.
    pub wall_secs: f64,
}

/// A record of the file: `event` with step and time in front.
fn record(at: At, event: Message) -> Vec<u8> {
    let head = Message::default().double(1, at.wall_secs).integer(2, at.step);
    let message = [head.into_bytes(), event.into_bytes()].concat();
    let len = (message.len() as u64).to_le_bytes();
    let crcs = [masked_crc(&len), masked_crc(&message)].map(u32::to_le_bytes);
    [&len[..], &crcs[0], &message, &crcs[1]].concat()
}

fn summary(at: At, value: Message) -> Vec<u8> {
    record(at, Message::default().message(5, Message::default().message(1, value)))
}

fn tagged(tag: &str) -> Message {
    Message::default().bytes(1, tag.as_bytes())
}

/// The first record of a file.
pub fn version(wall_secs: f64) -> Vec<u8> {
    record(At { step: 0, wall_secs }, Message::default().bytes(3, b"brain.Event:2"))
}

/// The run goes on at `at`: readers forget what stands at that step and later.
pub fn restart(at: At) -> Vec<u8> {
    record(at, Message::default().message(7, Message::default().integer(1, START)))
}

/// Numbers of one step in one record; NaN and the infinities as they are.
pub fn scalars<T: AsRef<str>>(at: At, values: &[(T, f64)]) -> Vec<u8> {
    let value = |(tag, value): &(T, f64)| tagged(tag.as_ref()).float(2, *value as f32);
    let summary = values.iter().fold(Message::default(), |summary, pair| summary.message(1, value(pair)));
    record(at, Message::default().message(5, summary))
}

/// A picture as the bytes of a PNG file.
pub fn image(tag: &str, at: At, (width, height): (u32, u32), png: &[u8]) -> Vec<u8> {
    let image = Message::default().integer(1, height.into()).integer(2, width.into()).integer(3, 1).bytes(4, png);
    summary(at, tagged(tag).message(4, image))
}

/// The distribution of the finite values; none where there are none.
pub fn histogram(tag: &str, at: At, values: &[f32]) -> Option<Vec<u8>> {
    let finite = || values.iter().map(|&value| f64::from(value)).filter(|&value| is_finite(value));
    let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (value.min(min), value.max(max)));
    if !is_finite(min) {
        return None;
    }
    let width = ((max - min) / NUM_BARS as f64).max(f64::MIN_POSITIVE);
    let mut counts = [0.0; NUM_BARS];
    let (mut count, mut sum, mut sum_squares) = (0u64, 0.0, 0.0);
    for value in finite() {
        counts[(((value - min) / width) as usize).min(NUM_BARS - 1)] += 1.0;
        count += 1;
        sum += value;
        sum_squares += value * value;
    }
    let limits: Vec<f64> = (1..=NUM_BARS).map(|bar| if bar == NUM_BARS { max } else { min + width * bar as f64 }).collect();
    let moments = [min, max, count as f64, sum, sum_squares];
    let message = moments.iter().zip(1..).fold(Message::default(), |message, (&moment, field)| message.double(field, moment));
    Some(summary(at, tagged(tag).message(5, message.doubles(6, &limits).doubles(7, &counts))))
}

/// A text in Markdown.
pub fn text(tag: &str, at: At, words: &str) -> Vec<u8> {
    let side = Message::default().message(2, Message::default().integer(1, 1));
    let tensor = Message::default().integer(1, DT_STRING).message(2, side).bytes(8, words.as_bytes());
    summary(at, tagged(tag).message(8, tensor).message(9, plugin("text", &[])))
}

fn plugin(name: &str, content: &[u8]) -> Message {
    Message::default().message(1, Message::default().bytes(1, name.as_bytes()).bytes(2, content))
}

/// The value of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A switch.
    Flag(bool),
    /// Anything else.
    Words(String),
}

/// What the hyperparameter page shows as a run's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A run that is no more running, and not known to have failed.
    Success = 1,
    /// A run that failed.
    Failure = 2,
}

/// The hyperparameters of a run that begins.
pub fn settings(at: At, settings: &[(String, Setting)]) -> Vec<u8> {
    let entry = |(name, setting): &(String, Setting)| {
        let value = match setting {
            Setting::Number(number) => Message::default().double(2, *number),
            Setting::Flag(flag) => Message::default().integer(4, i64::from(*flag)),
            Setting::Words(words) => Message::default().bytes(3, words.as_bytes()),
        };
        Message::default().bytes(1, name.as_bytes()).message(2, value)
    };
    let start = settings.iter().fold(Message::default(), |start, setting| start.message(1, entry(setting)));
    hyperparameters("_hparams_/session_start_info", at, 3, start.double(5, at.wall_secs))
}

/// How a run ended.
pub fn outcome(at: At, outcome: Outcome) -> Vec<u8> {
    let end = Message::default().integer(1, outcome as i64).double(2, at.wall_secs);
    hyperparameters("_hparams_/session_end_info", at, 4, end)
}

fn hyperparameters(tag: &str, at: At, field: u32, info: Message) -> Vec<u8> {
    let data = Message::default().integer(1, 0).message(field, info).into_bytes();
    let empty = Message::default().integer(1, DT_FLOAT).message(2, Message::default());
    summary(at, tagged(tag).message(8, empty).message(9, plugin("hparams", &data)))
}

/// A number that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Its series.
    pub tag: String,
    /// When.
    pub at: At,
    /// What.
    pub value: f64,
}

/// The scalars of an event file, in the file's order; `path` is for messages. Other summaries are
/// passed over, and so is a last record without its end, which its writer may still be writing.
///
/// Errors: not an event file, a record whose checksum is wrong.
pub fn read(bytes: &[u8], path: &Path) -> Result<Vec<Scalar>> {
    let mut scalars = Vec::new();
    let mut rest = bytes;
    while let Some((len, after)) = rest.split_at_checked(12) {
        let at_byte = bytes.len() - rest.len();
        let damaged = |what: &str| match at_byte {
            0 => Error::file(path, "it is not an event file of TensorBoard", "their names begin with events.out.tfevents"),
            _ => Error::file(path, format!("it is damaged: {what} of the record at byte {at_byte} is wrong"), "copy it again"),
        };
        if masked_crc(&len[..8]) != u32_at(&len[8..]) {
            return Err(damaged("the length"));
        }
        let len = u64::from_le_bytes(len[..8].try_into().expect("eight bytes"));
        let whole = usize::try_from(len).ok().and_then(|len| after.split_at_checked(len)).filter(|(_, crc)| crc.len() >= 4);
        let Some((message, crc)) = whole else { break };
        if masked_crc(message) != u32_at(crc) {
            return Err(damaged("the checksum"));
        }
        read_event(message, &mut scalars).map_err(|Broken| damaged("the content"))?;
        rest = &crc[4..];
    }
    if rest.len() == bytes.len() && !bytes.is_empty() {
        return Err(Error::file(path, "it is not an event file of TensorBoard, or truncated", ""));
    }
    Ok(scalars)
}

fn u32_at(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

fn read_event(message: &[u8], scalars: &mut Vec<Scalar>) -> Result<(), Broken> {
    let mut at = At { step: 0, wall_secs: 0.0 };
    let mut values = Vec::new();
    let mut is_restart = false;
    for field in fields(message) {
        match field? {
            (1, Value::Double(wall_secs)) => at.wall_secs = wall_secs,
            (2, Value::Integer(step)) => at.step = step,
            (5, Value::Bytes(summary)) => values.extend(read_summary(summary)?),
            (7, Value::Bytes(log)) => is_restart = fields(log).any(|field| field == Ok((1, Value::Integer(START)))),
            _ => {}
        }
    }
    if is_restart {
        scalars.retain(|scalar| scalar.at.step < at.step);
    }
    scalars.extend(values.into_iter().map(|(tag, value)| Scalar { tag, at, value }));
    Ok(())
}

fn read_summary(summary: &[u8]) -> Result<Vec<(String, f64)>, Broken> {
    let mut found = Vec::new();
    for field in fields(summary) {
        let (1, Value::Bytes(value)) = field? else { continue };
        let (mut tag, mut number) = (String::new(), None);
        for field in fields(value) {
            match field? {
                (1, Value::Bytes(name)) => tag = String::from_utf8_lossy(name).into_owned(),
                (2, Value::Float(value)) => number = Some(f64::from(value)),
                (8, Value::Bytes(tensor)) => number = read_tensor(tensor)?.or(number),
                _ => {}
            }
        }
        // Hyperparameters come with an empty tensor, which has no number.
        found.extend(number.map(|number| (tag, number)));
    }
    Ok(found)
}

/// The number of a tensor that holds one float.
fn read_tensor(tensor: &[u8]) -> Result<Option<f64>, Broken> {
    let mut dtype = 0;
    let mut numbers = Vec::new();
    let mut content: &[u8] = &[];
    for field in fields(tensor) {
        match field? {
            (1, Value::Integer(value)) => dtype = value,
            (4, Value::Bytes(bytes)) => content = bytes,
            (5, Value::Float(value)) => numbers.push(f64::from(value)),
            (6, Value::Double(value)) => numbers.push(value),
            (5, Value::Bytes(packed)) => numbers.extend(floats(packed)),
            (6, Value::Bytes(packed)) => numbers.extend(doubles(packed)),
            _ => {}
        }
    }
    match dtype {
        DT_FLOAT => numbers.extend(floats(content)),
        DT_DOUBLE => numbers.extend(doubles(content)),
        _ => return Ok(None),
    }
    Ok(if let [number] = numbers[..] { Some(number) } else { None })
}

fn floats(packed: &[u8]) -> impl Iterator<Item = f64> {
    packed.chunks_exact(4).map(|word| f64::from(f32::from_le_bytes(word.try_into().expect("four bytes"))))
}

fn doubles(packed: &[u8]) -> impl Iterator<Item = f64> {
    packed.chunks_exact(8).map(|word| f64::from_le_bytes(word.try_into().expect("eight bytes")))
}
