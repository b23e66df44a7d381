// Matrix products with their epilogues for software adapters with vectors of 4 floats (SwiftShader); the
// formula stands in shaders/ops/matmul.wgsl.
//
// There a float from a buffer costs about 20 cycles and a loop carries every sum through memory, but an array
// of the invocation's own is as good as registers. So an invocation keeps a panel of b, COLUMNS wide and INNER
// deep, and leads the rows of a past it: a float of a is loaded once for COLUMNS products.
//
// Grid      panel, panel_tn: COLUMNS columns by dims.rows rows an invocation, flat, batch × splits times along z
// Shapes    a4, b4, y, pre, bias4, residual4: by vectors what they are in ops/matmul, all in f32; a by floats,
//           for tn
// Memory    none
// Consts    FORM, BIAS, ACTIVATION, RESIDUAL, KEEP, UNIT, y, pre, a4, b4 as in ops/matmul; COLUMNS, INNER: multiples of 4 that divide
//           n and the inner length; ONCE: INNER is all of it; WORKGROUP
// Oracle    src/cpu/matmul.rs
//# include lib/grid
//# include lib/erf
//# include lib/half
//# include lib/product
//# include lib/vectors

@group(1) @binding(4) var<storage, read> a: array<f32>;
@group(1) @binding(4) var<storage, read> a4: array<a4_word>;
@group(1) @binding(5) var<storage, read> b4: array<b4_word>;

const COLUMNS4: u32 = COLUMNS / 4u;
const INNER4: u32 = INNER / 4u;

// Of each column in turn, the vectors along k.
alias Panel = array<vec4<f32>, COLUMNS * INNER4>;
alias Sums = array<vec4<f32>, COLUMNS4>;

// `count`, unknown to the compiler: such a loop stays rolled.
fn rolled(count: u32, groups: vec3<u32>) -> u32 {
    return min(count, count * groups.x);
}

fn fill(held: ptr<function, Panel>, piece: Part, column: u32, k: u32, groups: vec3<u32>) {
    if (FORM == 0u) {
        for (var ix = 0u; ix < rolled(COLUMNS * INNER4, groups); ix++) {
            (*held)[ix] = b4_at((piece.b_start + (column + ix / INNER4) * dims.k + k) / 4u + ix % INNER4);
        }
        return;
    }
    for (var step = 0u; step < rolled(INNER, groups); step++) {
        for (var j = 0u; j < rolled(COLUMNS4, groups); j++) {
            let value = b4_at((piece.b_start + (k + step) * dims.n + column) / 4u + j);
            for (var c = 0u; c < 4u; c++) {
                (*held)[(4u * j + c) * INNER4 + step / 4u][step % 4u] = value[c];
            }
        }
    }
}

// The columns and rows that an invocation makes.
struct Own { column: u32, first_row: u32, end_row: u32 }

fn own_of(ix: u32) -> Own {
    let num_panels = dims.n / COLUMNS;
    let first_row = ix / num_panels * dims.rows;
    return Own(ix % num_panels * COLUMNS, first_row, min(first_row + dims.rows, dims.m));
}

fn start_of(column: u32) -> Sums {
    var start: Sums;
    if (BIAS) {
        for (var j = 0u; j < COLUMNS4; j++) {
            start[j] = bias4[column / 4u + j];
        }
    }
    return start;
}

// Adds INNER products to COLUMNS sums of a row, from vector `at` of y on.
fn add_row(held: ptr<function, Panel>, left: array<vec4<f32>, INNER4>, start: Sums, at: u32, is_first: bool, is_last: bool) {
    var sums = start;
    if (!ONCE && !is_first) {
        for (var j = 0u; j < COLUMNS4; j++) {
            sums[j] = y[at + j];
        }
    }
    for (var c = 0u; c < COLUMNS; c++) {
        var sum = 0.0;
        for (var v = 0u; v < INNER4; v++) {
            sum += dot(left[v], (*held)[c * INNER4 + v]);
        }
        sums[c / 4u][c % 4u] += sum;
    }
    if (ONCE || is_last) {
        for (var j = 0u; j < COLUMNS4; j++) {
            finish_vec(at + j, sums[j]);
        }
    } else {
        for (var j = 0u; j < COLUMNS4; j++) {
            y[at + j] = sums[j];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn panel(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let own = own_of(flat_index(global, groups, WORKGROUP));
    let piece = part(group.z);
    let start = start_of(own.column);
    var held: Panel;
    for (var k = piece.k_start; k < piece.k_end; k += INNER) {
        fill(&held, piece, own.column, k, groups);
        for (var row = own.first_row; row < own.end_row; row++) {
            var left: array<vec4<f32>, INNER4>;
            for (var v = 0u; v < INNER4; v++) {
                left[v] = a4_at((piece.a_start + row * dims.k + k) / 4u + v);
            }
            let at = (piece.y_start + row * dims.n + own.column) / 4u;
            add_row(&held, left, start, at, k == piece.k_start, k + INNER >= piece.k_end);
        }
    }
}

// tn: rows of y are columns of a.
@compute @workgroup_size(WORKGROUP)
fn panel_tn(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let own = own_of(flat_index(global, groups, WORKGROUP));
    let piece = part(group.z);
    let start = start_of(own.column);
    var held: Panel;
    for (var k = piece.k_start; k < piece.k_end; k += INNER) {
        fill(&held, piece, own.column, k, groups);
        for (var row = own.first_row; row < own.end_row; row++) {
            var left: array<vec4<f32>, INNER4>;
            for (var v = 0u; v < INNER4; v++) {
                let first = piece.a_start + (k + 4u * v) * dims.m + row;
                left[v] = vec4<f32>(a[first], a[first + dims.m], a[first + 2u * dims.m], a[first + 3u * dims.m]);
            }
            let at = (piece.y_start + row * dims.n + own.column) / 4u;
            add_row(&held, left, start, at, k == piece.k_start, k + INNER >= piece.k_end);
        }
    }
}
