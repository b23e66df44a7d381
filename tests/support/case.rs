//! Inputs of a check, and where they lie on a machine.

use std::collections::BTreeMap;

use vitrine::error::Result;
use vitrine::graph::graph::Source;
use vitrine::graph::machine::{Machine, PlanId};
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::elementwise::copier;

/// Words before and after each checked output that no kernel may touch, and the alignment of leaves.
pub const GUARD: usize = 64;

/// A shaped array of f32.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Sides, outermost first.
    pub sides: Vec<usize>,
    /// Row-major content.
    pub data: Vec<f32>,
    /// The content is bytes, four a word.
    pub is_bytes: bool,
}

impl Tensor {
    /// Given content.
    pub fn new(sides: &[usize], data: Vec<f32>) -> Self {
        assert_eq!(sides.iter().product::<usize>(), data.len(), "{sides:?}");
        Self { sides: sides.to_vec(), data, is_bytes: false }
    }

    /// Bytes, four a word.
    pub fn bytes(bytes: &[u8]) -> Self {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(4), 0);
        let word = |four: &[u8]| f32::from_bits(u32::from_le_bytes(four.try_into().expect("four bytes")));
        Self { sides: vec![padded.len() / 4], data: padded.chunks_exact(4).map(word).collect(), is_bytes: true }
    }

    /// Uniform in [low, high), a function of `seed`.
    pub fn uniform(seed: u64, sides: &[usize], low: f32, high: f32) -> Self {
        let mut draw = Draws::new(seed);
        let len = sides.iter().product();
        Self::new(sides, (0..len).map(|_| (f64::from(low) + draw.unit() * f64::from(high - low)) as f32).collect())
    }

    /// Standard normal, a function of `seed`.
    pub fn normal(seed: u64, sides: &[usize]) -> Self {
        let mut draw = Draws::new(seed);
        let len = sides.iter().product();
        Self::new(sides, (0..len).map(|_| draw.normal() as f32).collect())
    }

    /// Every element through `change`.
    pub fn map(mut self, change: impl Fn(f32) -> f32) -> Self {
        self.data.iter_mut().for_each(|value| *value = change(*value));
        self
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): enough for test inputs, and not the code under test.
pub struct Draws(u64);

impl Draws {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Inputs, states, scalars and tolerance of one check.
#[derive(Clone, Debug)]
pub struct Case {
    /// Read only.
    pub inputs: Vec<Tensor>,
    /// Written in place; each in a region of its own.
    pub states: Vec<Tensor>,
    /// The numbers of the step.
    pub scalars: Scalars,
    /// Relative tolerance of f32 results (see the module's head).
    pub tolerance: f64,
    /// Whether what can be stored in f16 is.
    pub half: bool,
    /// The candidate that every tuned op takes; none: untuned.
    pub candidate: Option<usize>,
}

impl Case {
    /// Inputs with no states, plain scalars (all factors 1, the rest 0), and a tolerance of 1e-5.
    pub fn new(inputs: Vec<Tensor>) -> Self {
        let scalars = Scalars { loss_scale: 1.0, bias_correction1: 1.0, bias_correction2: 1.0, ..Default::default() };
        Self { inputs, states: Vec::new(), scalars, tolerance: 1e-5, half: false, candidate: None }
    }

    /// Adds memory that ops write in place.
    pub fn state(mut self, state: Tensor) -> Self {
        self.states.push(state);
        self
    }

    /// Other scalars.
    pub fn scalars(mut self, scalars: Scalars) -> Self {
        self.scalars = scalars;
        self
    }

    /// With values in f16: the definition rounds where kernels store. Inputs are copied to f16 where ops take that;
    /// what is looked at is stored in f32, so an output in f16 needs an op behind it.
    pub fn in_half(mut self) -> Self {
        self.half = true;
        self
    }

    /// Every tuned op takes this candidate, or its last.
    pub fn candidate(mut self, candidate: usize) -> Self {
        self.candidate = Some(candidate);
        self
    }

    /// Another tolerance; argue for it where it is given.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }
}

/// A case's graph with every checked value on a known place.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The graph, outputs stored.
    pub graph: Graph,
    /// Inputs and states.
    leaves: Vec<(Place, Tensor)>,
    /// (place, words) of each checked result: the outputs in order, then the states.
    pub results: Vec<(Place, usize)>,
    /// Sides of the outputs, in order.
    pub output_sides: Vec<Vec<usize>>,
    /// Outputs that lie in regions of their own, between guard zones.
    pub guarded: Vec<(Region, usize)>,
    /// For `Machine::new`.
    pub region_lens: Vec<(Region, usize)>,
    scalars: Scalars,
    candidate: Option<usize>,
}

/// Builds the op under test on its leaves; returns the values to look at.
pub type Build<'a> = &'a dyn Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>;

impl Setup {
    /// The machine's layout, with the case's candidate for every tuned op.
    pub fn layout(&self, machine: &dyn Machine) -> Layout {
        let mut layout = machine.layout();
        if let (Some(candidate), Some(target)) = (self.candidate, &mut layout.target) {
            let tuned = self.graph.nodes.iter().filter_map(|node| node.op.candidates());
            target.choices.extend(tuned.map(|(key, count)| (key, candidate.min(count - 1))));
        }
        layout
    }

    /// Builds the graph of `case`.
    pub fn new(case: &Case, build: Build<'_>) -> Self {
        let mut setup = Self {
            graph: Graph::new(),
            leaves: Vec::new(),
            results: Vec::new(),
            output_sides: Vec::new(),
            guarded: Vec::new(),
            region_lens: Vec::new(),
            scalars: case.scalars,
            candidate: case.candidate,
        };
        if case.half {
            setup.graph.narrow = Some(copier);
        }
        // Inputs lie in `Params`, the first.
        let mut free = Region::ALL[1..].iter().copied();
        let mut values = Vec::new();
        let mut end = 0;
        for input in &case.inputs {
            values.push(setup.leaf(Place::new(Region::Params, end), input));
            end = (end + input.data.len()).next_multiple_of(GUARD);
        }
        setup.region_lens.push((Region::Params, end));
        let mut states = Vec::new();
        for state in &case.states {
            let place = Place::new(free.next().expect("at most 15 states and outputs"), 0);
            values.push(setup.leaf(place, state));
            setup.region_lens.push((place.region, state.data.len()));
            states.push((place, state.data.len()));
        }
        let outputs = build(&mut setup.graph, &values).expect("the graph builds");
        let mut places = BTreeMap::new();
        for value in outputs {
            let place = *places.entry(value).or_insert_with(|| setup.place_of(value, &mut free));
            setup.results.push((place, setup.graph.shape(value).len()));
            setup.output_sides.push(setup.graph.shape(value).sides().to_vec());
        }
        setup.results.extend(states);
        setup
    }

    fn leaf(&mut self, place: Place, tensor: &Tensor) -> Value {
        self.leaves.push((place, tensor.clone()));
        self.graph.leaf(place, vitrine::graph::Shape::new(&tensor.sides))
    }

    /// Where a checked value lies: where its leaf lies, or in a region of its own.
    fn place_of(&mut self, value: Value, free: &mut impl Iterator<Item = Region>) -> Place {
        match self.graph.values[value.0].source {
            Source::Leaf(place) => place,
            Source::Node { node, port } => {
                let node = &self.graph.nodes[node];
                let shared = node.op.in_place().iter().find(|(output, _)| *output == port);
                if let Some((_, input)) = shared {
                    return self.place_of(node.inputs[*input], free);
                }
                let region = free.next().expect("at most 15 states and outputs");
                let place = Place::new(region, GUARD);
                let len = self.graph.shape(value).len();
                self.graph.store(value, place);
                self.guarded.push((region, len));
                self.region_lens.push((region, len + 2 * GUARD));
                place
            }
        }
    }

    /// Plans the graph for `machine` and loads it.
    pub fn load(&self, machine: &mut dyn Machine) -> Result<PlanId> {
        machine.load(Plan::new("check", &self.graph, &machine.layout())?)
    }

    /// Where an input (or, counted on, a state) lies.
    pub fn leaf_place(&self, leaf: usize) -> Place {
        self.leaves[leaf].0
    }

    /// Poisons outputs and guards, and sets the leaves.
    pub fn set(&self, machine: &mut dyn Machine) -> Result<()> {
        for (region, len) in &self.guarded {
            machine.upload(Place::new(*region, 0), &vec![f32::NAN; len + 2 * GUARD])?;
        }
        for (place, tensor) in &self.leaves {
            match tensor.is_bytes {
                true => machine.upload_bytes(*place, bytemuck::cast_slice(&tensor.data))?,
                false => machine.upload(*place, &tensor.data)?,
            }
        }
        Ok(())
    }

    /// Sets memory as [`Setup::set`] does, and runs.
    pub fn run(&self, machine: &mut dyn Machine, plan: PlanId) -> Result<()> {
        self.set(machine)?;
        machine.run(plan, &self.scalars)
    }
}
