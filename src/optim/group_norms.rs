//! Gradient norm of each group of parameters: which part of the model a crash begins in.
//!
//!   ‖g_k‖₂ for every group k
//!
//! Shapes      g [P]; chunks [C, 2]: first word / 64 and words of each chunk, those of a group one after
//!             the other; firsts [K + 1]: first chunk of each group, then C; → words GROUPS_START.. of this
//!             step's slot of the ring, when the pass reports
//! Derivative  none
//! Cost        2·P flop, P·4 bytes
//! Numerics    sums in chunks, then over the chunks in a fixed order; a norm that overflows is infinite
//! Errors      more groups than a slot has room for
//! Source      none. Differs: none.

use super::WORKGROUP;
use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::place::{GROUPS_START, SLOT_LEN};
use crate::graph::{Cost, Op, Shape};

/// Words one invocation sums.
pub const CHUNK: usize = 1024;
/// Invocations that share a group's chunks.
pub const LANES: usize = 16;
/// Groups a slot has room for.
pub const MAX_GROUPS: usize = SLOT_LEN - GROUPS_START;

/// g, chunks, firsts, ring (in place) → ring.
#[derive(Clone, Debug)]
pub struct GroupNorms {
    /// P.
    pub len: usize,
    /// C.
    pub num_chunks: usize,
    /// K.
    pub num_groups: usize,
}

impl Op for GroupNorms {
    fn name(&self) -> &'static str {
        "group_norms.record"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if self.num_groups > MAX_GROUPS {
            return Err(Error::shape(self.name(), format!("{} groups, and a slot has room for {MAX_GROUPS}", self.num_groups), ""));
        }
        Ok(vec![inputs[3].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 2.0 * self.len as f64, bytes: 4.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 3)]
    }

    defined_by!(crate::cpu::group_norms::record);

    fn launch(&self, _target: &Target) -> Launch {
        let dispatch = |entry: &'static str, bindings: Vec<Binding>, items: usize| Dispatch {
            shader: "optim/group_norms",
            entry,
            consts: vec![
                ("CHUNK", Const::U32(CHUNK as u32)),
                ("LANES", Const::U32(LANES as u32)),
                ("GROUPS_START", Const::U32(GROUPS_START as u32)),
                ("SLOT_LEN", Const::U32(SLOT_LEN as u32)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ],
            dims: vec![("len", self.len as u32), ("num_chunks", self.num_chunks as u32), ("num_groups", self.num_groups as u32)],
            bindings,
            groups: flat_groups(items, WORKGROUP),
        };
        let partial = vec![
            Binding::read("gradients", Slot::In(0)),
            Binding::read("chunks", Slot::In(1)),
            Binding::write("partial", Slot::Scratch(0)),
        ];
        let lanes = vec![
            Binding::read("partial_in", Slot::Scratch(0)),
            Binding::read("firsts", Slot::In(2)),
            Binding::write("lanes", Slot::Scratch(1)),
        ];
        let last = vec![Binding::read("lanes_in", Slot::Scratch(1)), Binding::write("ring", Slot::Out(0))];
        Launch {
            dispatches: vec![
                dispatch("chunk_sums", partial, self.num_chunks),
                dispatch("lane_sums", lanes, self.num_groups * LANES),
                dispatch("finish", last, self.num_groups),
            ],
            scratch: vec![self.num_chunks, self.num_groups * LANES],
        }
    }
}
