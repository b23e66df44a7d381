//! The summary of a look.

use std::path::Path;

use serde::Serialize;
use vitrine::run::number::{self, short};
use vitrine::run::probe::theory::Spread;
use vitrine::run::probe::{Maps, Stage};
use vitrine::train::inspect::{Report, Request};

use super::tables::layer_name;

/// As JSON and as text.
#[derive(Serialize)]
pub struct Summary {
    weights: String,
    device: String,
    stem: String,
    images: usize,
    shown: Vec<String>,
    /// Mean similarity by layer.
    #[serde(with = "number::list")]
    cossim: Vec<f64>,
    stages: Vec<StageSummary>,
    theorem1: Option<Theorem1Summary>,
    attention: Vec<BlockSummary>,
    out: String,
    files: Vec<String>,
}

#[derive(Serialize)]
struct StageSummary {
    layer: String,
    kind: &'static str,
    channels: usize,
    /// Channels of a ReLU that are nowhere above 0.
    dead: Vec<usize>,
    /// Means over the images shown.
    #[serde(with = "number")]
    cossim: f64,
    #[serde(with = "number")]
    bound: f64,
    #[serde(with = "number")]
    operator_norm: f64,
    #[serde(with = "number")]
    least_row_norm: f64,
}

#[derive(Serialize)]
struct Theorem1Summary {
    weight: String,
    channels: usize,
    /// Σ of the channels' penalties at λ = 1.
    #[serde(with = "number")]
    penalty: f64,
    /// Weight decay of the config, λ.
    #[serde(with = "number")]
    weight_decay: f64,
}

#[derive(Serialize)]
struct BlockSummary {
    #[serde(with = "number")]
    distance_pixels: f64,
    #[serde(with = "number")]
    entropy_nats: f64,
}

impl Summary {
    /// Of a finished look.
    pub fn new(request: &Request, report: &Report, out: &Path, files: Vec<String>) -> Self {
        let maps = report.probe.maps.as_ref();
        Self {
            weights: request.weights.display().to_string(),
            device: report.device.clone(),
            stem: request.experiment.model.stem.clone(),
            images: report.num_images,
            shown: report.names.clone(),
            cossim: report.probe.cossim.iter().map(|value| f64::from(*value)).collect(),
            stages: maps.map_or_else(Vec::new, |maps| maps.stages.iter().map(StageSummary::of).collect()),
            theorem1: maps.and_then(|maps| Theorem1Summary::of(maps, request.experiment.optim.weight_decay)),
            attention: maps.map_or_else(Vec::new, blocks),
            out: out.display().to_string(),
            files,
        }
    }

    /// For the terminal.
    pub fn text(&self) -> String {
        let shown = if self.shown.len() == self.images { String::new() } else { format!(", {} of them shown", self.shown.len()) };
        let mut rows = vec![
            ("weights", self.weights.clone()),
            ("device", self.device.clone()),
            ("images", format!("{}{shown}", self.images)),
            ("stem", self.stem.clone()),
        ];
        rows.extend(self.stages.iter().map(|stage| ("", stage.text())));
        rows.extend(self.theorem1.iter().map(|theorem| ("theorem 1", theorem.text())));
        let layers = self.cossim.iter().enumerate().map(|(ix, value)| format!("{} {}", layer_name(ix), short(*value)));
        rows.push(("similarity", layers.collect::<Vec<_>>().join(" · ")));
        rows.extend(self.attention.iter().enumerate().map(|(ix, block)| (if ix == 0 { "attention" } else { "" }, block.text(ix))));
        rows.push(("written", format!("{} files to {}; open index.html in a browser", self.files.len(), self.out)));
        rows.iter().map(|(title, row)| format!("{title:<12}{row}\n")).collect()
    }
}

impl StageSummary {
    fn of(stage: &Stage) -> Self {
        let mean =
            |of: fn(&Spread) -> f32| stage.bound.iter().map(|spread| f64::from(of(spread))).sum::<f64>() / stage.bound.len().max(1) as f64;
        Self {
            layer: stage.name.layer.clone(),
            kind: stage.name.kind.name(),
            channels: stage.channels.len(),
            dead: stage.dead_channels(),
            cossim: mean(|spread| spread.cossim),
            bound: mean(|spread| spread.bound),
            operator_norm: mean(|spread| spread.operator_norm),
            least_row_norm: mean(|spread| spread.least_row_norm),
        }
    }

    fn text(&self) -> String {
        let dead = if self.kind == "ReLU" { format!(", {} of {} channels dead", self.dead.len(), self.channels) } else { String::new() };
        format!("{:<20}{:<5} similarity {}, bound {}{dead}", self.layer, self.kind, short(self.cossim), short(self.bound))
    }
}

impl Theorem1Summary {
    fn of(maps: &Maps, weight_decay: f64) -> Option<Self> {
        let theorem = maps.theorem1.as_ref()?;
        let penalty = theorem.channels.iter().map(|channel| f64::from(channel.penalty)).sum();
        Some(Self { weight: theorem.weight.clone(), channels: theorem.channels.len(), penalty, weight_decay })
    }

    fn text(&self) -> String {
        let (penalty, decay) = (short(self.penalty), short(self.weight_decay));
        format!("penalty {penalty} × λ ({decay} in the config) over {} channels of {}", self.channels, self.weight)
    }
}

fn blocks(maps: &Maps) -> Vec<BlockSummary> {
    let heads = maps.attention.distance.shape[1].max(1);
    let mean = |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    let rows = maps.attention.distance.values.chunks_exact(heads).zip(maps.attention.entropy.values.chunks_exact(heads));
    rows.map(|(distance, entropy)| BlockSummary { distance_pixels: mean(distance), entropy_nats: mean(entropy) }).collect()
}

impl BlockSummary {
    fn text(&self, ix: usize) -> String {
        format!("block {ix}: distance {} pixels, entropy {} nats", short(self.distance_pixels), short(self.entropy_nats))
    }
}
