//! The cpu device: runs a plan on the processor, in f32, or in f64 as the oracle.

use std::future::ready;

use rayon::prelude::*;

use super::rows::vectorised;
use crate::error::{Error, Result};
use crate::graph::machine::{Culprit, Later, Machine, PlanId, Timing};
use crate::graph::op::MAX_PORTS;
use crate::graph::plan::{Buffer, Layout, Loc, Plan, Step};
use crate::graph::{Io, Place, Real, Region, Scalars};
use crate::platform::{now_secs, parallel};

/// Elements of one task of rounding.
const CHUNK: usize = 16_384;

/// A processor with its regions and arenas.
pub struct CpuMachine<T: Real> {
    regions: Vec<Vec<T>>,
    arenas: Vec<Vec<T>>,
    plans: Vec<Plan>,
    arrived: Vec<(u64, Vec<f32>)>,
}

/// Runs an op in the element type of the machine.
trait Runs<T> {
    fn run(&self, io: &mut Io<'_, T>);
}

impl Runs<f32> for Step {
    fn run(&self, io: &mut Io<'_, f32>) {
        self.op.run_f32(io);
    }
}

impl Runs<f64> for Step {
    fn run(&self, io: &mut Io<'_, f64>) {
        self.op.run_f64(io);
    }
}

impl<T: Real> CpuMachine<T> {
    /// A machine with these persistent regions, zeroed.
    pub fn new(region_lens: &[(Region, usize)]) -> Self {
        let mut regions: Vec<Vec<T>> = vec![Vec::new(); Region::ALL.len()];
        for (region, len) in region_lens {
            regions[*region as usize] = vec![T::ZERO; *len];
        }
        Self { regions, arenas: Vec::new(), plans: Vec::new(), arrived: Vec::new() }
    }

    /// A region's content.
    pub fn region(&self, region: Region) -> &[T] {
        &self.regions[region as usize]
    }

    /// A region's content, to change.
    pub fn region_mut(&mut self, region: Region) -> &mut [T] {
        &mut self.regions[region as usize]
    }

    fn buffer(&mut self, buffer: Buffer) -> &mut Vec<T> {
        match buffer {
            Buffer::Arena(arena) => &mut self.arenas[arena],
            Buffer::Region(region) => &mut self.regions[region as usize],
        }
    }

    fn words(&mut self, loc: Loc) -> &mut [T] {
        &mut self.buffer(loc.buffer)[loc.offset..loc.offset + loc.len]
    }

    fn run_step(&mut self, step: &Step, scalars: &Scalars)
    where
        Step: Runs<T>,
    {
        let mut io = Io { ins: [&[]; MAX_PORTS], outs: std::array::from_fn(|_| Default::default()), scalars };
        let in_place = step.op.in_place();
        for (port, loc) in step.inputs.iter().enumerate() {
            if in_place.iter().any(|(_, input)| *input == port) {
                continue;
            }
            let words = self.words(*loc);
            // SAFETY: `load` has checked that no output overlaps another output or an input that is
            // not in place, so shared and unique slices never alias; the buffers outlive `io`.
            io.ins[port] = unsafe { std::slice::from_raw_parts(words.as_ptr(), words.len()) };
        }
        for (port, loc) in step.outputs.iter().enumerate() {
            let words = self.words(*loc);
            // SAFETY: as above.
            io.outs[port] = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr(), words.len()) };
        }
        step.run(&mut io);
        // What a GPU would store in f16.
        io.outs.iter_mut().zip(&step.outputs).filter(|(_, loc)| loc.half).for_each(|(out, _)| round_to_half(out));
    }

    fn copy(&self, place: Place, len: usize) -> Result<Vec<f32>> {
        Ok(self.slice(place, len)?.iter().map(|value| value.to_f64() as f32).collect())
    }

    fn slice(&self, place: Place, len: usize) -> Result<&[T]> {
        let region = &self.regions[place.region as usize];
        region
            .get(place.offset..place.offset + len)
            .ok_or_else(|| Error::Internal(format!("{place:?}+{len} lies outside a region of {} words", region.len())))
    }
}

/// Rounds an output to numbers of 16 bits.
fn round_to_half<T: Real>(out: &mut [T]) {
    out.par_chunks_mut(CHUNK).for_each(|chunk| {
        vectorised(
            #[inline(always)]
            || chunk.iter_mut().for_each(|value| *value = value.rounded_to_half()),
        );
    });
}

/// Outputs must not overlap each other, nor an input that is not the same in-place port.
fn check_aliasing(step: &Step) -> Result<()> {
    let overlap = |a: &Loc, b: &Loc| a.buffer == b.buffer && a.offset < b.offset + b.len && b.offset < a.offset + a.len;
    let in_place = step.op.in_place();
    for (port, output) in step.outputs.iter().enumerate() {
        let other_outputs = step.outputs[port + 1..].iter();
        let inputs = step.inputs.iter().enumerate().filter(|(ix, _)| !in_place.iter().any(|(_, input)| input == ix)).map(|(_, loc)| loc);
        if let Some(other) = other_outputs.chain(inputs).find(|other| overlap(output, other)) {
            return Err(Error::Internal(format!("{} ({}) writes {output} over {other}", step.op.name(), step.label)));
        }
    }
    Ok(())
}

impl<T: Real> Machine for CpuMachine<T>
where
    Step: Runs<T>,
{
    fn describe(&self) -> String {
        format!("cpu ({} threads, f{})", parallel::current_num_threads(), size_of::<T>() * 8)
    }

    fn layout(&self) -> Layout {
        Layout::processor()
    }

    fn load(&mut self, plan: Plan) -> Result<PlanId> {
        for step in &plan.steps {
            check_aliasing(step)?;
            for loc in step.inputs.iter().chain(&step.outputs) {
                if let Buffer::Region(region) = loc.buffer {
                    self.slice(Place::new(region, loc.offset), loc.len)?;
                }
            }
        }
        for (ix, len) in plan.arenas.iter().enumerate() {
            if ix == self.arenas.len() {
                self.arenas.push(Vec::new());
            }
            if self.arenas[ix].len() < *len {
                self.arenas[ix] = vec![T::ZERO; *len];
            }
        }
        self.plans.push(plan);
        Ok(PlanId(self.plans.len() - 1))
    }

    fn run(&mut self, plan: PlanId, scalars: &Scalars) -> Result<()> {
        let steps = std::mem::take(&mut self.plans[plan.0].steps);
        for step in &steps {
            self.run_step(step, scalars);
        }
        self.plans[plan.0].steps = steps;
        Ok(())
    }

    fn upload(&mut self, place: Place, words: &[f32]) -> Result<()> {
        self.slice(place, words.len())?;
        let region = &mut self.regions[place.region as usize];
        for (to, from) in region[place.offset..].iter_mut().zip(words) {
            *to = T::of(f64::from(*from));
        }
        Ok(())
    }

    fn upload_bytes(&mut self, place: Place, bytes: &[u8]) -> Result<()> {
        self.slice(place, bytes.len().div_ceil(4))?;
        let region = &mut self.regions[place.region as usize];
        for (to, four) in region[place.offset..].iter_mut().zip(bytes.chunks(4)) {
            let mut word = [0; 4];
            word[..four.len()].copy_from_slice(four);
            *to = T::from_word(u32::from_le_bytes(word));
        }
        Ok(())
    }

    fn download(&mut self, place: Place, len: usize) -> Later<'_, Vec<f32>> {
        Box::pin(ready(self.copy(place, len)))
    }

    fn request(&mut self, tag: u64, place: Place, len: usize) -> Result<()> {
        let words = self.copy(place, len)?;
        self.arrived.push((tag, words));
        Ok(())
    }

    fn collect(&mut self, _wait: bool) -> Later<'_, Vec<(u64, Vec<f32>)>> {
        Box::pin(ready(Ok(std::mem::take(&mut self.arrived))))
    }

    fn keep_up(&mut self) -> Later<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn find_non_finite<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Option<Culprit>> {
        let steps = std::mem::take(&mut self.plans[plan.0].steps);
        let mut culprit = None;
        for step in &steps {
            self.run_step(step, scalars);
            let bad = step.outputs.iter().position(|loc| !self.words(*loc).iter().all(|value| value.is_finite_bits()));
            if let Some(port) = bad {
                culprit = Some(Culprit { op: format!("{} {}", step.label, step.op.name()), what: format!("output {port}") });
                break;
            }
        }
        self.plans[plan.0].steps = steps;
        Box::pin(ready(Ok(culprit)))
    }

    fn profile<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Vec<Timing>> {
        let steps = std::mem::take(&mut self.plans[plan.0].steps);
        let timed = steps.iter().map(|step| {
            let began_secs = now_secs();
            self.run_step(step, scalars);
            Timing { label: format!("{} {}", step.label, step.op.name()), millis: (now_secs() - began_secs) * 1e3 }
        });
        let timings = timed.collect();
        self.plans[plan.0].steps = steps;
        Box::pin(ready(Ok(timings)))
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn lose(&mut self) {}

    fn region_len(&self, region: Region) -> usize {
        self.regions[region as usize].len()
    }
}
