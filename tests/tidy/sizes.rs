//! Files a reader can hold in mind.

use super::sources::{Source, sources};

const MAX_RUST_LINES: usize = 500;
const MAX_WGSL_LINES: usize = 300;

fn size_complaint(path: &str, text: &str) -> Option<String> {
    let max_lines = if path.ends_with(".wgsl") { MAX_WGSL_LINES } else { MAX_RUST_LINES };
    let lines = text.lines().count();
    (lines > max_lines).then(|| format!("{path}: {lines} lines, at most {max_lines}"))
}

#[test]
fn files_are_short() {
    let files = [("src", "rs"), ("tests", "rs"), ("shaders", "wgsl")].map(|(folder, extension)| sources(folder, extension));
    let complaints: Vec<String> = files.iter().flatten().filter_map(|Source { path, text }| size_complaint(path, text)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_long_file_is_found() {
    assert!(size_complaint("src/a.rs", &"x\n".repeat(500)).is_none());
    assert!(size_complaint("src/a.rs", &"x\n".repeat(501)).is_some());
    assert!(size_complaint("shaders/a.wgsl", &"x\n".repeat(300)).is_none());
    assert!(size_complaint("shaders/a.wgsl", &"x\n".repeat(301)).is_some());
}
