//! The step as a value: memory, fusion, differentiation, the plan of a whole model.

mod adjoint;
mod fusion;
mod half;
mod memory;
mod plan;
