//! Batches made ahead of need, on threads, and handed out in order.
//!
//! At most a few batches exist at a time: threads wait when they are that far ahead, and buffers
//! that come back are filled again. Dropping a [`Prefetch`] stops its threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::loader::{Batch, Loader};
use crate::error::{Error, Result};
use crate::platform;

/// Batches between the one handed out next and the last one begun.
const MIN_AHEAD: usize = 2;
/// Batches of photographs are large; more of them hide nothing further.
const MAX_AHEAD: usize = 4;
/// Memory of the batches made ahead: a batch of 1024 photographs of 224 pixels takes 0.15 GB.
const MAX_BYTES_AHEAD: usize = 2 << 30;
/// Threads where the config leaves the number open.
const MAX_WORKERS: usize = 16;

/// An iterator over the batches of a range of steps.
pub struct Prefetch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    waited_secs: f64,
}

struct Shared {
    loader: Arc<Loader>,
    queue: Mutex<Queue>,
    /// The queue has changed.
    changed: Condvar,
    num_ahead: usize,
    /// Threads that share one batch out.
    threads_per_batch: usize,
}

struct Queue {
    /// The step no thread has begun.
    next_begun: usize,
    /// The step handed out next.
    next_out: usize,
    end: usize,
    made: BTreeMap<usize, Result<Batch>>,
    spare: Vec<Batch>,
    is_stopped: bool,
}

impl Prefetch {
    /// Starts `workers` threads (0: as many as the machine runs at once) on the batches of `steps`. Where there
    /// are no threads, each batch is made when it is asked for.
    ///
    /// Errors: the system refuses a thread.
    pub fn new(loader: Arc<Loader>, steps: Range<usize>, workers: usize) -> Result<Self> {
        let workers = match workers {
            0 => platform::num_cores().min(MAX_WORKERS),
            given => given,
        };
        let that_fit = (MAX_BYTES_AHEAD / loader.batch_bytes().max(1)).max(1);
        let num_makers = workers.min(MAX_AHEAD).min(that_fit);
        let queue = Queue {
            next_begun: steps.start,
            next_out: steps.start,
            end: steps.end,
            made: BTreeMap::new(),
            spare: Vec::new(),
            is_stopped: false,
        };
        let shared = Arc::new(Shared {
            loader,
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            num_ahead: num_makers.max(MIN_AHEAD),
            threads_per_batch: workers.div_ceil(num_makers),
        });
        let mut prefetch = Self { shared, threads: Vec::new(), waited_secs: 0.0 };
        let num_threads = if platform::CAN_BLOCK { num_makers } else { 0 };
        for ix in 0..num_threads {
            let shared = prefetch.shared.clone();
            let thread = platform::spawn(&format!("loader-{ix}"), move || shared.make())?;
            prefetch.threads.push(thread);
        }
        Ok(prefetch)
    }

    /// Gives the buffers of a used batch back.
    pub fn recycle(&self, batch: Batch) {
        let mut queue = self.shared.lock();
        if queue.spare.len() < self.shared.num_ahead {
            queue.spare.push(batch);
        }
    }

    /// Time spent in [`Prefetch::next`] waiting for a batch, in total.
    pub fn waited(&self) -> Duration {
        Duration::from_secs_f64(self.waited_secs)
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch>;

    /// The next batch in order; an error stands in the place of the batch it prevented.
    fn next(&mut self) -> Option<Result<Batch>> {
        if self.threads.is_empty() {
            return self.shared.make_next();
        }
        let began_secs = platform::now_secs();
        let mut queue = self.shared.lock();
        let step = queue.next_out;
        if step >= queue.end {
            return None;
        }
        let batch = loop {
            match queue.made.remove(&step) {
                Some(batch) => break batch,
                None => queue = self.shared.wait(queue),
            }
        };
        queue.next_out += 1;
        drop(queue);
        self.shared.changed.notify_all();
        self.waited_secs += platform::now_secs() - began_secs;
        Some(batch)
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic inside a batch was caught and handed out as an error already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does: takes the next step, makes its batch, puts it in the queue.
    fn make(&self) {
        while let Some((step, mut batch)) = self.begin() {
            let filled = catch_unwind(AssertUnwindSafe(|| self.loader.fill(step, self.threads_per_batch, &mut batch)));
            let made = match filled {
                Ok(result) => result.map(|()| batch),
                Err(_) => Err(Error::Internal(format!("making the batch of step {step} panicked"))),
            };
            self.lock().made.insert(step, made);
            self.changed.notify_all();
        }
    }

    /// Makes the next batch on this thread.
    fn make_next(&self) -> Option<Result<Batch>> {
        let mut queue = self.lock();
        let step = queue.next_out;
        if step >= queue.end {
            return None;
        }
        queue.next_out += 1;
        let mut batch = queue.spare.pop().unwrap_or_default();
        drop(queue);
        Some(self.loader.fill(step, 1, &mut batch).map(|()| batch))
    }

    /// The next step and a buffer for it, once there is room; `None` when there is no more to do.
    fn begin(&self) -> Option<(usize, Batch)> {
        let mut queue = self.lock();
        loop {
            if queue.is_stopped || queue.next_begun >= queue.end {
                return None;
            }
            if queue.next_begun < queue.next_out + self.num_ahead {
                break;
            }
            queue = self.wait(queue);
        }
        queue.next_begun += 1;
        Some((queue.next_begun - 1, queue.spare.pop().unwrap_or_default()))
    }
}
