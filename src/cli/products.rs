//! Matrix products against the clock: as a plan runs them, and as the `gemm` crate alone does.

use std::any::Any;
use std::collections::BTreeMap;

use vitrine::error::Result;
use vitrine::graph::plan::Plan;
use vitrine::graph::real::GemmCall;
use vitrine::graph::{Graph, Op, Place, Real, Region, Scalars, Shape};
use vitrine::ops::matmul::{Epilogue, Form, MatMul};
use vitrine::platform::Wait as _;
use vitrine::platform::now_secs;
use vitrine::rng::{Draws, Stream};
use vitrine::train::device::Device;

/// Where factors and product lie.
const PLACES: [Region; 3] = [Region::Params, Region::Grads, Region::Momentum];

/// The plain product of these sizes.
pub fn product(form: Form, [m, n, k]: [usize; 3]) -> MatMul {
    MatMul { batch: 1, m, n, k, form, epilogue: Epilogue::default() }
}

/// The distinct products of a plan, without their epilogues, and how often each is made.
pub fn products_of(plan: &Plan) -> Vec<(MatMul, usize)> {
    let mut counts: BTreeMap<_, (MatMul, usize)> = BTreeMap::new();
    for step in &plan.steps {
        let op: &dyn Any = &*step.op;
        if let Some(op) = op.downcast_ref::<MatMul>() {
            let plain = MatMul { epilogue: Epilogue::default(), ..*op };
            counts.entry((plain.name(), plain.batch, plain.m, plain.n, plain.k)).or_insert((plain, 0)).1 += 1;
        }
    }
    counts.into_values().collect()
}

/// `nt 8192×288×96`: form, then m×n×k.
pub fn describe(op: &MatMul) -> String {
    let form = match op.form {
        Form::Nt => "nt",
        Form::Nn => "nn",
        Form::Tn => "tn",
    };
    let batch = if op.batch > 1 { format!("{}·", op.batch) } else { String::new() };
    format!("{form} {batch}{}×{}×{}", op.m, op.n, op.k)
}

/// Multiplications and additions a second on `device`, in GFLOP/s, measured for about `secs`.
pub fn planned_gflops(device: &Device, op: &MatMul, secs: f64) -> Result<f64> {
    let factors = Factors::new(op);
    let lens = [factors.a.len(), factors.b.len(), factors.y.len()];
    let regions: Vec<(Region, usize)> = PLACES.into_iter().zip(lens).collect();
    let mut graph = Graph::new();
    let [a_shape, b_shape] = shapes(op);
    let a = graph.leaf(Place::new(PLACES[0], 0), a_shape);
    let b = graph.leaf(Place::new(PLACES[1], 0), b_shape);
    let y = graph.push_one(*op, &[a, b])?;
    graph.store(y, Place::new(PLACES[2], 0));
    device.tune(&graph).wait()?;
    let mut machine = device.machine(&regions)?;
    let plan = machine.load(Plan::new("product", &graph, &machine.layout())?)?;
    machine.upload(Place::new(PLACES[0], 0), &factors.a)?;
    machine.upload(Place::new(PLACES[1], 0), &factors.b)?;
    let scalars = Scalars::default();
    let calls_per_sec = rate(secs, |calls| {
        for _ in 0..calls {
            machine.run(plan, &scalars)?;
        }
        // Reading one word waits for everything before it.
        machine.download(Place::new(PLACES[2], 0), 1).wait().map(drop)
    })?;
    Ok(calls_per_sec * op.cost().flops / 1e9)
}

/// The same through one call of the `gemm` crate on all threads, in GFLOP/s.
pub fn bare_gflops(op: &MatMul, secs: f64) -> Result<f64> {
    let mut factors = Factors::new(op);
    let (m, n, k) = (op.m, op.n, op.k);
    let (lhs_strides, rhs_strides) = match op.form {
        Form::Nt => ((k as isize, 1), (1, k as isize)),
        Form::Nn => ((k as isize, 1), (n as isize, 1)),
        Form::Tn => ((1, m as isize), (n as isize, 1)),
    };
    let calls_per_sec = rate(secs, |calls| {
        for call_ix in 0..calls * op.batch {
            let batch_ix = call_ix % op.batch;
            let a = &factors.a[batch_ix * m * k..][..m * k];
            let b = &factors.b[batch_ix * n * k..][..n * k];
            let y = &mut factors.y[batch_ix * m * n..][..m * n];
            let call = GemmCall {
                sizes: [m, n, k],
                dst: (y.as_mut_ptr(), n as isize, 1),
                lhs: (a.as_ptr(), lhs_strides.0, lhs_strides.1),
                rhs: (b.as_ptr(), rhs_strides.0, rhs_strides.1),
                alpha: 1.0,
                accumulate: false,
                threads: rayon::current_num_threads(),
            };
            // SAFETY: the slices hold m·k, k·n and m·n elements, all that these strides reach, and `y` is unique.
            unsafe { f32::gemm(call) };
        }
        Ok(())
    })?;
    Ok(calls_per_sec * op.cost().flops / 1e9)
}

/// Values of a product.
struct Factors {
    a: Vec<f32>,
    b: Vec<f32>,
    y: Vec<f32>,
}

impl Factors {
    fn new(op: &MatMul) -> Self {
        let mut draws = Draws::new(0, Stream::Synthetic, 0, 0);
        let mut noise = |len: usize| (0..len).map(|_| draws.next_between(-0.5, 0.5)).collect();
        let (m, n, k) = (op.m, op.n, op.k);
        Self { a: noise(op.batch * m * k), b: noise(op.batch * k * n), y: vec![0.0; op.batch * m * n] }
    }
}

fn shapes(op: &MatMul) -> [Shape; 2] {
    let (m, n, k) = (op.m, op.n, op.k);
    let (a, b) = match op.form {
        Form::Nt => ([m, k], [n, k]),
        Form::Nn => ([m, k], [k, n]),
        Form::Tn => ([k, m], [k, n]),
    };
    [a, b].map(|sides| if op.batch > 1 { Shape::new(&[op.batch, sides[0], sides[1]]) } else { Shape::new(&sides) })
}

/// Calls a second: twice as many at a time until they take `secs`; the first, alone, warms up.
fn rate(secs: f64, mut run: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    run(1)?;
    let mut calls = 1;
    loop {
        let start = now_secs();
        run(calls)?;
        let took_secs = now_secs() - start;
        if took_secs >= secs {
            return Ok(calls as f64 / took_secs);
        }
        calls *= 2;
    }
}
