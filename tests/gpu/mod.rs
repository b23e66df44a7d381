//! The wgpu executor beside the ops: adapters, memory, results on their way back, tuning.

mod device;
mod machine;
mod tune;
mod unroll;
