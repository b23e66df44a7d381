//! The start-up check of an adapter's kernels: one product and one reduction against the processor.
//!
//! A tier whose numbers are wrong, or whose kernels do not compile, gives way to the next: T1 to T0 on vectors, and
//! that to T0. `VITRINE_TIER=T1|T0n|T0` decides instead, unchecked. `doctor` tests every kernel.

use super::device::Gpu;
use super::machine::GpuMachine;
use crate::cpu::machine::CpuMachine;
use crate::error::{Error, Result};
use crate::graph::launch::Tier;
use crate::graph::machine::Machine;
use crate::graph::plan::Plan;
use crate::graph::{Graph, Place, Region, Scalars};
use crate::ops::layernorm::layernorm;
use crate::ops::matmul::{Form, matmul};
use crate::rng::{Draws, Stream};

/// Environment variable: the tier to take.
const TIER_VARIABLE: &str = "VITRINE_TIER";
/// Rows, columns and inner length of the product: no tile divides them.
const SIZES: [usize; 3] = [70, 52, 75];
/// Both sides sum 75 products and 52 values in f32, in another order; a wrong kernel is off by the size of its values, 1.
const TOLERANCE: f32 = 1e-3;
/// ε of the reduction.
const EPS: f64 = 1e-6;
/// Words that arrays begin at multiples of: WebGPU's 256 bytes.
const ALIGN: usize = 64;

/// The adapter with the first tier that `judge` finds no trouble with, its own before others.
///
/// Errors: trouble with every tier; a tier that is asked for by an unknown name; what `judge` gives up on.
pub async fn settle(mut gpu: Gpu, judge: impl AsyncFn(&Gpu, Tier) -> Result<Option<String>>) -> Result<Gpu> {
    if let Ok(name) = std::env::var(TIER_VARIABLE) {
        let tier = tier_named(&name)?;
        gpu.take_tier(tier, format!("{} kernels, as {TIER_VARIABLE} asks for", tier.short_name()));
        return Ok(gpu);
    }
    let own = gpu.tier();
    let others = [Tier::Narrow, Tier::Plain].into_iter().filter(|tier| *tier != own);
    let mut troubles = Vec::new();
    for tier in [own].into_iter().chain(others) {
        let Some(trouble) = judge(&gpu, tier).await? else {
            if tier != own {
                gpu.take_tier(tier, format!("{} kernels: {}", tier.short_name(), troubles.join("; ")));
            }
            return Ok(gpu);
        };
        troubles.push(format!("{} fails the start-up check ({trouble})", tier.short_name()));
    }
    let what = format!("{} computes wrong numbers: {}", gpu.info.name, troubles.join("; "));
    Err(Error::device(what, "update its driver, or take --device cpu"))
}

fn tier_named(name: &str) -> Result<Tier> {
    let found = Tier::ALL.into_iter().find(|tier| tier.short_name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::usage(format!("{TIER_VARIABLE}={name}: there is no such tier"), "T1, T0n and T0 are those there are"))
}

/// What is wrong with a tier on an adapter, if anything.
///
/// Errors: the device is lost.
pub async fn trouble(gpu: &Gpu, tier: Tier) -> Result<Option<String>> {
    let regions = regions();
    let wanted = outcome(&mut CpuMachine::<f32>::new(&regions)).await?;
    let got = match GpuMachine::new(gpu, &regions, Some(tier)) {
        Ok(mut machine) => outcome(&mut machine).await,
        Err(error) => Err(error),
    };
    match got {
        Ok(got) => Ok(difference(&got, &wanted)),
        Err(error) if gpu.is_lost() => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// The first number that is off, in words.
pub fn difference(got: &[f32], wanted: &[f32]) -> Option<String> {
    // Written so that NaN is off.
    let is_right = |got: f32, wanted: f32| (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0);
    let (got, wanted) = got.iter().zip(wanted).find(|(got, wanted)| !is_right(**got, **wanted))?;
    Some(format!("{got} in place of {wanted}"))
}

fn regions() -> [(Region, usize); 3] {
    let [rows, columns, inner] = SIZES;
    [(Region::Images, rows * inner), (Region::Params, beta_start() + columns), (Region::Logits, rows * columns)]
}

fn gamma_start() -> usize {
    (SIZES[1] * SIZES[2]).next_multiple_of(ALIGN)
}

fn beta_start() -> usize {
    (gamma_start() + SIZES[1]).next_multiple_of(ALIGN)
}

/// Rows of a product, normalised.
async fn outcome(machine: &mut dyn Machine) -> Result<Vec<f32>> {
    let [rows, columns, inner] = SIZES;
    let mut graph = Graph::new();
    let a = graph.leaf(Place::new(Region::Images, 0), [rows, inner]);
    let b = graph.leaf(Place::new(Region::Params, 0), [columns, inner]);
    let [gamma, beta] = [gamma_start(), beta_start()].map(|start| graph.leaf(Place::new(Region::Params, start), [columns]));
    let product = matmul(&mut graph, Form::Nt, a, b)?;
    let normed = layernorm(&mut graph, product, gamma, beta, EPS)?;
    graph.store(normed, Place::new(Region::Logits, 0));
    let plan = machine.load(Plan::new("start-up check", &graph, &machine.layout())?)?;
    let mut draws = Draws::new(1, Stream::Synthetic, 0, 0);
    for (region, len) in &regions()[..2] {
        let noise: Vec<f32> = (0..*len).map(|_| draws.next_between(-1.0, 1.0)).collect();
        machine.upload(Place::new(*region, 0), &noise)?;
    }
    machine.run(plan, &Scalars::default())?;
    machine.download(Place::new(Region::Logits, 0), rows * columns).await
}
