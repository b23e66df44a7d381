//! Where a forward and backward pass spends its time, op by op.

use std::collections::BTreeMap;

use serde::Serialize;
use vitrine::error::Result;
use vitrine::graph::Cost;
use vitrine::graph::plan::Plan;
use vitrine::platform::{Wait as _, now_secs};
use vitrine::train::step::Trainer;

/// Passes that are timed at most.
const MAX_PASSES: usize = 50;

/// All uses of one op in a pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpTime {
    kind: &'static str,
    preset: String,
    /// `matmul.nt`; on a GPU with the kernel family behind it.
    pub op: String,
    /// How often a pass runs it.
    pub count: usize,
    /// Of all of them together, the least of the passes.
    pub millis: f64,
    /// Part of the pass.
    pub time_frac: f64,
    /// By the op's own count of its arithmetic; of all its kernels together.
    pub gflop_per_sec: f64,
    /// By the op's own count of the bytes it must read and write, likewise.
    pub gbyte_per_sec: f64,
}

/// Times the pass on what was last uploaded until `secs` have passed; the slowest op first.
pub fn measure(preset: &str, trainer: &mut Trainer, secs: f64) -> Result<Vec<OpTime>> {
    let mut least: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let begin = now_secs();
    for pass in 0..MAX_PASSES {
        if pass > 0 && now_secs() - begin > secs {
            break;
        }
        let mut sums: BTreeMap<String, (usize, f64)> = BTreeMap::new();
        for timing in trainer.profile().wait()? {
            let (count, millis) = sums.entry(op_of(&timing.label).to_string()).or_default();
            (*count, *millis) = (*count + 1, *millis + timing.millis);
        }
        for (op, (count, millis)) in sums {
            let entry = least.entry(op).or_insert((count, millis));
            entry.1 = entry.1.min(millis);
        }
    }
    let costs = costs_of([&trainer.estimate.prepare, &trainer.estimate.plan]);
    let total: f64 = least.values().map(|(_, millis)| millis).sum();
    // The op's own count of its cost is of all its kernels together, and so is the rate.
    let mut millis_of_op: BTreeMap<String, f64> = BTreeMap::new();
    for (op, (_, millis)) in &least {
        *millis_of_op.entry(without_kernel(op).to_string()).or_default() += millis;
    }
    let report = |(op, (count, millis)): (String, (usize, f64))| {
        let name = without_kernel(&op);
        let Cost { flops, bytes } = costs.get(name).copied().unwrap_or(Cost { flops: 0.0, bytes: 0.0 });
        let per_sec = |amount: f64| amount / millis_of_op[name].max(1e-9) / 1e6;
        let (gflop_per_sec, gbyte_per_sec) = (per_sec(flops), per_sec(bytes));
        OpTime { kind: "op", preset: preset.into(), op, count, millis, time_frac: millis / total, gflop_per_sec, gbyte_per_sec }
    };
    let mut times: Vec<OpTime> = least.into_iter().map(report).collect();
    times.sort_by(|a, b| b.millis.total_cmp(&a.millis));
    Ok(times)
}

/// What [`measure`] found, as a table.
pub fn table(times: &[OpTime]) -> String {
    let width = times.iter().map(|time| time.op.chars().count()).max().unwrap_or(0).max(2);
    let mut table = format!("{:<width$} {:>6} {:>10} {:>7} {:>9} {:>8}\n", "OP", "COUNT", "MS", "TIME", "GFLOP/s", "GB/s");
    for OpTime { op, count, millis, time_frac, gflop_per_sec, gbyte_per_sec, .. } in times {
        let share = 100.0 * time_frac;
        table += &format!("{op:<width$} {count:>6} {millis:>10.2} {share:>5.1} % {gflop_per_sec:>9.1} {gbyte_per_sec:>8.1}\n");
    }
    let total: f64 = times.iter().map(|time| time.millis).sum();
    table + &format!("{:<width$} {:>6} {total:>10.2}\n\n", "all", times.iter().map(|time| time.count).sum::<usize>())
}

/// The op of a timing: `matmul.nt` of `blocks.0.attn matmul.nt (ops/matmul)`, with what is in brackets.
fn op_of(label: &str) -> &str {
    let folders = [" (ops/", " (plain/", " (narrow/", " (metric/", " (augment/"];
    let end_of_op = folders.iter().find_map(|folder| label.find(folder)).unwrap_or(label.len());
    let start = label[..end_of_op].rfind(' ').map_or(0, |space| space + 1);
    &label[start..]
}

fn without_kernel(op: &str) -> &str {
    op.split(" (").next().unwrap_or(op)
}

/// Arithmetic and bytes of each op of the plans of a pass.
fn costs_of(plans: [&Plan; 2]) -> BTreeMap<String, Cost> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    for step in plans.into_iter().flat_map(|plan| &plan.steps) {
        let Cost { flops, bytes } = step.op.cost();
        let sum = costs.entry(step.op.name().to_string()).or_insert(Cost { flops: 0.0, bytes: 0.0 });
        *sum = Cost { flops: sum.flops + flops, bytes: sum.bytes + bytes };
    }
    costs
}
