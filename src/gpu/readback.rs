//! Results on their way back: a pool of staging buffers, collected in order, without blocking.

use std::collections::VecDeque;

use super::device::Gpu;
use super::signal::Signal;
use crate::error::{Error, Result};

/// Copies under way, oldest first, and free staging buffers.
#[derive(Debug, Default)]
pub struct Readbacks {
    pending: VecDeque<Readback>,
    free: Vec<wgpu::Buffer>,
}

/// One copy under way.
#[derive(Debug)]
pub struct Readback {
    tag: u64,
    staging: wgpu::Buffer,
    len: usize,
    mapped: Signal,
}

impl Readbacks {
    /// Starts copying `len` words of `source` from word `offset`, as they are after everything
    /// submitted so far.
    pub fn request(&mut self, gpu: &Gpu, tag: u64, source: &wgpu::Buffer, offset: usize, len: usize) {
        let readback = self.start(gpu, tag, source, offset, len);
        self.pending.push_back(readback);
    }

    /// What has arrived, in the order of the requests; with `wait`, everything.
    pub async fn collect(&mut self, gpu: &Gpu, wait: bool) -> Result<Vec<(u64, Vec<f32>)>> {
        if let Some(last) = self.pending.back().filter(|_| wait) {
            gpu.settled(&last.mapped).await?;
        } else {
            // Runs the callbacks of finished copies; a time-out cannot happen without a wait.
            let _ = gpu.device.poll(wgpu::PollType::Poll);
            gpu.check()?;
        }
        let mut arrived = Vec::new();
        while self.pending.front().is_some_and(|oldest| oldest.mapped.outcome().is_some()) {
            let readback = self.pending.pop_front().expect("the front was just looked at");
            arrived.push((readback.tag, self.finish(gpu, readback)?));
        }
        Ok(arrived)
    }

    /// `len` words of `source` from word `offset`, once everything before is done.
    pub async fn read(&mut self, gpu: &Gpu, source: &wgpu::Buffer, offset: usize, len: usize) -> Result<Vec<f32>> {
        let readback = self.start(gpu, 0, source, offset, len);
        gpu.settled(&readback.mapped).await?;
        self.finish(gpu, readback)
    }

    fn start(&mut self, gpu: &Gpu, tag: u64, source: &wgpu::Buffer, offset: usize, len: usize) -> Readback {
        let bytes = len as u64 * 4;
        let staging = self.staging(gpu, bytes);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("readback") });
        encoder.copy_buffer_to_buffer(source, offset as u64 * 4, &staging, 0, bytes);
        gpu.queue.submit([encoder.finish()]);
        let mapped = Signal::default();
        let settled = mapped.clone();
        staging.slice(0..bytes).map_async(wgpu::MapMode::Read, move |result| settled.set(result.is_ok()));
        Readback { tag, staging, len, mapped }
    }

    fn finish(&mut self, gpu: &Gpu, readback: Readback) -> Result<Vec<f32>> {
        let mapped = readback.mapped.outcome() == Some(true);
        let view = mapped.then(|| readback.staging.slice(0..readback.len as u64 * 4).get_mapped_range());
        let Some(Ok(view)) = view else {
            gpu.check()?;
            return Err(Error::device(format!("{}: a result could not be read back", gpu.info.name), ""));
        };
        let words = bytemuck::pod_collect_to_vec::<u8, f32>(&view);
        drop(view);
        readback.staging.unmap();
        self.free.push(readback.staging);
        Ok(words)
    }

    /// The smallest free buffer that is large enough, or a new one.
    fn staging(&mut self, gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
        let fitting = (0..self.free.len()).filter(|ix| self.free[*ix].size() >= bytes).min_by_key(|ix| self.free[*ix].size());
        match fitting {
            Some(ix) => self.free.swap_remove(ix),
            None => gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size: bytes.next_multiple_of(256),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
        }
    }
}
