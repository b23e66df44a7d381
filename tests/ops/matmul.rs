//! Matrix products: forms, epilogues, batches, splits of k, in every tier.

use vitrine::error::Result;
use vitrine::graph::launch::{Target, Tier};
use vitrine::graph::{Graph, Op as _, Place, Region, Value};
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::bias::add_bias;
use vitrine::ops::elementwise::add;
use vitrine::ops::matmul::{Form, MatMul, linear, matmul};

use crate::support::{Case, Tensor, check_kernel, check_op};

/// f32 sums of up to a thousand products of unit size, against their root mean square.
const TOLERANCE: f64 = 2e-5;

const FORMS: [Form; 3] = [Form::Nt, Form::Nn, Form::Tn];

fn factors(form: Form, [m, n, k]: [usize; 3]) -> Case {
    let (a, b) = match form {
        Form::Nt => ([m, k], [n, k]),
        Form::Nn => ([m, k], [k, n]),
        Form::Tn => ([k, m], [k, n]),
    };
    Case::new(vec![Tensor::normal(1, &a), Tensor::normal(2, &b)]).tolerance(TOLERANCE)
}

fn product(form: Form) -> impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![matmul(graph, form, leaves[0], leaves[1])?])
}

/// By hand, so that the definition is not only held against itself.
#[test]
fn multiplies_as_by_hand() {
    use vitrine::cpu::machine::CpuMachine;
    use vitrine::graph::Scalars;
    use vitrine::graph::machine::Machine;
    use vitrine::graph::plan::{Layout, Plan};
    // [1 2 3; 4 5 6] in each layout, times itself in the way the form asks.
    let expected = [
        (Form::Nt, [2, 3], [2, 3], vec![14.0, 32.0, 32.0, 77.0]),
        (Form::Nn, [2, 3], [3, 2], vec![22.0, 28.0, 49.0, 64.0]),
        (Form::Tn, [2, 3], [2, 3], vec![17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]),
    ];
    for (form, a, b, expected) in expected {
        let mut graph = Graph::new();
        let a = graph.leaf(Place::new(Region::Params, 0), a);
        let b = graph.leaf(Place::new(Region::Params, 0), b);
        let y = matmul(&mut graph, form, a, b).expect("the shapes fit");
        graph.store(y, Place::new(Region::Grads, 0));
        let mut machine = CpuMachine::<f64>::new(&[(Region::Params, 6), (Region::Grads, expected.len())]);
        let plan = machine.load(Plan::new("by hand", &graph, &Layout::processor()).expect("plans")).expect("loads");
        machine.upload(Place::new(Region::Params, 0), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("fits");
        machine.run(plan, &Scalars::default()).expect("runs");
        assert_eq!(machine.region(Region::Grads), expected, "{form:?}");
    }
}

/// y on so many threads of the processor, in f32.
fn bits_on_threads(form: Form, sizes: [usize; 3], num_threads: usize) -> Vec<u32> {
    use vitrine::cpu::machine::CpuMachine;
    use vitrine::graph::Scalars;
    use vitrine::graph::machine::Machine;
    use vitrine::graph::plan::{Layout, Plan};
    let [m, n, k] = sizes;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads).build().expect("threads");
    pool.install(|| {
        let mut graph = Graph::new();
        let (a, b) = if form == Form::Tn { ([k, m], [k, n]) } else { ([m, k], if form == Form::Nt { [n, k] } else { [k, n] }) };
        let a = graph.leaf(Place::new(Region::Params, 0), a);
        let b = graph.leaf(Place::new(Region::Grads, 0), b);
        let y = matmul(&mut graph, form, a, b).expect("the shapes fit");
        graph.store(y, Place::new(Region::Logits, 0));
        let mut machine = CpuMachine::<f32>::new(&[(Region::Params, m * k), (Region::Grads, k * n), (Region::Logits, m * n)]);
        let plan = machine.load(Plan::new("threads", &graph, &Layout::processor()).expect("plans")).expect("loads");
        let noise = |seed, len| Tensor::normal(seed, &[len]).data;
        machine.upload(Place::new(Region::Params, 0), &noise(1, m * k)).expect("fits");
        machine.upload(Place::new(Region::Grads, 0), &noise(2, k * n)).expect("fits");
        machine.run(plan, &Scalars::default()).expect("runs");
        machine.region(Region::Logits).iter().map(|value| value.to_bits()).collect()
    })
}

#[test]
fn the_number_of_threads_decides_no_bit() {
    // Heads of few classes, ragged rows, one column, several blocks of columns and of k.
    let sizes = [[64, 10, 64], [17, 5, 16], [33, 2, 40], [300, 1, 33], [97, 96, 400], [788, 385, 70], [1111, 48, 64], [65, 64, 1500]];
    for form in FORMS {
        for sizes in sizes {
            let one = bits_on_threads(form, sizes, 1);
            for num_threads in [2, 3, 4, 5, 8] {
                assert!(one == bits_on_threads(form, sizes, num_threads), "{form:?} {sizes:?}: {num_threads} threads give other bits");
            }
        }
    }
}

#[test]
fn agrees_at_ragged_sizes() {
    for form in FORMS {
        for sizes in [[1, 1, 1], [3, 5, 7], [9, 10, 64], [33, 17, 20], [12, 20, 30], [66, 70, 8], [8, 100, 33]] {
            check_op(&factors(form, sizes), product(form));
        }
    }
}

#[test]
fn agrees_at_the_sizes_of_a_small_vit() {
    check_kernel(&factors(Form::Nt, [1040, 384, 96]), product(Form::Nt));
    check_kernel(&factors(Form::Nn, [1040, 96, 384]), product(Form::Nn));
    check_kernel(&factors(Form::Nt, [197, 1152, 384]), product(Form::Nt));
    let with_bias = Case::new(vec![Tensor::normal(1, &[1040, 96]), Tensor::normal(2, &[288, 96]), Tensor::normal(3, &[288])]);
    check_kernel(&with_bias.tolerance(TOLERANCE), |graph, leaves| Ok(vec![linear(graph, leaves[0], leaves[1], Some(leaves[2]))?]));
    // Large tiles whose last ones reach back over their neighbours, along both sides.
    check_kernel(&factors(Form::Nt, [1043, 100, 172]), product(Form::Nt));
    check_kernel(&factors(Form::Nn, [1043, 100, 172]), product(Form::Nn));
    check_kernel(&factors(Form::Tn, [172, 100, 1043]), product(Form::Tn));
}

/// Every size of a shared tile, with sides that none of them divides.
#[test]
fn every_tuned_tile_agrees() {
    for candidate in 0..4 {
        for form in FORMS {
            check_kernel(&factors(form, [132, 84, 100]).candidate(candidate), product(form));
        }
    }
}

#[test]
fn splits_a_long_inner_side() {
    // Both with whole vectors and without, and with a last split that is short.
    for (m, n, k) in [(96, 64, 4099), (10, 96, 2000), (384, 96, 1040)] {
        check_kernel(&factors(Form::Tn, [m, n, k]), product(Form::Tn));
    }
}

/// Narrow vectors take panels, where the sides divide into them, and each way to put sums by is tried.
#[test]
fn leads_rows_past_panels() {
    let entry = |form, [m, n, k]: [usize; 3]| {
        let op = MatMul { batch: 1, m, n, k, form, epilogue: Default::default() };
        op.launch(&Target::untuned(Tier::Narrow)).dispatches[0].entry
    };
    let all = [
        (Form::Nt, [300, 24, 64], "panel"),
        (Form::Nt, [32, 8, 192], "panel"),
        (Form::Nn, [300, 24, 48], "panel"),
        (Form::Nn, [300, 24, 128], "panel"),
        (Form::Tn, [256, 16, 32], "panel_tn"),
        (Form::Tn, [256, 96, 1040], "panel_tn"),
        (Form::Tn, [384, 96, 1040], "panel_tn"),
        (Form::Tn, [36, 48, 2080], "panel_tn"),
        (Form::Tn, [64, 24, 320], "plain"),
        (Form::Nt, [300, 28, 64], "plain"),
    ];
    for (form, sizes, expected) in all {
        assert_eq!(entry(form, sizes), expected, "{form:?} {sizes:?}");
        check_kernel(&factors(form, sizes), product(form));
    }
}

#[test]
fn multiplies_batches() {
    for (m, n, k) in [(17, 12, 8), (5, 7, 9)] {
        for form in FORMS {
            let (a, b) = match form {
                Form::Nt => ([3, m, k], [3, n, k]),
                Form::Nn => ([3, m, k], [3, k, n]),
                Form::Tn => ([3, k, m], [3, k, n]),
            };
            let case = Case::new(vec![Tensor::normal(1, &a), Tensor::normal(2, &b)]).tolerance(TOLERANCE);
            check_op(&case, product(form));
        }
    }
}

#[test]
fn folds_bias_activation_and_residual() {
    // The last three are enough sums for large tiles, with vectors and without, and panels of two depths.
    for (rows, inner, outer) in [(37, 24, 20), (37, 11, 7), (70, 64, 136), (522, 96, 100), (522, 91, 99), (522, 96, 104)] {
        let inputs = || {
            vec![
                Tensor::normal(1, &[rows, inner]),
                Tensor::normal(2, &[outer, inner]).map(|value| 0.2 * value),
                Tensor::normal(3, &[outer]),
                Tensor::normal(4, &[rows, outer]),
            ]
        };
        let case = Case::new(inputs()).tolerance(TOLERANCE);
        check_op(&case, |graph, leaves| {
            let y = linear(graph, leaves[0], leaves[1], Some(leaves[2]))?;
            Ok(vec![add(graph, leaves[3], y)?])
        });
        for kind in [Kind::Gelu, Kind::Relu] {
            check_op(&case, |graph, leaves| {
                let y = linear(graph, leaves[0], leaves[1], Some(leaves[2]))?;
                let y = activation(graph, y, kind)?;
                Ok(vec![add(graph, y, leaves[3])?])
            });
        }
        // What the non-linearity was applied to is wanted too.
        check_kernel(&case, |graph, leaves| {
            let pre = linear(graph, leaves[0], leaves[1], Some(leaves[2]))?;
            Ok(vec![activation(graph, pre, Kind::Gelu)?, pre])
        });
    }
}

#[test]
fn folds_an_epilogue_after_a_split_product() {
    let case = Case::new(vec![Tensor::normal(1, &[3000, 12]), Tensor::normal(2, &[3000, 16]), Tensor::normal(3, &[16])]);
    check_kernel(&case.tolerance(TOLERANCE), |graph, leaves| {
        let y = matmul(graph, Form::Tn, leaves[0], leaves[1])?;
        let pre = add_bias(graph, y, leaves[2])?;
        Ok(vec![activation(graph, pre, Kind::Relu)?, pre])
    });
}

#[test]
fn a_fused_graph_has_one_step() {
    use vitrine::graph::plan::{Layout, Plan};
    let mut graph = Graph::new();
    let leaf = |graph: &mut Graph, sides: [usize; 2]| graph.leaf(Place::new(Region::Params, 0), sides);
    let (x, weight, bias) = (leaf(&mut graph, [8, 4]), leaf(&mut graph, [6, 4]), leaf(&mut graph, [1, 6]));
    let y = linear(&mut graph, x, weight, Some(bias)).expect("the shapes fit");
    let y = activation(&mut graph, y, Kind::Gelu).expect("any shape fits");
    graph.store(y, Place::new(Region::Grads, 0));
    let plan = Plan::new("fused", &graph, &Layout::processor()).expect("plans");
    assert_eq!(plan.steps.len(), 1, "{plan}");
}

#[test]
fn rejects_inner_sides_that_differ() {
    let mut graph = Graph::new();
    let a = graph.leaf(Place::new(Region::Params, 0), [4, 8]);
    let b = graph.leaf(Place::new(Region::Params, 0), [6, 7]);
    let error = matmul(&mut graph, Form::Nt, a, b).expect_err("8 and 7 differ").to_string();
    assert!(error.contains("[4, 8]") && error.contains("[6, 7]"), "{error}");
}
