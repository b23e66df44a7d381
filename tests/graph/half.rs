//! Values stored in f16: the rounding, which values they are, and kernels of both tiers that read and write
//! them in both ways, against the f64 definition, which rounds where the kernels store.

use vitrine::error::Result;
use vitrine::graph::adjoint::differentiate;
use vitrine::graph::half::{are_finite, rounded_f32, rounded_f64};
use vitrine::graph::launch::{Target, Tier};
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Value};
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::attention::attention;
use vitrine::ops::batchnorm::{Params, batchnorm, batchnorm_evaluate};
use vitrine::ops::bias::add_bias;
use vitrine::ops::conv2d::conv2d;
use vitrine::ops::drop_path::drop_path;
use vitrine::ops::elementwise::{add, copier, scale};
use vitrine::ops::layernorm::layernorm;
use vitrine::ops::matmul::{Form, linear, matmul};
use vitrine::ops::tokens::embed;

use crate::support::{Case, Tensor, check_adjoint_kernels, check_kernel};

/// One place of 11 significant bits, 2⁻¹⁰: where f32 and f64 fall on two sides of a tie they differ by so much. Sums
/// over values of which a few in a thousand do differ by less.
const PLACE: f64 = 1.0 / 1024.0;

/// The number with these 16 bits, from the definition of the format.
fn decoded(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[test]
fn rounding_gives_the_nearest_number_of_16_bits() {
    for bits in 0..0x7C00u16 {
        let (own, next) = (decoded(bits), if bits == 0x7BFF { 65_536.0 } else { decoded(bits + 1) });
        let middle = 0.5 * (own + next);
        let even = if bits % 2 == 0 { own } else { next };
        let even = if even >= 65_536.0 { f64::INFINITY } else { even };
        let next = if next >= 65_536.0 { f64::INFINITY } else { next };
        for sign in [1.0, -1.0] {
            for (value, expected) in [(own, own), (middle, even), (0.5 * (own + middle), own), (0.5 * (middle + next.min(65_536.0)), next)]
            {
                assert_eq!(rounded_f64(sign * value), sign * expected, "{value}");
                assert_eq!(f64::from(rounded_f32((sign * value) as f32)), sign * expected, "{value}");
            }
        }
    }
    assert!(rounded_f32(f32::NAN).is_nan() && rounded_f64(f64::NAN).is_nan());
    assert!(rounded_f32(f32::from_bits(u32::MAX)).is_nan());
    assert_eq!(rounded_f32(f32::NEG_INFINITY), f32::NEG_INFINITY);
    assert!(rounded_f32(-0.0).is_sign_negative());
}

#[test]
fn a_word_is_finite_when_both_its_numbers_are() {
    assert!(are_finite(0x7BFF_FBFF) && !are_finite(0x7C00_0000) && !are_finite(0x0000_FE01) && !are_finite(u32::MAX));
}

#[test]
fn the_adapter_rounds_as_the_processor_does_to_the_bit() {
    // Every size of exponent, ties, the end of the range, infinity, and zeros of both signs.
    let mut words: Vec<f32> = Tensor::uniform(1, &[4096], -1.0, 1.0).data;
    words.iter_mut().enumerate().for_each(|(ix, word)| *word *= 2f32.powi(ix as i32 % 48 - 28));
    words.extend([65_504.0, 65_519.9, 65_520.0, -65_520.0, 1e9, f32::INFINITY, 0.0, -0.0, 2f32.powi(-25), 2049.0, 2051.0, 6.0e-8]);
    let Some(gpu) = crate::support::adapter::adapter() else { return };
    for has_f16 in [false, gpu.has_f16] {
        let mut gpu = gpu.clone();
        gpu.has_f16 = has_f16;
        let got = through_half(&gpu, &words);
        for (word, got) in words.iter().zip(&got) {
            assert_eq!(got.to_bits(), rounded_f32(*word).to_bits(), "{word:e} became {got:e}, read natively: {has_f16}");
        }
    }
}

fn through_half(gpu: &vitrine::gpu::Gpu, words: &[f32]) -> Vec<f32> {
    use vitrine::graph::machine::Machine;
    use vitrine::platform::Wait as _;
    let mut graph = Graph::with_copier(Some(copier));
    let x = graph.leaf(Place::new(Region::Images, 0), [words.len() / 4, 4]);
    let half = scale(&mut graph, x, 1.0).expect("any shape fits");
    let wide = scale(&mut graph, half, 1.0).expect("any shape fits");
    graph.store(wide, Place::new(Region::Grads, 0));
    let regions = [(Region::Images, words.len()), (Region::Grads, words.len())];
    let mut machine = vitrine::gpu::GpuMachine::new(gpu, &regions, Some(Tier::Plain)).expect("a machine");
    let plan = Plan::new("half", &graph, &machine.layout()).expect("plans");
    assert_eq!(plan.arena_bytes(), 2 * words.len().next_multiple_of(128), "{plan}");
    let plan = machine.load(plan).expect("loads");
    machine.upload(Place::new(Region::Images, 0), words).expect("fits");
    machine.run(plan, &Default::default()).expect("runs");
    machine.download(Place::new(Region::Grads, 0), words.len()).wait().expect("a region")
}

/// Behind a value in f16, so that it can be looked at.
fn widened(graph: &mut Graph, values: &[Value]) -> Result<Vec<Value>> {
    values.iter().map(|value| scale(graph, *value, 1.0)).collect()
}

fn half_case(inputs: Vec<Tensor>) -> Case {
    Case::new(inputs).in_half().tolerance(PLACE)
}

#[test]
fn products_of_both_factors_in_f16() {
    for (form, a, b) in [(Form::Nt, [36, 64], [24, 64]), (Form::Nn, [36, 64], [64, 24]), (Form::Tn, [64, 36], [64, 24])] {
        let case = half_case(vec![Tensor::normal(1, &a), Tensor::normal(2, &b)]);
        check_kernel(&case, |graph, leaves| {
            let y = matmul(graph, form, leaves[0], leaves[1])?;
            widened(graph, &[y])
        });
    }
}

#[test]
fn products_large_and_split() {
    // Large tiles; k in splits, with an output in f16 behind them; a residual in f32.
    for (rows, inner, outer) in [(522, 96, 100), (12, 1024, 16)] {
        let inputs = vec![
            Tensor::normal(1, &[rows, inner]),
            Tensor::normal(2, &[outer, inner]).map(|value| 0.2 * value),
            Tensor::normal(3, &[outer]),
            Tensor::normal(4, &[rows, outer]),
        ];
        check_kernel(&half_case(inputs), |graph, leaves| {
            let pre = linear(graph, leaves[0], leaves[1], Some(leaves[2]))?;
            let y = activation(graph, pre, Kind::Gelu)?;
            let again = activation(graph, pre, Kind::Relu)?;
            let stream = linear(graph, leaves[0], leaves[1], Some(leaves[2]))?;
            let stream = add(graph, stream, leaves[3])?;
            Ok([widened(graph, &[y, again])?, vec![stream]].concat())
        });
    }
}

/// A block as the encoder has it: norm, queries, attention, projection, residual; norm, GELU, residual.
fn block(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    let [x, gamma, beta, qkv, proj, fc1, fc2] = leaves[..7] else { panic!("seven leaves") };
    let normed = layernorm(graph, x, gamma, beta, 1e-6)?;
    let packed = linear(graph, normed, qkv, None)?;
    let mixed = attention(graph, packed, 9, 2)?;
    let branch = linear(graph, mixed, proj, None)?;
    let x = add(graph, branch, x)?;
    let normed = layernorm(graph, x, gamma, beta, 1e-6)?;
    let hidden = linear(graph, normed, fc1, None)?;
    let hidden = activation(graph, hidden, Kind::Gelu)?;
    let branch = linear(graph, hidden, fc2, None)?;
    let branch = drop_path(graph, branch, 0.3, 1)?;
    Ok(vec![add(graph, branch, x)?])
}

fn block_case() -> Case {
    let weight = |seed, sides: [usize; 2]| Tensor::normal(seed, &sides).map(|value| 0.3 * value);
    half_case(vec![
        Tensor::normal(1, &[4, 9, 16]),
        Tensor::uniform(2, &[16], 0.5, 1.5),
        Tensor::normal(3, &[16]),
        weight(4, [48, 16]),
        weight(5, [16, 16]),
        weight(6, [64, 16]),
        weight(7, [16, 64]),
    ])
}

#[test]
fn a_block_of_the_encoder_and_its_gradients() {
    check_kernel(&block_case(), block);
    // A dozen roundings follow each other on the way back.
    check_adjoint_kernels(&block_case().tolerance(4.0 * PLACE), block);
}

/// A stem: convolution of ragged images, batch norm, ReLU, convolution by vectors, bias, GELU, projection, tokens.
fn stem(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    let [images, first, gamma, beta, second, bias, third, class, position, mean, var] = leaves[..11] else { panic!("eleven leaves") };
    let params = Params { gamma, beta, running_mean: mean, running_var: var };
    let x = conv2d(graph, images, first, 3, 2, 1)?;
    let x = batchnorm(graph, x, params)?;
    let x = activation(graph, x, Kind::Relu)?;
    let x = conv2d(graph, x, second, 3, 1, 1)?;
    let x = add_bias(graph, x, bias)?;
    let x = activation(graph, x, Kind::Gelu)?;
    let x = conv2d(graph, x, third, 2, 2, 0)?;
    graph.reshape(x, &[3, 4, 12])?;
    Ok(vec![embed(graph, x, class, position)?])
}

fn stem_case() -> Case {
    let weight = |seed, sides: [usize; 4]| Tensor::normal(seed, &sides).map(|value| 0.3 * value);
    let case = half_case(vec![
        Tensor::normal(1, &[3, 8, 8, 3]),
        weight(2, [8, 3, 3, 3]),
        Tensor::uniform(3, &[8], 0.5, 1.5),
        Tensor::normal(4, &[8]),
        weight(5, [8, 3, 3, 8]),
        Tensor::normal(6, &[8]),
        weight(7, [12, 2, 2, 8]),
        Tensor::normal(8, &[12]),
        Tensor::normal(9, &[5, 12]),
    ]);
    case.state(Tensor::new(&[8], vec![0.0; 8])).state(Tensor::new(&[8], vec![1.0; 8]))
}

#[test]
fn a_stem_and_its_gradients() {
    check_kernel(&stem_case(), stem);
    check_adjoint_kernels(&stem_case().tolerance(4.0 * PLACE), stem);
}

#[test]
fn a_stem_in_evaluation() {
    let inputs = vec![
        Tensor::normal(1, &[2, 6, 6, 4]),
        Tensor::normal(2, &[8, 3, 3, 4]).map(|value| 0.3 * value),
        Tensor::uniform(3, &[8], 0.5, 1.5),
        Tensor::normal(4, &[8]),
        Tensor::normal(5, &[8]),
        Tensor::uniform(6, &[8], 0.5, 2.0),
    ];
    check_kernel(&half_case(inputs), |graph, leaves| {
        let params = Params { gamma: leaves[2], beta: leaves[3], running_mean: leaves[4], running_var: leaves[5] };
        let x = conv2d(graph, leaves[0], leaves[1], 3, 1, 1)?;
        let x = batchnorm_evaluate(graph, x, params)?;
        let x = activation(graph, x, Kind::Relu)?;
        widened(graph, &[x])
    });
}

/// The plan of a block and its gradients with what of it is in f16, or with nothing.
fn plans(build: fn(&mut Graph, &[Value]) -> Result<Vec<Value>>, case: &Case) -> [Plan; 2] {
    let layout = Layout { target: Some(Target::untuned(Tier::Plain)), align: 64, max_buffer_len: 1 << 28, max_binding_len: 1 << 25 };
    [None, Some(copier as fn(usize) -> _)].map(|narrow| {
        let mut graph = Graph::with_copier(narrow);
        let mut end = 0;
        let leaves: Vec<Value> = case
            .inputs
            .iter()
            .chain(&case.states)
            .map(|input| {
                end += input.data.len().next_multiple_of(64);
                graph.leaf(Place::new(Region::Params, end), vitrine::graph::Shape::new(&input.sides))
            })
            .collect();
        let y = build(&mut graph, &leaves).expect("builds")[0];
        let (rows, width) = graph.rows_and_width(y);
        let targets = graph.leaf(Place::new(Region::Targets, 0), graph.shape(y).clone());
        let loss = graph
            .push_one(vitrine::ops::cross_entropy::Forward { batch: rows, classes: width, scaled: false }, &[y, targets])
            .expect("fits");
        let d = differentiate(&mut graph, loss, &leaves[..3], add).expect("differentiates");
        for (ix, d) in d.into_iter().flatten().enumerate() {
            graph.store(d, Place::new(Region::Grads, 4096 * ix));
        }
        Plan::new("half", &graph, &layout).expect("plans")
    })
}

#[test]
fn activations_are_in_f16_and_the_residual_stream_is_not() {
    let [whole, half] = plans(block, &block_case());
    assert!(!whole.to_string().contains("]h"), "{whole}");
    let find = |name: &str| half.steps.iter().filter(|step| step.op.name() == name).collect::<Vec<_>>();
    assert!(find("layernorm.forward").iter().all(|step| step.outputs[0].half && !step.inputs[0].half && !step.outputs[1].half), "{half}");
    assert!(find("attention.backward").iter().all(|step| step.inputs[..3].iter().all(|loc| loc.half) && step.outputs[0].half), "{half}");
    assert!(find("matmul.nt").iter().all(|step| step.inputs[0].half && step.inputs[1].half), "{half}");
    assert!(find("layernorm.backward").iter().all(|step| step.inputs[0].half && !step.outputs[0].half), "{half}");
    assert!(find("matmul.tn").iter().all(|step| !step.outputs[0].half), "{half}");
    assert!(half.arena_bytes() < whole.arena_bytes(), "{half}");
}
