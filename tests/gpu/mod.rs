//! The wgpu executor beside the ops: adapters, memory, results on their way back, tuning.

mod device;
mod machine;
mod startup;
mod tune;
mod unroll;
