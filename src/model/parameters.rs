//! Parameters by name, and where they lie.
//!
//! A model is written once, as a function that asks [`Weights`] for its parameters. The first time
//! it runs, the requests are collected and laid out: decayed parameters first, so that the update
//! rules are flat kernels over one vector. After that the same function gets leaves at the final
//! offsets.

use std::collections::BTreeMap;

use super::init::Init;
use crate::error::{Error, Result};
use crate::graph::{Graph, Place, Region, Shape, Value};

/// Parameters start at multiples of this many words: 256 bytes, the least alignment WebGPU
/// promises for a storage binding.
pub const ALIGN: usize = 64;

/// How the device's order of elements relates to PyTorch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Same,
    /// Convolution: [out, kh, kw, in] here, [out, in, kh, kw] in PyTorch.
    Conv,
}

/// One named array of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// timm's name: `blocks.0.attn.qkv.weight`.
    pub name: String,
    /// Shape in PyTorch's order.
    pub shape: Shape,
    /// Order of the elements on the device.
    pub order: Order,
    /// How it begins.
    pub init: Init,
    /// Trained (or: a running statistic).
    pub trained: bool,
    /// Whether weight decay applies.
    pub decayed: bool,
    /// First word in its region.
    pub offset: usize,
}

impl Parameter {
    /// The device's words in PyTorch's order.
    pub fn to_torch(&self, words: &[f32]) -> Vec<f32> {
        self.reordered(words, |torch, device| (torch, device))
    }

    /// PyTorch's words in the device's order.
    pub fn from_torch(&self, words: &[f32]) -> Vec<f32> {
        self.reordered(words, |torch, device| (device, torch))
    }

    /// The part of the model it belongs to: `patch_embed`, `blocks.3.attn`, `head`.
    pub fn group(&self) -> String {
        let parts: Vec<&str> = self.name.split('.').collect();
        let len = if parts[0] == "blocks" { 3 } else { 1 };
        parts[..len.min(parts.len())].join(".")
    }

    fn reordered(&self, words: &[f32], to_and_from: fn(usize, usize) -> (usize, usize)) -> Vec<f32> {
        let [out, channels, height, width] = match (&self.order, self.shape.sides()) {
            (Order::Conv, &[out, channels, height, width]) => [out, channels, height, width],
            _ => return words.to_vec(),
        };
        let mut result = vec![0.0; words.len()];
        let mut torch = 0;
        for o in 0..out {
            for c in 0..channels {
                for y in 0..height {
                    for x in 0..width {
                        let device = ((o * height + y) * width + x) * channels + c;
                        let (to, from) = to_and_from(torch, device);
                        result[to] = words[from];
                        torch += 1;
                    }
                }
            }
        }
        result
    }
}

/// Every parameter and running statistic of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Trained ones in the order the model asks for them; offsets in [`Region::Params`].
    pub trained: Vec<Parameter>,
    /// Running statistics; offsets in [`Region::Stats`].
    pub stats: Vec<Parameter>,
    /// Words of [`Region::Params`] that are decayed; they come first.
    pub decayed_len: usize,
    /// Words of [`Region::Params`].
    pub len: usize,
    /// Words of [`Region::Stats`].
    pub stats_len: usize,
}

impl Parameters {
    /// Runs `build` once to collect what it asks for, and lays it out.
    pub fn collect(build: impl FnOnce(&mut Graph, &mut Weights) -> Result<()>) -> Result<Self> {
        let mut weights = Weights { asked: Some(Vec::new()), ..Weights::default() };
        build(&mut Graph::new(), &mut weights)?;
        let mut parameters = Self::default();
        for parameter in weights.asked.take().unwrap_or_default() {
            if parameter.trained { &mut parameters.trained } else { &mut parameters.stats }.push(parameter);
        }
        let place = |offset: &mut usize, parameter: &mut Parameter| {
            parameter.offset = *offset;
            *offset += parameter.shape.len().next_multiple_of(ALIGN);
        };
        for decayed in [true, false] {
            for parameter in parameters.trained.iter_mut().filter(|parameter| parameter.decayed == decayed) {
                place(&mut parameters.len, parameter);
            }
            if decayed {
                parameters.decayed_len = parameters.len;
            }
        }
        parameters.stats.iter_mut().for_each(|parameter| place(&mut parameters.stats_len, parameter));
        Ok(parameters)
    }

    /// Trainable numbers.
    pub fn count(&self) -> usize {
        self.trained.iter().map(|parameter| parameter.shape.len()).sum()
    }

    /// Trained parameters, then statistics.
    pub fn all(&self) -> impl Iterator<Item = &Parameter> {
        self.trained.iter().chain(&self.stats)
    }

    /// Weights for building graphs on these parameters.
    pub fn weights(&self) -> Weights {
        let by_name = self.all().map(|parameter| (parameter.name.clone(), (parameter.offset, parameter.trained))).collect();
        Weights { asked: None, by_name, leaves: Vec::new() }
    }

    /// Parameter that holds word `offset` of [`Region::Params`].
    pub fn at(&self, offset: usize) -> Option<&Parameter> {
        self.trained.iter().find(|parameter| (parameter.offset..parameter.offset + parameter.shape.len()).contains(&offset))
    }
}

/// Which copy of the parameters a state dict holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The trained ones.
    #[default]
    Trained,
    /// Their running average.
    Averaged,
}

/// What a model asks for its parameters.
#[derive(Debug, Default)]
pub struct Weights {
    asked: Option<Vec<Parameter>>,
    by_name: BTreeMap<String, (usize, bool)>,
    /// Trained parameters in use: (offset in [`Region::Params`], leaf).
    pub leaves: Vec<(usize, Value)>,
}

impl Weights {
    /// A matrix or vector that is trained; 1-D ones are not decayed.
    pub fn trained(&mut self, graph: &mut Graph, name: &str, shape: &[usize], init: Init) -> Result<Value> {
        let decayed = shape.len() > 1 && !name.ends_with(".bias") && !matches!(name, "pos_embed" | "cls_token");
        self.ask(graph, Asked { name, shape, device_shape: shape.to_vec(), order: Order::Same, init, trained: true, decayed })
    }

    /// A convolution's weight [out, in, k, k]; the leaf is [out, k, k, in].
    pub fn conv(&mut self, graph: &mut Graph, name: &str, [out, channels, kernel]: [usize; 3]) -> Result<Value> {
        let init = Init::fan_in(channels * kernel * kernel);
        let device_shape = vec![out, kernel, kernel, channels];
        let shape = &[out, channels, kernel, kernel];
        self.ask(graph, Asked { name, shape, device_shape, order: Order::Conv, init, trained: true, decayed: true })
    }

    /// A running statistic.
    pub fn statistic(&mut self, graph: &mut Graph, name: &str, len: usize, init: Init) -> Result<Value> {
        let asked = Asked { name, shape: &[len], device_shape: vec![len], order: Order::Same, init, trained: false, decayed: false };
        self.ask(graph, asked)
    }

    fn ask(&mut self, graph: &mut Graph, asked: Asked<'_>) -> Result<Value> {
        let region = if asked.trained { Region::Params } else { Region::Stats };
        let offset = match &mut self.asked {
            Some(list) => {
                list.push(Parameter {
                    name: asked.name.to_string(),
                    shape: Shape::new(asked.shape),
                    order: asked.order,
                    init: asked.init,
                    trained: asked.trained,
                    decayed: asked.decayed,
                    offset: 0,
                });
                0
            }
            None => self.by_name.get(asked.name).ok_or_else(|| Error::Internal(format!("no parameter {}", asked.name)))?.0,
        };
        let leaf = graph.leaf(Place::new(region, offset), Shape::new(&asked.device_shape));
        if asked.trained {
            self.leaves.push((offset, leaf));
        }
        Ok(leaf)
    }
}

struct Asked<'a> {
    name: &'a str,
    shape: &'a [usize],
    device_shape: Vec<usize>,
    order: Order,
    init: Init,
    trained: bool,
    decayed: bool,
}
