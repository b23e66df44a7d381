//! One kernel, four files, one name: shader, graph side, definition, test.

use std::collections::BTreeSet;

use super::sources::{code_of, sources};

/// Folders of kernels, under `shaders/`, `src/` and `tests/`.
const FAMILIES: [&str; 3] = ["ops", "optim", "metric"];
/// The folder whose kernels stand among files of the host's part: there an op or a kernel makes a family.
const MIXED_FAMILY: &str = "augment";

/// `a/b/NAME.ext` → NAME, for files directly in a folder.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let name = |path: &str| path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(extension)?.strip_suffix('.').map(str::to_string);
    sources(folder, extension).iter().filter_map(|source| name(&source.path)).filter(|name| !name.contains('/') && name != "mod").collect()
}

/// Names in one of the folders that lack a sibling in another. The definitions of all families lie
/// in one folder, among files of other kinds, so they are looked up only.
fn missing_siblings(family: &str, [shaders, graph_sides, definitions, tests]: [&BTreeSet<String>; 4]) -> Vec<String> {
    let mut missing = Vec::new();
    let all: BTreeSet<&String> = shaders.iter().chain(graph_sides).chain(tests).collect();
    for name in all {
        let siblings = [
            (shaders, format!("shaders/{family}/{name}.wgsl")),
            (graph_sides, format!("src/{family}/{name}.rs")),
            (definitions, format!("src/cpu/{name}.rs")),
            (tests, format!("tests/{family}/{name}.rs")),
        ];
        missing.extend(siblings.into_iter().filter(|(found, _)| !found.contains(name)).map(|(_, path)| path));
    }
    missing
}

#[test]
fn every_kernel_has_its_four_files() {
    let definitions = names("src/cpu", "rs");
    let missing: Vec<String> = FAMILIES
        .iter()
        .flat_map(|family| {
            let [shaders, graph_sides, tests] = [("shaders", "wgsl"), ("src", "rs"), ("tests", "rs")]
                .map(|(folder, extension)| names(&format!("{folder}/{family}"), extension));
            missing_siblings(family, [&shaders, &graph_sides, &definitions, &tests])
        })
        .collect();
    assert!(missing.is_empty(), "kernels without a file of their name:\n{}", missing.join("\n"));
}

/// Files of the mixed family that hold an op.
fn ops_among(folder: &str) -> BTreeSet<String> {
    let has_op = |text: &str| code_of(text).contains("impl Op for ");
    let files = sources(folder, "rs").into_iter().filter(|source| has_op(&source.text));
    files.filter_map(|source| Some(source.path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?.to_string())).collect()
}

#[test]
fn kernels_of_the_augmentation_have_their_four_files() {
    let (shaders, ops) = (names("shaders/augment", "wgsl"), ops_among("src/augment"));
    assert!(!ops.is_empty());
    let known: BTreeSet<String> = shaders.union(&ops).cloned().collect();
    let tests: BTreeSet<String> = names("tests/augment", "rs").intersection(&known).cloned().collect();
    let missing = missing_siblings(MIXED_FAMILY, [&shaders, &ops, &names("src/cpu", "rs"), &tests]);
    assert!(missing.is_empty(), "kernels without a file of their name:\n{}", missing.join("\n"));
}

#[test]
fn kernels_for_software_adapters_belong_to_an_op() {
    for folder in ["shaders/plain", "shaders/narrow"] {
        let strays: Vec<String> = names(folder, "wgsl").difference(&names("shaders/ops", "wgsl")).cloned().collect();
        assert!(strays.is_empty(), "{folder} has kernels of no op: {strays:?}");
    }
}

#[test]
fn each_missing_file_is_found() {
    let full: BTreeSet<String> = ["bias".to_string()].into();
    let empty = BTreeSet::new();
    for absent in 0..4 {
        let mut folders = [&full; 4];
        folders[absent] = &empty;
        let missing = missing_siblings("ops", folders);
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].contains("bias."), "{missing:?}");
    }
    assert!(missing_siblings("ops", [&full; 4]).is_empty());
}
