// erf to 2e-7, branch-free; twin of `erf_f32` in src/graph/real.rs.
fn erf(x: f32) -> f32 {
    let a = abs(x);
    let s = x * x;
    // |x| ≤ 1: x·P(x²).
    var p = 7.8824974e-5;
    p = p * s - 8.018855e-4;
    p = p * s + 5.189312e-3;
    p = p * s - 2.6854329e-2;
    p = p * s + 1.1283597e-1;
    p = p * s - 3.7612626e-1;
    p = p * s + 1.1283791;
    // |x| > 1: 1 − exp(−x²)·Q(t), Abramowitz & Stegun 7.1.26.
    let t = 1.0 / (1.0 + 0.3275911 * a);
    var q = 1.0614054;
    q = q * t - 1.453152;
    q = q * t + 1.4214137;
    q = q * t - 0.28449674;
    q = q * t + 0.2548296;
    let large = sign(x) * (1.0 - q * t * exp(-min(s, 80.0)));
    return select(large, x * p, a <= 1.0);
}

// x·Φ(x).
fn gelu(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf(x * 0.70710678));
}

// Φ(x) + x·φ(x).
fn gelu_slope(x: f32) -> f32 {
    return 0.5 * (1.0 + erf(x * 0.70710678)) + x * 0.3989423 * exp(-min(0.5 * x * x, 80.0));
}
