//! Which candidate of a tuned kernel is fastest on this adapter: timed once a size, kept in a file.
//!
//! The file belongs to one adapter, driver and version of this crate. It is only a cache: one that
//! is damaged or cannot be written costs time, never a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::device::Gpu;
use super::machine::GpuMachine;
use crate::error::Result;
use crate::graph::graph::Node;
use crate::graph::launch::Tier;
use crate::graph::machine::Machine;
use crate::graph::plan::Plan;
use crate::graph::{Graph, Op, Place, Region, Scalars, Shape};
use crate::platform::{files, write_atomically};

/// Timed runs of a candidate after one that warms up; the fastest counts.
const RUNS: usize = 3;

/// What the cache file holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Cache {
    device: String,
    choices: BTreeMap<String, usize>,
}

/// Where choices are kept: `$XDG_CACHE_HOME/vitrine` or `~/.cache/vitrine`; none without a home.
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("vitrine"))
}

/// Finds the fastest candidate of every tuned op in `graphs`, from the file in `cache_dir` or by
/// timing it, and lets machines made from now on use them. Only [`Tier::Tiled`] has candidates.
pub async fn tune<'a>(gpu: &Gpu, graphs: impl IntoIterator<Item = &'a Graph>, cache_dir: Option<&Path>) -> Result<BTreeMap<String, usize>> {
    let device = device_key(gpu);
    let path = cache_dir.map(|dir| dir.join(file_name(&device)));
    let mut cache = path.as_deref().and_then(|path| read(path, &device)).unwrap_or_default();
    cache.device = device;
    let mut wanted = BTreeMap::new();
    let mut has_timed = false;
    for graph in graphs {
        for node in &graph.nodes {
            let Some((key, count)) = node.op.candidates() else { continue };
            if wanted.contains_key(&key) {
                continue;
            }
            let known = cache.choices.get(&key).copied().filter(|choice| *choice < count);
            let choice = match known {
                Some(choice) => choice,
                None => {
                    has_timed = true;
                    fastest(gpu, graph, node, &key, count).await?
                }
            };
            wanted.insert(key, choice);
        }
    }
    cache.choices.extend(wanted.clone());
    if let Some(path) = path.filter(|_| has_timed) {
        write(&path, &cache);
    }
    gpu.set_choices(wanted.clone());
    Ok(wanted)
}

/// Adapter, driver and crate version: what a choice depends on.
fn device_key(gpu: &Gpu) -> String {
    let wgpu::AdapterInfo { name, backend, driver, driver_info, .. } = &gpu.info;
    format!("{name}, {backend}, {driver} {driver_info}, vitrine {}", env!("CARGO_PKG_VERSION"))
}

fn file_name(device: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter.to_ascii_lowercase() } else { '-' };
    format!("tiles-{}.json", device.chars().map(plain).collect::<String>())
}

/// The cache, unless it is missing, damaged or another device's.
fn read(path: &Path, device: &str) -> Option<Cache> {
    let bytes = files::read(path).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|cache: &Cache| cache.device == device)
}

/// Writes the cache if it can be written; it will be timed again otherwise.
fn write(path: &Path, cache: &Cache) {
    let text = serde_json::to_string_pretty(cache).expect("strings and numbers can be written as JSON");
    let dir = path.parent().unwrap_or(Path::new("."));
    if files::create_dir_all(dir).is_ok() {
        // A full disk or a read-only home: only the next start is slower.
        let _ = write_atomically(path, text.as_bytes());
    }
}

async fn fastest(gpu: &Gpu, graph: &Graph, node: &Node, key: &str, count: usize) -> Result<usize> {
    let shapes: Vec<Shape> = node.inputs.iter().map(|input| graph.shape(*input).clone()).collect();
    let mut best = (f64::INFINITY, 0);
    for candidate in 0..count {
        let millis = time(gpu, &node.op, &shapes, (key, candidate)).await?;
        if millis < best.0 {
            best = (millis, candidate);
        }
    }
    Ok(best.1)
}

/// Milliseconds of one run of `op` alone.
async fn time(gpu: &Gpu, op: &Arc<dyn Op>, shapes: &[Shape], (key, candidate): (&str, usize)) -> Result<f64> {
    // Each array has a region of its own, as long as it is in training and no longer.
    let mut graph = Graph::new();
    let mut free = Region::ALL.into_iter();
    let mut regions = Vec::new();
    let mut take = |len: usize| {
        let region = free.next().expect("there are more regions than ports");
        regions.push((region, len));
        Place::new(region, 0)
    };
    let inputs: Vec<_> = shapes.iter().map(|shape| graph.leaf(take(shape.len()), shape.clone())).collect();
    let output = graph.push_shared(op.clone(), &inputs)?[0];
    let place = take(graph.shape(output).len());
    graph.store(output, place);
    let mut machine = GpuMachine::new(gpu, &regions, Some(Tier::Tiled))?;
    let mut layout = machine.layout();
    if let Some(target) = &mut layout.target {
        target.choices.insert(key.to_string(), candidate);
    }
    let plan = machine.load(Plan::new("tune", &graph, &layout)?)?;
    let mut best = f64::INFINITY;
    for run in 0..=RUNS {
        let millis = machine.profile(plan, &Scalars::default()).await?.iter().map(|timing| timing.millis).sum();
        if run > 0 {
            best = f64::min(best, millis);
        }
    }
    Ok(best)
}
