// Which values of x and y meet in a convolution. The including shader sets KERNEL, STRIDE and TRANSPOSED:
// whether it makes d_x (as `y`) from d_y (as `x`).

struct Dims {
    batch: u32,
    height: u32,
    width: u32,
    channels_in: u32,
    channels_out: u32,
    padding: u32,
    height_out: u32,
    width_out: u32,
    part_len: u32,
    num_parts: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

const OUTSIDE = 0xffffffffu;
// Rows beyond the last: far outside every image, whatever is added or taken away.
const NOWHERE = vec3<u32>(0u, 0x80000000u, 0x80000000u);
fn positions() -> u32 {
    return dims.batch * dims.height_out * dims.width_out;
}

// Values under the kernel.
fn patch_len() -> u32 {
    return KERNEL * KERNEL * dims.channels_in;
}

// First row of the image, and the top left corner of the kernel, at an output position. A place in
// the padding before the image wraps to far above its sides.
fn corner_of_patch(position: u32) -> vec3<u32> {
    let row = position / dims.width_out;
    let top_left = vec2<u32>(row % dims.height_out, position % dims.width_out) * STRIDE - dims.padding;
    return select(NOWHERE, vec3<u32>(row / dims.height_out * dims.height, top_left), position < positions());
}

// First channel of x under kernel place uv; OUTSIDE in the padding.
fn x_under(corner: vec3<u32>, uv: u32) -> u32 {
    let i = corner.y + uv / KERNEL;
    let j = corner.z + uv % KERNEL;
    return select(OUTSIDE, ((corner.x + i) * dims.width + j) * dims.channels_in, i < dims.height && j < dims.width);
}

// First row of the image of y, and the place of an input position on the padded image.
fn corner_of_input(position: u32) -> vec3<u32> {
    let row = position / dims.width;
    let place = vec2<u32>(row % dims.height, position % dims.width) + dims.padding;
    return select(NOWHERE, vec3<u32>(row / dims.height * dims.height_out, place), row < dims.batch * dims.height);
}

// First channel of the y that kernel place uv carries to an input position; OUTSIDE when there is none.
fn y_over(corner: vec3<u32>, uv: u32) -> u32 {
    let i = corner.y - uv / KERNEL;
    let j = corner.z - uv % KERNEL;
    let inside = i / STRIDE < dims.height_out && j / STRIDE < dims.width_out && i % STRIDE == 0u && j % STRIDE == 0u;
    return select(OUTSIDE, ((corner.x + i / STRIDE) * dims.width_out + j / STRIDE) * dims.channels_out, inside);
}

// Channels that are summed over, and channels and positions of the result.
fn num_from() -> u32 {
    return select(dims.channels_in, dims.channels_out, TRANSPOSED);
}

fn num_to() -> u32 {
    return select(dims.channels_out, dims.channels_in, TRANSPOSED);
}

fn num_places() -> u32 {
    return select(positions(), dims.batch * dims.height * dims.width, TRANSPOSED);
}

fn corner(position: u32) -> vec3<u32> {
    if (TRANSPOSED) {
        return corner_of_input(position);
    }
    return corner_of_patch(position);
}

fn source(corner: vec3<u32>, uv: u32) -> u32 {
    if (TRANSPOSED) {
        return y_over(corner, uv);
    }
    return x_under(corner, uv);
}

fn weight_ix(uv: u32, from_channel: u32, to_channel: u32) -> u32 {
    let pair = select(vec2<u32>(to_channel, from_channel), vec2<u32>(from_channel, to_channel), TRANSPOSED);
    return pair.x * patch_len() + uv * dims.channels_in + pair.y;
}

// Row, column and channel of a value of a patch.
fn under_kernel(value_ix: u32) -> vec3<u32> {
    let uv = value_ix / dims.channels_in;
    return vec3<u32>(uv / KERNEL, uv % KERNEL, value_ix % dims.channels_in);
}

// Image, row and column of an output position, and the next one: counting costs less than dividing.
fn spot_of(position: u32) -> vec3<u32> {
    let row = position / dims.width_out;
    return vec3<u32>(row / dims.height_out, row % dims.height_out, position % dims.width_out);
}

fn next_spot(spot: vec3<u32>) -> vec3<u32> {
    let in_row = vec3<u32>(spot.xy, spot.z + 1u);
    let in_image = select(in_row, vec3<u32>(spot.x, spot.y + 1u, 0u), in_row.z == dims.width_out);
    return select(in_image, vec3<u32>(spot.x + 1u, 0u, 0u), in_image.y == dims.height_out);
}

// Where a value of the patch at an output position lies in x; OUTSIDE in the padding.
fn place_in_x(spot: vec3<u32>, under: vec3<u32>) -> u32 {
    let at = spot.yz * STRIDE + under.xy - dims.padding;
    let ix = ((spot.x * dims.height + at.x) * dims.width + at.y) * dims.channels_in + under.z;
    return select(OUTSIDE, ix, at.x < dims.height && at.y < dims.width);
}
