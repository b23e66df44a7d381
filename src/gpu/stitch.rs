//! Shader text put together: constants, the step's scalars, included files, the file itself.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::graph::launch::{Const, Store};

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        /// (path under `shaders/` without `.wgsl`, text) of every shader file.
        pub const FILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*
        ];
    };
}

embed![
    "augment/mix",
    "augment/normalise",
    "augment/random_erasing",
    "lib/conv",
    "lib/erf",
    "lib/finite",
    "lib/grid",
    "lib/half",
    "lib/heads",
    "lib/product",
    "lib/reduce",
    "lib/rng",
    "lib/scalars",
    "lib/tile",
    "lib/vectors",
    "metric/record",
    "metric/similarity",
    "narrow/matmul",
    "ops/activation",
    "ops/attention",
    "ops/batchnorm",
    "ops/bias",
    "ops/conv2d",
    "ops/cross_entropy",
    "ops/drop_path",
    "ops/elementwise",
    "ops/layernorm",
    "ops/matmul",
    "ops/tokens",
    "optim/accumulate",
    "optim/adamw",
    "optim/ema",
    "optim/group_norms",
    "optim/loss_scale",
    "optim/norm",
    "optim/sam",
    "optim/sgd",
    "plain/attention",
    "plain/conv2d",
    "plain/matmul",
];

/// Opens a line that names a file to put before.
const INCLUDE: &str = "//# include ";

/// The whole text of `shader`, specialised with `consts`.
pub fn stitch(shader: &str, consts: &[(&'static str, Const)]) -> Result<String> {
    let mut text = String::new();
    let is_native = |value: &Const| matches!(value, Const::Floats(Store::Native) | Const::Vectors(Store::Native));
    if consts.iter().any(|(_, value)| is_native(value)) {
        text.push_str("enable f16;\n");
    }
    for (name, value) in consts {
        text.push_str(&declaration(shader, name, *value)?);
    }
    let mut done = Vec::new();
    append("lib/scalars", shader, &mut text, &mut done)?;
    append(shader, shader, &mut text, &mut done)?;
    Ok(text)
}

fn declaration(shader: &str, name: &str, value: Const) -> Result<String> {
    Ok(match value {
        Const::U32(value) => format!("const {name}: u32 = {value}u;\n"),
        Const::Bool(value) => format!("const {name}: bool = {value};\n"),
        Const::Floats(store) => {
            let (word, value) = match store {
                Store::F32 => ("f32", format!("{name}[ix]")),
                Store::Packed => ("u32", format!("half_of({name}[ix / 2u], ix)")),
                Store::Native => ("f16", format!("f32({name}[ix])")),
            };
            reader(name, word, "f32", &value)
        }
        Const::Vectors(store) => {
            let (word, value) = match store {
                Store::F32 => ("vec4<f32>", format!("{name}[ix]")),
                Store::Packed => ("vec2<u32>", format!("four_halves({name}[ix])")),
                Store::Native => ("vec4<f16>", format!("vec4<f32>({name}[ix])")),
            };
            reader(name, word, "vec4<f32>", &value)
        }
        Const::Units(Store::F32, 1) => writer(name, "f32", "value.x"),
        Const::Units(Store::F32, 4) => writer(name, "vec4<f32>", "value"),
        Const::Units(Store::Packed | Store::Native, 4) => writer(name, "vec2<u32>", "half_words(value)"),
        Const::Units(store, unit) => {
            return Err(Error::Internal(format!("shaders/{shader}.wgsl: {name} cannot be written as {store:?} by {unit}")));
        }
        // WGSL has no literal for the others.
        Const::F32(value) if value.is_finite() => format!("const {name}: f32 = {value:?};\n"),
        Const::F32(value) => return Err(Error::Internal(format!("shaders/{shader}.wgsl: constant {name} is {value}"))),
    })
}

/// The element of an array that is read, and what it gives.
fn reader(name: &str, word: &str, gives: &str, value: &str) -> String {
    format!("alias {name}_word = {word};\nfn {name}_at(ix: u32) -> {gives} {{\n    return {value};\n}}\n")
}

/// The element of an array that is written, and how.
fn writer(name: &str, word: &str, made: &str) -> String {
    format!("alias {name}_word = {word};\nfn set_{name}(ix: u32, value: vec4<f32>) {{\n    {name}[ix] = {made};\n}}\n")
}

/// Appends `file` after the files it includes, each once.
fn append(file: &str, includer: &str, text: &mut String, done: &mut Vec<String>) -> Result<()> {
    if done.iter().any(|earlier| earlier == file) {
        return Ok(());
    }
    done.push(file.to_string());
    let missing = || Error::Internal(format!("shaders/{includer}.wgsl: there is no embedded file shaders/{file}.wgsl"));
    let source = FILES.iter().find(|(name, _)| *name == file).map(|(_, source)| *source).ok_or_else(missing)?;
    for include in source.lines().filter_map(|line| line.strip_prefix(INCLUDE)) {
        append(include.trim(), file, text, done)?;
    }
    let _ = writeln!(text, "// shaders/{file}.wgsl");
    text.push_str(source);
    Ok(())
}
