//! Readers of every file format on damaged files: an error or a value, never a panic, and never more
//! memory than the file justifies.
//!
//! Damage is drawn from a seed, so a failure names the seed that repeats it. Files are built here;
//! what once failed is kept as a case of its own.

mod data;
mod memory;
mod runs;
mod weights;

use std::panic::{AssertUnwindSafe, catch_unwind};

use vitrine::rng::{Draws, Stream};

/// Damaged copies of each file.
const ROUNDS: u32 = 400;

/// Bytes a reader may hold at most: so many times the file, and a constant for its tables.
const MEMORY_FACTOR: usize = 64;
const MEMORY_BASE: usize = 8 << 20;

/// Words that headers and counts are made of: the extremes of every width.
const EXTREMES: [u64; 10] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// A damaged copy.
fn damaged(original: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=draws.next_below(4) {
        let at = draws.next_below(bytes.len().max(1) as u32) as usize;
        match draws.next_below(7) {
            0 => bytes.truncate(at),
            1 => flip(&mut bytes, at, draws),
            2 => bytes.insert(at.min(bytes.len()), draws.next_u32() as u8),
            3 => {
                let end = (at + draws.next_below(64) as usize).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            4 => {
                let end = (at + draws.next_below(256) as usize).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                let to = draws.next_below(bytes.len() as u32 + 1) as usize;
                bytes.splice(to..to, piece);
            }
            5 => {
                let word = EXTREMES[draws.next_below(EXTREMES.len() as u32) as usize];
                let width = 1 << draws.next_below(4);
                let word =
                    if draws.next_below(2) == 0 { word.to_le_bytes()[..width].to_vec() } else { word.to_be_bytes()[8 - width..].to_vec() };
                let end = (at + width).min(bytes.len());
                bytes.splice(at.min(end)..end, word);
            }
            _ => number(&mut bytes, at),
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], at: usize, draws: &mut Draws) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << draws.next_below(8);
    }
}

/// The next decimal number of a text becomes a huge one.
fn number(bytes: &mut Vec<u8>, at: usize) {
    let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|skipped| at + skipped) else { return };
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + len, *b"99999999999999999999");
}

/// Gives `read` damaged copies of `original`; fails with the round that panics or takes too much memory.
fn survives(name: &str, original: &[u8], read: impl Fn(&[u8])) {
    survives_rounds(name, original, ROUNDS, read);
}

fn survives_rounds(name: &str, original: &[u8], rounds: u32, read: impl Fn(&[u8])) {
    for round in 0..rounds {
        let mut draws = Draws::new(0xf0_22, Stream::Synthetic, round, 0);
        let bytes = damaged(original, &mut draws);
        let limit = MEMORY_FACTOR * bytes.len() + MEMORY_BASE;
        let (outcome, peak_bytes) = memory::peak(|| catch_unwind(AssertUnwindSafe(|| read(&bytes))));
        assert!(outcome.is_ok(), "{name}, round {round}: a panic");
        assert!(peak_bytes <= limit, "{name}, round {round}: {peak_bytes} bytes of memory for {} of a file", bytes.len());
    }
}

#[test]
fn a_careless_reader_is_found() {
    let file = 5u64.to_le_bytes();
    let panics = catch_unwind(|| survives("panics", &file, |bytes| assert!(bytes.len() >= 8)));
    let grows = catch_unwind(|| {
        survives("grows", &file, |bytes| {
            let len = bytes.first_chunk().map_or(0, |len| u64::from_le_bytes(*len));
            drop(std::hint::black_box(Vec::<u8>::with_capacity(len.min(1 << 30) as usize)));
        });
    });
    assert!(panics.is_err() && grows.is_err());
}
