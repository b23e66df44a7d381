//! What no experiment may ask for: each rule names the key, the numbers and a way out.

use super::check_images::{DATA_KINDS, check_augment, check_data};
use super::experiment::*;
use super::fault::Fault;
use super::known;
use super::stem::{MAX_SIDE, StemGeometry};
use crate::error::Result;

pub(super) type Check = Result<(), Fault>;

/// Bounds that keep every product of two counts within 64 bits and catch slips of the keyboard.
pub(super) const MAX_COUNT: usize = 1 << 24;
const MAX_WIDTH: usize = 1 << 16;
pub(super) const MAX_DEPTH: usize = 1024;
/// Most images whose maps a probe keeps: files stay small.
const MAX_MAPS: usize = 16;
/// Largest rate, decay or threshold: what an f32 holds.
const MAX_RATE: f64 = f32::MAX as f64;
const MAX_EPOCHS: f64 = 1e6;
/// Largest loss scale: products of gradients with it stay within an f32.
const MAX_LOSS_SCALE: f64 = (1u64 << 40) as f64;

impl Experiment {
    /// Every rule that holds for any use of an experiment, `trace` and `bench` included.
    pub fn check(&self) -> Result<()> {
        self.find_fault().map_err(Fault::into_error)
    }

    /// The rules that hold only where images are needed: a path for sets that are not embedded, and
    /// as many classes as the set has.
    pub fn check_for_training(&self) -> Result<()> {
        self.find_training_fault().map_err(Fault::into_error)
    }

    pub(super) fn find_fault(&self) -> Check {
        check_model(&self.model)?;
        let geometry = self.model.find_stem_geometry()?;
        check_data(&self.data)?;
        check_train(&self.train)?;
        check_augment(&self.augment, &self.model, &self.train)?;
        check_optim(&self.optim, &self.train)?;
        check_schedule(&self.schedule)?;
        check_batch_norm_rows(&self.model, &geometry, &self.train)?;
        check_probe(&self.probe)?;
        check_crash(&self.crash)
    }

    /// Whether the images are neither embedded nor anywhere else yet: `data.path` is empty.
    pub fn lacks_images(&self) -> bool {
        let needs_path = DATA_KINDS.iter().any(|(kind, _, needs_path)| *kind == self.data.kind && *needs_path);
        needs_path && self.data.path.is_empty()
    }

    pub(super) fn find_training_fault(&self) -> Check {
        if self.lacks_images() {
            let what = format!("data.kind \"{}\" is not embedded and data.path is empty", self.data.kind);
            return Err(Fault::new("data.path", what, "give --data-path PATH").with(&["data.kind"]));
        }
        self.find_class_fault()
    }

    pub(super) fn find_class_fault(&self) -> Check {
        let Some((kind, classes, _)) = DATA_KINDS.iter().find(|(kind, ..)| *kind == self.data.kind) else {
            return check_data(&self.data);
        };
        match classes {
            Some(classes) if *classes != self.model.num_classes => {
                let what = format!("{kind} has {classes} classes, the model has {}", self.model.num_classes);
                Err(Fault::new("model.num_classes", what, format!("set model.num_classes={classes}")).with(&["data.kind"]))
            }
            _ => Ok(()),
        }
    }
}

fn check_model(model: &ModelConfig) -> Check {
    one_of("model.arch", &model.arch, &["vit"])?;
    at_least("model.image_size", model.image_size, 1, MAX_SIDE)?;
    at_least("model.num_classes", model.num_classes, 2, MAX_COUNT)?;
    at_least("model.dim", model.dim, 1, MAX_WIDTH)?;
    at_least("model.depth", model.depth, 1, MAX_DEPTH)?;
    at_least("model.heads", model.heads, 1, MAX_WIDTH)?;
    at_least("model.stem_width", model.stem_width, 1, MAX_WIDTH)?;
    if !model.dim.is_multiple_of(model.heads) {
        let what = format!("attention: width {} is not divisible by {} heads", model.dim, model.heads);
        return Err(Fault::new("model.heads", what, nearest_heads(model.dim, model.heads)).with(&["model.dim"]));
    }
    let mlp_width = model.dim as f64 * model.mlp_ratio;
    if !(1.0..=MAX_WIDTH as f64).contains(&mlp_width) {
        let what = format!("feed-forward: width {} × ratio {:?} is not between 1 and {MAX_WIDTH}", model.dim, model.mlp_ratio);
        return Err(Fault::new("model.mlp_ratio", what, "the usual ratio is 4").with(&["model.dim"]));
    }
    one_of("model.stem_activation", &model.stem_activation, &["relu", "gelu"])?;
    one_of("model.ffn", &model.ffn, &["mlp-gelu", "mlp-relu", "conv1d-bn-gelu", "conv1d-gelu"])?;
    below_one("model.drop_path", model.drop_path)
}

/// The divisors of `dim` next to `heads` on either side.
fn nearest_heads(dim: usize, heads: usize) -> String {
    let divides = |count: &usize| dim.is_multiple_of(*count);
    let below = (1..heads.min(dim + 1)).rev().find(divides);
    let above = (heads + 1..=dim).find(divides);
    match (below, above) {
        (Some(below), Some(above)) => format!("try {below} or {above}"),
        (Some(only), None) | (None, Some(only)) => format!("try {only}"),
        (None, None) => String::new(),
    }
}

fn check_train(train: &TrainConfig) -> Check {
    at_least("train.batch", train.batch, 1, MAX_COUNT)?;
    if train.micro_batch > 0 && !train.batch.is_multiple_of(train.micro_batch) {
        let what = format!("micro-batch {} does not divide batch {}", train.micro_batch, train.batch);
        let fitting = (1..=train.micro_batch.min(train.batch)).rev().find(|size| train.batch.is_multiple_of(*size));
        let hint = fitting.map_or_else(String::new, |size| format!("try {size}"));
        return Err(Fault::new("train.micro_batch", what, hint).with(&["train.batch"]));
    }
    if train.seed > i64::MAX as u64 {
        let what = format!("seed {} is over {}, the largest number of TOML", train.seed, i64::MAX);
        return Err(Fault::new("train.seed", what, ""));
    }
    one_of("train.precision", &train.precision, &["f32", "f16"])?;
    if !(1.0..=MAX_LOSS_SCALE).contains(&train.loss_scale) {
        let what = format!("train.loss_scale is {:?}; it must lie between 1 and {MAX_LOSS_SCALE:?}", train.loss_scale);
        return Err(Fault::new("train.loss_scale", what, "the usual one is 65536"));
    }
    at_least("train.loss_scale_every", train.loss_scale_every, 1, MAX_COUNT)?;
    below_one("train.ema", train.ema)?;
    one_of("train.on_crash", &train.on_crash, &["stop", "continue"])?;
    positive("train.eval_every", train.eval_every, MAX_EPOCHS)
}

fn check_optim(optim: &OptimConfig, train: &TrainConfig) -> Check {
    one_of("optim.kind", &optim.kind, &["adamw", "sgd"])?;
    not_negative("optim.lr", optim.lr)?;
    let peak = optim.peak_lr(train.batch);
    if !(0.0..=MAX_RATE).contains(&peak) {
        let what = format!("lr {:?} × batch {} / {} overflows", optim.lr, train.batch, optim.lr_per);
        return Err(Fault::new("optim.lr", what, "").with(&["optim.lr_per", "train.batch"]));
    }
    for beta in optim.betas {
        below_one("optim.betas", beta)?;
    }
    positive("optim.eps", optim.eps, MAX_RATE)?;
    below_one("optim.momentum", optim.momentum)?;
    not_negative("optim.weight_decay", optim.weight_decay)?;
    not_negative("optim.clip_grad", optim.clip_grad)?;
    not_negative("optim.sam_rho", optim.sam_rho)
}

fn check_schedule(schedule: &ScheduleConfig) -> Check {
    one_of("schedule.kind", &schedule.kind, &["deit", "cosine", "constant"])?;
    positive("schedule.epochs", schedule.epochs, MAX_EPOCHS)?;
    not_negative("schedule.warmup_epochs", schedule.warmup_epochs)?;
    not_negative("schedule.warmup_lr", schedule.warmup_lr)?;
    not_negative("schedule.min_lr", schedule.min_lr)
}

/// A variance needs more than one row.
fn check_batch_norm_rows(model: &ModelConfig, stem: &StemGeometry, train: &TrainConfig) -> Check {
    let images = if train.micro_batch > 0 { train.micro_batch } else { train.batch };
    let rows_of = |side: usize| images.saturating_mul(side * side);
    let mut norms: Vec<(String, usize)> = Vec::new();
    if stem.kind.conv_batch_norm() {
        let convs = stem.layers.iter().filter(|layer| layer.name != "patch_embed.proj");
        norms.extend(convs.map(|layer| (format!("the BatchNorm after {}", layer.name), rows_of(layer.out_side))));
    }
    if stem.kind.proj_batch_norm() {
        norms.push(("the BatchNorm after patch_embed.proj".into(), rows_of(stem.grid_side)));
    }
    if model.ffn == "conv1d-bn-gelu" {
        norms.push(("the BatchNorm in blocks.0.mlp".into(), images.saturating_mul(stem.tokens + 1)));
    }
    match norms.into_iter().find(|(_, rows)| *rows < 2) {
        Some((norm, rows)) => {
            let what = format!("{norm} sees {rows} row a channel, and a variance needs at least 2");
            let key = if train.micro_batch > 0 { "train.micro_batch" } else { "train.batch" };
            Err(Fault::new(key, what, "use a larger batch or a smaller patch").with(&["model.strides"]))
        }
        None => Ok(()),
    }
}

fn check_probe(probe: &ProbeConfig) -> Check {
    at_least("probe.images", probe.images, 1, MAX_COUNT)?;
    at_least("probe.maps", probe.maps, 0, MAX_MAPS)?;
    if probe.maps_every == 0 || probe.every > 0 && probe.maps_every.is_multiple_of(probe.every) {
        return Ok(());
    }
    let what = format!("probe.maps_every is {}, no multiple of probe.every, which is {}", probe.maps_every, probe.every);
    Err(Fault::new("probe.maps_every", what, "a probe with maps is also a probe; 0 chooses").with(&["probe.every"]))
}

fn check_crash(crash: &CrashConfig) -> Check {
    at_least("crash.window", crash.window, 2, MAX_COUNT)?;
    at_least("crash.diverged_steps", crash.diverged_steps, 1, MAX_COUNT)?;
    at_least("crash.stuck_steps", crash.stuck_steps, 0, MAX_COUNT)?;
    at_least("crash.snapshot_every", crash.snapshot_every, 0, MAX_COUNT)?;
    at_least("crash.snapshot_mib", crash.snapshot_mib, 0, MAX_COUNT)?;
    for (key, threshold) in [
        ("crash.learned_frac", crash.learned_frac),
        ("crash.diverged_frac", crash.diverged_frac),
        ("crash.diverged_margin", crash.diverged_margin),
        ("crash.collapsed_low", crash.collapsed_low),
        ("crash.stuck_frac", crash.stuck_frac),
        ("crash.spike_mads", crash.spike_mads),
        ("crash.spike_frac", crash.spike_frac),
        ("crash.explosion_ratio", crash.explosion_ratio),
        ("crash.explosion_z", crash.explosion_z),
    ] {
        not_negative(key, threshold)?;
    }
    chance("crash.collapsed_class_frac", crash.collapsed_class_frac)?;
    if (crash.collapsed_low..=MAX_RATE).contains(&crash.collapsed_high) {
        return Ok(());
    }
    let what = format!("the range of a collapsed loss, {:?} to {:?} of ln K, is empty", crash.collapsed_low, crash.collapsed_high);
    Err(Fault::new("crash.collapsed_high", what, "").with(&["crash.collapsed_low"]))
}

pub(super) fn one_of(key: &'static str, value: &str, allowed: &[&str]) -> Check {
    if allowed.contains(&value) {
        return Ok(());
    }
    let list = allowed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let hint = match known::nearest(value, allowed.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("use one of {list}"),
    };
    Err(Fault::new(key, format!("{key} cannot be \"{value}\""), hint))
}

pub(super) fn at_least(key: &'static str, value: usize, least: usize, most: usize) -> Check {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("{key} is {value}; it must lie between {least} and {most}"), ""))
}

pub(super) fn chance(key: &'static str, value: f64) -> Check {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("{key} is {value:?}; a share lies between 0 and 1"), ""))
}

pub(super) fn below_one(key: &'static str, value: f64) -> Check {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("{key} is {value:?}; it must be 0 or more and below 1"), ""))
}

pub(super) fn not_negative(key: &'static str, value: f64) -> Check {
    if (0.0..=MAX_RATE).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(key, format!("{key} is {value:?}; it must lie between 0 and {MAX_RATE:?}"), ""))
}

fn positive(key: &'static str, value: f64, most: f64) -> Check {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(Fault::new(key, format!("{key} is {value:?}; it must be above 0 and at most {most:?}"), ""))
}
