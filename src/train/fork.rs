//! Which checkpoint of a run a fork begins with.

use std::path::Path;

use super::checkpoint::{BEST, LAST, PRE_CRASH, PREVIOUS, step_of};
use crate::error::{Error, Result};

/// Every checkpoint a run may have, the likeliest wish first.
const NAMES: [&str; 4] = [PRE_CRASH, LAST, PREVIOUS, BEST];

/// The checkpoint that `at` asks for: its name, or the step of its state. Without a wish: the state before
/// the crash where there is one, else the last.
///
/// Errors: no such checkpoint; the message lists those there are.
pub fn choose(run_dir: &Path, at: Option<&str>) -> Result<String> {
    let there: Vec<(&str, u64)> = NAMES.iter().filter_map(|name| Some((*name, step_of(run_dir, name)?))).collect();
    let wanted = |&&(name, step): &&(&str, u64)| at.is_none_or(|at| at == name || at.parse() == Ok(step));
    if let Some((name, _)) = there.iter().find(wanted) {
        return Ok((*name).to_string());
    }
    if there.is_empty() {
        return Err(Error::file(run_dir, "this run has no checkpoint yet", "`train --resume` goes on with a run"));
    }
    let list: Vec<String> = there.iter().map(|(name, step)| format!("{name} (step {step})")).collect();
    Err(Error::usage(format!("--at {}: this run has no such checkpoint", at.unwrap_or_default()), format!("there are {}", list.join(", "))))
}
