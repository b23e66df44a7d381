//! What runs a plan: the processor or an adapter, behind one interface.

use std::pin::Pin;

use super::place::{Place, Region};
use super::plan::{Layout, Plan};
use super::real::Scalars;
use crate::error::Result;

/// Handle of a plan that a machine has made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanId(pub usize);

/// The first op that produced a non-finite number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Where in the model, with the op: `blocks.3.attn attention.forward`.
    pub op: String,
    /// What it read or wrote: `parameters`, `output 0`.
    pub what: String,
}

/// One op or launch and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// `blocks.0.attn matmul.nt`, on a GPU with the kernel: `… (ops/matmul.plain)`.
    pub label: String,
    /// Milliseconds.
    pub millis: f64,
}

/// What a machine will have: at once on the processor and natively, later in a browser, where nothing may block.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A device that holds the regions and runs plans on them.
pub trait Machine {
    /// Name for people and files: `cpu (2 threads)` or the adapter's.
    fn describe(&self) -> String;

    /// Name and version of what it computes with, besides Vitrine.
    fn versions(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What plans for this machine must keep to.
    fn layout(&self) -> Layout;

    /// Makes a plan ready: buffers, pipelines, bind groups.
    fn load(&mut self, plan: Plan) -> Result<PlanId>;

    /// Runs a plan once. May return before it is done; whoever runs many calls [`Machine::keep_up`] between them.
    fn run(&mut self, plan: PlanId, scalars: &Scalars) -> Result<()>;

    /// Writes words into a region.
    fn upload(&mut self, place: Place, words: &[f32]) -> Result<()>;

    /// Writes bytes into a region, four a word, the first in the lowest bits; the last word is filled up with 0.
    fn upload_bytes(&mut self, place: Place, bytes: &[u8]) -> Result<()>;

    /// Reads words of a region; waits for everything before it.
    fn download(&mut self, place: Place, len: usize) -> Later<'_, Vec<f32>>;

    /// Asks for words of a region as they will be after everything run so far; they come through
    /// [`Machine::collect`] with this tag.
    fn request(&mut self, tag: u64, place: Place, len: usize) -> Result<()>;

    /// What has arrived, in the order of the requests. With `wait`: everything asked for.
    fn collect(&mut self, wait: bool) -> Later<'_, Vec<(u64, Vec<f32>)>>;

    /// Waits while the host is more than a few runs ahead of the device.
    fn keep_up(&mut self) -> Later<'_, ()>;

    /// Runs a plan step by step and names the first op with a non-finite output.
    fn find_non_finite<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Option<Culprit>>;

    /// Runs a plan once, op by op or launch by launch, and says how long each took.
    fn profile<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Vec<Timing>>;

    /// Whether the device is gone for good.
    fn is_lost(&self) -> bool;

    /// Loses the device as a reset of its driver would, to try out what follows.
    fn lose(&mut self);

    /// Words of a region.
    fn region_len(&self, region: Region) -> usize;
}
