//! `cargo web`: builds the site from this package alone, weighs it, and serves it on this machine.
//!
//! The dashboard is compiled to WebAssembly by cargo, bound to JavaScript by wasm-bindgen's library (of
//! the very version the code was compiled against), and written beside the files of `web/` under names
//! that tell their content: a browser may keep each of them for good, and never has a stale one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use vitrine::data::{HASH_START, hash_bytes};
use vitrine::error::{Error, Result};
use vitrine::run::{html, vitrun};
use vitrine::serve::{MANIFEST, Site, listen};
use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "cargo web [--out DIR] [--port N] [--runs-dir DIR] [--profile NAME]

Builds the dashboard as a web page and serves it on 127.0.0.1.

  --out DIR        write the static site there, for any file host, and serve nothing
  --port N         port to serve on (default 8080; 0: any free one)
  --runs-dir DIR   show the runs of this folder too, live while they train
  --profile NAME   cargo profile of the page (default web, the small one, whose weight is checked;
                   dev is built sooner)
";

/// The profile of pages that others are to see.
const PROFILE: &str = "web";
/// What the page may weigh: WebAssembly, scripts and page, without data and recorded runs.
const MAX_RAW_BYTES: usize = 6_000_000;
const MAX_BROTLI_BYTES: usize = 2_000_000;
/// What `assets/runs` may weigh.
const MAX_RUN_BYTES: usize = 6_000_000;

/// Name of the page's crate in the files that wasm-bindgen writes.
const STEM: &str = "vitrine";
/// The scripts of `web/`, each after those it names.
const SCRIPTS: [&str; 3] = ["storage.js", "worker.js", "page.js"];
const PAGE: &str = "index.html";

struct Args {
    out: Option<PathBuf>,
    port: u16,
    runs_dir: Option<PathBuf>,
    profile: String,
}

fn main() -> ExitCode {
    let outcome = parse(std::env::args().skip(1)).and_then(|args| args.map_or(Ok(()), |args| run(&args)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The flags; none if help was asked for.
fn parse(mut given: impl Iterator<Item = String>) -> Result<Option<Args>> {
    let mut args = Args { out: None, port: 8080, runs_dir: None, profile: PROFILE.to_string() };
    while let Some(flag) = given.next() {
        if flag == "--help" || flag == "-h" {
            print!("{USAGE}");
            return Ok(None);
        }
        let mut value = || given.next().ok_or_else(|| Error::usage(format!("{flag} needs a value"), "`cargo web --help` shows the flags"));
        match flag.as_str() {
            "--out" => args.out = Some(value()?.into()),
            "--runs-dir" => args.runs_dir = Some(value()?.into()),
            "--profile" => args.profile = value()?,
            "--port" => {
                let text = value()?;
                args.port = text.parse().map_err(|_| Error::usage(format!("--port {text} is no port"), "a number below 65536"))?;
            }
            _ => return Err(Error::usage(format!("unknown flag {flag}"), "`cargo web --help` shows the flags")),
        }
    }
    Ok(Some(args))
}

fn run(args: &Args) -> Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wasm = compile(package, &args.profile)?;
    let out = args.out.clone().unwrap_or_else(|| wasm.with_file_name("site"));
    let mut files = bound(&wasm)?;
    add_page(package, &mut files)?;
    let weighed = if args.profile == PROFILE { Some(weigh(&files)?) } else { None };
    let run_bytes = add_assets(package, &mut files)?;
    write_site(&out, &files)?;
    if run_bytes > MAX_RUN_BYTES {
        return Err(Error::Internal(format!("the recorded runs weigh {run_bytes} bytes, and may {MAX_RUN_BYTES}")));
    }
    if let Some(weighed) = weighed {
        println!("{weighed}");
        weighed.check()?;
    }
    println!("the site is in {}", out.display());
    if args.out.is_none() {
        let listener = listen(args.port)?;
        let address = listener.local_addr().map_err(|source| Error::io(&out, "serve", source))?;
        println!("open http://localhost:{}/ (Ctrl-C ends)", address.port());
        Site { root: out, runs_dir: args.runs_dir.clone() }.serve(&listener)?;
    }
    Ok(())
}

/// Compiles the page; the path of its WebAssembly.
fn compile(package: &Path, profile: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["build", "--target", "wasm32-unknown-unknown", "--bin", "dashboard", "--no-default-features", "--features", "dashboard"];
    let mut command = Command::new(cargo);
    command.current_dir(package).args(args).args(["--profile", profile, "--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|source| Error::io(package, "run cargo", source))?;
    if !output.status.success() {
        let hint = "if the target is missing: rustup target add wasm32-unknown-unknown";
        return Err(Error::file(package, "the page does not compile", hint));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifact = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|message| {
        let is_page = message["reason"] == "compiler-artifact" && message["target"]["name"] == "dashboard";
        let names = message["filenames"].as_array().filter(|_| is_page)?;
        names.iter().filter_map(|name| name.as_str()).find(|name| name.ends_with(".wasm")).map(PathBuf::from)
    });
    artifact.ok_or_else(|| Error::Internal("cargo named no WebAssembly file".to_string()))
}

/// The files of the site by name.
type Files = BTreeMap<String, Vec<u8>>;

/// WebAssembly and its script, as wasm-bindgen makes them, under names with hashes.
fn bound(wasm: &Path) -> Result<Files> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(STEM).typescript(false).remove_name_section(true).remove_producers_section(true);
    let mut output = bindgen.web(true).map_err(|error| refused(wasm, &error))?.generate_output().map_err(|error| refused(wasm, &error))?;
    let binary_name = format!("{STEM}_bg.wasm");
    let binary = output.wasm_mut().emit_wasm();
    let script = output.js().to_string();
    let mut files = Files::new();
    let hashed = add(&mut files, &binary_name, binary);
    add(&mut files, &format!("{STEM}.js"), script.replace(&binary_name, &hashed).into_bytes());
    Ok(files)
}

fn refused(wasm: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::file(wasm, format!("wasm-bindgen refuses it: {error:#}"), "")
}

/// Puts a file in under a name with the hash of its content; that name.
fn add(files: &mut Files, name: &str, bytes: Vec<u8>) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let hashed = format!("{stem}-{:016x}.{extension}", hash_bytes(HASH_START, &bytes));
    files.insert(hashed.clone(), bytes);
    hashed
}

/// The scripts and the page of `web/`, with the names that files have here.
fn add_page(package: &Path, files: &mut Files) -> Result<()> {
    let folder = package.join("web");
    for name in SCRIPTS {
        let text = renamed(&read_text(&folder.join(name))?, files);
        add(files, name, text.into_bytes());
    }
    let page = renamed(&read_text(&folder.join(PAGE))?, files);
    files.insert(PAGE.to_string(), page.into_bytes());
    Ok(())
}

/// `text` with every file's plain name replaced by the one with its hash.
fn renamed(text: &str, files: &Files) -> String {
    files.keys().fold(text.to_string(), |text, hashed| match plain_name(hashed) {
        Some(plain) => text.replace(&format!("./{plain}"), &format!("./{hashed}")),
        None => text,
    })
}

/// `page-0123456789abcdef.js` → `page.js`.
fn plain_name(hashed: &str) -> Option<String> {
    let (stem, extension) = hashed.rsplit_once('.')?;
    Some(format!("{}.{extension}", stem.rsplit_once('-')?.0))
}

/// The embedded image set, the recorded runs, their reports and the manifest that names all; the runs' bytes.
fn add_assets(package: &Path, files: &mut Files) -> Result<usize> {
    let mut named = |folder: &str, target: &str, ending: &str| -> Result<(BTreeMap<String, String>, usize)> {
        let (mut names, mut total) = (BTreeMap::new(), 0);
        for path in list(&package.join(folder))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(ending) {
                let bytes = read(&path)?;
                total += bytes.len();
                let hashed = add(files, &format!("{target}/{name}"), bytes);
                names.insert(name, hashed);
            }
        }
        Ok((names, total))
    };
    let (data, _) = named("assets/data/fashion-mnist", "data", ".gz")?;
    let (runs, run_bytes) = named("assets/runs", "runs", ".vitrun")?;
    let reports = add_reports(&runs, files)?;
    let manifest = serde_json::json!({ "data": data, "runs": runs, "reports": reports });
    files.insert(MANIFEST.to_string(), manifest.to_string().into_bytes());
    Ok(run_bytes)
}

/// The recorded runs as pages without scripts, for browsers that cannot show the screens.
fn add_reports(runs: &BTreeMap<String, String>, files: &mut Files) -> Result<BTreeMap<String, String>> {
    let mut reports = BTreeMap::new();
    for (name, hashed) in runs {
        let path = Path::new(name);
        let recorded = vitrun::read(&files[hashed], path)?.recorded(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let report = add(files, &format!("reports/{stem}.html"), html::page(&recorded).into_bytes());
        reports.insert(format!("{stem}.html"), report);
    }
    Ok(reports)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = vitrine::platform::files::list(folder).map_err(|source| Error::io(folder, "list the folder", source))?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::io(path, "read the file", source))
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::file(path, "it is not text", ""))
}

/// Writes the site, and removes files of an earlier one that have another hash now.
fn write_site(out: &Path, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, "make the folder", source))?;
        std::fs::write(&path, bytes).map_err(|source| Error::io(&path, "write the file", source))?;
    }
    let plain: Vec<String> = files.keys().filter_map(|name| plain_name(name)).collect();
    for folder in ["", "data", "reports", "runs"] {
        for path in list(&out.join(folder))? {
            let name = path.strip_prefix(out).unwrap_or(&path).to_string_lossy().into_owned();
            let is_of_ours = plain_name(&name).is_some_and(|name| plain.contains(&name));
            if is_of_ours && !files.contains_key(&name) {
                std::fs::remove_file(&path).map_err(|source| Error::io(&path, "remove the old file", source))?;
            }
        }
    }
    Ok(())
}

/// Bytes of each file: as it is, in gzip, in brotli.
struct Weighed(Vec<(String, [usize; 3])>);

fn weigh(files: &Files) -> Result<Weighed> {
    let rows = files.iter().map(|(name, bytes)| Ok((name.clone(), [bytes.len(), gzip_len(bytes)?, brotli_len(bytes)?])));
    Ok(Weighed(rows.collect::<Result<_>>()?))
}

fn gzip_len(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map(|packed| packed.len()).map_err(|error| Error::Internal(format!("gzip: {error}")))
}

fn brotli_len(bytes: &[u8]) -> Result<usize> {
    let mut packed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut packed, &params).map_err(|error| Error::Internal(format!("brotli: {error}")))?;
    Ok(packed.len())
}

impl Weighed {
    fn total(&self) -> [usize; 3] {
        self.0.iter().fold([0; 3], |sum, (_, lens)| std::array::from_fn(|ix| sum[ix] + lens[ix]))
    }

    /// Refuses a page that is over its budget.
    fn check(&self) -> Result<()> {
        let [raw, _, brotli] = self.total();
        if raw <= MAX_RAW_BYTES && brotli <= MAX_BROTLI_BYTES {
            return Ok(());
        }
        let what = format!("the page weighs {raw} bytes, {brotli} in brotli; it may {MAX_RAW_BYTES} and {MAX_BROTLI_BYTES}");
        Err(Error::Internal(what))
    }
}

impl std::fmt::Display for Weighed {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(out, "{:<36} {:>10} {:>10} {:>10}", "FILE", "BYTES", "GZIP", "BROTLI")?;
        for (name, [raw, gzip, brotli]) in &self.0 {
            writeln!(out, "{name:<36} {raw:>10} {gzip:>10} {brotli:>10}")?;
        }
        let [raw, gzip, brotli] = self.total();
        writeln!(out, "{:<36} {raw:>10} {gzip:>10} {brotli:>10}", "together")?;
        writeln!(out, "{:<36} {MAX_RAW_BYTES:>10} {:>10} {MAX_BROTLI_BYTES:>10}", "at most", "")
    }
}
