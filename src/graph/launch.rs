//! What an op asks of the GPU, as data: which kernel, on which of its values, how many workgroups.

/// A constant put before a shader when it is stitched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// `const NAME: u32 = …u;`
    U32(u32),
    /// `const NAME: f32 = …;`
    F32(f32),
    /// `const NAME: bool = …;`
    Bool(bool),
}

/// One of the op's own buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Input port.
    In(usize),
    /// Output port (for an in-place port: the shared memory).
    Out(usize),
    /// Scratch buffer of this launch.
    Scratch(usize),
}

/// One storage binding, in binding order (group 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the WGSL variable.
    pub name: &'static str,
    /// Which buffer.
    pub slot: Slot,
    /// Whether it is bound `read_write`.
    pub write: bool,
}

impl Binding {
    /// A `read` binding.
    pub fn read(name: &'static str, slot: Slot) -> Self {
        Self { name, slot, write: false }
    }

    /// A `read_write` binding.
    pub fn write(name: &'static str, slot: Slot) -> Self {
        Self { name, slot, write: true }
    }
}

/// One kernel launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Path under `shaders/`, without `.wgsl`: `ops/layernorm`.
    pub shader: &'static str,
    /// Entry point: `forward`.
    pub entry: &'static str,
    /// Constants the shader is specialised with; every launch of one shader gives the same names.
    pub consts: Vec<(&'static str, Const)>,
    /// Fields of the shader's `Dims`, in order (group 0, binding 0).
    pub dims: Vec<(&'static str, u32)>,
    /// Storage bindings, in order.
    pub bindings: Vec<Binding>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
}

/// All launches of one op, and the scratch they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Launch {
    /// In order.
    pub dispatches: Vec<Dispatch>,
    /// Scratch buffers, in words.
    pub scratch: Vec<usize>,
}

/// Which kernels an adapter runs best (architecture, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// T0, software adapters: no barriers, register tiles.
    Plain,
    /// T0 on vectors of 4 floats (SwiftShader): as `Plain`, with products by panels.
    Narrow,
    /// T1, core WebGPU: shared-memory tiles.
    Tiled,
}

impl Tier {
    /// All tiers: every kernel is tested in each.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Narrow, Self::Tiled];

    /// Whether an invocation works alone, in registers: T0.
    pub fn is_plain(self) -> bool {
        self != Self::Tiled
    }

    /// How reports call it.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Plain => "T0",
            Self::Narrow => "T0n",
            Self::Tiled => "T1",
        }
    }
}

/// What a launch may assume of the adapter.
#[derive(Clone, Debug)]
pub struct Target {
    /// Kernel tier.
    pub tier: Tier,
    /// Tuned choices: `choice key → candidate`.
    pub choices: std::collections::BTreeMap<String, usize>,
}

impl Target {
    /// A target with nothing tuned.
    pub fn untuned(tier: Tier) -> Self {
        Self { tier, choices: Default::default() }
    }

    /// The tuned candidate for `key`, or `otherwise`.
    pub fn choice(&self, key: &str, otherwise: usize) -> usize {
        self.choices.get(key).copied().unwrap_or(otherwise)
    }
}

/// Most workgroups a dimension of a dispatch may have in core WebGPU.
pub const MAX_GROUPS: u32 = 65_535;

/// Workgroups for `items` pieces of work of `group_len` each, folded into x and y.
///
/// The shader finds its flat index with `flat_index` of `lib/grid.wgsl` and must check it against
/// the number of items.
pub fn flat_groups(items: usize, group_len: usize) -> [u32; 3] {
    let groups = items.div_ceil(group_len).max(1) as u32;
    let x = groups.min(MAX_GROUPS);
    [x, groups.div_ceil(x), 1]
}
