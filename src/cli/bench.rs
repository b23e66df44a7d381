//! `bench`: training steps, matrix products and ops against the clock.

use clap::{Args, Subcommand};
use serde::Serialize;
use vitrine::config::{Experiment, Sources, load};
use vitrine::data::loader::{Batch, Loader};
use vitrine::error::Result;
use vitrine::graph::Op as _;
use vitrine::platform::Wait as _;
use vitrine::platform::now_secs;
use vitrine::run::report::grouped;
use vitrine::train::device::Device;
use vitrine::train::step::{self, Trainer};

use super::args::{DeviceArgs, DeviceName};
use super::{op_times, output, products};

/// Batches made before the clock starts, so that making them is not timed.
const NUM_BATCHES: usize = 4;
/// Shortest warm-up: a first step compiles, tunes and touches new memory.
const WARMUP_SECS: f64 = 1.0;
/// Steps of the warm-up at least.
const WARMUP_STEPS: usize = 2;
/// Steps from an idle device that the host's own time is the median of, at most.
const HOST_STEPS: usize = 9;
/// Learning rate of the steps: small, so that noise for images does no harm.
const LR: f64 = 1e-4;
/// Products below this share of a step's arithmetic are left out.
const SMALL_PRODUCT_FRAC: f64 = 0.01;
/// Rounds of a product, ours and the bare one in turn; the best of each counts.
const PRODUCT_ROUNDS: usize = 3;
/// Seconds of one product in one round.
const PRODUCT_SECS: f64 = 0.05;
/// What plain `bench` measures: preset and batch.
const STANDARD: [(&str, usize); 2] = [("bench-96x6", 128), ("deit-small", 8)];

const EXAMPLES: &str = "\
Examples:
  vitrine bench                                            two models on the processor, and their products
  vitrine bench step --preset deit-small --device gpu --batch 64
  vitrine bench step --preset bench-64x4 --batch 32 --json
  vitrine bench products --preset deit-small --batch 8     plans against bare gemm calls
  vitrine bench ops --preset deit-small --device gpu       where a pass spends its time

Images are random and made before the clock starts.";

const STEP_EXAMPLES: &str = "\
Examples:
  vitrine bench step                                       bench-96x6 on the processor or a real GPU
  vitrine bench step --preset deit-small --device gpu --batch 64
  vitrine bench step --preset demo --set optim.sam_rho=0.05 --json";

const PRODUCTS_EXAMPLES: &str = "\
Examples:
  vitrine bench products                                   those of bench-96x6
  vitrine bench products --preset deit-small --batch 8
  vitrine bench products --preset demo --json              one line a product";

const OPS_EXAMPLES: &str = "\
Examples:
  vitrine bench ops --preset deit-small --batch 8
  vitrine bench ops --preset demo --device gpu --json      one line an op";

/// Flags of `bench`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    #[command(subcommand)]
    verb: Option<BenchVerb>,
    /// Print JSON, one line a measurement
    #[arg(long, global = true)]
    json: bool,
    /// Seconds of steps to time, at least
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5.0, value_parser = positive)]
    seconds: f64,
}

#[derive(Debug, Subcommand)]
enum BenchVerb {
    /// Whole training steps of one model
    #[command(after_help = STEP_EXAMPLES)]
    Step(ModelArgs),
    /// The matrix products of one model on the processor, beside the bare `gemm` call
    #[command(after_help = PRODUCTS_EXAMPLES)]
    Products(ModelArgs),
    /// Every op of one model's forward and backward pass
    #[command(after_help = OPS_EXAMPLES)]
    Ops(ModelArgs),
}

#[derive(Args, Debug)]
struct ModelArgs {
    /// The model
    #[arg(long, value_name = "NAME", default_value = "bench-96x6")]
    preset: String,
    /// Images a step; without it the preset's
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Set one key over the preset; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(secs) if secs > 0.0 && secs < 1e6 => Ok(secs),
        _ => Err("expected a number of seconds above 0".to_string()),
    }
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> Result<u8> {
    let bench = Bench { json: args.json, secs: args.seconds };
    match &args.verb {
        Some(BenchVerb::Step(model)) => bench.step(model)?,
        Some(BenchVerb::Products(model)) => bench.products(model)?,
        Some(BenchVerb::Ops(model)) => bench.ops(model)?,
        None => {
            let device = DeviceArgs { device: DeviceName::Cpu, adapter: None };
            let models = STANDARD.map(|(preset, batch)| ModelArgs {
                preset: preset.into(),
                batch: Some(batch),
                sets: vec![],
                device: device.clone(),
            });
            models.iter().try_for_each(|model| bench.step(model))?;
            models.iter().try_for_each(|model| bench.products(model))?;
        }
    }
    Ok(0)
}

impl ModelArgs {
    fn experiment(&self) -> Result<Experiment> {
        let mut flags = vec![("data.kind", "bench", "random".to_string())];
        flags.extend(self.batch.map(|batch| ("train.batch", "--batch", batch.to_string())));
        // A preset's micro-batch belongs to its own batch; one that is asked for stays.
        let sets = self.batch.iter().map(|_| "train.micro_batch=0".to_string()).chain(self.sets.clone()).collect();
        let sources = Sources { preset: Some(&self.preset), sets, flags, ..Sources::default() };
        Ok(load(&sources)?.experiment)
    }
}

struct Bench {
    json: bool,
    secs: f64,
}

/// Training steps of one model.
#[derive(Debug, Serialize)]
struct StepReport {
    kind: &'static str,
    preset: String,
    device: String,
    params: usize,
    batch: usize,
    micro_batch: usize,
    steps: usize,
    images_per_sec: f64,
    step_millis: f64,
    gflop_per_sec: f64,
    /// Until the call of a step returns, on an idle device.
    host_millis: f64,
    /// Temporary memory, as planned.
    arena_bytes: usize,
    arena_bytes_per_image: usize,
    /// Parameters, gradients, moments, inputs.
    region_bytes: usize,
    /// The most memory this process has held so far, where the system tells.
    peak_bytes: Option<u64>,
}

/// One product of a model.
#[derive(Debug, Serialize)]
struct ProductReport {
    kind: &'static str,
    preset: String,
    product: String,
    count: usize,
    /// Part of the products' arithmetic in one pass.
    flop_frac: f64,
    planned_gflop_per_sec: f64,
    gemm_gflop_per_sec: f64,
}

impl Bench {
    fn step(&self, model: &ModelArgs) -> Result<()> {
        let experiment = model.experiment()?;
        let (device, _) = Device::open(model.device.choice()?, model.device.adapter.as_deref()).wait()?;
        let report = self.time_steps(&model.preset, &experiment, &device)?;
        if self.json { output::print_json(&report) } else { output::print(&report.text()) }
    }

    fn time_steps(&self, preset: &str, experiment: &Experiment, device: &Device) -> Result<StepReport> {
        output::note(&format!("{preset}: steps of {} images …", experiment.train.batch));
        let mut timed = Timed::new(experiment, device)?;
        timed.make_steps(WARMUP_STEPS, WARMUP_SECS)?;
        let (steps, secs) = timed.make_steps(1, self.secs)?;
        let host_secs = if matches!(device, Device::Cpu) { secs / steps as f64 } else { timed.host_secs(self.secs)? };
        let estimate = &timed.trainer.estimate;
        Ok(StepReport {
            kind: "step",
            preset: preset.to_string(),
            device: timed.trainer.machine.describe(),
            params: estimate.params,
            batch: experiment.train.batch,
            micro_batch: estimate.micro_batch,
            steps,
            images_per_sec: (steps * experiment.train.batch) as f64 / secs,
            step_millis: 1e3 * secs / steps as f64,
            gflop_per_sec: estimate.step_flops * steps as f64 / secs / 1e9,
            host_millis: 1e3 * host_secs,
            arena_bytes: estimate.arena_bytes,
            arena_bytes_per_image: estimate.arena_bytes / estimate.micro_batch,
            region_bytes: estimate.region_bytes,
            peak_bytes: peak_memory_bytes(),
        })
    }

    fn ops(&self, model: &ModelArgs) -> Result<()> {
        let experiment = model.experiment()?;
        let (device, _) = Device::open(model.device.choice()?, model.device.adapter.as_deref()).wait()?;
        output::note(&format!("{}: ops of {} images …", model.preset, experiment.train.batch));
        let mut timed = Timed::new(&experiment, &device)?;
        timed.make_steps(WARMUP_STEPS, WARMUP_SECS)?;
        let times = op_times::measure(&model.preset, &mut timed.trainer, self.secs)?;
        if self.json { times.iter().try_for_each(output::print_json) } else { output::print(&op_times::table(&times)) }
    }

    fn products(&self, model: &ModelArgs) -> Result<()> {
        let experiment = model.experiment()?;
        let (estimate, _) = step::estimate(&experiment, &Device::Cpu)?;
        let products = products::products_of(&estimate.plan);
        let flops = |(op, count): &(_, usize)| vitrine::ops::matmul::MatMul::cost(op).flops * *count as f64;
        let total: f64 = products.iter().map(flops).sum();
        output::note(&format!("{}: matrix products of {} images …", model.preset, estimate.micro_batch));
        let mut reports = Vec::new();
        for entry in products.iter().filter(|entry| flops(entry) >= SMALL_PRODUCT_FRAC * total) {
            let (op, count) = entry;
            let (mut planned, mut bare) = (0.0_f64, 0.0_f64);
            for _ in 0..PRODUCT_ROUNDS {
                planned = planned.max(products::planned_gflops(&Device::Cpu, op, PRODUCT_SECS)?);
                bare = bare.max(products::bare_gflops(op, PRODUCT_SECS)?);
            }
            reports.push(ProductReport {
                kind: "product",
                preset: model.preset.clone(),
                product: products::describe(op),
                count: *count,
                flop_frac: flops(entry) / total,
                planned_gflop_per_sec: planned,
                gemm_gflop_per_sec: bare,
            });
        }
        if self.json { reports.iter().try_for_each(output::print_json) } else { output::print(&product_table(&reports)) }
    }
}

/// A trainer with batches to spare.
struct Timed {
    trainer: Trainer,
    batches: Vec<Batch>,
    next_step: u64,
}

impl Timed {
    fn new(experiment: &Experiment, device: &Device) -> Result<Self> {
        let split = vitrine::data::open(&experiment.data, &experiment.model)?;
        let loader = Loader::new(split.train, experiment)?;
        let batches = (0..NUM_BATCHES).map(|step| loader.batch(step)).collect::<Result<_>>()?;
        let mut trainer = Trainer::new(experiment, device).wait()?;
        trainer.load_initial().wait()?;
        Ok(Self { trainer, batches, next_step: 0 })
    }

    fn step(&mut self) -> Result<()> {
        let batch = &self.batches[self.next_step as usize % self.batches.len()];
        self.trainer.step(self.next_step, LR, &batch.pictures, &batch.targets)?;
        self.next_step += 1;
        self.trainer.collect(false).wait().map(drop)
    }

    /// Steps until there are `min_steps` and `secs` have passed, to the end of the last one; how
    /// many, and the seconds they took.
    fn make_steps(&mut self, min_steps: usize, secs: f64) -> Result<(usize, f64)> {
        let start = now_secs();
        let mut steps = 0;
        while steps < min_steps || now_secs() - start < secs {
            self.step()?;
            steps += 1;
        }
        self.trainer.collect(true).wait()?;
        Ok((steps, now_secs() - start))
    }

    /// Median seconds until the call of a step returns, when the device has nothing else to do.
    fn host_secs(&mut self, most_secs: f64) -> Result<f64> {
        let begin = now_secs();
        let mut times = Vec::new();
        while times.is_empty() || (times.len() < HOST_STEPS && now_secs() - begin < most_secs) {
            let start = now_secs();
            self.step()?;
            times.push(now_secs() - start);
            self.trainer.collect(true).wait()?;
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }
}

impl StepReport {
    fn text(&self) -> String {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        let memory = format!(
            "{:.1} MB activations ({:.2} MB an image), {:.1} MB state",
            mb(self.arena_bytes),
            mb(self.arena_bytes_per_image),
            mb(self.region_bytes)
        );
        let peak = self.peak_bytes.map_or(String::new(), |bytes| format!(", process {:.0} MB at most", bytes as f64 / 1e6));
        let rows = [
            ("model", format!("{}, {} parameters", self.preset, grouped(self.params as u64))),
            ("device", self.device.clone()),
            ("batch", format!("{} images, {} a pass, {} steps timed", self.batch, self.micro_batch, self.steps)),
            ("speed", format!("{:.1} images/s, {:.2} ms a step, {:.1} GFLOP/s", self.images_per_sec, self.step_millis, self.gflop_per_sec)),
            ("host", format!("{:.2} ms a step", self.host_millis)),
            ("memory", memory + &peak),
        ];
        rows.iter().map(|(title, row)| format!("{title:<8}{row}\n")).collect::<String>() + "\n"
    }
}

fn product_table(reports: &[ProductReport]) -> String {
    let mut table =
        format!("{:<24} {:>5} {:>6} {:>10} {:>10} {:>6}\n", "PRODUCT (m×n×k)", "COUNT", "FLOP", "GFLOP/s", "GEMM ALONE", "SHARE");
    let (mut planned_secs, mut bare_secs) = (0.0, 0.0);
    for report in reports {
        let (planned, bare) = (report.planned_gflop_per_sec, report.gemm_gflop_per_sec);
        planned_secs += report.flop_frac / planned;
        bare_secs += report.flop_frac / bare;
        table += &format!(
            "{:<24} {:>5} {:>4.1} % {planned:>10.1} {bare:>10.1} {:>4.0} %\n",
            report.product,
            report.count,
            100.0 * report.flop_frac,
            100.0 * planned / bare
        );
    }
    table + &format!("all of them together {:>43.0} %\n\n", 100.0 * bare_secs / planned_secs)
}

/// The largest resident set of this process so far; Linux tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
