//! The trainer: a model's plans on a device, and one optimiser step, evaluation batch or probe.

use super::device::Device;
use super::graphs::{self, Graphs};
use super::images::{Images, Intake, Purpose};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::graph::machine::{Culprit, Machine, PlanId, Timing};
use crate::graph::place::{GROUPS_START, SLOT_LEN, SLOTS};
use crate::graph::plan::{Layout, Plan};
use crate::graph::{Place, Region, Scalars};
use crate::model::groups::Groups;
use crate::model::init;
use crate::model::parameters::Parameters;
use crate::model::vit;
use crate::optim::loss_scale::OVERFLOW;
use crate::platform;
use crate::rng;

/// PyTorch's momentum of BatchNorm's running statistics.
const BN_MOMENTUM: f32 = 0.1;

/// What one optimiser step reports, late.
#[derive(Clone, Debug, PartialEq)]
pub struct StepNumbers {
    /// From 0.
    pub step: u64,
    /// Mean over the batch.
    pub loss: f64,
    /// Global L2 norm before clipping.
    pub grad_norm: f64,
    /// Share of the batch classified right.
    pub top1: f64,
    /// Share of the predictions that the most frequent class takes.
    pub modal_frac: f64,
    /// Loss or gradients are not finite, and f16 is not to blame.
    pub non_finite: bool,
    /// With mixed precision: the loss scale of the step.
    pub loss_scale: Option<f64>,
    /// Gradients were beyond the range of f16, so that the step changed nothing.
    pub skipped: bool,
    /// Gradient norm of each of [`Trainer::groups`].
    pub groups: Vec<f64>,
}

/// Sums over an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share classified right.
    pub top1: f64,
    /// Share with the label among the five best.
    pub top5: f64,
    /// Images.
    pub count: u64,
}

/// Memory and arithmetic of a session, before anything is allocated.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Trainable numbers.
    pub params: usize,
    /// Images of a pass.
    pub micro_batch: usize,
    /// Passes of a step.
    pub num_micros: usize,
    /// Temporary memory of the largest plan, bytes.
    pub arena_bytes: usize,
    /// Parameters, gradients, moments, statistics, inputs, bytes.
    pub region_bytes: usize,
    /// Arithmetic of one step.
    pub step_flops: f64,
    /// The forward and backward plan.
    pub plan: Plan,
    /// What is done to its images before.
    pub prepare: Plan,
}

/// A model on a device.
pub struct Trainer {
    /// The device.
    pub machine: Box<dyn Machine>,
    /// Parameters and where they lie.
    pub parameters: Parameters,
    /// What is trained.
    pub experiment: Experiment,
    /// Memory and arithmetic.
    pub estimate: Estimate,
    /// Groups of parameters whose gradient norms each step reports, from stem to head.
    pub groups: Vec<String>,
    plans: Plans,
    intake: Intake,
}

struct Plans {
    micro: PlanId,
    accumulate: Option<PlanId>,
    ascend: Option<PlanId>,
    unscale: Option<PlanId>,
    update: PlanId,
    evaluate: PlanId,
    probe: PlanId,
}

/// Finds the largest micro-batch that fits (or takes the one of the config) and states its memory.
pub fn estimate(experiment: &Experiment, device: &Device) -> Result<(Estimate, Parameters)> {
    let parameters = vit::parameters(&experiment.model)?;
    let layout = device.layout()?;
    let batch = experiment.train.batch;
    let asked = experiment.train.micro_batch;
    let divisors = (1..=batch).rev().filter(|micro| batch.is_multiple_of(*micro) && (asked == 0 || *micro == asked));
    let mut refused = None;
    for micro_batch in divisors {
        match estimate_at(experiment, &parameters, &layout, micro_batch) {
            Ok(estimate) if asked != 0 || estimate.arena_bytes <= device.arena_budget_bytes() => return Ok((estimate, parameters)),
            Ok(estimate) => refused = Some(too_large(&estimate, device)),
            Err(error @ Error::Device { .. }) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    let Some(refused) = refused else {
        let what = format!("train.micro_batch {asked} does not divide train.batch {batch}");
        return Err(Error::config(what, "take a divisor, or 0"));
    };
    let fits = |micro_batch: &usize| {
        estimate_at(experiment, &parameters, &layout, *micro_batch)
            .is_ok_and(|estimate| estimate.arena_bytes <= device.arena_budget_bytes())
    };
    match ((1..asked).rev().filter(|micro| batch.is_multiple_of(*micro)).find(fits), refused) {
        (Some(largest), Error::Device { what, .. }) => {
            Err(Error::device(what, format!("train.micro_batch = {largest} fits, or 0, which looks for it")))
        }
        (_, refused) => Err(refused),
    }
}

fn too_large(estimate: &Estimate, device: &Device) -> Error {
    let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    let what = format!(
        "the model needs {:.0} MiB of temporary memory for {} image(s), and {:.0} MiB are to be had",
        mib(estimate.arena_bytes),
        estimate.micro_batch,
        mib(device.arena_budget_bytes())
    );
    Error::device(what, "take a smaller model or image_size, or set train.micro_batch to insist")
}

fn estimate_at(experiment: &Experiment, parameters: &Parameters, layout: &Layout, micro_batch: usize) -> Result<Estimate> {
    let graphs = Graphs { experiment, parameters, micro_batch };
    let plan = Plan::new("micro", &graphs.micro()?, layout)?;
    let prepare = Plan::new("prepare", &graphs.prepares()[0].graph()?, layout)?;
    let num_micros = graphs.num_micros();
    let passes = if experiment.optim.sam_rho > 0.0 { 2 } else { 1 };
    Ok(Estimate {
        params: parameters.count(),
        micro_batch,
        num_micros,
        arena_bytes: plan.arena_bytes().max(prepare.arena_bytes()),
        region_bytes: 4 * graphs.regions().iter().map(|(_, len)| len).sum::<usize>(),
        step_flops: plan.cost().flops * (num_micros * passes) as f64,
        plan,
        prepare,
    })
}

impl Trainer {
    /// Plans the whole training on `device`; parameters are still zero.
    pub async fn new(experiment: &Experiment, device: &Device) -> Result<Self> {
        let (estimate, parameters) = estimate(experiment, device)?;
        let graphs = Graphs { experiment, parameters: &parameters, micro_batch: estimate.micro_batch };
        device.tune(&graphs.micro()?).await?;
        let mut machine = device.machine(&graphs.regions())?;
        let layout = machine.layout();
        let mut load = |name: &str, graph| machine.load(Plan::new(name, &graph, &layout)?);
        let sam = experiment.optim.sam_rho > 0.0;
        let plans = Plans {
            micro: load("micro", graphs.micro()?)?,
            accumulate: (graphs.num_micros() > 1).then(|| load("accumulate", graphs.accumulate()?)).transpose()?,
            ascend: sam.then(|| load("ascend", graphs.ascend()?)).transpose()?,
            unscale: graphs.is_half().then(|| load("unscale", graphs.unscale()?)).transpose()?,
            update: load("update", graphs.update()?)?,
            evaluate: load("evaluate", graphs.evaluate()?)?,
            probe: load("probe", graphs.probe()?)?,
        };
        let intake = Intake::new(&graphs, machine.as_mut())?;
        let groups = Groups::new(&parameters);
        machine.upload(Place::new(Region::Groups, 0), &groups.table())?;
        if graphs.is_half() {
            machine.upload(Place::new(Region::LossScale, 0), &[experiment.train.loss_scale as f32])?;
        }
        Ok(Self { machine, parameters, experiment: experiment.clone(), estimate, groups: groups.names, plans, intake })
    }

    /// Gives every parameter and statistic its initial value for `train.seed`.
    pub async fn load_initial(&mut self) -> Result<()> {
        for (parameter, words) in init::initial(&self.parameters, self.experiment.train.seed) {
            let region = if parameter.trained { Region::Params } else { Region::Stats };
            self.machine.upload(Place::new(region, parameter.offset), &words)?;
        }
        self.start_average().await
    }

    /// Lets the running average begin at the parameters.
    pub async fn start_average(&mut self) -> Result<()> {
        if self.experiment.train.ema == 0.0 {
            return Ok(());
        }
        let copies = [(Region::Params, Region::Ema, self.parameters.len), (Region::Stats, Region::EmaStats, self.parameters.stats_len)];
        for (from, to, len) in copies {
            let words = self.machine.download(Place::new(from, 0), len).await?;
            self.machine.upload(Place::new(to, 0), &words)?;
        }
        Ok(())
    }

    /// One optimiser step on a whole batch: `images` [batch, S, S, 3], `targets` [batch, K]. Its
    /// numbers come from [`Trainer::collect`].
    pub fn step<'a>(&mut self, step: u64, lr: f64, images: impl Into<Images<'a>>, targets: &[f32]) -> Result<()> {
        let images = images.into();
        let num_micros = self.estimate.num_micros;
        let passes = if self.plans.ascend.is_some() { 2 } else { 1 };
        for pass in 0..passes {
            for micro in 0..num_micros {
                let scalars = self.scalars(step, lr, pass, micro);
                if pass == 0 || num_micros > 1 {
                    self.upload_micro(micro, images, targets, &scalars)?;
                }
                self.machine.run(self.plans.micro, &scalars)?;
                if let Some(accumulate) = self.plans.accumulate {
                    self.machine.run(accumulate, &scalars)?;
                }
            }
            if let Some(ascend) = self.plans.ascend.filter(|_| pass == 0) {
                self.machine.run(ascend, &self.scalars(step, lr, 0, 0))?;
            }
        }
        self.machine.run(self.plans.update, &self.scalars(step, lr, passes - 1, 0))?;
        let slot = self.scalars(step, lr, 0, 0).ring_slot as usize;
        self.machine.request(step, Place::new(Region::Ring, slot * SLOT_LEN), SLOT_LEN)
    }

    /// Lets what else runs on this thread have its turn, and waits while the host is a few steps ahead of the
    /// device; between two steps or batches.
    pub async fn breathe(&mut self) -> Result<()> {
        self.machine.keep_up().await?;
        platform::yield_now().await;
        Ok(())
    }

    /// The forward and backward pass of micro-batch 0 alone, without an update.
    pub fn pass<'a>(&mut self, images: impl Into<Images<'a>>, targets: &[f32]) -> Result<()> {
        let scalars = Scalars { report: 0, bn_momentum: 0.0, ..self.scalars(0, 0.0, 0, 0) };
        self.upload_micro(0, images.into(), targets, &scalars)?;
        self.machine.run(self.plans.micro, &scalars)?;
        self.plans.unscale.map_or(Ok(()), |unscale| self.machine.run(unscale, &scalars))
    }

    /// Times every op (on a GPU: every launch) of a forward and backward pass on what was last uploaded, from
    /// bytes on.
    pub async fn profile(&mut self) -> Result<Vec<Timing>> {
        let scalars = Scalars { report: 0, bn_momentum: 0.0, ..self.scalars(0, 0.0, 0, 0) };
        let mut timings = self.machine.profile(self.intake.plan(Purpose::Training), &scalars).await?;
        timings.extend(self.machine.profile(self.plans.micro, &scalars).await?);
        Ok(timings)
    }

    /// Numbers of steps that have arrived; with `wait` of all steps made.
    pub async fn collect(&mut self, wait: bool) -> Result<Vec<StepNumbers>> {
        let arrived = self.machine.collect(wait).await?;
        let is_half = self.plans.unscale.is_some();
        Ok(arrived.into_iter().map(|(step, words)| numbers(step, &words, self.groups.len(), is_half)).collect())
    }

    /// Sets the sums of an evaluation to 0.
    pub fn clear_totals(&mut self) -> Result<()> {
        self.machine.upload(Place::new(Region::Totals, 0), &[0.0; SLOT_LEN])
    }

    /// Adds a batch of at most `micro_batch` rows, padded to it, to the sums; the first `valid` count.
    pub fn evaluate_batch<'a>(&mut self, images: impl Into<Images<'a>>, targets: &[f32], valid: usize) -> Result<()> {
        let scalars = Scalars { valid: valid as f32, report: 1, ..Scalars::default() };
        let whole = (0, self.estimate.micro_batch);
        self.intake.put(self.machine.as_mut(), Purpose::Evaluation, images.into(), whole, &scalars)?;
        self.machine.upload(Place::new(Region::Targets, 0), targets)?;
        self.machine.run(self.plans.evaluate, &scalars)
    }

    /// The sums of the evaluation so far.
    pub async fn totals(&mut self) -> Result<Totals> {
        let words = self.machine.download(Place::new(Region::Totals, 0), SLOT_LEN).await?;
        let count = f64::from(words[1]);
        let share = |ix: usize| f64::from(words[ix]) / count;
        Ok(Totals { loss: share(0), top1: share(2), top5: share(3), count: count as u64 })
    }

    /// Logits of the last pass or evaluation batch, [micro_batch, K].
    pub async fn logits(&mut self) -> Result<Vec<f32>> {
        let len = self.estimate.micro_batch * self.experiment.model.num_classes;
        self.machine.download(Place::new(Region::Logits, 0), len).await
    }

    /// Images of a probe batch.
    pub fn probe_batch(&self) -> usize {
        graphs::probe_batch(&self.experiment)
    }

    /// Token similarity per layer, averaged over the images [probe_batch, S, S, 3]; those behind `valid` are
    /// padding, 0 everywhere.
    pub async fn probe<'a>(&mut self, images: impl Into<Images<'a>>, valid: usize) -> Result<Vec<f64>> {
        let batch = self.probe_batch();
        let scalars = Scalars { valid: valid as f32, ..Scalars::default() };
        self.intake.put(self.machine.as_mut(), Purpose::Probe, images.into(), (0, batch), &scalars)?;
        self.machine.run(self.plans.probe, &scalars)?;
        let layers = graphs::num_layers(&self.experiment);
        let words = self.machine.download(Place::new(Region::Similarity, 0), layers * batch.next_multiple_of(64)).await?;
        let rows = words.chunks_exact(batch.next_multiple_of(64));
        Ok(rows.map(|row| row[..batch].iter().map(|value| f64::from(*value)).sum::<f64>() / batch as f64).collect())
    }

    /// Runs step `step` again on the same batch, op by op, and names the first that is not finite:
    /// parameters first, then the forward and the backward pass.
    pub async fn find_non_finite<'a>(&mut self, step: u64, images: impl Into<Images<'a>>, targets: &[f32]) -> Result<Option<Culprit>> {
        let images = images.into();
        let words = self.machine.download(Place::new(Region::Params, 0), self.parameters.len).await?;
        if let Some(offset) = words.iter().position(|word| word.to_bits() & 0x7F80_0000 == 0x7F80_0000) {
            let name = self.parameters.at(offset).map_or("padding", |parameter| parameter.name.as_str());
            return Ok(Some(Culprit { op: name.to_string(), what: "parameters".to_string() }));
        }
        for micro in 0..self.estimate.num_micros {
            let scalars = Scalars { report: 0, bn_momentum: 0.0, ..self.scalars(step, 0.0, 0, micro) };
            self.upload_micro(micro, images, targets, &scalars)?;
            if let Some(culprit) = self.machine.find_non_finite(self.plans.micro, &scalars).await? {
                return Ok(Some(culprit));
            }
        }
        Ok(None)
    }

    fn upload_micro(&mut self, micro: usize, images: Images<'_>, targets: &[f32], scalars: &Scalars) -> Result<()> {
        let (rows, batch) = (self.estimate.micro_batch, self.experiment.train.batch);
        let target_len = self.experiment.model.num_classes;
        self.intake.put(self.machine.as_mut(), Purpose::Training, images, (micro * rows, batch), scalars)?;
        self.machine.upload(Place::new(Region::Targets, 0), &targets[micro * rows * target_len..][..rows * target_len])
    }

    fn scalars(&self, step: u64, lr: f64, pass: usize, micro: usize) -> Scalars {
        let optim = &self.experiment.optim;
        let made = step as f64 + 1.0;
        let num_micros = self.estimate.num_micros;
        Scalars {
            seed: rng::folded(self.experiment.train.seed),
            step: step as u32,
            draw: (pass * num_micros + micro) as u32,
            ring_slot: (step % SLOTS as u64) as u32,
            micro: micro as u32,
            report: u32::from(pass == 0),
            lr: lr as f32,
            weight_decay: optim.weight_decay as f32,
            bias_correction1: (1.0 - optim.betas[0].powf(made)) as f32,
            bias_correction2: (1.0 - optim.betas[1].powf(made)) as f32,
            bn_momentum: if pass == 0 { BN_MOMENTUM } else { 0.0 },
            clip_norm: optim.clip_grad as f32,
            loss_scale: 1.0 / num_micros as f32,
            sam_rho: optim.sam_rho as f32,
            ema_decay: self.experiment.train.ema as f32,
            valid: self.estimate.micro_batch as f32,
        }
    }
}

fn numbers(step: u64, words: &[f32], num_groups: usize, is_half: bool) -> StepNumbers {
    let count = f64::from(words[1]);
    StepNumbers {
        step,
        loss: f64::from(words[0]) / count,
        grad_norm: f64::from(words[6]),
        top1: f64::from(words[2]) / count,
        modal_frac: f64::from(words[4]) / count,
        non_finite: words[5] != 0.0 || words[7] != 0.0 && words[7] != OVERFLOW,
        loss_scale: is_half.then(|| f64::from(words[8])),
        skipped: words[7] == OVERFLOW,
        groups: words[GROUPS_START..][..num_groups].iter().map(|norm| f64::from(*norm)).collect(),
    }
}
