//! The training to its end, over lost devices: a new device, the plans again, the last checkpoint.

use std::path::Path;
use std::sync::mpsc::Receiver;

use super::checkpoint::{self, LAST};
use super::{Outcome, Session, Start};
use crate::error::{Error, Result};
use crate::platform::files;
use crate::run::command::Command;
use crate::run::event::{DeviceLost, Ended, Event, Status};
use crate::run::meta::RunMeta;
use crate::run::store::RunStore;

/// Devices lost in a row, with hardly a step between them, before the session gives up.
const MAX_LOSSES: u64 = 3;

impl Session<'_> {
    /// Trains until the schedule, a crash or a command ends it. Where the device is lost, it goes on with a new one.
    pub async fn finish(mut self, commands: &Receiver<Command>) -> Result<Outcome> {
        let mut losses = 0;
        loop {
            let first_step = self.step;
            let error = match self.train(commands).await {
                Ok(status) => match self.measure_at_end(status).await {
                    Ok(status) => return self.end(status),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            losses = if self.step > first_step + MAX_LOSSES { 1 } else { losses + 1 };
            if !files::is_dir(self.store.path()) {
                let hint = "put it back where it was and resume, or train again";
                return Err(Error::file(self.store.path(), format!("the run folder is gone ({error})"), hint));
            }
            if !self.trainer.machine.is_lost() || losses > MAX_LOSSES {
                return Err(self.failed(error));
            }
            self = self.revived(&error).await?;
        }
    }

    /// The session on a new device, from the last checkpoint, or from the beginning where there is none yet.
    async fn revived(self, error: &Error) -> Result<Self> {
        let Self { mut request, store, trainer, ring, on_event, step: lost_at_step, is_paused, .. } = self;
        let run_dir = store.path().to_path_buf();
        // What is in host memory is as good as a checkpoint, and later.
        if let Some(snapshot) = ring.newest().filter(|snapshot| Some(snapshot.position.step) > checkpoint::step_of(&run_dir, LAST)) {
            checkpoint::save_snapshot(&run_dir, LAST, snapshot, &trainer.parameters, &trainer.experiment)?;
        }
        drop((store, trainer));
        request.start = if checkpoint::has_last(&run_dir) {
            Start::Resume(run_dir.clone())
        } else {
            Start::Again(run_dir.clone(), Box::new(request.start))
        };
        let mut session = match Self::open(&request, on_event).await {
            Ok(session) => session,
            Err(error) => return Err(unrevived(&run_dir, lost_at_step, error)),
        };
        session.is_paused = is_paused;
        let what = error.to_string();
        session.tell(Event::DeviceLost(DeviceLost { step: session.step, lost_at_step, what }))?;
        Ok(session)
    }
}

/// Records that no device was found for the run to go on with, and gives the error back.
fn unrevived(run_dir: &Path, step: u64, error: Error) -> Error {
    if let Ok(mut store) = RunStore::reopen(run_dir) {
        let RunMeta { status, verdict, crash, .. } = *store.meta();
        // What the session itself could still record stands already.
        if status == Status::Running {
            let ended = Ended { step, status: Status::Interrupted, verdict, crash, error: Some(error.to_string()) };
            // Without room on the disk there is nowhere to say it.
            let _ = store.record(&Event::Ended(ended));
        }
    }
    error
}
