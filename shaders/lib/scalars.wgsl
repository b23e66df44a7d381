// The numbers that change from step to step; twin of `Scalars` in src/graph/real.rs.
struct Scalars {
    seed: u32,
    step: u32,
    draw: u32,
    ring_slot: u32,
    micro: u32,
    report: u32,
    lr: f32,
    weight_decay: f32,
    bias_correction1: f32,
    bias_correction2: f32,
    bn_momentum: f32,
    clip_norm: f32,
    loss_scale: f32,
    sam_rho: f32,
    ema_decay: f32,
    valid: f32,
}
@group(0) @binding(1) var<uniform> scalars: Scalars;
