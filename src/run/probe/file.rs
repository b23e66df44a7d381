//! Probe files: arrays to content and back, every side checked on the way in.

use std::collections::BTreeMap;
use std::path::Path;

use super::maps::ChannelSums;
use super::theory::{Channel, Spread};
use super::{About, Array, Attention, BINS, Group, Maps, ProbeFile, ScaledRelu, Stage, StageName, Theorem1};
use crate::error::{Error, Result};
use crate::run::tensors::{Numbers, Tensor, Tensors};

/// Sides above this are damage, not data; their products stay within 64 bits.
const MAX_SIDES: usize = 1 << 16;

/// Content of a file.
pub fn to_tensors(probe: &ProbeFile) -> Tensors {
    let mut by_name = BTreeMap::from([("cossim".to_string(), Tensor::floats(&[probe.cossim.len()], probe.cossim.clone()))]);
    let about = probe.maps.as_ref().map(|maps| {
        insert(maps, &mut by_name);
        serde_json::to_string(&about_of(maps)).expect("plain data with text keys")
    });
    Tensors { by_name, about: about.unwrap_or_default() }
}

fn about_of(maps: &Maps) -> About {
    About {
        step: maps.step,
        grid: maps.grid,
        stages: maps.stages.iter().map(|stage| stage.name.clone()).collect(),
        theorem1_weight: maps.theorem1.as_ref().map_or(String::new(), |theorem| theorem.weight.clone()),
        groups: maps.groups.iter().map(|group| group.name.clone()).collect(),
    }
}

fn insert(maps: &Maps, by_name: &mut BTreeMap<String, Tensor>) {
    let mut put = |name: &str, tensor: Tensor| by_name.insert(name.to_string(), tensor);
    let halves = |array: &Array| Tensor::halves(&array.shape, array.values.clone());
    let floats = |array: &Array| Tensor::floats(&array.shape, array.values.clone());
    put("images", Tensor::bytes(&[maps.num_images, maps.side, maps.side, 3], maps.images.clone()));
    put("labels", Tensor::integers(&[maps.num_images], maps.labels.clone()));
    put("filters", halves(&maps.filters));
    put("attention", halves(&maps.attention.weights));
    put("distance", floats(&maps.attention.distance));
    put("entropy", floats(&maps.attention.entropy));
    put("rollout", halves(&maps.attention.rollout));
    put("similarity", halves(&maps.similarity));
    for (ix, stage) in maps.stages.iter().enumerate() {
        put(&format!("stem.{ix}.maps"), halves(&stage.maps));
        put(&format!("stem.{ix}.histogram"), halves(&stage.histogram));
        put(&format!("stem.{ix}.range"), Tensor::floats(&[2], stage.range.to_vec()));
        put(&format!("stem.{ix}.channels"), table(&stage.channels, |c| [c.mean, c.deviation, c.least, c.largest, c.zero_frac]));
        put(&format!("stem.{ix}.bound"), table(&stage.bound, numbers_of_spread));
        if !stage.norm.is_empty() {
            put(&format!("stem.{ix}.norm"), table(&stage.norm, |n| [n.weight, n.bias, n.mean, n.deviation]));
        }
    }
    if let Some(theorem) = &maps.theorem1 {
        put("theorem1", table(&theorem.channels, |c| [c.scale, c.l1, c.penalty, c.balance]));
    }
    if !maps.groups.is_empty() {
        put("groups", table(&maps.groups, |g| [g.weight_norm, g.gradient_norm, g.update_norm]));
    }
}

fn numbers_of_spread(spread: &Spread) -> [f32; 6] {
    [spread.mean, spread.deviation, spread.operator_norm, spread.least_row_norm, spread.cossim, spread.bound]
}

fn table<T, const N: usize>(rows: &[T], numbers: impl Fn(&T) -> [f32; N]) -> Tensor {
    Tensor::floats(&[rows.len(), N], rows.iter().flat_map(numbers).collect())
}

/// A file's content, checked.
pub fn from_tensors(tensors: &Tensors, path: &Path) -> Result<ProbeFile> {
    let file = Reader { tensors, path };
    let [layers] = file.sides("cossim")?;
    let cossim = file.array("cossim", [layers])?.values;
    let maps = if tensors.by_name.contains_key("images") { Some(file.maps(layers)?) } else { None };
    Ok(ProbeFile { cossim, maps })
}

struct Reader<'a> {
    tensors: &'a Tensors,
    path: &'a Path,
}

impl Reader<'_> {
    fn maps(&self, layers: usize) -> Result<Maps> {
        let about: About =
            serde_json::from_str(&self.tensors.about).map_err(|error| self.fault(format!("its metadata cannot be read: {error}")))?;
        let [images, side, ..] = self.sides::<4>("images")?;
        let [_, _, height, width] = self.sides::<4>("filters")?;
        let filters = self.sides::<4>("filters")?[0];
        let [_, blocks, heads, tokens, _] = self.sides::<5>("attention")?;
        let [.., pairs, _] = self.sides::<4>("similarity")?;
        let patches = about.grid.min(MAX_SIDES).pow(2);
        let read_stage = |(ix, name): (usize, &StageName)| self.stage(ix, name.clone(), images);
        Ok(Maps {
            step: about.step,
            num_images: images,
            side,
            images: self.bytes("images", [images, side, side, 3])?,
            labels: self.integers("labels", images)?,
            grid: about.grid,
            filters: self.array("filters", [filters, 3, height, width])?,
            stages: about.stages.iter().enumerate().map(read_stage).collect::<Result<_>>()?,
            attention: Attention {
                weights: self.array("attention", [images, blocks, heads, tokens, tokens])?,
                distance: self.array("distance", [blocks, heads])?,
                entropy: self.array("entropy", [blocks, heads])?,
                rollout: self.array("rollout", [images, patches])?,
            },
            similarity: self.array("similarity", [images, layers, pairs, pairs])?,
            theorem1: self.theorem1(about.theorem1_weight)?,
            groups: self.groups(about.groups)?,
        })
    }

    fn stage(&self, ix: usize, name: StageName, images: usize) -> Result<Stage> {
        let named = |part: &str| format!("stem.{ix}.{part}");
        let [_, shown, height, width] = self.sides(&named("maps"))?;
        let [channels, _] = self.sides(&named("histogram"))?;
        let range = self.array(&named("range"), [2])?.values;
        let norm = named("norm");
        let norm = if self.tensors.by_name.contains_key(&norm) {
            self.rows(&norm, channels, |[weight, bias, mean, deviation]| ScaledRelu { weight, bias, mean, deviation })?
        } else {
            Vec::new()
        };
        Ok(Stage {
            name,
            maps: self.array(&named("maps"), [images, shown, height, width])?,
            channels: self.rows(&named("channels"), channels, |[mean, deviation, least, largest, zero_frac]| ChannelSums {
                mean,
                deviation,
                least,
                largest,
                zero_frac,
            })?,
            histogram: self.array(&named("histogram"), [channels, BINS])?,
            range: [range[0], range[1]],
            norm,
            bound: self.rows(&named("bound"), images, |[mean, deviation, operator_norm, least_row_norm, cossim, bound]| Spread {
                mean,
                deviation,
                operator_norm,
                least_row_norm,
                cossim,
                bound,
            })?,
        })
    }

    fn theorem1(&self, weight: String) -> Result<Option<Theorem1>> {
        if weight.is_empty() {
            return Ok(None);
        }
        let [channels, _] = self.sides("theorem1")?;
        let channels = self.rows("theorem1", channels, |[scale, l1, penalty, balance]| Channel { scale, l1, penalty, balance })?;
        Ok(Some(Theorem1 { weight, channels }))
    }

    fn groups(&self, names: Vec<String>) -> Result<Vec<Group>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let norms = self.rows("groups", names.len(), |norms: [f32; 3]| norms)?;
        let group =
            |(name, [weight_norm, gradient_norm, update_norm]): (String, [f32; 3])| Group { name, weight_norm, gradient_norm, update_norm };
        Ok(names.into_iter().zip(norms).map(group).collect())
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.by_name.get(name).ok_or_else(|| self.fault(format!("it has no {name}")))
    }

    /// The sides of an array that must have `N` of them.
    fn sides<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let shape = &self.tensor(name)?.shape;
        let sides: Option<[usize; N]> = shape.as_slice().try_into().ok();
        match sides {
            Some(sides) if sides.iter().all(|side| *side <= MAX_SIDES) => Ok(sides),
            _ => Err(self.fault(format!("{name} is {shape:?} and should have {N} sides"))),
        }
    }

    /// Fails unless the array has exactly these sides.
    fn check(&self, name: &str, wanted: &[usize]) -> Result<&Numbers> {
        let tensor = self.tensor(name)?;
        if tensor.shape == wanted {
            return Ok(&tensor.numbers);
        }
        Err(self.fault(format!("{name} is {:?} and should be {wanted:?}", tensor.shape)))
    }

    fn array<const N: usize>(&self, name: &str, wanted: [usize; N]) -> Result<Array> {
        match self.check(name, &wanted)? {
            Numbers::F32(values) | Numbers::F16(values) => Ok(Array::new(&wanted, values.clone())),
            Numbers::I64(_) | Numbers::U8(_) => Err(self.fault(format!("{name} holds integers, not floats"))),
        }
    }

    fn rows<T, const N: usize>(&self, name: &str, rows: usize, row: impl Fn([f32; N]) -> T) -> Result<Vec<T>> {
        let values = self.array(name, [rows, N])?.values;
        Ok(values.chunks_exact(N).map(|numbers| row(std::array::from_fn(|ix| numbers[ix]))).collect())
    }

    fn integers(&self, name: &str, wanted: usize) -> Result<Vec<i64>> {
        match self.check(name, &[wanted])? {
            Numbers::I64(values) => Ok(values.clone()),
            _ => Err(self.fault(format!("{name} does not hold integers"))),
        }
    }

    fn bytes(&self, name: &str, wanted: [usize; 4]) -> Result<Vec<u8>> {
        match self.check(name, &wanted)? {
            Numbers::U8(values) => Ok(values.clone()),
            Numbers::I64(values) => {
                let byte = |value: &i64| u8::try_from(*value).map_err(|_| self.fault(format!("{name} holds {value}, which is no byte")));
                values.iter().map(byte).collect()
            }
            _ => Err(self.fault(format!("{name} does not hold bytes"))),
        }
    }

    fn fault(&self, what: String) -> Error {
        Error::file(self.path, what, "it is damaged, or was not written by Vitrine")
    }
}
