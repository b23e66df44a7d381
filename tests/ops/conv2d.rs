//! Convolution: the sum written out, adjoints, epilogues, kernels in both tiers.

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::{Error, Result};
use vitrine::graph::machine::Machine;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::bias::add_bias;
use vitrine::ops::conv2d::conv2d;
use vitrine::ops::elementwise::scale;

use crate::support::{Case, Tensor, check_adjoint_kernels, check_gradient, check_kernel, check_op};

/// Sums of up to a few thousand products in f32.
const TOLERANCE: f64 = 2e-5;

/// Sides of one convolution.
#[derive(Clone, Copy, Debug)]
struct Sides {
    batch: usize,
    image: [usize; 2],
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Sides {
    fn new([batch, height, width]: [usize; 3], channels: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> Self {
        Self { batch, image: [height, width], channels, kernel, stride, padding }
    }

    fn x(&self) -> Vec<usize> {
        vec![self.batch, self.image[0], self.image[1], self.channels[0]]
    }

    fn w(&self) -> Vec<usize> {
        vec![self.channels[1], self.kernel, self.kernel, self.channels[0]]
    }

    fn case(&self) -> Case {
        let bias = Tensor::normal(3, &[self.channels[1]]);
        Case::new(vec![Tensor::normal(1, &self.x()), Tensor::normal(2, &self.w()), bias]).tolerance(TOLERANCE)
    }

    /// The image goes through an op first, because the gradient of a leaf image is never computed.
    fn build(&self, graph: &mut Graph, leaves: &[Value]) -> Result<Value> {
        let x = scale(graph, leaves[0], 1.0)?;
        conv2d(graph, x, leaves[1], self.kernel, self.stride, self.padding)
    }
}

/// One of each: ragged everything, stride 2, patchify, the overlapping projection of strides 2222, patches that leave a border over.
fn small() -> Vec<Sides> {
    vec![
        Sides::new([2, 7, 5], [3, 5], [3, 1, 1]),
        Sides::new([1, 9, 11], [3, 6], [7, 2, 3]),
        Sides::new([3, 8, 8], [4, 17], [4, 4, 0]),
        Sides::new([2, 6, 6], [5, 3], [8, 2, 3]),
        Sides::new([1, 7, 8], [2, 4], [3, 3, 0]),
        Sides::new([2, 4, 3], [6, 8], [1, 1, 0]),
    ]
}

#[test]
fn is_the_sum_over_the_kernel() {
    for sides in small() {
        let (x, w) = (Tensor::normal(1, &sides.x()), Tensor::normal(2, &sides.w()));
        let mut graph = Graph::new();
        let x_leaf = graph.leaf(Place::new(Region::Images, 0), vitrine::graph::Shape::new(&sides.x()));
        let w_leaf = graph.leaf(Place::new(Region::Params, 0), vitrine::graph::Shape::new(&sides.w()));
        let y = conv2d(&mut graph, x_leaf, w_leaf, sides.kernel, sides.stride, sides.padding).expect("the sides fit");
        graph.store(y, Place::new(Region::Logits, 0));
        let len = graph.shape(y).len();
        let mut machine = CpuMachine::<f64>::new(&[(Region::Images, x.data.len()), (Region::Params, w.data.len()), (Region::Logits, len)]);
        let plan = machine.load(Plan::new("check", &graph, &Layout::processor()).expect("a plan")).expect("it loads");
        machine.upload(Place::new(Region::Images, 0), &x.data).expect("the image fits");
        machine.upload(Place::new(Region::Params, 0), &w.data).expect("the weight fits");
        machine.run(plan, &Scalars::default()).expect("it runs");
        let expected = written_out(&sides, &x.data, &w.data);
        assert_eq!(expected.len(), len, "{sides:?}");
        for (got, expected) in machine.region(Region::Logits).iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-9, "{sides:?}: {got} instead of {expected}");
        }
    }
}

/// The definition, straight from the formula.
fn written_out(sides: &Sides, x: &[f32], w: &[f32]) -> Vec<f64> {
    let Sides { batch, image: [height, width], channels: [ci, co], kernel, stride, padding } = *sides;
    let side = |len: usize| (len + 2 * padding - kernel) / stride + 1;
    let mut y = Vec::new();
    for b in 0..batch {
        for i in 0..side(height) {
            for j in 0..side(width) {
                for o in 0..co {
                    let mut sum = 0.0;
                    for (u, v) in (0..kernel * kernel).map(|uv| (uv / kernel, uv % kernel)) {
                        let (row, column) = ((i * stride + u) as isize - padding as isize, (j * stride + v) as isize - padding as isize);
                        if !(0..height as isize).contains(&row) || !(0..width as isize).contains(&column) {
                            continue;
                        }
                        for c in 0..ci {
                            let x = x[((b * height + row as usize) * width + column as usize) * ci + c];
                            sum += f64::from(x) * f64::from(w[((o * kernel + u) * kernel + v) * ci + c]);
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

#[test]
fn agrees_at_ragged_sizes() {
    for sides in small() {
        check_op(&sides.case(), |graph, leaves| Ok(vec![sides.build(graph, leaves)?]));
    }
}

#[test]
fn agrees_at_the_sizes_of_a_stem() {
    for sides in [Sides::new([3, 28, 28], [3, 32], [7, 2, 3]), Sides::new([3, 14, 14], [32, 32], [3, 1, 1])] {
        check_kernel(&sides.case(), |graph, leaves| Ok(vec![sides.build(graph, leaves)?]));
    }
}

/// Every size of a shared tile, with sides that none of them divides.
#[test]
fn every_tuned_tile_agrees() {
    for candidate in 0..5 {
        for sides in [Sides::new([2, 9, 11], [5, 70], [3, 2, 1]), Sides::new([1, 12, 12], [12, 20], [3, 1, 1])] {
            let case = sides.case().candidate(candidate);
            check_kernel(&case, |graph, leaves| Ok(vec![sides.build(graph, leaves)?]));
            check_adjoint_kernels(&case, |graph, leaves| Ok(vec![sides.build(graph, leaves)?]));
        }
    }
}

#[test]
fn a_large_weight_is_summed_one_kernel_row_at_a_time() {
    let sides = Sides::new([2, 8, 8], [64, 160], [6, 1, 0]);
    check_gradient(&sides.case(), |graph, leaves| Ok(vec![sides.build(graph, leaves)?]));
}

#[test]
fn adds_bias_and_relu_in_the_same_op() {
    let sides = Sides::new([2, 7, 5], [3, 21], [3, 2, 1]);
    let build = |graph: &mut Graph, leaves: &[Value]| {
        let y = sides.build(graph, leaves)?;
        let y = add_bias(graph, y, leaves[2])?;
        activation(graph, y, Kind::Relu)
    };
    check_op(&sides.case(), |graph, leaves| Ok(vec![build(graph, leaves)?]));
    let mut graph = Graph::new();
    let leaf = |graph: &mut Graph, sides: &[usize]| graph.leaf(Place::new(Region::Params, 0), vitrine::graph::Shape::new(sides));
    let leaves = [leaf(&mut graph, &sides.x()), leaf(&mut graph, &sides.w()), leaf(&mut graph, &[21])];
    let y = build(&mut graph, &leaves).expect("the sides fit");
    graph.store(y, Place::new(Region::Logits, 0));
    let plan = Plan::new("check", &graph, &Layout::processor()).expect("a plan");
    let names: Vec<&str> = plan.steps.iter().map(|step| step.op.name()).collect();
    assert_eq!(names, ["elementwise.scale", "conv2d.forward"]);
}

#[test]
fn says_what_does_not_fit() {
    let mut graph = Graph::new();
    let leaf = |graph: &mut Graph, sides: [usize; 4]| graph.leaf(Place::new(Region::Params, 0), sides);
    let x = leaf(&mut graph, [2, 8, 8, 3]);
    let w = leaf(&mut graph, [16, 4, 4, 4]);
    let error = conv2d(&mut graph, x, w, 4, 4, 0).expect_err("four channels are not three");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains("[16, 4, 4, 4]") && error.to_string().contains("[2, 8, 8, 3]"), "{error}");
    let w = leaf(&mut graph, [16, 9, 9, 3]);
    conv2d(&mut graph, x, w, 9, 1, 0).expect_err("the kernel is larger than the image");
}
