//! Time of each launch of a plan: timestamps where the adapter has them, else the wall clock.

use super::machine::GpuMachine;
use super::signal::Signal;
use crate::error::Result;
use crate::graph::Scalars;
use crate::graph::machine::{PlanId, Timing};
use crate::platform::now_secs;

/// Launches timed with one set of queries; WebGPU allows 4096 queries a set, two a launch.
const MAX_TIMED: usize = 2048;

impl GpuMachine {
    /// Times every launch of a plan.
    ///
    /// Software adapters stamp when a command is queued, so they are timed by the wall clock.
    pub(super) async fn time_launches(&mut self, plan: PlanId, scalars: &Scalars) -> Result<Vec<Timing>> {
        self.set_scalars(scalars);
        let num_launches = self.prepared(plan).launches.len();
        let mut millis = Vec::with_capacity(num_launches);
        for start in (0..num_launches).step_by(MAX_TIMED) {
            let end = num_launches.min(start + MAX_TIMED);
            if self.gpu().has_timestamps && !self.gpu().is_software() {
                millis.extend(self.stamped(plan, start..end).await?);
            } else {
                millis.extend(self.clocked(plan, start..end).await?);
            }
        }
        let steps = self.prepared(plan).plan.steps.iter();
        let labels = steps.flat_map(|step| {
            step.dispatches.iter().map(|dispatch| format!("{} {} ({}.{})", step.label, step.op.name(), dispatch.shader, dispatch.entry))
        });
        Ok(labels.zip(millis).map(|(label, millis)| Timing { label, millis }).collect())
    }

    async fn clocked(&self, plan: PlanId, launches: std::ops::Range<usize>) -> Result<Vec<f64>> {
        self.gpu().idle().await?;
        let mut millis = Vec::with_capacity(launches.len());
        for ix in launches {
            let start_secs = now_secs();
            self.submit(self.prepared(plan), ix..ix + 1);
            self.gpu().idle().await?;
            millis.push((now_secs() - start_secs) * 1e3);
        }
        Ok(millis)
    }

    async fn stamped(&self, plan: PlanId, launches: std::ops::Range<usize>) -> Result<Vec<f64>> {
        let gpu = self.gpu();
        let count = 2 * launches.len() as u32;
        let queries =
            gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("launch times"), ty: wgpu::QueryType::Timestamp, count });
        let buffer = |label, usage| {
            let size = u64::from(count) * 8;
            gpu.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let resolved = buffer("resolved times", wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer("read times", wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("profile") });
        for (ix, launch) in launches.enumerate() {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(2 * ix as u32),
                end_of_pass_write_index: Some(2 * ix as u32 + 1),
            };
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) });
            self.prepared(plan).encode(&mut pass, launch..launch + 1);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, u64::from(count) * 8);
        gpu.queue.submit([encoder.finish()]);
        let mapped = Signal::default();
        let settled = mapped.clone();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| settled.set(result.is_ok()));
        gpu.settled(&mapped).await?;
        let view = staging.slice(..).get_mapped_range().map_err(|error| crate::error::Error::Internal(error.to_string()))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let period_nanos = f64::from(gpu.queue.get_timestamp_period());
        Ok(ticks.chunks_exact(2).map(|pair| pair[1].wrapping_sub(pair[0]) as f64 * period_nanos / 1e6).collect())
    }
}
