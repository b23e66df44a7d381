//! Token sequences: class token and positions put on, class token taken out.
//!
//!   embed: y[b, 0] = cls + pos[0],  y[b, 1+n] = x[b, n] + pos[1+n]        take_first: y[b] = x[b, 0]
//!
//! Shapes      embed: x [B, N, D], cls [D], pos [N+1, D] → [B, N+1, D];  take_first: [B, N, D] → [B, D]
//! Derivative  embed: d_x = d_y[:, 1..], d_cls = Σ_b d_y[b, 0], d_pos = Σ_b d_y[b];  take_first: zeros but for token 0
//! Cost        memory bound
//! Numerics    the batch is summed in order
//! Errors      class token or positions that do not fit
//! Source      Dosovitskiy et al. 2021, arXiv:2010.11929. Differs: none.

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};

const WORKGROUP: usize = 64;

/// Sides of a token sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// B.
    pub batch: usize,
    /// Tokens an image, the class token included.
    pub tokens: usize,
    /// D.
    pub width: usize,
}

impl Extent {
    fn len(&self) -> usize {
        self.batch * self.tokens * self.width
    }
}

/// Puts `cls` in front of the patch tokens `x` [B, N, D] and adds `pos` to all.
pub fn embed(graph: &mut Graph, x: Value, cls: Value, pos: Value) -> Result<Value> {
    let shape = graph.shape(x).clone();
    let &[batch, patches, width] = shape.sides() else {
        return Err(Error::shape("embed", format!("{shape} is not [batch, tokens, width]"), ""));
    };
    graph.push_one(Embed { extent: Extent { batch, tokens: patches + 1, width } }, &[x, cls, pos])
}

/// The first token of each image of `x` [B, N, D].
pub fn take_first(graph: &mut Graph, x: Value) -> Result<Value> {
    let shape = graph.shape(x).clone();
    let &[batch, tokens, width] = shape.sides() else {
        return Err(Error::shape("take_first", format!("{shape} is not [batch, tokens, width]"), ""));
    };
    graph.push_one(TakeFirst { extent: Extent { batch, tokens, width } }, &[x])
}

/// x, cls, pos → y.
#[derive(Clone, Debug)]
pub struct Embed {
    /// Sides of y.
    pub extent: Extent,
}

/// d_y → d_x, d_cls, d_pos.
#[derive(Clone, Debug)]
pub struct EmbedBackward {
    /// Sides of d_y.
    pub extent: Extent,
}

/// x → token 0.
#[derive(Clone, Debug)]
pub struct TakeFirst {
    /// Sides of x.
    pub extent: Extent,
}

/// d_y → d_x.
#[derive(Clone, Debug)]
pub struct TakeFirstBackward {
    /// Sides of d_x.
    pub extent: Extent,
}

impl Op for Embed {
    fn name(&self) -> &'static str {
        "tokens.embed"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let Extent { batch, tokens, width } = self.extent;
        if inputs[1].len() != width || inputs[2].len() != tokens * width {
            let what = format!("cls_token {} and pos_embed {} do not fit patch tokens {}", inputs[1], inputs[2], inputs[0]);
            return Err(Error::shape("embed", what, format!("pos_embed needs [1, {tokens}, {width}]")));
        }
        Ok(vec![[batch, tokens, width].into()])
    }

    fn adjoint(&self, graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 3]) };
        Ok(graph.push(EmbedBackward { extent: self.extent }, &[d_y])?.into_iter().map(Some).collect())
    }

    fn cost(&self) -> Cost {
        let len = self.extent.len() as f64;
        Cost { flops: len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::tokens::embed);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[])
    }

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![
            Binding::read("x_patches", Slot::In(0)),
            Binding::read("cls", Slot::In(1)),
            Binding::read("pos", Slot::In(2)),
            Binding::write("y", Slot::Out(0)),
        ];
        launch(vec![dispatch("embed", target, self.extent, bindings, self.extent.len())])
    }
}

impl Op for EmbedBackward {
    fn name(&self) -> &'static str {
        "tokens.embed_backward"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let Extent { batch, tokens, width } = self.extent;
        Ok(vec![[batch, tokens - 1, width].into(), [width].into(), [tokens, width].into()])
    }

    fn cost(&self) -> Cost {
        let len = self.extent.len() as f64;
        Cost { flops: len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::tokens::embed_backward);

    fn halves(&self) -> Ports {
        Ports::new(&[], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let Extent { tokens, width, .. } = self.extent;
        let patches = vec![Binding::read("d_y", Slot::In(0)), Binding::write("d_x", Slot::Out(0))];
        let sums = vec![Binding::read("d_y", Slot::In(0)), Binding::write("d_cls", Slot::Out(1)), Binding::write("d_pos", Slot::Out(2))];
        launch(vec![
            dispatch("embed_backward_patches", target, self.extent, patches, self.extent.len() / target.unit()),
            dispatch("embed_backward_sums", target, self.extent, sums, tokens * width),
        ])
    }
}

impl Op for TakeFirst {
    fn name(&self) -> &'static str {
        "tokens.take_first"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![[self.extent.batch, self.extent.width].into()])
    }

    fn adjoint(&self, graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None]) };
        Ok(vec![Some(graph.push_one(TakeFirstBackward { extent: self.extent }, &[d_y])?)])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 0.0, bytes: 8.0 * (self.extent.batch * self.extent.width) as f64 }
    }

    defined_by!(crate::cpu::tokens::take_first);

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![Binding::read("x", Slot::In(0)), Binding::write("first", Slot::Out(0))];
        launch(vec![dispatch("take_first", target, self.extent, bindings, self.extent.batch * self.extent.width)])
    }
}

impl Op for TakeFirstBackward {
    fn name(&self) -> &'static str {
        "tokens.take_first_backward"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let Extent { batch, tokens, width } = self.extent;
        Ok(vec![[batch, tokens, width].into()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 0.0, bytes: 4.0 * self.extent.len() as f64 }
    }

    defined_by!(crate::cpu::tokens::take_first_backward);

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![Binding::read("d_first", Slot::In(0)), Binding::write("spread", Slot::Out(0))];
        launch(vec![dispatch("take_first_backward", target, self.extent, bindings, self.extent.len())])
    }
}

fn launch(dispatches: Vec<Dispatch>) -> Launch {
    Launch { dispatches, scratch: vec![] }
}

fn dispatch(entry: &'static str, target: &Target, extent: Extent, bindings: Vec<Binding>, len: usize) -> Dispatch {
    Dispatch {
        shader: "ops/tokens",
        entry,
        consts: vec![
            ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ("UNIT", Const::U32(target.unit() as u32)),
            ("x_patches", Const::Floats(target.input(0))),
            ("d_x", Const::Units(target.output(0), target.unit())),
        ],
        dims: vec![("batch", extent.batch as u32), ("tokens", extent.tokens as u32), ("width", extent.width as u32)],
        bindings,
        groups: flat_groups(len, WORKGROUP),
    }
}
