//! Global gradient norm, clip factor, non-finite flag.
//!
//!   norm = ‖g‖₂ (ASAM's ascent: ‖|p|∘g‖₂),  clip = min(1, c/(norm + 1e-6)) or 1 where c = 0
//!
//! Shapes      g, p [P] → the words of [`crate::graph::Region::Norm`]: norm, clip, flag of updates to skip, flag that stays;
//!             and words 6 (‖g‖₂, always) and 7 (flag) of this step's slot of the ring, when the pass reports.
//!             With mixed precision the state of the loss scale as a fifth input: a gradient that is not finite, while the loss is and the
//!             scale can still fall, is an overflow of f16; the flag is then [`OVERFLOW`], and none stays
//! Derivative  none
//! Cost        2·P flop, P·4 bytes (ASAM: twice that)
//! Numerics    sums in fixed chunks, then over the chunks in order; the flag looks at the exponent
//!             bits of every element, so that a norm that overflows does not raise it
//! Errors      none
//! Source      torch.nn.utils.clip_grad_norm_. Differs: none.

use super::WORKGROUP;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::place::SLOT_LEN;
use crate::graph::{Cost, Graph, Op, Shape, Value};

pub use super::loss_scale::{LEAST, OVERFLOW};

/// Words of [`crate::graph::Region::Norm`].
pub const NORM_LEN: usize = 4;
/// Elements one invocation (or task) sums.
pub const CHUNK: usize = 256;

/// Measures [gradients, parameters (for ASAM), norm, ring], with mixed precision also by the state of the loss
/// scale; norm and ring are updated.
pub fn norm(graph: &mut Graph, inputs: [Value; 4], scale: Option<Value>, adaptive: bool, halts: bool) -> Result<Value> {
    let len = graph.shape(inputs[0]).len();
    let inputs: Vec<Value> = inputs.into_iter().chain(scale).collect();
    Ok(graph.push(Norm { len, adaptive, halts, scaled: scale.is_some() }, &inputs)?[0])
}

/// g, p, norm (in place), ring (in place) (, loss scale) → norm, ring.
#[derive(Clone, Debug)]
pub struct Norm {
    /// P.
    pub len: usize,
    /// Weighs each gradient by its parameter (ASAM).
    pub adaptive: bool,
    /// Once a gradient was not finite the flag stays, so that no later step changes the state.
    pub halts: bool,
    /// Whether gradients come from f16, multiplied by a loss scale.
    pub scaled: bool,
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm.global"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[2].clone(), inputs[3].clone()])
    }

    fn cost(&self) -> Cost {
        let len = self.len as f64 * if self.adaptive { 2.0 } else { 1.0 };
        Cost { flops: 2.0 * len, bytes: 4.0 * len }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 2), (1, 3)]
    }

    defined_by!(crate::cpu::norm::global);

    fn launch(&self, _target: &Target) -> Launch {
        let num_chunks = self.len.div_ceil(CHUNK);
        let dispatch = |entry: &'static str, bindings: Vec<Binding>, groups: [u32; 3]| Dispatch {
            shader: "optim/norm",
            entry,
            consts: vec![
                ("ADAPTIVE", Const::Bool(self.adaptive)),
                ("HALTS", Const::Bool(self.halts)),
                ("SCALED", Const::Bool(self.scaled)),
                ("LEAST", Const::F32(LEAST)),
                ("OVERFLOW", Const::F32(OVERFLOW)),
                ("CHUNK", Const::U32(CHUNK as u32)),
                ("SLOT_LEN", Const::U32(SLOT_LEN as u32)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ],
            dims: vec![("len", self.len as u32)],
            bindings,
            groups,
        };
        let partial = vec![
            Binding::read("gradients", Slot::In(0)),
            Binding::read("parameters", Slot::In(1)),
            Binding::write("partial", Slot::Scratch(0)),
        ];
        let last = vec![
            Binding::read("partial_in", Slot::Scratch(1)),
            Binding::write("norm", Slot::Out(0)),
            Binding::write("ring", Slot::Out(1)),
            // Without a scale the binding must still be filled; the shader does not read it.
            Binding::read("scale", Slot::In(if self.scaled { 4 } else { 0 })),
        ];
        let fold = vec![Binding::read("partial_fold", Slot::Scratch(0)), Binding::write("folded", Slot::Scratch(1))];
        let num_folded = num_chunks.div_ceil(CHUNK);
        Launch {
            dispatches: vec![
                dispatch("partial_sums", partial, flat_groups(num_chunks, WORKGROUP)),
                dispatch("fold_sums", fold, flat_groups(num_folded, WORKGROUP)),
                dispatch("finish", last, [1, 1, 1]),
            ],
            scratch: vec![3 * num_chunks, 3 * num_folded],
        }
    }
}
