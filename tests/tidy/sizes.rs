//! Files a reader can hold in mind.

use super::sources::{Source, sources};

const MAX_RUST_LINES: usize = 500;
const MAX_WGSL_LINES: usize = 300;
const MAX_FUNCTION_LINES: usize = 60;

fn size_complaint(path: &str, text: &str) -> Option<String> {
    let max_lines = if path.ends_with(".wgsl") { MAX_WGSL_LINES } else { MAX_RUST_LINES };
    let lines = text.lines().count();
    (lines > max_lines).then(|| format!("{path}: {lines} lines, at most {max_lines}"))
}

/// Name and lines of every function of a formatted file that is longer than [`MAX_FUNCTION_LINES`]: from its
/// `fn` to the first brace below that stands as far to the left.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let lines_of = |first: usize| {
        let indent = &lines[first][..lines[first].len() - lines[first].trim_start().len()];
        let is_end = |line: &&str| line.strip_prefix(indent) == Some("}");
        1 + lines[first + 1..].iter().position(is_end).map_or(0, |distance| distance + 1)
    };
    let functions = lines.iter().enumerate().filter_map(|(ix, line)| Some((ix, function_name(line)?)));
    functions.map(|(ix, name)| (name.to_string(), lines_of(ix))).filter(|(_, len)| *len > MAX_FUNCTION_LINES).collect()
}

/// The function that begins on a line and does not end on it.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_head =
        before.split_whitespace().all(|word| ["async", "const", "unsafe", "extern", "\"C\""].contains(&word) || word.starts_with("pub"));
    let name = after.split(['(', '<']).next()?;
    (is_head && !line.ends_with([';', '}']) && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')).then_some(name)
}

#[test]
fn functions_are_short() {
    let complain = |Source { path, text }: &Source| {
        let long = long_functions(text).into_iter();
        long.map(|(name, lines)| format!("{path}: fn {name}: {lines} lines, at most {MAX_FUNCTION_LINES}")).collect::<Vec<_>>()
    };
    let complaints: Vec<String> = sources("src", "rs").iter().flat_map(complain).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_long_function_is_found() {
    let function = |head: &str, len: usize| {
        format!("impl A {{\n    {head} {{\n{}    }}\n\n    fn short() {{\n    }}\n}}\n", "        x();\n".repeat(len - 2))
    };
    for head in ["fn a()", "pub async fn a<T>(x: T)", "pub(super) fn a("] {
        assert_eq!(long_functions(&function(head, 60)), [], "{head}");
        assert_eq!(long_functions(&function(head, 61)), [("a".to_string(), 61)], "{head}");
    }
    assert_eq!(long_functions(&format!("fn one_line() {{ 1 }}\n{}}}\n", "x\n".repeat(80))), []);
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
