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
    /// An array that is read number by number: its element `NAME_word`, and `NAME_at(ix) -> f32`.
    Floats(Store),
    /// An array that is read by fours: its element `NAME_word`, and `NAME_at(ix) -> vec4<f32>`, numbers 4·ix ….
    Vectors(Store),
    /// An array that is written in units of 1 or 4 numbers: its element `NAME_word`, and `set_NAME(ix, vec4<f32>)`,
    /// numbers unit·ix …; numbers in f16 are written by fours, since two share a word.
    Units(Store, usize),
}

/// How the numbers of an array lie in memory, as kernels see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// One number a word.
    #[default]
    F32,
    /// Two in f16 a word, read as words (core WGSL).
    Packed,
    /// Two in f16 a word, read as `f16` (the feature `shader-f16`).
    Native,
}

/// Ports of an op, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Input ports.
    pub ins: u16,
    /// Output ports.
    pub outs: u16,
}

impl Ports {
    /// These input and output ports.
    pub fn new(ins: &[usize], outs: &[usize]) -> Self {
        let bits = |ports: &[usize]| ports.iter().fold(0, |bits, port| bits | 1 << port);
        Self { ins: bits(ins), outs: bits(outs) }
    }

    /// Whether input `port` is one of them.
    pub fn has_in(self, port: usize) -> bool {
        self.ins >> port & 1 == 1
    }

    /// Whether output `port` is one of them.
    pub fn has_out(self, port: usize) -> bool {
        self.outs >> port & 1 == 1
    }
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
    /// Whether kernels may read numbers as `f16`.
    pub has_f16: bool,
    /// Ports of the op to launch whose arrays are in f16; the planner sets them for each.
    pub halves: Ports,
}

impl Target {
    /// A target with nothing tuned.
    pub fn untuned(tier: Tier) -> Self {
        Self { tier, choices: Default::default(), has_f16: false, halves: Ports::default() }
    }

    /// How the array of input `port` lies in memory.
    pub fn input(&self, port: usize) -> Store {
        self.store(self.halves.has_in(port))
    }

    /// How the array of output `port` lies in memory.
    pub fn output(&self, port: usize) -> Store {
        self.store(self.halves.has_out(port))
    }

    /// Numbers that an invocation writes at once: 4 where an output is in f16.
    pub fn unit(&self) -> usize {
        if self.halves.outs == 0 { 1 } else { 4 }
    }

    fn store(&self, is_half: bool) -> Store {
        match (is_half, self.has_f16) {
            (false, _) => Store::F32,
            (true, false) => Store::Packed,
            (true, true) => Store::Native,
        }
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
