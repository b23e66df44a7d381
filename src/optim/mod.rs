//! Update rules, as flat kernels over the whole parameter vector (decayed parameters first).

/// Gradients of micro-batches, added up.
pub mod accumulate;
/// AdamW.
pub mod adamw;
/// Running averages.
pub mod ema;
/// Gradient norm of each group of parameters.
pub mod group_norms;
/// The loss scale of mixed precision.
pub mod loss_scale;
/// Global gradient norm, clip factor, non-finite flag.
pub mod norm;
/// Sharpness-aware minimisation: up the slope and back.
pub mod sam;
/// SGD with momentum.
pub mod sgd;

use crate::graph::launch::{Binding, Const, Dispatch, Launch, flat_groups};

/// Invocations of a flat workgroup.
const WORKGROUP: usize = 64;

/// One invocation an element.
fn flat(
    shader: &'static str,
    entry: &'static str,
    mut consts: Vec<(&'static str, Const)>,
    dims: Vec<(&'static str, u32)>,
    bindings: Vec<Binding>,
    len: usize,
) -> Launch {
    consts.push(("WORKGROUP", Const::U32(WORKGROUP as u32)));
    let groups = flat_groups(len, WORKGROUP);
    Launch { dispatches: vec![Dispatch { shader, entry, consts, dims, bindings, groups }], scratch: vec![] }
}
