//! Loops of constant length written out, for compilers that do not do it themselves.
//!
//! A kernel for software adapters keeps tiles in small arrays, which are registers once every index is
//! a constant. Mesa sees to that; Chrome's compiler and SwiftShader leave loops as they stand, and every access to a
//! tile goes to memory: written out, attention is there seven times as fast, and compiles sooner.

use std::collections::BTreeMap;

/// How a loop that may be written out begins.
const HEAD: &str = "for (var ";
/// Bytes that one loop may become: more compiles for seconds.
const MAX_BYTES: usize = 12 << 10;

/// `text` without comments, and with every `for (var i = 0u; i < LENGTH; i++)` written out where LENGTH is a
/// constant, the body neither breaks nor continues, and the result is not too long.
pub fn unroll(text: &str) -> String {
    let bare: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or(line).trim()).collect();
    let constants = constants(&bare);
    expand(&bare.join("\n"), &constants)
}

/// The values of `const NAME: u32 = …;`: numbers, and one constant divided by a number.
fn constants(lines: &[&str]) -> BTreeMap<String, usize> {
    let mut values = BTreeMap::new();
    for line in lines {
        let Some((name, rest)) = line.strip_prefix("const ").and_then(|rest| rest.split_once(": u32 = ")) else { continue };
        let words: Vec<&str> = rest.trim_end().trim_end_matches(';').split(' ').collect();
        let value = match words[..] {
            [number] => value_of(number, &values),
            [number, "/", divisor] => value_of(number, &values).zip(value_of(divisor, &values)).and_then(|(a, b)| a.checked_div(b)),
            _ => None,
        };
        if let Some(value) = value {
            values.insert(name.to_string(), value);
        }
    }
    values
}

fn value_of(word: &str, constants: &BTreeMap<String, usize>) -> Option<usize> {
    constants.get(word).copied().or_else(|| word.strip_suffix('u')?.parse().ok())
}

fn expand(text: &str, constants: &BTreeMap<String, usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(HEAD) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(found) = Loop::read(rest, constants) else {
            out.push_str(HEAD);
            rest = &rest[HEAD.len()..];
            continue;
        };
        let body = expand(found.body, constants);
        if found.may_unroll && body.len() * found.turns <= MAX_BYTES {
            (0..found.turns).for_each(|turn| out.push_str(&format!("{{{}}}\n", with_number(&body, found.counter, turn))));
        } else {
            out.push_str(&format!("{}{body}}}", found.head));
        }
        rest = found.behind;
    }
    out.push_str(rest);
    out
}

/// A loop of constant length, in pieces.
struct Loop<'a> {
    /// Up to and with the opening brace.
    head: &'a str,
    counter: &'a str,
    turns: usize,
    /// Between the braces.
    body: &'a str,
    /// Whether every turn runs to the end of the body.
    may_unroll: bool,
    /// After the closing brace.
    behind: &'a str,
}

impl<'a> Loop<'a> {
    fn read(text: &'a str, constants: &BTreeMap<String, usize>) -> Option<Self> {
        let (counter, condition) = text.strip_prefix(HEAD)?.split_once(" = 0u; ")?;
        let (length, _) = condition.strip_prefix(counter)?.strip_prefix(" < ")?.split_once("; ")?;
        let turns = value_of(length, constants)?;
        let head_len = format!("{HEAD}{counter} = 0u; {counter} < {length}; {counter}++) {{").len();
        let (head, inside) = text.split_at_checked(head_len)?;
        let mut depth = 1;
        let end = inside.bytes().position(|byte| {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        let body = &inside[..end];
        let may_unroll = head.ends_with("++) {") && !body.contains("break") && !body.contains("continue");
        Some(Self { head, counter, turns, body, may_unroll, behind: &inside[end + 1..] })
    }
}

/// `body` with a number for the counter; fields of the same name stay.
fn with_number(body: &str, counter: &str, turn: usize) -> String {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find(counter) {
        let end = at + counter.len();
        let before = rest[..at].chars().next_back().or_else(|| out.chars().next_back());
        let is_counter = !before.is_some_and(|letter| is_of_word(letter) || letter == '.') && !rest[end..].starts_with(is_of_word);
        out.push_str(&rest[..at]);
        match is_counter {
            true => out.push_str(&format!("{turn}u")),
            false => out.push_str(counter),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}
