//! Cosine similarity of tokens, averaged over all pairs of patch tokens of an image.
//!
//!   u_i = x_i / max(‖x_i‖, 1e-12),  CosSim = (‖Σ u_i‖² − Σ ‖u_i‖²) / (n(n−1))
//!
//! Shapes      x [B, N, D] with `skip` leading tokens left out, n = N − skip → [B]
//! Derivative  none
//! Cost        4·B·N·D flop (the O(n·d) form)
//! Numerics    f32 sums; range [−1/(n−1), 1]
//! Errors      fewer than two tokens
//! Source      the paper, eq. (5). Differs: none (no absolute value, class token left out).

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Op, Shape, Value};

const WORKGROUP: usize = 64;

/// CosSim of each image of `x` [B, N, D], the first `skip` tokens left out.
pub fn similarity(graph: &mut Graph, x: Value, skip: usize) -> Result<Value> {
    let shape = graph.shape(x).clone();
    let &[batch, tokens, width] = shape.sides() else {
        return Err(Error::shape("similarity", format!("{shape} is not [batch, tokens, width]"), ""));
    };
    if tokens < skip + 2 {
        return Err(Error::shape("similarity", format!("{shape} has fewer than two patch tokens"), ""));
    }
    graph.push_one(Similarity { batch, tokens, width, skip }, &[x])
}

/// x → CosSim.
#[derive(Clone, Debug)]
pub struct Similarity {
    /// B.
    pub batch: usize,
    /// N.
    pub tokens: usize,
    /// D.
    pub width: usize,
    /// Leading tokens left out.
    pub skip: usize,
}

impl Op for Similarity {
    fn name(&self) -> &'static str {
        "similarity.cosine"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![[self.batch].into()])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.tokens * self.width) as f64;
        Cost { flops: 4.0 * len, bytes: 4.0 * len }
    }

    defined_by!(crate::cpu::similarity::cosine);

    fn launch(&self, _target: &Target) -> Launch {
        let dispatch = |entry: &'static str, bindings: Vec<Binding>, len: usize| Dispatch {
            shader: "metric/similarity",
            entry,
            consts: vec![("WORKGROUP", Const::U32(WORKGROUP as u32))],
            dims: vec![
                ("batch", self.batch as u32),
                ("tokens", self.tokens as u32),
                ("width", self.width as u32),
                ("skip", self.skip as u32),
            ],
            bindings,
            groups: flat_groups(len, WORKGROUP),
        };
        let norms = vec![Binding::read("x", Slot::In(0)), Binding::write("inverse", Slot::Scratch(0))];
        let sums = vec![
            Binding::read("x", Slot::In(0)),
            Binding::read("inverse_in", Slot::Scratch(0)),
            Binding::write("column_terms", Slot::Scratch(1)),
        ];
        let last = vec![Binding::read("column_terms_in", Slot::Scratch(1)), Binding::write("result", Slot::Out(0))];
        Launch {
            dispatches: vec![
                dispatch("invert_norms", norms, self.batch * self.tokens),
                dispatch("sum_columns", sums, self.batch * self.width),
                dispatch("finish", last, self.batch),
            ],
            scratch: vec![self.batch * self.tokens, self.batch * self.width],
        }
    }
}
