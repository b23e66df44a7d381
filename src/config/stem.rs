//! The eight stems of the paper, and where their convolutions put the tokens.
//!
//! Shapes    image [3, S, S] → grid [D, g, g] → N = g² tokens
//! Padding   odd kernel k: (k−1)/2; even kernel k with stride s: (k−s)/2
//! Side      floor((n + 2p − k)/s) + 1; g must be S over the product of the strides, exactly
//! Errors    a padding that is negative or not whole, a grid that is not whole: the layer is named
//! Source    Table 2 of "Scaled ReLU Matters for Training Vision Transformers". Differs: the
//!           padding rule extends the paper's two stride sets to small images.

use super::experiment::ModelConfig;
use super::fault::Fault;
use super::known;
use crate::error::Result;

/// Channels of every input image; grey sets are repeated.
pub const IMAGE_CHANNELS: usize = 3;

/// Kernels of the paper's conv stem, kept for every stride set.
const CONV_KERNELS: [usize; 4] = [7, 3, 3, 8];
/// Strides of the paper's conv stem.
const CONV_STRIDES: [usize; 4] = [2, 1, 1, 8];
/// Patch side of the paper's patchify stem.
const PATCH_STRIDE: usize = 16;
/// Names of the convolutions of a conv stem: indices of the full stem, also where BN and ReLU are left out.
const CONV_NAMES: [&str; 4] = ["patch_embed.conv.0", "patch_embed.conv.3", "patch_embed.conv.6", "patch_embed.proj"];

const STRIDES_KEY: &str = "model.strides";
const KERNELS_KEY: &str = "model.stem_kernels";
const IMAGE_KEY: &str = "model.image_size";
const STEM_KEY: &str = "model.stem";

/// A stem in the paper's notation: its name is its data flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StemKind {
    /// (Conv, BN, ReLU)×3 → Proj: the paper's stem.
    Conv3Bn3Relu3Proj,
    /// (Conv, BN)×3 → Proj.
    Conv3Bn3Proj,
    /// (Conv, ReLU)×3 → Proj.
    Conv3Relu3Proj,
    /// Conv×3 → Proj: linear.
    Conv3Proj,
    /// Conv×3 → Proj → ReLU.
    Conv3ProjRelu,
    /// Proj → BN → ReLU.
    ProjBnRelu,
    /// Proj → ReLU.
    ProjRelu,
    /// Proj: the ViT baseline (patchify).
    Proj,
}

impl StemKind {
    /// Every stem, in the order of Table 2.
    pub const ALL: [Self; 8] = [
        Self::Conv3Bn3Relu3Proj,
        Self::Conv3Bn3Proj,
        Self::Conv3Relu3Proj,
        Self::Conv3Proj,
        Self::Conv3ProjRelu,
        Self::ProjBnRelu,
        Self::ProjRelu,
        Self::Proj,
    ];

    /// The paper's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv3Bn3Relu3Proj => "3Conv+3BN+3ReLU+1Proj",
            Self::Conv3Bn3Proj => "3Conv+3BN+1Proj",
            Self::Conv3Relu3Proj => "3Conv+3ReLU+1Proj",
            Self::Conv3Proj => "3Conv+1Proj",
            Self::Conv3ProjRelu => "3Conv+1Proj+1ReLU",
            Self::ProjBnRelu => "1Proj+1BN+1ReLU",
            Self::ProjRelu => "1Proj+1ReLU",
            Self::Proj => "1Proj",
        }
    }

    /// The stem of that name; an error with the nearest of the eight otherwise.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::find(name).map_err(Fault::into_error)
    }

    /// Three convolutions before the projection (else: patchify).
    pub fn has_convs(self) -> bool {
        !matches!(self, Self::ProjBnRelu | Self::ProjRelu | Self::Proj)
    }

    /// BatchNorm after each of the three convolutions.
    pub fn conv_batch_norm(self) -> bool {
        matches!(self, Self::Conv3Bn3Relu3Proj | Self::Conv3Bn3Proj)
    }

    /// Activation after each of the three convolutions (and their BatchNorm).
    pub fn conv_relu(self) -> bool {
        matches!(self, Self::Conv3Bn3Relu3Proj | Self::Conv3Relu3Proj)
    }

    /// BatchNorm after the projection.
    pub fn proj_batch_norm(self) -> bool {
        self == Self::ProjBnRelu
    }

    /// Activation after the projection (and its BatchNorm).
    pub fn proj_relu(self) -> bool {
        matches!(self, Self::Conv3ProjRelu | Self::ProjBnRelu | Self::ProjRelu)
    }

    /// Convolutions, the projection included: 4 or 1.
    pub fn num_layers(self) -> usize {
        if self.has_convs() { CONV_NAMES.len() } else { 1 }
    }

    fn find(name: &str) -> Result<Self, Fault> {
        if let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == name) {
            return Ok(kind);
        }
        let hint = match known::nearest(name, Self::ALL.map(Self::name)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("stems: {}", Self::ALL.map(Self::name).join(", ")),
        };
        Err(Fault::new(STEM_KEY, format!("unknown stem `{name}`"), hint))
    }
}

/// One convolution of a stem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Parameter prefix, `patch_embed.conv.0` … `patch_embed.proj`.
    pub name: &'static str,
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Kernel side.
    pub kernel: usize,
    /// Stride in both directions.
    pub stride: usize,
    /// Zeros on each border.
    pub padding: usize,
    /// Side of the input map.
    pub in_side: usize,
    /// Side of the output map.
    pub out_side: usize,
    /// Whether it has a bias.
    pub bias: bool,
}

/// A stem with every number worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StemGeometry {
    /// Which of the eight.
    pub kind: StemKind,
    /// The convolutions in order; the last is the projection.
    pub layers: Vec<ConvLayer>,
    /// Side g of the token grid.
    pub grid_side: usize,
    /// Tokens N = g², without the class token.
    pub tokens: usize,
}

impl ModelConfig {
    /// The stem of `stem`.
    pub fn stem_kind(&self) -> Result<StemKind> {
        StemKind::from_name(&self.stem)
    }

    /// Strides as given, or the stem's own: [2, 1, 1, 8] for conv stems, [16] for patchify.
    pub fn strides_of(&self, kind: StemKind) -> Vec<usize> {
        match (self.strides.as_slice(), kind.has_convs()) {
            ([], true) => CONV_STRIDES.to_vec(),
            ([], false) => vec![PATCH_STRIDE],
            (given, _) => given.to_vec(),
        }
    }

    /// Kernels as given, or the stem's own: [7, 3, 3, 8] for conv stems, the stride for patchify.
    pub fn kernels_of(&self, kind: StemKind) -> Vec<usize> {
        match (self.stem_kernels.as_slice(), kind.has_convs()) {
            ([], true) => CONV_KERNELS.to_vec(),
            ([], false) => self.strides_of(kind),
            (given, _) => given.to_vec(),
        }
    }

    /// Every convolution of the stem with its padding and map sides, and the token grid.
    pub fn stem_geometry(&self) -> Result<StemGeometry> {
        self.find_stem_geometry().map_err(Fault::into_error)
    }

    pub(super) fn find_stem_geometry(&self) -> Result<StemGeometry, Fault> {
        let kind = StemKind::find(&self.stem)?;
        let (strides, kernels) = (self.strides_of(kind), self.kernels_of(kind));
        check_numbers(kind, STRIDES_KEY, "strides", &strides)?;
        check_numbers(kind, KERNELS_KEY, "kernels", &kernels)?;
        if !kind.has_convs() && kernels != strides {
            let what = format!("patch_embed.proj: kernel {} differs from stride {}", kernels[0], strides[0]);
            let hint = "a patchify stem cuts patches that touch; leave model.stem_kernels empty";
            return Err(Fault::new(KERNELS_KEY, what, hint).with(&[STRIDES_KEY]));
        }
        check_patch(self.image_size, &strides)?;

        let names = if kind.has_convs() { &CONV_NAMES[..] } else { &CONV_NAMES[3..] };
        let mut layers: Vec<ConvLayer> = Vec::with_capacity(names.len());
        for (layer_ix, &name) in names.iter().enumerate() {
            let is_proj = layer_ix + 1 == names.len();
            let (kernel, stride) = (kernels[layer_ix], strides[layer_ix]);
            let in_side = layers.last().map_or(self.image_size, |layer| layer.out_side);
            let padding = padding_of(name, kernel, stride)?;
            layers.push(ConvLayer {
                name,
                in_channels: layers.last().map_or(IMAGE_CHANNELS, |layer| layer.out_channels),
                out_channels: if is_proj { self.dim } else { self.stem_width },
                kernel,
                stride,
                padding,
                in_side,
                out_side: out_side_of(name, in_side, kernel, stride, padding)?,
                bias: is_proj || self.stem_conv_bias,
            });
        }
        let grid_side = layers.last().map_or(self.image_size, |layer| layer.out_side);
        check_grid(self.image_size, &strides, grid_side)?;
        Ok(StemGeometry { kind, layers, grid_side, tokens: grid_side * grid_side })
    }
}

fn check_numbers(kind: StemKind, key: &'static str, noun: &str, given: &[usize]) -> Result<(), Fault> {
    let wanted = kind.num_layers();
    if given.len() != wanted {
        let family = if kind.has_convs() { "a conv stem" } else { "a patchify stem" };
        let what = format!("stem {} is {family} and takes {wanted} {noun}, not {given:?}", kind.name());
        let example = match (noun, kind.has_convs()) {
            (_, false) => "[4]".to_owned(),
            ("strides", true) => format!("{CONV_STRIDES:?}"),
            (_, true) => format!("{CONV_KERNELS:?}"),
        };
        return Err(Fault::new(key, what, format!("for example {key} = {example}")).with(&[STEM_KEY]));
    }
    match given.iter().find(|number| !(1..=MAX_SIDE).contains(*number)) {
        Some(number) => {
            let what = format!("{noun} {given:?}: {number} is not between 1 and {MAX_SIDE}");
            Err(Fault::new(key, what, ""))
        }
        None => Ok(()),
    }
}

/// Largest image side, stride and kernel, pixels.
pub(super) const MAX_SIDE: usize = 8192;

/// Side of the image square one token stands for.
fn patch_side(strides: &[usize]) -> usize {
    strides.iter().fold(1, |side: usize, &stride| side.saturating_mul(stride))
}

fn check_patch(image_size: usize, strides: &[usize]) -> Result<(), Fault> {
    let patch = patch_side(strides);
    if image_size.is_multiple_of(patch) {
        return Ok(());
    }
    let below = image_size / patch * patch;
    let hint = match below {
        0 => format!("try {patch}"),
        _ => format!("try {below} or {}", below + patch),
    };
    let what = format!("image side {image_size} is not a multiple of {patch}, the product of strides {strides:?}");
    Err(Fault::new(IMAGE_KEY, what, hint).with(&[STRIDES_KEY, STEM_KEY]))
}

fn padding_of(layer: &str, kernel: usize, stride: usize) -> Result<usize, Fault> {
    if kernel % 2 == 1 {
        return Ok((kernel - 1) / 2);
    }
    let fault = |problem: &str| {
        let what = format!("{layer}: kernel {kernel} with stride {stride} needs padding ({kernel} − {stride})/2, which is {problem}");
        let hint = format!("kernel {stride} fits stride {stride}; set model.stem_kernels");
        Fault::new(KERNELS_KEY, what, hint).with(&[STRIDES_KEY])
    };
    let twice = kernel.checked_sub(stride).ok_or_else(|| fault("negative"))?;
    if twice % 2 == 1 { Err(fault("not whole")) } else { Ok(twice / 2) }
}

fn out_side_of(layer: &str, side: usize, kernel: usize, stride: usize, padding: usize) -> Result<usize, Fault> {
    match (side + 2 * padding).checked_sub(kernel) {
        Some(room) => Ok(room / stride + 1),
        None => {
            let what = format!("{layer}: kernel {kernel}×{kernel} is larger than its input {side}×{side} with padding {padding}");
            Err(Fault::new(IMAGE_KEY, what, "use a larger image or smaller strides").with(&[KERNELS_KEY, STRIDES_KEY]))
        }
    }
}

fn check_grid(image_size: usize, strides: &[usize], grid_side: usize) -> Result<(), Fault> {
    let wanted = image_size / patch_side(strides);
    if grid_side == wanted {
        return Ok(());
    }
    let what = format!(
        "patch_embed.proj: the token grid comes out {grid_side}×{grid_side}, but strides {strides:?} on an image of \
         {image_size}×{image_size} make {wanted}×{wanted}"
    );
    Err(Fault::new(KERNELS_KEY, what, "use odd kernels, or even ones not under their stride").with(&[STRIDES_KEY]))
}
