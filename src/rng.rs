//! Counter-based random numbers: a pure function of (seed, stream, step, index).
//!
//! Nothing is stateful, so a resumed run draws exactly what the unbroken one would have drawn, and
//! threads or devices can draw in any order. `shaders/lib/rng.wgsl` is the twin; a test compares
//! them bit for bit.
//!
//! Source: pcg4d of Jarzynski & Olano 2020, "Hash Functions for GPU Rendering", JCGT 9(3).

/// What a draw is for; streams never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights; step = parameter index.
    Init = 1,
    /// Order of the training images; step = epoch.
    Shuffle = 2,
    /// Geometric and colour augmentation of one image; step = optimiser step.
    Augment = 3,
    /// Mixup and cutmix of a batch; step = optimiser step.
    Mix = 4,
    /// Drop-path; step = optimiser step.
    DropPath = 5,
    /// Class-balanced subsets.
    Subset = 6,
    /// Synthetic images of benchmarks and tests.
    Synthetic = 7,
    /// The part of a picture that is taken and resized; step = optimiser step.
    ResizedCrop = 8,
    /// RandAugment; step = optimiser step.
    RandAugment = 9,
    /// Whether and where a box is erased; step = optimiser step.
    Erase = 10,
    /// What it is filled with; step = optimiser step.
    EraseNoise = 11,
}

/// The seed as devices take it, in 32 bits.
pub fn folded(seed: u64) -> u32 {
    (seed as u32) ^ ((seed >> 32) as u32).wrapping_mul(0x9E37_79B9)
}

/// Four independent 32-bit words for one counter.
pub fn words(seed: u64, stream: u32, step: u32, index: u32) -> [u32; 4] {
    device_words(folded(seed), stream, step, index)
}

/// [`words`] of a seed that is folded already; twin of `rng_words` in the shaders.
pub fn device_words(folded_seed: u32, stream: u32, step: u32, index: u32) -> [u32; 4] {
    let mut v = [folded_seed, stream, step, index];
    for word in &mut v {
        *word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    stir(&mut v);
    for word in &mut v {
        *word ^= *word >> 16;
    }
    stir(&mut v);
    v
}

fn stir(v: &mut [u32; 4]) {
    v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
    v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
    v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
    v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
}

/// Uniform in [0, 1) with 24 bits, exact in f32.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A stream of draws at one (seed, stream, step): a cursor over the index.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: u64,
    stream: u32,
    step: u32,
    index: u32,
}

impl Draws {
    /// Draws of `stream` at `step`, from `index` on.
    pub fn new(seed: u64, stream: Stream, step: u32, index: u32) -> Self {
        Self { seed, stream: stream as u32, step, index }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let word = words(self.seed, self.stream, self.step, self.index)[0];
        self.index = self.index.wrapping_add(1);
        word
    }

    /// The next uniform in [0, 1).
    pub fn next_unit(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// The next uniform in [low, high).
    pub fn next_between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.next_unit()
    }

    /// The next integer in 0..bound, without modulo bias beyond 2⁻³².
    pub fn next_below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// The next standard normal (Box–Muller; one of the pair).
    pub fn next_normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.next_unit())).ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * f64::from(self.next_unit());
        (radius * angle.cos()) as f32
    }

    /// A random order of 0..len (Fisher–Yates).
    pub fn permutation(&mut self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        for last in (1..len).rev() {
            order.swap(last, self.next_below(last as u32 + 1) as usize);
        }
        order
    }
}
