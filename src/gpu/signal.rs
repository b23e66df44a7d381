//! Something the device will have done: set once by a callback of wgpu, looked at or awaited by the host.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// An outcome that arrives once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<bool>,
    waker: Option<Waker>,
}

impl Signal {
    /// It is done, well or not; wakes whoever awaits it.
    pub fn set(&self, is_well: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.outcome = Some(is_well);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Whether it went well, once it is done.
    pub fn outcome(&self) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).outcome
    }

    /// Waits until it is done; one task at a time.
    pub fn settled(&self) -> impl Future<Output = ()> {
        std::future::poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.outcome.is_some() {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
    }
}
