//! `vitrine inspect`: everything a full probe sees, of any weights and images.

use std::path::PathBuf;

use super::device::Device;
use super::probe::{ProbeImages, Prober};
use super::session::DeviceChoice;
use super::weights;
use crate::augment::crop::{self, Picture};
use crate::augment::normalise::ChannelStats;
use crate::config::Experiment;
use crate::data;
use crate::data::decode;
use crate::data::loader::Loader;
use crate::data::resize::{self, Origin};
use crate::error::{Error, Result};
use crate::run::probe::ProbeFile;

/// What the verb is given.
#[derive(Clone, Debug)]
pub struct Request {
    /// Model, data, and how many images: numbers are over `probe.images`, maps of the first `probe.maps`.
    pub experiment: Experiment,
    /// State dict with timm's names.
    pub weights: PathBuf,
    /// Pictures to look at; none: the first test images.
    pub pictures: Vec<PathBuf>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// As a probe of a run would have written it; its step is 0.
    pub probe: ProbeFile,
    /// A name for each image shown.
    pub names: Vec<String>,
    /// Images the numbers are over.
    pub num_images: usize,
    /// Name of the device.
    pub device: String,
}

/// Looks.
///
/// Errors: bad weights, data or pictures, no device.
pub async fn run(request: &Request) -> Result<Report> {
    let experiment = &request.experiment;
    let (probed, names) = if request.pictures.is_empty() { test_images(experiment)? } else { pictures(experiment, &request.pictures)? };
    let (device, _) = Device::open(request.device, request.adapter.as_deref()).await?;
    let mut prober = Prober::new(experiment, &device)?;
    let parameters = prober.parameters().clone();
    prober.take(&weights::load(&request.weights, &parameters)?)?;
    let num_shown = if request.pictures.is_empty() { experiment.probe.maps.max(1) } else { names.len() };
    let (cossim, maps) = prober.look(0, &probed, num_shown).await?;
    let names = names[..maps.num_images].to_vec();
    let num_images = probed.labels.len();
    Ok(Report { probe: ProbeFile { cossim, maps: Some(maps) }, names, num_images, device: prober.describe() })
}

/// The first test images of the set.
fn test_images(experiment: &Experiment) -> Result<(ProbeImages, Vec<String>)> {
    let test = data::open(&experiment.data, &experiment.model)?.test;
    let class_names = test.class_names.clone();
    let probed = ProbeImages::of_test(&Loader::evaluation(test, experiment, experiment.probe.images.max(1))?, experiment)?;
    let class = |label: &i64| usize::try_from(*label).ok().and_then(|label| class_names.get(label));
    let name = |(ix, label): (usize, &i64)| format!("test image {}, {}", ix + 1, class(label).map_or("no class", String::as_str));
    let names = probed.labels.iter().enumerate().map(name).collect();
    Ok((probed, names))
}

/// Pictures from files, cut to the model's square as an evaluation would cut photographs.
fn pictures(experiment: &Experiment, paths: &[PathBuf]) -> Result<(ProbeImages, Vec<String>)> {
    let side = experiment.model.image_size;
    // What the model was trained with, if that can be told without its images.
    let own = data::open(&experiment.data, &experiment.model).map_or(ChannelStats::IMAGENET, |split| split.test.stats);
    let stats = ChannelStats::from_config(&experiment.augment, own)?;
    let mut bytes = Vec::with_capacity(paths.len() * side * side * 3);
    let mut square = Picture::default();
    for path in paths {
        let refuse = |what: String| Error::data(path, what, "give JPEG, PNG or WebP files");
        let mut picture = decode::file(path).map_err(refuse)?;
        resize::scale(&mut picture, side, Origin::Photographs).map_err(refuse)?;
        crop::cut(&picture, side, crop::centre(&picture, side), &mut square);
        bytes.extend_from_slice(&square.rgb);
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((ProbeImages { bytes, labels: vec![-1; paths.len()], stats }, paths.iter().map(name).collect()))
}
