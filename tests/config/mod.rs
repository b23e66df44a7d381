//! Configs from text to a checked experiment.

mod checks;
mod files;
mod layers;
mod presets;
mod stems;

use std::path::Path;

use vitrine::config::{Resolved, Sources, load};
use vitrine::error::{Error, Result};

/// Loads `sets` over the built-in values.
fn load_sets(sets: &[&str]) -> Result<Resolved> {
    load(&Sources { sets: sets.iter().map(|set| set.to_string()).collect(), ..Sources::default() })
}

/// Loads `text` as the file `exp.toml` of a temporary folder; errors and origins then name `exp.toml`.
fn load_text(text: &str) -> Result<Resolved> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("exp.toml");
    std::fs::write(&path, text).expect("a temporary file");
    load(&Sources { file: Some(&path), ..Sources::default() })
}

/// The message of the error that `result` must be, a config error (exit code 3).
fn config_error(result: Result<Resolved>) -> String {
    let error = result.map(|resolved| resolved.experiment).expect_err("must be refused");
    assert!(matches!(error, Error::Config { .. }), "not a config error: {error:?}");
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

/// Asserts that `text` holds every one of `parts`.
fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

fn golden_config(case: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case).join("config.toml")
}
