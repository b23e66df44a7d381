//! Regions: named memory that outlives a step. Everything else lives in the plan's arenas.

/// Words of one slot of [`Region::Ring`]: the numbers of a batch, then a gradient norm for each group of
/// parameters.
pub const SLOT_LEN: usize = 64;
/// First word of the gradient norms in a slot.
pub const GROUPS_START: usize = 9;
/// Steps the ring holds before the oldest is overwritten.
pub const SLOTS: usize = 64;

/// A stretch of persistent device memory, in 4-byte words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// All trained parameters, decayed ones first, each aligned to 64 words.
    Params,
    /// Their gradients, at the same offsets.
    Grads,
    /// Gradients of one micro-batch, before they are added to `Grads`.
    MicroGrads,
    /// First moment (AdamW) or momentum (SGD), at the same offsets.
    Momentum,
    /// Second moment (AdamW), at the same offsets.
    Variance,
    /// Averaged parameters, at the same offsets.
    Ema,
    /// Parameters before SAM's ascent, at the same offsets.
    Backup,
    /// Running statistics of every BatchNorm.
    Stats,
    /// Averaged running statistics.
    EmaStats,
    /// Images of one micro-batch as they come from the host: bytes, four a word.
    Bytes,
    /// What is done to each of them: boxes to erase, weights of mixing.
    Drawn,
    /// What that is done with: the value of each byte, quantiles of noise.
    Tables,
    /// Images of one micro-batch, [B, S, S, 3].
    Images,
    /// Soft targets of one micro-batch, [B, K].
    Targets,
    /// Logits of one micro-batch, [B, K].
    Logits,
    /// Numbers of recent steps: [`SLOTS`] slots of [`SLOT_LEN`] words.
    Ring,
    /// Sums over an evaluation, same layout as one slot of the ring.
    Totals,
    /// Gradient norm, clip factor, non-finite flag of the current step.
    Norm,
    /// The loss scale of mixed precision: scale, good steps in a row, skipped steps in all.
    LossScale,
    /// Which gradients belong to which group of parameters.
    Groups,
    /// Layer-wise token similarity, [layers, B].
    Similarity,
    /// What a full probe keeps of an image: every other array of its forward pass.
    MapsEven,
    /// The arrays between those.
    MapsOdd,
}

impl Region {
    /// Every region, in order.
    pub const ALL: [Region; 23] = [
        Region::Params,
        Region::Grads,
        Region::MicroGrads,
        Region::Momentum,
        Region::Variance,
        Region::Ema,
        Region::Backup,
        Region::Stats,
        Region::EmaStats,
        Region::Bytes,
        Region::Drawn,
        Region::Tables,
        Region::Images,
        Region::Targets,
        Region::Logits,
        Region::Ring,
        Region::Totals,
        Region::Norm,
        Region::LossScale,
        Region::Groups,
        Region::Similarity,
        Region::MapsEven,
        Region::MapsOdd,
    ];
}

/// Where in a region a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The region.
    pub region: Region,
    /// First word.
    pub offset: usize,
}

impl Place {
    /// Word `offset` of `region`.
    pub fn new(region: Region, offset: usize) -> Self {
        Self { region, offset }
    }
}
