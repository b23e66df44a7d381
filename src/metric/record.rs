//! Loss and accuracy of a batch, into the ring of recent steps or the totals of an evaluation.
//!
//! One slot: Σ loss, images, top-1 hits, top-5 hits, predictions of the most frequent class, loss not
//! finite, gradient norm, gradients not finite (these two are [`crate::optim::norm`]'s), loss scale
//! ([`crate::optim::loss_scale`]'s), gradient norm of each group of parameters ([`crate::optim::group_norms`]'s).
//!
//! Shapes      row_loss [B], logits and targets [B, K], ring [SLOTS, SLOT_LEN] or totals [SLOT_LEN]
//! Derivative  none
//! Cost        2·B·K comparisons
//! Numerics    the label is the first largest target; a hit has no (fewer than five) classes ahead of
//!             it, which are those with a larger logit, or an equal one and a lower index; a logit
//!             that is not finite never hits; the loss is tested by its exponent bits
//! Errors      none
//! Source      none. Differs: none.

use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::place::SLOT_LEN;
use crate::graph::{Cost, Graph, Op, Shape, Value};

const WORKGROUP: usize = 64;

/// Adds a batch to `slots`: the ring (slot of this step), or with `totals` the single slot of sums.
pub fn record(graph: &mut Graph, row_loss: Value, logits: Value, targets: Value, slots: Value, totals: bool) -> Result<Value> {
    let (batch, classes) = graph.rows_and_width(logits);
    graph.push_one(Record { batch, classes, totals }, &[row_loss, logits, targets, slots])
}

/// row_loss, logits, targets, slots (in place) → slots.
#[derive(Clone, Debug)]
pub struct Record {
    /// B.
    pub batch: usize,
    /// K.
    pub classes: usize,
    /// Sums over an evaluation instead of the ring.
    pub totals: bool,
}

impl Op for Record {
    fn name(&self) -> &'static str {
        "record.batch"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[3].clone()])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.classes) as f64;
        Cost { flops: 2.0 * len, bytes: 8.0 * len }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 3)]
    }

    defined_by!(crate::cpu::record::batch);

    fn launch(&self, _target: &Target) -> Launch {
        let dispatch = |entry: &'static str, bindings: Vec<Binding>, groups: [u32; 3]| Dispatch {
            shader: "metric/record",
            entry,
            consts: vec![
                ("TOTALS", Const::Bool(self.totals)),
                ("SLOT_LEN", Const::U32(SLOT_LEN as u32)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ],
            dims: vec![("batch", self.batch as u32), ("classes", self.classes as u32)],
            bindings,
            groups,
        };
        let rows =
            vec![Binding::read("logits", Slot::In(1)), Binding::read("targets", Slot::In(2)), Binding::write("row_hits", Slot::Scratch(0))];
        let counts = vec![Binding::read("row_hits_in", Slot::Scratch(0)), Binding::write("class_counts", Slot::Scratch(1))];
        let last = vec![
            Binding::read("row_loss", Slot::In(0)),
            Binding::read("row_hits_last", Slot::Scratch(0)),
            Binding::read("class_counts_in", Slot::Scratch(1)),
            Binding::write("slots", Slot::Out(0)),
        ];
        Launch {
            dispatches: vec![
                dispatch("judge_rows", rows, flat_groups(self.batch, WORKGROUP)),
                dispatch("count_classes", counts, flat_groups(self.classes, WORKGROUP)),
                dispatch("add_to_slot", last, [1, 1, 1]),
            ],
            scratch: vec![3 * self.batch, self.classes],
        }
    }
}
