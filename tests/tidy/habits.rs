//! Habits of the code that a reader may rely on.

use super::sources::{Source, code_of, sources};

/// Marks of work left undone; put together here so that this file does not hold them.
const UNFINISHED: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimpl", "emented!(")];

/// Modules named after nothing in particular.
const VAGUE: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

/// The only file that names colours.
const THEME: &str = "src/dashboard/theme.rs";

/// Complaints about one Rust file; those about `src/` only for files there.
fn habit_complaints(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut complaints = unfinished_complaints(path, text);
    let is_source = path.starts_with("src/");
    let may_know_the_platform = path.starts_with("src/platform/") || path.starts_with("src/bin/");
    for (number, line) in code.lines().enumerate() {
        let at = format!("{path}:{}", number + 1);
        if is_source && line.contains(".unwrap()") {
            complaints.push(format!("{at}: unwrap(); say why it holds with expect(), or return an error"));
        }
        if is_source && !may_know_the_platform && line.contains("target_arch") {
            complaints.push(format!("{at}: platform differences belong in src/platform"));
        }
        if path.starts_with("src/dashboard/") && path != THEME && line.contains("Color32::") {
            complaints.push(format!("{at}: colours belong in {THEME}"));
        }
        if line.contains("#[ignore") {
            complaints.push(format!("{at}: an ignored test proves nothing"));
        }
    }
    let name = path.rsplit('/').find(|part| *part != "mod.rs").unwrap_or(path).trim_end_matches(".rs");
    if VAGUE.contains(&name) {
        complaints.push(format!("{path}: `{name}` does not say what is in it"));
    }
    if is_source && path != "src/main.rs" && !text.starts_with("//!") {
        complaints.push(format!("{path}: the first line says what the file is for (//!)"));
    }
    complaints
}

/// Marks of unfinished work, comments included.
fn unfinished_complaints(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let marked = lines.filter_map(|(ix, line)| UNFINISHED.iter().find(|mark| line.contains(**mark)).map(|mark| (ix + 1, mark)));
    marked.map(|(number, mark)| format!("{path}:{number}: {mark}")).collect()
}

#[test]
fn rust_files_keep_the_habits() {
    let files = ["src", "tests"].map(|folder| sources(folder, "rs"));
    let complaints: Vec<String> = files.iter().flatten().flat_map(|Source { path, text }| habit_complaints(path, text)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn shaders_are_finished() {
    let files = sources("shaders", "wgsl");
    let complaints: Vec<String> = files.iter().flat_map(|Source { path, text }| unfinished_complaints(path, text)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn bad_habits_are_found() {
    let unfinished = UNFINISHED.map(|mark| ("src/a.rs", format!("//! A.\n// {mark} later")));
    let bad = [
        ("src/a.rs", "//! A.\nfn f() { g().unwrap() }"),
        ("src/a.rs", "//! A.\n#[cfg(target_arch = \"wasm32\")]\nfn f() {}"),
        ("src/a.rs", "fn f() {}"),
        ("src/graph/utils.rs", "//! A."),
        ("src/common/mod.rs", "//! A."),
        ("tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        ("src/dashboard/a.rs", "//! A.\nconst A: Color32 = Color32::RED;"),
    ];
    for (path, text) in bad.into_iter().chain(unfinished.iter().map(|(path, text)| (*path, text.as_str()))) {
        assert_eq!(habit_complaints(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn good_habits_are_not() {
    let good = [
        ("src/a.rs", "//! Never .unwrap() here.\nfn f() { g().unwrap_or(\".unwrap()\") }"),
        ("src/platform/mod.rs", "//! P.\n#[cfg(target_arch = \"wasm32\")]\nmod web;"),
        ("tests/a.rs", "fn f() { g().unwrap() }"),
    ];
    for (path, text) in good {
        assert_eq!(habit_complaints(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
