//! The files of the repository, and Rust text without its comments and literals.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file.
pub struct Source {
    /// From the root of the repository, with `/`: `src/graph/plan.rs`.
    pub path: String,
    /// Content.
    pub text: String,
}

/// Root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `folder` whose name ends in `.extension`, by path; none when there is no such folder.
pub fn sources(folder: &str, extension: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    if !root().join(folder).is_dir() {
        return Vec::new();
    }
    collect(&root().join(folder), extension, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let below = path.strip_prefix(root()).expect("found below the root").to_string_lossy().replace('\\', "/");
        Source { path: below, text }
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, extension, paths);
        } else if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
}

/// Rust text with comments and the content of string and character literals blanked; lines stay.
pub fn code_of(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let blank_len = blank_len(rest, code.chars().next_back());
        let len = if blank_len > 0 { blank_len } else { first.len_utf8() };
        let (piece, after) = rest.split_at(len);
        if blank_len > 0 {
            code.extend(piece.chars().map(|symbol| if symbol == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(piece);
        }
        rest = after;
    }
    code
}

/// Bytes of the comment or literal that `rest` begins with; 0 when it begins with code.
fn blank_len(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if rest.starts_with('"') {
        return quoted_len(rest, '"');
    }
    let is_word = before.is_some_and(|symbol| symbol.is_alphanumeric() || symbol == '_');
    if rest.starts_with('r') && !is_word {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        let close = format!("\"{}", "#".repeat(hashes));
        if rest[1 + hashes..].starts_with('"') {
            let content = 2 + hashes;
            return rest[content..].find(&close).map_or(rest.len(), |end| content + end + close.len());
        }
    }
    // 'x' and '\n' are literals, 'a alone is a lifetime.
    let mut symbols = rest.chars();
    if symbols.next() == Some('\'') && (rest.starts_with("'\\") || symbols.nth(1) == Some('\'')) {
        return quoted_len(rest, '\'');
    }
    0
}

/// Bytes of a literal between two `quote`s, with backslash escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (ix, symbol) in rest.char_indices().skip(1) {
        match symbol {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if symbol == quote => return ix + symbol.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn code_is_what_is_left() {
    let text = "let a = \"x \\\" // y\"; // note 'z'\nlet b = '\\''; let c: &'a str = r#\"q \" q\"#; /* gone\n */ d('\"', e)";
    let code = code_of(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), "let a = ; let b = ; let c: &'a str = ; d( , e)");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn finds_the_sources() {
    let paths: Vec<String> = sources("src", "rs").into_iter().map(|source| source.path).collect();
    assert!(paths.contains(&"src/lib.rs".into()) && paths.contains(&"src/graph/plan.rs".into()), "{paths:?}");
}
