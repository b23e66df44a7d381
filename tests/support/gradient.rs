//! Adjoints against central differences, in f64.

use std::cell::RefCell;

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::Result;
use vitrine::graph::adjoint::differentiate;
use vitrine::graph::launch::{Launch, Target};
use vitrine::graph::machine::Machine;
use vitrine::graph::{Cost, Graph, Io, Node, Op, Real, Region, Shape, Value};
use vitrine::ops::elementwise;

use super::case::{Build, Case, Setup, Tensor};
use super::check::check_kernel;
use super::origin::FromCpu64;

/// Step of the central differences: rounding of 1e-16/1e-4 and truncation of 1e-8 both stay below 1e-7.
const STEP: f64 = 1e-4;
/// Relative tolerance of the comparison.
const TOLERANCE: f64 = 2e-6;
/// Elements of each input that are moved.
const MAX_PROBES: usize = 24;

/// Σ wᵢ·yᵢ over all elements of some values: a loss whose gradient is the weights.
#[derive(Clone, Debug)]
struct WeightedSum;

impl Op for WeightedSum {
    fn name(&self) -> &'static str {
        "test.weighted_sum"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![[1].into()])
    }

    fn adjoint(&self, _graph: &mut Graph, node: &Node, _d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        // The weights stand behind the values they weigh; they are not differentiated.
        let half = node.inputs.len() / 2;
        Ok((0..node.inputs.len()).map(|port| node.inputs.get(port + half).copied()).collect())
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }

    vitrine::defined_by!(weighted_sum);

    fn launch(&self, _target: &Target) -> Launch {
        unreachable!("the loss of a test only runs on the processor")
    }
}

fn weighted_sum<T: Real>(_op: &WeightedSum, io: &mut Io<'_, T>) {
    let half = io.ins.iter().filter(|input| !input.is_empty()).count() / 2;
    let (values, weights) = io.ins.split_at(half);
    io.outs[0][0] = values.iter().zip(weights).flat_map(|(y, w)| y.iter().zip(*w)).map(|(y, w)| *y * *w).sum();
}

/// The case with a weight for each output appended to its inputs.
fn weighted(case: &Case, build: Build<'_>) -> (Case, usize) {
    let output_sides = Setup::new(case, build).output_sides;
    let mut weighted = case.clone();
    for (ix, sides) in output_sides.iter().enumerate() {
        weighted.inputs.push(Tensor::normal(1000 + ix as u64, sides));
    }
    (weighted, output_sides.len())
}

/// The outputs of `build`, their loss, and (asked for) the gradients of all inputs.
struct Loss<'a> {
    build: Build<'a>,
    num_inputs: usize,
    num_outputs: usize,
}

impl Loss<'_> {
    fn of(&self, graph: &mut Graph, leaves: &[Value]) -> Result<Value> {
        let (weights, states) = leaves[self.num_inputs..].split_at(self.num_outputs);
        let own: Vec<Value> = leaves[..self.num_inputs].iter().chain(states).copied().collect();
        let mut inputs = (self.build)(graph, &own)?;
        inputs.extend(weights);
        graph.push_one(WeightedSum, &inputs)
    }

    fn gradients(&self, graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Option<Value>>> {
        let loss = self.of(graph, leaves)?;
        differentiate(graph, loss, &leaves[..self.num_inputs], elementwise::add)
    }
}

/// The f64 adjoint of every input against central differences.
///
/// Inputs whose adjoint is `None` (labels, masks) are not moved.
pub fn check_gradient(case: &Case, build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>) {
    let (weighted, num_outputs) = weighted(case, &build);
    let loss = Loss { build: &build, num_inputs: case.inputs.len(), num_outputs };
    let differentiated = RefCell::new(Vec::new());
    let adjoint = FromCpu64::run(&Setup::new(&weighted, &|graph, leaves| {
        let gradients = loss.gradients(graph, leaves)?;
        *differentiated.borrow_mut() = (0..gradients.len()).filter(|input| gradients[*input].is_some()).collect();
        Ok(gradients.into_iter().flatten().collect())
    }));
    let differentiated = differentiated.into_inner();
    assert!(!differentiated.is_empty(), "no input has a gradient");
    let forward = Setup::new(&weighted, &|graph, leaves| Ok(vec![loss.of(graph, leaves)?]));
    for (result, input) in differentiated.into_iter().enumerate() {
        compare_input(&forward, &weighted, input, adjoint.result(result));
    }
}

fn compare_input(forward: &Setup, case: &Case, input: usize, adjoint: &[f64]) {
    let len = case.inputs[input].data.len();
    let rms = (adjoint.iter().map(|d| d * d).sum::<f64>() / len as f64).sqrt();
    // A stride that shares no factor with the usual sides visits all rows and columns.
    let probes = len.min(MAX_PROBES);
    for probe in 0..probes {
        let element = if len <= MAX_PROBES { probe } else { (probe * 7919 + 13) % len };
        let difference = central_difference(forward, case, input, element);
        let allowed = TOLERANCE * (difference.abs() + rms) + 1e-9;
        let error = (adjoint[element] - difference).abs();
        assert!(
            error <= allowed,
            "input {input}, element {element}: adjoint {:e}, central difference {difference:e}, allowed {allowed:e}",
            adjoint[element]
        );
    }
}

/// (L(x + h) − L(x − h)) / 2h in f64.
fn central_difference(forward: &Setup, case: &Case, input: usize, element: usize) -> f64 {
    let offset = forward.leaf_place(input).offset + element;
    let mut sides = [STEP, -STEP].into_iter().map(|step| {
        let mut machine = CpuMachine::<f64>::new(&forward.region_lens);
        let plan = forward.load(&mut machine).expect("the plan loads");
        forward.set(&mut machine).expect("the inputs fit");
        machine.region_mut(Region::Params)[offset] = f64::from(case.inputs[input].data[element]) + step;
        machine.run(plan, &case.scalars).expect("the definition runs");
        let (place, _) = forward.results[0];
        machine.region(place.region)[place.offset]
    });
    let (above, below) = (sides.next().expect("two sides"), sides.next().expect("two sides"));
    (above - below) / (2.0 * STEP)
}

/// The graph of gradients on every device against its f64 definition.
pub fn check_adjoint_kernels(case: &Case, build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>) {
    let (weighted, num_outputs) = weighted(case, &build);
    let loss = Loss { build: &build, num_inputs: case.inputs.len(), num_outputs };
    check_kernel(&weighted, |graph, leaves| Ok(loss.gradients(graph, leaves)?.into_iter().flatten().collect()));
}
