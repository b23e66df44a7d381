//! The plan: a graph after fusion, with every value on its bytes and every launch prepared.
//!
//! A plan is data. It states its memory before anything is allocated, prints as text, and after it
//! is made a step allocates nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::fuse::fuse;
use super::graph::{Graph, Node, Source, Value};
use super::launch::{Dispatch, Ports, Slot, Target};
use super::memory::{Packer, Span};
use super::op::{Cost, Op};
use super::place::{Place, Region};
use super::precision;
use super::shape::Shape;
use crate::error::{Error, Result};

/// A buffer a plan works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buffer {
    /// Temporary values.
    Arena(usize),
    /// Persistent values.
    Region(Region),
}

/// Where a value lies, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loc {
    /// The buffer.
    pub buffer: Buffer,
    /// First word.
    pub offset: usize,
    /// Words.
    pub len: usize,
    /// Whether it holds numbers in f16: two a word on a GPU; on the processor one a word, rounded.
    pub half: bool,
}

/// One op on its bytes.
#[derive(Clone, Debug)]
pub struct Step {
    /// The (fused) op.
    pub op: Arc<dyn Op>,
    /// Where in the model.
    pub label: String,
    /// Inputs by port.
    pub inputs: Vec<Loc>,
    /// Outputs by port.
    pub outputs: Vec<Loc>,
    /// Shapes of the outputs.
    pub shapes: Vec<Shape>,
    /// Scratch of the launches (GPU only).
    pub scratch: Vec<Loc>,
    /// Launches (GPU only).
    pub dispatches: Vec<Dispatch>,
}

/// What a plan is made for.
#[derive(Clone, Debug)]
pub struct Layout {
    /// GPU kernels to launch; none: the processor.
    pub target: Option<Target>,
    /// Alignment of values, in words.
    pub align: usize,
    /// Largest buffer, in words.
    pub max_buffer_len: usize,
    /// Largest binding, in words.
    pub max_binding_len: usize,
}

impl Layout {
    /// Layout of the processor: one arena, cache-line alignment, no limits.
    pub fn processor() -> Self {
        Self { target: None, align: 16, max_buffer_len: usize::MAX, max_binding_len: usize::MAX }
    }
}

/// Everything an executor needs to run one graph.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For messages and labels.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
    /// Length of each arena, in words.
    pub arenas: Vec<usize>,
}

impl Plan {
    /// Fuses `graph` and lays it out.
    pub fn new(name: &str, graph: &Graph, layout: &Layout) -> Result<Self> {
        let mut fused = fuse(graph);
        precision::assign(&mut fused);
        Planner::new(fused, layout)?.run(name)
    }

    /// Sum of the ops' floors.
    pub fn cost(&self) -> Cost {
        self.steps.iter().fold(Cost::default(), |sum, step| {
            let cost = step.op.cost();
            Cost { flops: sum.flops + cost.flops, bytes: sum.bytes + cost.bytes }
        })
    }

    /// Bytes of all arenas.
    pub fn arena_bytes(&self) -> usize {
        self.arenas.iter().sum::<usize>() * 4
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = self.cost();
        writeln!(
            f,
            "plan {}: {} steps, {:.3} GFLOP, arenas {:?} words ({:.2} MB)",
            self.name,
            self.steps.len(),
            cost.flops / 1e9,
            self.arenas,
            self.arena_bytes() as f64 / 1e6
        )?;
        for (ix, step) in self.steps.iter().enumerate() {
            let list = |locs: &[Loc]| locs.iter().map(Loc::to_string).collect::<Vec<_>>().join(" ");
            writeln!(f, "{ix:4} {:28} {:32} {} -> {}", step.label, step.op.name(), list(&step.inputs), list(&step.outputs))?;
        }
        Ok(())
    }
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.buffer {
            Buffer::Arena(arena) => write!(f, "a{arena}[{}+{}]", self.offset, self.len)?,
            Buffer::Region(region) => write!(f, "{region:?}[{}+{}]", self.offset, self.len)?,
        }
        if self.half { write!(f, "h") } else { Ok(()) }
    }
}

struct Planner<'a> {
    graph: Graph,
    layout: &'a Layout,
    packer: Packer,
    locs: BTreeMap<Value, Loc>,
    spans: BTreeMap<Value, Span>,
    last_use: BTreeMap<Value, usize>,
    /// What the launches are for; its halves change from op to op.
    target: Option<Target>,
}

impl<'a> Planner<'a> {
    fn new(graph: Graph, layout: &'a Layout) -> Result<Self> {
        let mut locs = BTreeMap::new();
        for (ix, info) in graph.values.iter().enumerate() {
            if let Source::Leaf(place) = info.source {
                locs.insert(Value(ix), region_loc(place, &info.shape));
            }
        }
        for (value, place) in &graph.stores {
            let loc = region_loc(*place, graph.shape(*value));
            if locs.insert(*value, loc).is_some() {
                return Err(Error::Internal(format!("a value is stored twice, or is a leaf: {loc}")));
            }
        }
        let mut last_use = BTreeMap::new();
        for (ix, node) in graph.nodes.iter().enumerate() {
            for value in node.inputs.iter().chain(&node.outputs) {
                last_use.insert(*value, ix);
            }
        }
        // What an op changes in place lives as long as the result, which is the same memory.
        for node in graph.nodes.iter().rev() {
            for (output, input) in node.op.in_place() {
                let last = last_use[&node.inputs[*input]].max(last_use[&node.outputs[*output]]);
                last_use.insert(node.inputs[*input], last);
            }
        }
        let packer = Packer::new(layout.align, layout.max_buffer_len);
        Ok(Self { graph, layout, packer, locs, spans: BTreeMap::new(), last_use, target: layout.target.clone() })
    }

    fn run(mut self, name: &str) -> Result<Plan> {
        let mut steps = Vec::with_capacity(self.graph.nodes.len());
        for node_ix in 0..self.graph.nodes.len() {
            steps.push(self.place_node(node_ix)?);
        }
        Ok(Plan { name: name.to_string(), steps, arenas: self.packer.arena_lens() })
    }

    fn place_node(&mut self, node_ix: usize) -> Result<Step> {
        let node = self.graph.nodes[node_ix].clone();
        let halves = self.halves(&node);
        let launch = self.target.as_mut().map(|target| {
            target.halves = halves;
            node.op.launch(target)
        });
        let launch = launch.unwrap_or_default();
        let conflicts = conflicts(&launch.dispatches);
        for (output, input) in node.op.in_place() {
            let loc = self.locs[&node.inputs[*input]];
            self.locs.insert(node.outputs[*output], loc);
        }
        let mut placed: Vec<(Slot, Loc)> = Vec::new();
        for (port, value) in node.inputs.iter().enumerate() {
            placed.push((Slot::In(port), self.locs[value]));
        }
        for (port, value) in node.outputs.iter().enumerate() {
            if let Some(loc) = self.locs.get(value) {
                placed.push((Slot::Out(port), *loc));
            }
        }
        for (port, value) in node.outputs.iter().enumerate() {
            if self.locs.contains_key(value) {
                continue;
            }
            let (len, half) = (self.words_of(*value), self.graph.values[value.0].half);
            let (span, loc) = self.allocate(Slot::Out(port), len, &placed, &conflicts);
            let loc = Loc { half, ..loc };
            self.spans.insert(*value, span);
            self.locs.insert(*value, loc);
            placed.push((Slot::Out(port), loc));
        }
        let mut scratch = Vec::new();
        let mut scratch_spans = Vec::new();
        for (ix, len) in launch.scratch.iter().enumerate() {
            let (span, loc) = self.allocate(Slot::Scratch(ix), *len, &placed, &conflicts);
            placed.push((Slot::Scratch(ix), loc));
            scratch.push(loc);
            scratch_spans.push(span);
        }
        self.check(&node.op, &placed, &conflicts)?;
        scratch_spans.into_iter().for_each(|span| self.packer.free(span));
        for value in node.inputs.iter().chain(&node.outputs) {
            if self.last_use[value] == node_ix
                && let Some(span) = self.spans.remove(value)
            {
                self.packer.free(span);
            }
        }
        Ok(Step {
            inputs: node.inputs.iter().map(|value| self.locs[value]).collect(),
            outputs: node.outputs.iter().map(|value| self.locs[value]).collect(),
            shapes: node.outputs.iter().map(|value| self.graph.shape(*value).clone()).collect(),
            op: node.op,
            label: node.label,
            scratch,
            dispatches: launch.dispatches,
        })
    }

    /// The ports of a node whose values are in f16.
    fn halves(&self, node: &Node) -> Ports {
        let ports = |values: &[Value]| -> Vec<usize> {
            values.iter().enumerate().filter(|(_, value)| self.graph.values[value.0].half).map(|(port, _)| port).collect()
        };
        Ports::new(&ports(&node.inputs), &ports(&node.outputs))
    }

    /// Words that a value takes: the processor keeps numbers in f16 one a word.
    fn words_of(&self, value: Value) -> usize {
        let len = self.graph.shape(value).len();
        if self.graph.values[value.0].half && self.target.is_some() { len.div_ceil(2) } else { len }
    }

    fn allocate(&mut self, slot: Slot, len: usize, placed: &[(Slot, Loc)], conflicts: &[(Slot, Slot)]) -> (Span, Loc) {
        let forbidden: Vec<usize> = placed
            .iter()
            .filter(|(other, _)| conflicts.contains(&(slot, *other)) || conflicts.contains(&(*other, slot)))
            .filter_map(|(_, loc)| match loc.buffer {
                Buffer::Arena(arena) => Some(arena),
                Buffer::Region(_) => None,
            })
            .collect();
        let span = self.packer.allocate(len, &forbidden);
        (span, Loc { buffer: Buffer::Arena(span.arena), offset: span.offset, len, half: false })
    }

    /// No buffer read and written in one dispatch, and no binding over the limit.
    fn check(&self, op: &Arc<dyn Op>, placed: &[(Slot, Loc)], conflicts: &[(Slot, Slot)]) -> Result<()> {
        let find = |slot: Slot| placed.iter().find(|(other, _)| *other == slot).map(|(_, loc)| *loc);
        for (read, write) in conflicts {
            if let (Some(read), Some(write)) = (find(*read), find(*write))
                && read.buffer == write.buffer
            {
                return Err(Error::Internal(format!("{} reads {read} and writes {write} in one dispatch", op.name())));
            }
        }
        let largest = placed.iter().map(|(_, loc)| loc.len).max().unwrap_or(0);
        if largest > self.layout.max_binding_len {
            return Err(Error::device(
                format!(
                    "{} needs a buffer of {:.0} MiB, and the adapter binds at most {:.0} MiB",
                    op.name(),
                    largest as f64 / 262_144.0,
                    self.layout.max_binding_len as f64 / 262_144.0
                ),
                "take a smaller train.micro_batch or model",
            ));
        }
        Ok(())
    }
}

fn region_loc(place: Place, shape: &Shape) -> Loc {
    Loc { buffer: Buffer::Region(place.region), offset: place.offset, len: shape.len(), half: false }
}

/// (read, written) pairs of slots that meet in one dispatch.
fn conflicts(dispatches: &[Dispatch]) -> Vec<(Slot, Slot)> {
    let mut pairs = Vec::new();
    for dispatch in dispatches {
        for read in dispatch.bindings.iter().filter(|binding| !binding.write) {
            for written in dispatch.bindings.iter().filter(|binding| binding.write) {
                pairs.push((read.slot, written.slot));
            }
        }
    }
    pairs
}
