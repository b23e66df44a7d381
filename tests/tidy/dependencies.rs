//! Every dependency and feature says what it is for.

use super::sources::root;

/// Entries of dependency and feature tables that no comment stands above.
///
/// One comment may stand above several entries that serve one purpose.
fn uncommented(manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut is_table = false;
    let mut is_explained = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            is_table = table.contains("dependencies]") || table.starts_with("features]");
            is_explained = false;
        } else if line.is_empty() {
            is_explained = false;
        } else if line.starts_with('#') {
            is_explained = line.trim_start_matches('#').trim().len() > 3;
        } else if is_table && !is_explained && !line.starts_with("default =") {
            complaints.push(format!("Cargo.toml: `{line}` has no comment that says what it is for"));
        }
    }
    complaints
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml can be read");
    assert!(manifest.contains("[dependencies]"), "a table to look at");
    let complaints = uncommented(&manifest);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn an_unexplained_dependency_is_found() {
    let explained = "[dependencies]\n# Errors.\nthiserror = \"2\"\n\n[profile.dev]\nopt-level = 1\n";
    assert_eq!(uncommented(explained), Vec::<String>::new());
    for bad in [
        "[dependencies]\nserde = \"1\"\n",
        "[dependencies]\n# Errors.\nthiserror = \"2\"\n\nserde = \"1\"\n",
        "[target.x.dependencies]\n#\nserde = \"1\"",
    ] {
        assert_eq!(uncommented(bad).len(), 1, "{bad}");
    }
}
