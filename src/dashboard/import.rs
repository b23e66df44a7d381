//! Dropped files: what they are, and what is in them. The same for the window and the page.

use std::path::Path;

use super::host::{Notice, Origin, RunHead, RunKey};
use crate::error::{Error, Result};
use crate::run::alarm::Verdict;
use crate::run::event::{Event, Status};
use crate::run::files::RunFiles;
use crate::run::foreign::events_from_scalars;
use crate::run::meta::{DataMark, Final, RunMeta, SCHEMA};
use crate::run::state::Standing;
use crate::run::tensors::Tensors;
use crate::run::vitrun;
use crate::run::{store, tfevents};

/// Content of a dropped file.
pub enum Imported {
    /// A run: its head, events, and files if it has any (for its probes).
    Run(Box<RunHead>, Vec<Event>, RunFiles),
    /// Arrays of a safetensors file, with its name.
    Weights(String, Box<Tensors>),
}

impl Imported {
    /// What the screens are to be told.
    pub fn notice(&self) -> Notice {
        match self {
            Self::Run(head, events, _) => Notice::Opened(head.clone(), events.clone()),
            Self::Weights(name, tensors) => Notice::Weights(name.clone(), tensors.clone()),
        }
    }
}

/// Reads the bytes of a file called `name`: a `.vitrun`, event files of TensorBoard, safetensors.
///
/// Errors: another kind of file, a damaged one, a newer format, an event file with nothing to show.
pub fn read(name: &str, bytes: &[u8]) -> Result<Imported> {
    let path = Path::new(name);
    let short = path.file_name().map_or_else(|| name.to_string(), |short| short.to_string_lossy().into_owned());
    if short.ends_with(".safetensors") {
        return Ok(Imported::Weights(short, Box::new(Tensors::from_bytes(bytes, path)?)));
    }
    if short.contains("tfevents") {
        return event_file(&short, bytes);
    }
    if !short.ends_with(&format!(".{}", vitrun::EXTENSION)) {
        let hint = "drop a .vitrun file, TensorBoard's events.out.tfevents.…, or .safetensors weights";
        return Err(Error::file(path, "this kind of file cannot be opened here", hint));
    }
    let files = vitrun::read(bytes, path)?;
    let recorded = files.recorded(path)?;
    let head = RunHead {
        key: RunKey(recorded.header.meta.id.clone()),
        origin: Origin::Dropped,
        is_live: false,
        meta: recorded.header.meta,
        config_toml: recorded.config_toml,
        tags: recorded.header.marks.tags,
        has_pre_crash: false,
    };
    Ok(Imported::Run(Box::new(head), recorded.events, files))
}

fn event_file(name: &str, bytes: &[u8]) -> Result<Imported> {
    let path = Path::new(name);
    let events = events_from_scalars(name, &tfevents::read(bytes, path)?);
    if events.is_empty() {
        let hint = "it needs a scalar whose tag says loss, accuracy, lr or grad_norm";
        return Err(Error::file(path, "it holds no series that a chart could show", hint));
    }
    let mut standing = Standing::default();
    events.iter().for_each(|event| standing.apply(event));
    let mut meta = RunMeta {
        schema: SCHEMA,
        id: store::slug(name),
        name: name.to_string(),
        status: Status::Finished,
        verdict: Verdict::Healthy,
        crash: None,
        best: None,
        last: Final::default(),
        params: 0,
        device: String::new(),
        versions: Default::default(),
        seed: 0,
        data: DataMark { kind: String::new(), hash: String::new() },
        parent: None,
    };
    meta.update(&standing);
    let head = RunHead {
        key: RunKey(meta.id.clone()),
        origin: Origin::Dropped,
        is_live: false,
        meta,
        config_toml: String::new(),
        tags: vec!["tensorboard".to_string()],
        has_pre_crash: false,
    };
    Ok(Imported::Run(Box::new(head), events, RunFiles::default()))
}
