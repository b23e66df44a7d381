//! What no experiment may ask of its images: sets, crops, distortions, mixing, statistics.

use super::check::{Check, MAX_COUNT, MAX_DEPTH, at_least, below_one, chance, not_negative, one_of};
use super::experiment::*;
use super::fault::Fault;
use super::rand_augment::RandAugmentSpec;
use super::stem::IMAGE_CHANNELS;

/// Image sets that can be named in `data.kind`, with their classes (`None`: not known beforehand)
/// and whether they need `data.path`.
pub const DATA_KINDS: [(&str, Option<usize>, bool); 7] = [
    ("fashion-mnist", Some(10), false),
    ("mnist", Some(10), true),
    ("cifar10", Some(10), true),
    ("cifar100", Some(100), true),
    ("folder", None, true),
    ("market1501", None, true),
    ("random", None, false),
];

/// `[data]`.
pub fn check_data(data: &DataConfig) -> Check {
    one_of("data.kind", &data.kind, &DATA_KINDS.map(|(kind, ..)| kind))?;
    at_least("data.workers", data.workers, 0, MAX_DEPTH)?;
    if data.fraction > 0.0 && data.fraction <= 1.0 {
        return Ok(());
    }
    let what = format!("data.fraction is {:?}; a share of the images is above 0 and at most 1", data.fraction);
    Err(Fault::new("data.fraction", what, ""))
}

/// `[augment]`, and what it asks of the batch.
pub fn check_augment(augment: &AugmentConfig, model: &ModelConfig, train: &TrainConfig) -> Check {
    check_crops(augment, model)?;
    chance("augment.hflip", augment.hflip)?;
    not_negative("augment.mixup", augment.mixup)?;
    not_negative("augment.cutmix", augment.cutmix)?;
    RandAugmentSpec::parse(&augment.rand_augment).map_err(|what| Fault::new("augment.rand_augment", what, ""))?;
    chance("augment.color_jitter", augment.color_jitter)?;
    chance("augment.random_erasing", augment.random_erasing)?;
    chance("augment.mixup_prob", augment.mixup_prob)?;
    chance("augment.mixup_switch_prob", augment.mixup_switch_prob)?;
    at_least("augment.repeats", augment.repeats, 1, MAX_COUNT)?;
    below_one("augment.label_smoothing", augment.label_smoothing)?;
    check_pairs(augment, train)?;
    check_channels("augment.mean", &augment.mean, 0.0)?;
    check_channels("augment.std", &augment.std, f64::MIN_POSITIVE)?;
    if augment.mean.is_empty() != augment.std.is_empty() {
        let what = format!("mean {:?} and std {:?} go together", augment.mean, augment.std);
        return Err(Fault::new("augment.mean", what, "give both or neither").with(&["augment.std"]));
    }
    Ok(())
}

/// One kind of crop at a time, and shares that are some.
fn check_crops(augment: &AugmentConfig, model: &ModelConfig) -> Check {
    const KEY: &str = "augment.random_resized_crop";
    at_least("augment.pad_crop", augment.pad_crop, 0, model.image_size)?;
    match augment.random_resized_crop[..] {
        [] => return Ok(()),
        [least, most] if 0.0 < least && least <= most && most <= 1.0 => {}
        _ => {
            let what = format!("{KEY} {:?} is not the least and the most share of the area", augment.random_resized_crop);
            return Err(Fault::new(KEY, what, "use [0.08, 1.0], or [] for none"));
        }
    }
    if augment.pad_crop > 0 {
        let what = format!("{KEY} and augment.pad_crop {} both move the picture", augment.pad_crop);
        return Err(Fault::new(KEY, what, "use augment.pad_crop=0, or augment.random_resized_crop=[]").with(&["augment.pad_crop"]));
    }
    Ok(())
}

/// Mixing takes images in pairs.
fn check_pairs(augment: &AugmentConfig, train: &TrainConfig) -> Check {
    for (key, alpha) in [("augment.mixup", augment.mixup), ("augment.cutmix", augment.cutmix)] {
        // A micro-batch is mixed with its own mirror image, so its size decides.
        let (size_key, size) = match train.micro_batch {
            0 => ("train.batch", train.batch),
            micro_batch => ("train.micro_batch", micro_batch),
        };
        if alpha > 0.0 && !size.is_multiple_of(2) {
            let what = format!("{key} mixes images in pairs, and {size_key} {size} is odd");
            return Err(Fault::new(size_key, what, format!("use an even size, or {key}=0")).with(&[key]));
        }
    }
    Ok(())
}

fn check_channels(key: &'static str, values: &[f64], least: f64) -> Check {
    if !values.is_empty() && values.len() != IMAGE_CHANNELS {
        let what = format!("{key} {values:?} has {} numbers; images have {IMAGE_CHANNELS} channels", values.len());
        return Err(Fault::new(key, what, "repeat the number for a grey set"));
    }
    match values.iter().find(|value| !(least..=1.0).contains(*value)) {
        Some(value) => {
            let what = format!("{key} {values:?}: {value:?} is not in the range of pixels");
            Err(Fault::new(key, what, "pixels run from 0 to 1"))
        }
        None => Ok(()),
    }
}
