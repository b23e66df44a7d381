//! The step as a value: building it touches no device, differentiating it gives more of it, and
//! planning turns it into buffers and launches.

/// Differentiation: more graph from graph.
pub mod adjoint;
/// Fusion of epilogues into their producers.
pub mod fuse;
/// The graph: values and the nodes that make them.
#[allow(clippy::module_inception, reason = "the file is named after the type it holds")]
pub mod graph;
/// Numbers of 16 bits.
pub mod half;
/// What an op asks of the GPU, as data.
pub mod launch;
/// What runs a plan.
pub mod machine;
/// Lifetimes packed into arenas.
pub mod memory;
/// The `Op` trait.
pub mod op;
/// Regions: memory that outlives a step.
pub mod place;
/// The plan: what is launched on which bytes.
pub mod plan;
/// Which values are stored in f16.
pub mod precision;
/// Element types and the numbers that change from step to step.
pub mod real;
/// Shapes.
pub mod shape;

pub use graph::{Graph, Node, Value};
pub use op::{Cost, Io, Op};
pub use place::{Place, Region};
pub use real::{Real, Scalars};
pub use shape::Shape;
