//! The checked experiment: everything that decides a run, and nothing else.

use serde::{Deserialize, Serialize};

/// A whole experiment, section by section, as in the TOML file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// Architecture.
    pub model: ModelConfig,
    /// Images.
    pub data: DataConfig,
    /// What happens to training images.
    pub augment: AugmentConfig,
    /// Update rule.
    pub optim: OptimConfig,
    /// Learning rate over time.
    pub schedule: ScheduleConfig,
    /// Batches, seed, precision.
    pub train: TrainConfig,
    /// What is measured, and when.
    pub probe: ProbeConfig,
    /// Thresholds of the crash detector.
    pub crash: CrashConfig,
}

/// The architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// `vit`.
    pub arch: String,
    /// Side of the square input, pixels.
    pub image_size: usize,
    /// Classes K.
    pub num_classes: usize,
    /// Token width D.
    pub dim: usize,
    /// Encoder blocks.
    pub depth: usize,
    /// Attention heads; D must divide by it.
    pub heads: usize,
    /// Feed-forward width over D.
    pub mlp_ratio: f64,
    /// Stem in the paper's notation, e.g. `3Conv+3BN+3ReLU+1Proj`.
    pub stem: String,
    /// Strides: 4 numbers for conv stems, 1 for patchify; the product is the patch size. Empty: the stem's default.
    pub strides: Vec<usize>,
    /// Kernels; empty: [7, 3, 3, 8] for conv stems, the stride for patchify.
    pub stem_kernels: Vec<usize>,
    /// Channels of the stem's convolutions.
    pub stem_width: usize,
    /// `relu` or `gelu`.
    pub stem_activation: String,
    /// Whether the stem's convolutions (not the projection) have a bias.
    pub stem_conv_bias: bool,
    /// `mlp-gelu`, `mlp-relu`, `conv1d-bn-gelu` or `conv1d-gelu`.
    pub ffn: String,
    /// Whether a LayerNorm stands before the feed-forward part.
    pub ffn_norm: bool,
    /// Stochastic depth of the last block, 0..1.
    pub drop_path: f64,
}

/// The images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// `fashion-mnist`, `mnist`, `cifar10`, `cifar100`, `folder`, `market1501` or `random` (synthetic, for benchmarks).
    pub kind: String,
    /// File or folder; empty: the embedded set.
    pub path: String,
    /// Class-balanced share of the training images, (0, 1].
    pub fraction: f64,
    /// Decoding threads; 0: chosen by the machine.
    pub workers: usize,
    /// Whether a pack that `vitrine data pack` has made beside the images is read in their place.
    pub pack: bool,
}

/// Augmentation of training images, in the order in which it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Cut out a random part and resize it: least and most share of the area, usually [0.08, 1.0]
    /// (`true` stands for it); empty: off. Aspects from 3:4 to 4:3; bicubic.
    #[serde(deserialize_with = "super::crop_area::deserialize")]
    pub random_resized_crop: Vec<f64>,
    /// Zero-pad by so many pixels and crop back at random; 0: off.
    pub pad_crop: usize,
    /// Chance of a horizontal flip, 0..1.
    pub hflip: f64,
    /// RandAugment in timm's notation, usually `rand-m9-mstd0.5-inc1`; empty: off.
    pub rand_augment: String,
    /// Brightness, contrast and saturation by a factor of up to 1 ± this, 0..1; 0: off.
    pub color_jitter: f64,
    /// Chance of a box of noise, 0..1.
    pub random_erasing: f64,
    /// Mixup α; 0: off.
    pub mixup: f64,
    /// CutMix α; 0: off.
    pub cutmix: f64,
    /// Chance that a batch is mixed at all, 0..1.
    pub mixup_prob: f64,
    /// With both mixup and cutmix on: chance that a mixed batch takes cutmix, 0..1.
    pub mixup_switch_prob: f64,
    /// Label smoothing, 0..1.
    pub label_smoothing: f64,
    /// How often each image comes in a batch, augmented anew; an epoch then shows 1/repeats of the images. 1: off.
    pub repeats: usize,
    /// Mean per channel in 0..1; empty: the data set's own.
    pub mean: Vec<f64>,
    /// Deviation per channel in 0..1; empty: the data set's own.
    pub std: Vec<f64>,
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// `adamw` or `sgd`.
    pub kind: String,
    /// Learning rate, before `lr_per` scaling.
    pub lr: f64,
    /// 0: `lr` as given; otherwise lr × batch / lr_per.
    pub lr_per: usize,
    /// Adam's β₁, β₂.
    pub betas: [f64; 2],
    /// Adam's ε.
    pub eps: f64,
    /// SGD's momentum.
    pub momentum: f64,
    /// Decoupled (AdamW) or L2 (SGD) decay; not on 1-D parameters, biases, pos_embed, cls_token.
    pub weight_decay: f64,
    /// Global L2 norm to clip gradients to; 0: off.
    pub clip_grad: f64,
    /// ρ of SAM; 0: off.
    pub sam_rho: f64,
    /// ASAM instead of SAM.
    pub sam_adaptive: bool,
}

/// The learning rate over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `deit` (per epoch, with DeiT's lag of one), `cosine` (per step) or `constant` (per step after warm-up).
    pub kind: String,
    /// Passes over the training images; may be fractional.
    pub epochs: f64,
    /// Linear warm-up; may be fractional.
    pub warmup_epochs: f64,
    /// Where warm-up starts, unscaled; never above the peak.
    pub warmup_lr: f64,
    /// Where the cosine ends, unscaled; never above the peak.
    pub min_lr: f64,
}

/// Batches, seed, precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Images an optimiser step.
    pub batch: usize,
    /// Images a pass; 0: as large as fits. Gradients accumulate; BN statistics are per micro-batch.
    pub micro_batch: usize,
    /// Decides every random draw.
    pub seed: u64,
    /// `f32`, or `f16` for mixed precision: activations and products in f16; sums, statistics, the residual stream,
    /// the loss and the weights that are trained in f32.
    pub precision: String,
    /// With f16: what gradients are multiplied by at first, so that the small ones survive. It halves whenever they
    /// overflow (the step is skipped then), and doubles after `loss_scale_every` good steps in a row.
    pub loss_scale: f64,
    /// With f16: good steps in a row after which the loss scale doubles.
    pub loss_scale_every: usize,
    /// Decay of the averaged weights; 0: off.
    pub ema: f64,
    /// `stop` or `continue`.
    pub on_crash: String,
    /// Epochs between evaluations on the test images; may be fractional.
    pub eval_every: f64,
    /// Steps between checkpoints; 0: at evaluations only.
    pub checkpoint_every: usize,
}

/// Probes of a fixed batch: layer-wise token similarity, and now and then maps of everything inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Steps between probes; 0: only at the end.
    pub every: usize,
    /// Test images of the fixed probe batch.
    pub images: usize,
    /// Images of the batch whose feature maps and attention are kept; 0: no maps.
    pub maps: usize,
    /// Steps between probes with maps, a multiple of `every`; 0: about twelve in a run, and at the end.
    pub maps_every: usize,
}

/// Thresholds of the crash detector (architecture, section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrashConfig {
    /// Losses in the running median m_t.
    pub window: usize,
    /// *Learned* means: best median ≤ this share of ln K.
    pub learned_frac: f64,
    /// *Diverged*: the median lies above its best by at least this share of what had been won …
    pub diverged_frac: f64,
    /// … and at least so much loss …
    pub diverged_margin: f64,
    /// … for so many steps.
    pub diverged_steps: usize,
    /// *Collapsed*: median within these shares of ln K …
    pub collapsed_low: f64,
    /// … upper end.
    pub collapsed_high: f64,
    /// … or one class takes more than this share of the predictions.
    pub collapsed_class_frac: f64,
    /// *Stuck*: never below this share of ln K.
    pub stuck_frac: f64,
    /// *Stuck* is judged by the steps up to this one (or twice the warm-up, or an epoch, where that is longer); a run
    /// that ends sooner, but not before its 100th step, by all of its steps.
    pub stuck_steps: usize,
    /// *Loss spike*: robust deviations above the median.
    pub spike_mads: f64,
    /// *Loss spike*: least rise, as a share of the median loss.
    pub spike_frac: f64,
    /// *Gradient explosion*: norm over its running median.
    pub explosion_ratio: f64,
    /// *Gradient explosion*: robust z of the log norm.
    pub explosion_z: f64,
    /// Steps between snapshots in host memory, the last of which a crash leaves as `pre-crash`; 0: none.
    pub snapshot_every: usize,
    /// Most memory for snapshots, MiB; at least one is kept.
    pub snapshot_mib: usize,
}

impl ModelConfig {
    /// Width of the feed-forward part, ⌊D × ratio⌋.
    pub fn mlp_width(&self) -> usize {
        (self.dim as f64 * self.mlp_ratio) as usize
    }
}

impl OptimConfig {
    /// The learning rate after warm-up: `lr`, or lr × batch / lr_per.
    pub fn peak_lr(&self, batch: usize) -> f64 {
        match self.lr_per {
            0 => self.lr,
            images => self.lr * batch as f64 / images as f64,
        }
    }
}
