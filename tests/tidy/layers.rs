//! Each module uses only its own layer and what stands to the left of it (ARCHITECTURE.md, section 1).

use super::sources::{code_of, root, sources};

/// The layers, lowest first.
const LAYERS: &[&[&str]] = &[
    &["error", "platform", "rng"],
    &["config", "run", "serve"],
    &["graph"],
    &["ops", "cpu", "gpu"],
    &["optim", "augment", "metric", "data", "model", "schedule"],
    &["train"],
    &["dashboard"],
];

/// Modules that may use only some of what stands to their left: watching a live run and opening a
/// recorded one are the same code.
const SIGHT: &[(&str, &[&str])] = &[("dashboard", &["error", "platform", "config", "run", "dashboard"])];

/// Macros stand at the root of the crate, wherever they are written.
const MACROS: &[(&str, &str)] = &[("defined_by", "graph")];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Module that a file of the library belongs to: `src/graph/plan.rs` → `graph`.
fn module_of(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

/// `a::b` of every `crate::a::b`, also inside `crate::{a::b, c}`.
fn named_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let end = group.find(|symbol| {
                    depth += i32::from(symbol == '{') - i32::from(symbol == '}');
                    depth < 0
                });
                let mut nested = 0;
                let items = group[..end.unwrap_or(group.len())].split(|symbol| {
                    nested += i32::from(symbol == '{') - i32::from(symbol == '}');
                    symbol == ',' && nested == 0
                });
                paths.extend(items.map(path_at_start).filter(|path| !path.is_empty()));
            }
            None => paths.push(path_at_start(after)),
        }
    }
    paths
}

/// The path that `code` begins with.
fn path_at_start(code: &str) -> String {
    let code = code.trim_start();
    let end = code.find(|symbol: char| !symbol.is_alphanumeric() && symbol != '_' && symbol != ':').unwrap_or(code.len());
    code[..end].trim_end_matches(':').to_string()
}

/// Uses that go up the layers.
fn layer_complaints(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(own) = layer_of(module) else {
        return vec![format!("{path}: `{module}` stands in no layer; give it one in tests/tidy/layers.rs")];
    };
    let mut complaints = Vec::new();
    for named in named_paths(&code_of(text)) {
        let first = named.split("::").next().unwrap_or(&named);
        let target = MACROS.iter().find(|(name, _)| *name == first).map_or(first, |(_, module)| module);
        let is_hidden = SIGHT.iter().any(|(viewer, seen)| *viewer == module && !seen.contains(&target));
        match layer_of(target) {
            Some(_) if is_hidden => complaints.push(format!("{path}: `{module}` may not see `{target}`")),
            Some(layer) if layer <= own || defines(path, &named) => {}
            Some(_) => complaints.push(format!("{path}: `{module}` uses `{target}`, which stands to its right")),
            None => complaints.push(format!("{path}: `crate::{named}` stands in no layer")),
        }
    }
    complaints
}

/// Whether `path` is the definition of the op, rule, metric or augmentation that it names: src/cpu/adamw.rs takes
/// an optim::adamw::AdamW.
fn defines(path: &str, named: &str) -> bool {
    let Some(name) = path.strip_prefix("src/cpu/").and_then(|file| file.strip_suffix(".rs")) else { return false };
    let mut parts = named.split("::");
    matches!(parts.next(), Some("optim" | "metric" | "augment")) && parts.next() == Some(name)
}

#[test]
fn modules_use_what_stands_to_their_left() {
    let is_library =
        |path: &str| path != "src/lib.rs" && path != "src/main.rs" && !path.starts_with("src/bin/") && !path.starts_with("src/cli");
    let library = sources("src", "rs").into_iter().filter(|source| is_library(&source.path));
    let complaints: Vec<String> = library.flat_map(|source| layer_complaints(&source.path, &source.text)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_crate_lists_its_modules_in_this_order() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs can be read");
    let listed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let layers: Vec<usize> =
        listed.iter().map(|module| layer_of(module).unwrap_or_else(|| panic!("`{module}` stands in no layer"))).collect();
    assert!(layers.is_sorted(), "{listed:?}");
    assert_eq!(listed.len(), LAYERS.iter().map(|layer| layer.len()).sum::<usize>(), "{listed:?}");
}

#[test]
fn a_use_to_the_right_is_found() {
    let bad = [
        ("src/graph/plan.rs", "use crate::ops::matmul::MatMul;"),
        ("src/graph/plan.rs", "fn f() { crate::cpu::machine::go() }"),
        ("src/config/check.rs", "use crate::{error::Error, graph::Graph};"),
        ("src/config/check.rs", "use crate::{\n    error::{Error, Result},\n    gpu::Gpu,\n};"),
        ("src/rng.rs", "use crate::config::experiment::Experiment;"),
        ("src/cpu/adamw.rs", "use crate::optim::sgd::Sgd;"),
        ("src/cpu/mix.rs", "use crate::augment::prepare::Prepare;"),
        ("src/model/vit.rs", "pub(crate) use crate::train::session;"),
        ("src/dashboard/app.rs", "use crate::train::session;"),
        ("src/graph/plan.rs", "use crate::widgets::Button;"),
        ("src/widgets/button.rs", ""),
    ];
    for (path, text) in bad {
        assert_eq!(layer_complaints(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn a_use_to_the_left_is_not() {
    let good = [
        ("src/graph/plan.rs", "//! [`crate::ops`] implement it.\nuse crate::error::{Error, Result};"),
        ("src/ops/bias.rs", "use crate::defined_by;\ndefined_by!(crate::cpu::bias::add);"),
        ("src/cpu/adamw.rs", "use crate::optim::adamw::AdamW;"),
        ("src/cpu/mix.rs", "use crate::augment::mix::Blend;"),
        ("src/train/step.rs", "use crate::{gpu::Gpu, model::{vit, tokens}};"),
    ];
    for (path, text) in good {
        assert_eq!(layer_complaints(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
