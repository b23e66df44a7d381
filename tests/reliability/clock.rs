//! A clock that goes backwards.

use std::fs;
use std::path::Path;

use vitrine::run::read::{list, resolve};
use vitrine::run::store::RunStore;

use crate::run_store::sample::new_run;

fn create(runs_dir: &Path, name: &str) -> String {
    RunStore::create(runs_dir, new_run(name)).expect("a run").meta().id.clone()
}

#[test]
fn the_latest_run_is_the_latest_though_the_clock_went_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = create(folder.path(), "first");
    // As if made while the clock was a century ahead.
    let ahead = format!("2126{}", &first[4..]);
    fs::rename(folder.path().join(&first), folder.path().join(&ahead)).expect("a folder");
    let meta = folder.path().join(&ahead).join("run.json");
    let text = fs::read_to_string(&meta).expect("run.json");
    fs::write(&meta, text.replace(&first, &ahead)).expect("run.json");

    let ids = ["second", "third"].map(|name| create(folder.path(), name));
    let listed: Vec<String> = list(folder.path()).expect("runs").runs.into_iter().map(|run| run.meta.id).collect();
    assert_eq!(listed, [&[ahead][..], &ids].concat());
    assert_eq!(resolve(folder.path(), "last").expect("a run"), folder.path().join(&ids[1]));
    assert!(ids[0].starts_with("2126"), "ids go on counting: {ids:?}");
}
