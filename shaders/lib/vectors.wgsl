// The end of a matrix product by vectors: the epilogue of lib/product, four columns at once.

@group(1) @binding(2) var<storage, read> bias4: array<vec4<f32>>;
@group(1) @binding(3) var<storage, read> residual4: array<vec4<f32>>;

fn finish_vec(ix: u32, sum: vec4<f32>) {
    var value = sum;
    if (KEEP) {
        set_pre(ix, value);
    }
    if (ACTIVATION == 1u) {
        value = vec4<f32>(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w));
    }
    if (ACTIVATION == 2u) {
        // NaN fails the comparison and passes through.
        value = select(value, vec4<f32>(0.0), value <= vec4<f32>(0.0));
    }
    if (RESIDUAL) {
        value += residual4[ix];
    }
    set_y(ix, value);
}
