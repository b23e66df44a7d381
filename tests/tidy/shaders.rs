//! Every kernel that a training can launch, read by naga as it will be compiled: against the Rust
//! side of the launch, against the default limits of WebGPU, and written for every back end.

use std::collections::{BTreeMap, BTreeSet};

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Module, StorageAccess, TypeInner};
use vitrine::config::{Sources, load};
use vitrine::gpu::stitch::{FILES, stitch};
use vitrine::gpu::unroll::unroll;
use vitrine::graph::launch::{Dispatch, MAX_GROUPS, Target, Tier};
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::model::vit;
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::bias::add_bias;
use vitrine::ops::elementwise::{copier, scale};
use vitrine::ops::matmul::{Form, matmul};
use vitrine::train::graphs::Graphs;

/// Default limits of WebGPU.
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_WORKGROUP_BYTES: u32 = 16 * 1024;
const MAX_WORKGROUP_INVOCATIONS: u32 = 256;

/// Stems, feed-forward parts and update rules that between them use every op.
const EXPERIMENTS: [&[&str]; 6] = [
    &[
        "model.stem=3Conv+3BN+3ReLU+1Proj",
        "model.strides=[2,1,1,4]",
        "model.stem_kernels=[7,3,3,4]",
        "model.stem_width=4",
        "train.ema=0.99",
        "augment.random_erasing=0.25",
        "augment.mixup=0.8",
    ],
    &[
        "model.stem=3Conv+1Proj+1ReLU",
        "model.strides=[2,1,1,4]",
        "model.stem_kernels=[7,3,3,4]",
        "model.stem_width=6",
        "model.ffn=mlp-relu",
    ],
    &["model.stem=1Proj+1BN+1ReLU", "model.strides=[4]", "model.ffn=conv1d-bn-gelu", "optim.sam_rho=0.1", "optim.sam_adaptive=true"],
    &["model.stem=1Proj", "model.strides=[4]", "optim.kind=sgd", "model.dim=18", "optim.sam_rho=0.1"],
    &["model.stem=1Proj+1ReLU", "model.strides=[4]", "model.stem_activation=gelu", "model.ffn=conv1d-gelu", "model.dim=64"],
    &["model.stem=1Proj", "model.strides=[4]", "train.precision=f16", "optim.sam_rho=0.1"],
];

fn layout(tier: Tier, choice: usize, has_f16: bool) -> Layout {
    let mut target = Target { has_f16, ..Target::untuned(tier) };
    // Every tuned op takes its candidate of this number.
    let graphs = all_graphs();
    for node in graphs.iter().flat_map(|graph| &graph.nodes) {
        if let Some((key, count)) = node.op.candidates() {
            target.choices.insert(key, choice.min(count - 1));
        }
    }
    Layout { target: Some(target), align: 64, max_buffer_len: 1 << 28, max_binding_len: 1 << 25 }
}

fn all_graphs() -> Vec<Graph> {
    let mut graphs = vec![other_ops()];
    for sets in EXPERIMENTS {
        let fixed = ["model.image_size=16", "model.dim=16", "model.depth=2", "model.heads=2", "model.drop_path=0.1", "train.batch=4"];
        let sets = fixed.iter().chain(sets).map(|set| set.to_string()).collect();
        let experiment = load(&Sources { sets, ..Sources::default() }).expect("a good config").experiment;
        let parameters = vit::parameters(&experiment.model).expect("a good model");
        let training = Graphs { experiment: &experiment, parameters: &parameters, micro_batch: 2 };
        let built = [training.micro(), training.accumulate(), training.ascend(), training.update(), training.evaluate(), training.probe()];
        let prepared = training.prepares().map(|prepare| prepare.graph());
        graphs.extend(built.into_iter().chain(prepared).map(|graph| graph.expect("the graph builds")));
    }
    graphs
}

/// What a toy model does not come to: ops that are always fused, and products with whole vectors and a long k.
fn other_ops() -> Graph {
    let mut graph = Graph::new();
    let mut regions = Region::ALL.into_iter().skip(1);
    let leaf = |graph: &mut Graph, sides: [usize; 2]| graph.leaf(Place::new(Region::Params, 0), sides);
    let mut keep = |graph: &mut Graph, value: Value| graph.store(value, Place::new(regions.next().expect("16 regions"), 0));
    let x = leaf(&mut graph, [4096, 64]);
    let scaled = scale(&mut graph, x, 0.5).expect("any shape fits");
    keep(&mut graph, scaled);
    let bias = leaf(&mut graph, [1, 64]);
    let biased = add_bias(&mut graph, x, bias).expect("the widths fit");
    keep(&mut graph, biased);
    let bent = activation(&mut graph, x, Kind::Relu).expect("any shape fits");
    keep(&mut graph, bent);
    for form in [Form::Nt, Form::Tn] {
        let (a, b) = (leaf(&mut graph, [4096, 64]), leaf(&mut graph, [4096, 64]));
        let y = matmul(&mut graph, form, a, b).expect("the shapes fit");
        keep(&mut graph, y);
    }
    let (a, b) = (leaf(&mut graph, [4096, 64]), leaf(&mut graph, [64, 64]));
    let y = matmul(&mut graph, Form::Nn, a, b).expect("the shapes fit");
    keep(&mut graph, y);
    graph
}

/// Every launch of every graph, once for each shader, entry and constants.
fn dispatches() -> Vec<(String, Dispatch)> {
    let mut found = BTreeMap::new();
    let graphs = all_graphs();
    let mut in_half = graphs.clone();
    in_half.iter_mut().for_each(|graph| graph.narrow = Some(copier));
    let most = graphs.iter().flat_map(|graph| &graph.nodes).filter_map(|node| node.op.candidates()).map(|(_, count)| count).max();
    let tiled = (0..most.expect("some ops are tuned")).map(|candidate| (layout(Tier::Tiled, candidate, false), &graphs));
    let whole = tiled.chain([Tier::Plain, Tier::Narrow].map(|tier| (layout(tier, 0, false), &graphs)));
    // What a tile is made of does not depend on how its numbers are stored: one candidate is enough.
    let stored = Tier::ALL.into_iter().flat_map(|tier| [(tier, false), (tier, true)]);
    let halved = stored.map(|(tier, has_f16)| (layout(tier, 0, has_f16), &in_half));
    let all: Vec<_> = whole.chain(halved).collect();
    for (layout, graph) in all.iter().flat_map(|(layout, graphs)| graphs.iter().map(move |graph| (layout, graph))) {
        let plan = Plan::new("tidy", graph, layout).expect("the graph can be planned");
        for dispatch in plan.steps.into_iter().flat_map(|step| step.dispatches) {
            let key = format!("shaders/{}.wgsl, {}, {:?}", dispatch.shader, dispatch.entry, dispatch.consts);
            found.insert(key, dispatch);
        }
    }
    found.into_iter().collect()
}

struct Parsed {
    module: Module,
    info: ModuleInfo,
}

impl Parsed {
    fn new(dispatch: &Dispatch) -> Self {
        let text = stitch(dispatch.shader, &dispatch.consts).expect("the shader is embedded");
        if let Err(error) = naga::front::wgsl::parse_str(&unroll(&text)) {
            panic!("shaders/{}.wgsl, written out: {}", dispatch.shader, error.emit_to_string(&unroll(&text)));
        }
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("shaders/{}.wgsl: {}", dispatch.shader, error.emit_to_string(&text)));
        // Core WGSL has pack2x16float and its like; `f16` is a feature.
        let packed = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        let capabilities = if text.starts_with("enable f16;") { packed | Capabilities::SHADER_FLOAT16 } else { packed };
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("shaders/{}.wgsl: {}", dispatch.shader, error.emit_to_string(&text)));
        Self { module, info }
    }

    fn entry_ix(&self, name: &str) -> usize {
        self.module.entry_points.iter().position(|entry| entry.name == name).unwrap_or_else(|| panic!("there is no entry {name}"))
    }

    /// Variables the entry point reaches.
    fn used(&self, entry: &str) -> Vec<&GlobalVariable> {
        let info = self.info.get_entry_point(self.entry_ix(entry));
        self.module.global_variables.iter().filter(|(handle, _)| !info[*handle].is_empty()).map(|(_, variable)| variable).collect()
    }

    fn size(&self, variable: &GlobalVariable) -> u32 {
        self.module.types[variable.ty].inner.size(self.module.to_ctx())
    }

    /// (name, offset, scalar) of a struct's fields.
    fn fields(&self, variable: &GlobalVariable) -> Vec<(String, u32, naga::ScalarKind)> {
        let TypeInner::Struct { members, .. } = &self.module.types[variable.ty].inner else { panic!("{variable:?} is no struct") };
        let field = |member: &naga::StructMember| {
            let TypeInner::Scalar(scalar) = self.module.types[member.ty].inner else { panic!("{member:?} is no scalar") };
            (member.name.clone().unwrap_or_default(), member.offset, scalar.kind)
        };
        members.iter().map(field).collect()
    }
}

fn place(variable: &GlobalVariable) -> Option<(u32, u32)> {
    variable.binding.as_ref().map(|binding| (binding.group, binding.binding))
}

fn is_written(variable: &GlobalVariable) -> bool {
    matches!(variable.space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE))
}

/// How a launch and its shader differ.
fn mismatch(parsed: &Parsed, dispatch: &Dispatch) -> Option<String> {
    let named = |name: &str| parsed.module.global_variables.iter().map(|(_, variable)| variable).find(|v| v.name.as_deref() == Some(name));
    let Some(dims) = named("dims") else { return Some("no dims".to_string()) };
    let expected: Vec<_> =
        dispatch.dims.iter().enumerate().map(|(ix, (name, _))| (name.to_string(), 4 * ix as u32, naga::ScalarKind::Uint)).collect();
    if place(dims) != Some((0, 0)) || parsed.fields(dims) != expected {
        return Some(format!("Dims {:?} are not {expected:?}", parsed.fields(dims)));
    }
    for (ix, binding) in dispatch.bindings.iter().enumerate() {
        let Some(variable) = named(binding.name) else { return Some(format!("no variable {}", binding.name)) };
        if place(variable) != Some((1, ix as u32)) || is_written(variable) != binding.write {
            return Some(format!("{} is {:?} {:?}, not {ix} write: {}", binding.name, place(variable), variable.space, binding.write));
        }
    }
    let storage = parsed.used(dispatch.entry).into_iter().filter(|variable| matches!(variable.space, AddressSpace::Storage { .. }));
    let mut names = storage.map(|variable| variable.name.clone().unwrap_or_default());
    names.find(|name| dispatch.bindings.iter().all(|binding| binding.name != name)).map(|name| format!("{name} is used and not bound"))
}

#[test]
fn every_kernel_is_what_its_launch_says() {
    for (key, dispatch) in dispatches() {
        assert_eq!(mismatch(&Parsed::new(&dispatch), &dispatch), None, "{key}");
    }
}

#[test]
fn kernels_read_numbers_of_16_bits_both_ways() {
    let texts: Vec<String> =
        dispatches().iter().map(|(_, dispatch)| stitch(dispatch.shader, &dispatch.consts).expect("embedded")).collect();
    let count = |is_it: fn(&String) -> bool| texts.iter().filter(|text| is_it(text)).count();
    assert!(count(|text| text.starts_with("enable f16;")) > 20, "natively");
    assert!(
        count(|text| text.contains("_word = u32;") || text.contains("{ four_halves(") || text.contains("return four_halves(")) > 20,
        "packed"
    );
}

#[test]
fn a_launch_that_differs_is_noticed() {
    let (_, dispatch) = dispatches().into_iter().find(|(_, dispatch)| dispatch.entry == "plain").expect("a matrix product");
    let parsed = Parsed::new(&dispatch);
    let is_noticed = |change: fn(&mut Dispatch)| {
        let mut bent = dispatch.clone();
        change(&mut bent);
        mismatch(&parsed, &bent).is_some()
    };
    assert!(is_noticed(|bent| bent.dims.swap(0, 1)));
    assert!(is_noticed(|bent| bent.dims.truncate(2)));
    assert!(is_noticed(|bent| bent.bindings.swap(4, 5)));
    assert!(is_noticed(|bent| bent.bindings[0].write = false));
    assert!(is_noticed(|bent| bent.bindings.truncate(5)));
}

#[test]
fn every_kernel_keeps_to_the_default_limits() {
    for (key, dispatch) in dispatches() {
        let parsed = Parsed::new(&dispatch);
        let used = parsed.used(dispatch.entry);
        assert!(dispatch.bindings.len() <= MAX_STORAGE_BUFFERS, "{key}: {} storage buffers", dispatch.bindings.len());
        let shared = used.iter().filter(|variable| variable.space == AddressSpace::WorkGroup);
        // Each variable starts at a multiple of 16 bytes.
        let shared_bytes: u32 = shared.map(|variable| parsed.size(variable).next_multiple_of(16)).sum();
        assert!(shared_bytes <= MAX_WORKGROUP_BYTES, "{key}: {shared_bytes} bytes of workgroup memory");
        let [x, y, z] = parsed.module.entry_points[parsed.entry_ix(dispatch.entry)].workgroup_size;
        assert!(x * y * z <= MAX_WORKGROUP_INVOCATIONS && z <= 64, "{key}: workgroup {x}×{y}×{z}");
        assert!(dispatch.groups.iter().all(|groups| (1..=MAX_GROUPS).contains(groups)), "{key}: {:?} workgroups", dispatch.groups);
        if ["plain/", "narrow/"].iter().any(|folder| dispatch.shader.starts_with(folder)) || dispatch.entry.starts_with("plain") {
            assert_eq!(shared_bytes, 0, "{key}: a plain kernel has no workgroup memory");
        }
    }
}

#[test]
fn every_entry_point_is_launched() {
    let mut launched: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let dispatches = dispatches();
    for (_, dispatch) in &dispatches {
        launched.entry(dispatch.shader).or_default().insert(dispatch.entry);
    }
    let mut idle = Vec::new();
    for (file, _) in FILES.iter().filter(|(file, _)| !file.starts_with("lib/")) {
        let (_, dispatch) =
            dispatches.iter().find(|(_, dispatch)| dispatch.shader == *file).unwrap_or_else(|| panic!("{file} is never launched"));
        for entry in &Parsed::new(dispatch).module.entry_points {
            if !launched[file].contains(entry.name.as_str()) {
                idle.push(format!("shaders/{file}.wgsl, {}", entry.name));
            }
        }
    }
    assert!(idle.is_empty(), "never launched: {idle:?}");
}

#[test]
fn one_file_has_one_set_of_constants() {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, dispatch) in dispatches() {
        let own: Vec<&str> = dispatch.consts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.entry(dispatch.shader).or_insert_with(|| own.clone()), &own, "{key}");
    }
}

#[test]
fn every_kernel_can_be_written_for_every_back_end() {
    for (key, dispatch) in dispatches() {
        let Parsed { module, info } = Parsed::new(&dispatch);
        let entry = dispatch.entry.to_string();
        let options = naga::back::spv::Options::default();
        let pipeline = naga::back::spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.clone() };
        naga::back::spv::write_vec(&module, &info, &options, Some(&pipeline)).unwrap_or_else(|error| panic!("{key}: SPIR-V: {error}"));
        let pipeline =
            naga::back::msl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry.clone())), ..Default::default() };
        naga::back::msl::write_string(&module, &info, &Default::default(), &pipeline).unwrap_or_else(|error| panic!("{key}: MSL: {error}"));
        let options = naga::back::hlsl::Options::default();
        let pipeline = naga::back::hlsl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry)) };
        let mut text = String::new();
        naga::back::hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|error| panic!("{key}: HLSL: {error}"));
    }
}

macro_rules! scalar_fields {
    ($($name:ident: $kind:ident),* $(,)?) => {{
        // Fails to compile when a field is missing here.
        let Scalars { $($name: _),* } = Scalars::default();
        vec![$((stringify!($name).to_string(), std::mem::offset_of!(Scalars, $name) as u32, naga::ScalarKind::$kind)),*]
    }};
}

#[test]
fn the_scalars_have_one_layout() {
    let expected = scalar_fields! {
        seed: Uint, step: Uint, draw: Uint, ring_slot: Uint, micro: Uint, report: Uint,
        lr: Float, weight_decay: Float, bias_correction1: Float, bias_correction2: Float, bn_momentum: Float,
        clip_norm: Float, loss_scale: Float, sam_rho: Float, ema_decay: Float, valid: Float,
    };
    for (key, dispatch) in dispatches() {
        let parsed = Parsed::new(&dispatch);
        let (_, scalars) =
            parsed.module.global_variables.iter().find(|(_, v)| v.name.as_deref() == Some("scalars")).expect("every shader has them");
        assert_eq!(place(scalars), Some((0, 1)), "{key}");
        assert_eq!(parsed.fields(scalars), expected, "{key}");
    }
}

#[test]
fn a_missing_include_names_both_files() {
    let error = stitch("ops/nothing", &[]).expect_err("there is no such file").to_string();
    assert!(error.contains("shaders/ops/nothing.wgsl"), "{error}");
}
