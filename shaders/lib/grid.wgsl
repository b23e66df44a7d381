// Flat indices over a grid folded into x and y (see `flat_groups` in src/graph/launch.rs).

// Index of this invocation; workgroups are `group_len` invocations along x.
fn flat_index(global: vec3<u32>, groups: vec3<u32>, group_len: u32) -> u32 {
    return global.x + global.y * groups.x * group_len;
}

// Index of this workgroup.
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
