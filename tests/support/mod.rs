//! The harness of the op tests.
//!
//! A test describes inputs as a [`Case`] and gives a closure that builds the op's graph on them:
//!
//! ```ignore
//! let case = Case::new(vec![Tensor::normal(1, &[37, 48]), Tensor::normal(2, &[48])]).tolerance(2e-5);
//! check_op(&case, |graph, leaves| Ok(vec![layernorm(graph, leaves[0], leaves[1], …)?]));
//! ```
//!
//! `leaves` are the case's inputs in order, then its states (memory that ops write in place, such
//! as running statistics; see [`Case::state`]). The closure returns the values to look at; states
//! are looked at as well, as they are after the run.
//!
//! - [`check_kernel`]: the graph on the f32 cpu device and on the adapter, in both kernel tiers,
//!   against the f64 definition. Outputs are poisoned with NaN inside guard zones that must stay
//!   untouched, arenas are poisoned too, each tier runs twice and must give equal bits, and every
//!   output with one oracle value bent by ten tolerances must be rejected.
//! - [`check_gradient`]: the adjoint in f64 against central differences.
//! - [`check_adjoint_kernels`]: [`check_kernel`] of the graph of gradients.
//! - [`check_op`]: all three.
//!
//! Tolerances: |got − oracle| ≤ tolerance·(|oracle| + root mean square of the oracle's output).
//! No adapter: the adapter's part says SKIPPED and returns; with REQUIRE_GPU=1 it fails.

/// The shared adapter.
pub mod adapter;
/// Inputs of a check.
pub mod case;
/// Kernels against the definition.
pub mod check;
/// Adjoints against central differences.
pub mod gradient;
/// Images as a device prepares them.
pub mod images;
/// Results that know where they come from.
pub mod origin;
/// Whole traces against their reference.
pub mod parity;

pub use case::{Case, Tensor};
pub use check::check_kernel;
pub use gradient::{check_adjoint_kernels, check_gradient};

use vitrine::error::Result;
use vitrine::graph::{Graph, Value};

/// Every check of a differentiable op.
pub fn check_op(case: &Case, build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>) {
    check_kernel(case, &build);
    check_gradient(case, &build);
    check_adjoint_kernels(case, &build);
}
