//! A web server for this machine alone: the built site, and the runs of a folder while they grow.
//!
//! GET and HEAD of HTTP/1.1, one thread a connection, ranges of bytes, so that a page follows a file by
//! asking for what lies behind the part it has. It answers only to names of this machine, so that no page
//! of another site can read the runs through a visitor's browser.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::platform::{self, files};
use crate::run::files::names_in_folder;
use crate::run::read;

/// What the page reads to know what it is served with.
pub const MANIFEST: &str = "site.json";
/// Where the runs of the folder lie: `runs-here/index.json`, `runs-here/<id>/<file>`.
pub const RUNS_HERE: &str = "runs-here";
/// Key of the manifest that says whether there are runs of a folder.
pub const LIVE_KEY: &str = "runs_here";

/// Bytes of a request's head.
const MAX_HEAD_BYTES: u64 = 16 << 10;

/// What is served.
#[derive(Clone, Debug)]
pub struct Site {
    /// Folder of the built site.
    pub root: PathBuf,
    /// Run folders to show, if any.
    pub runs_dir: Option<PathBuf>,
}

/// A run in `runs-here/index.json`.
#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    is_live: bool,
    /// Bytes of each file.
    files: BTreeMap<String, u64>,
}

/// One request, as far as it matters here.
struct Request {
    is_head: bool,
    path: String,
    host: String,
    /// First byte asked for, and the last where it is named.
    range: Option<(u64, Option<u64>)>,
}

struct Response {
    status: &'static str,
    kind: &'static str,
    /// Never changes under this name.
    is_fixed: bool,
    range: Option<String>,
    body: Vec<u8>,
}

/// Opens a port of this machine; 0: any free one.
pub fn listen(port: u16) -> Result<TcpListener> {
    let refuse = |source| Error::io(Path::new(&format!("127.0.0.1:{port}")), "listen there", source);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refuse)
}

impl Site {
    /// Serves until the process ends.
    pub fn serve(&self, listener: &TcpListener) -> Result<()> {
        for stream in listener.incoming().flatten() {
            let site = self.clone();
            platform::spawn("visitor", move || {
                // A visitor who leaves in the middle of an answer is nobody's trouble.
                let _ = site.answer_all(&stream);
            })?;
        }
        Ok(())
    }

    fn answer_all(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            let response = self.answer(&request);
            response.write(stream, request.is_head)?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Response {
        let name = request.host.rsplit_once(':').map_or(request.host.as_str(), |(name, _)| name);
        if !["localhost", "127.0.0.1"].contains(&name) {
            return Response::text("403 Forbidden", "this server answers to localhost only");
        }
        let found = match request.path.trim_start_matches('/').split_once('/') {
            Some((first, "index.json")) if first == RUNS_HERE => self.index_of_runs(),
            Some((first, file)) if first == RUNS_HERE => {
                self.runs_dir.as_deref().and_then(|runs_dir| file_below(runs_dir, file)).map(|bytes| Response::file(file, bytes))
            }
            _ => self.site_file(&request.path),
        };
        found.unwrap_or_else(|| Response::text("404 Not Found", "there is no such file")).cut(request.range)
    }

    fn site_file(&self, path: &str) -> Option<Response> {
        let path = if path.ends_with('/') { format!("{path}index.html") } else { path.to_string() };
        let bytes = file_below(&self.root, &path)?;
        if path.trim_start_matches('/') != MANIFEST || self.runs_dir.is_none() {
            return Some(Response::file(&path, bytes));
        }
        let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        manifest.as_object_mut()?.insert(LIVE_KEY.to_string(), true.into());
        Some(Response::file(&path, manifest.to_string().into_bytes()))
    }

    fn index_of_runs(&self) -> Option<Response> {
        let listing = read::list(self.runs_dir.as_deref()?).ok()?;
        let listed = listing.runs.into_iter().map(|run| {
            let files = names_in_folder(&run.path, true).unwrap_or_default().into_iter();
            let with_len = files.filter_map(|(name, path)| Some((name, std::fs::metadata(path).ok()?.len())));
            let id = run.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Listed { id, is_live: run.is_live, files: with_len.collect() }
        });
        let listed: Vec<Listed> = listed.collect();
        let body = serde_json::to_vec(&listed).expect("names and numbers can be written as JSON");
        Some(Response::file("index.json", body))
    }
}

/// The file that `path` names below `folder`; none that lies elsewhere.
fn file_below(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path.trim_start_matches('/'));
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(path);
    if is_plain && files::is_file(&path) { files::read(&path).ok() } else { None }
}

impl Request {
    /// The next request of a connection; none when it is closed or makes no sense.
    fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Self>> {
        let mut head = reader.by_ref().take(MAX_HEAD_BYTES);
        let mut line = String::new();
        head.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method @ ("GET" | "HEAD")), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let path = target.split(['?', '#']).next().unwrap_or(target);
        let mut request = Self { is_head: method == "HEAD", path: decoded(path), host: String::new(), range: None };
        loop {
            line.clear();
            if head.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let Some((name, value)) = line.split_once(':') else { return Ok(Some(request)) };
            match name.to_ascii_lowercase().as_str() {
                "host" => request.host = value.trim().to_string(),
                "range" => request.range = range_from(value.trim()),
                _ => {}
            }
        }
    }
}

/// `bytes=100-` or `bytes=100-199`; other forms are answered with the whole file.
fn range_from(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((first.parse().ok()?, last))
}

/// `%20` and its like as the letters they stand for.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(letter) => {
                bytes.push(letter);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Response {
    fn text(status: &'static str, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", is_fixed: false, range: None, body: text.as_bytes().to_vec() }
    }

    fn file(name: &str, body: Vec<u8>) -> Self {
        Self { status: "200 OK", kind: kind_of(name), is_fixed: has_hash(name), range: None, body }
    }

    /// The part asked for.
    fn cut(mut self, range: Option<(u64, Option<u64>)>) -> Self {
        let Some((first, last)) = range.filter(|_| self.status == "200 OK") else { return self };
        let len = self.body.len() as u64;
        if first >= len {
            let range = Some(format!("bytes */{len}"));
            return Self { range, ..Self::text("416 Range Not Satisfiable", "") };
        }
        let end = last.map_or(len, |last| last.saturating_add(1).clamp(first + 1, len));
        self.range = Some(format!("bytes {first}-{}/{len}", end - 1));
        self.body = self.body[first as usize..end as usize].to_vec();
        self.status = "206 Partial Content";
        self
    }

    fn write(&self, mut stream: &TcpStream, is_head: bool) -> std::io::Result<()> {
        let cache = if self.is_fixed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let range = self.range.as_ref().map_or(String::new(), |range| format!("Content-Range: {range}\r\n"));
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: {cache}\r\n{range}Accept-Ranges: bytes\r\n\
             X-Content-Type-Options: nosniff\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        );
        stream.write_all(head.as_bytes())?;
        if !is_head {
            stream.write_all(&self.body)?;
        }
        stream.flush()
    }
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "toml" | "jsonl" | "csv" | "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

/// Whether a name like `page-0123456789abcdef.js` tells the content.
fn has_hash(name: &str) -> bool {
    let stem = name.rsplit('/').next().unwrap_or(name).split('.').next().unwrap_or_default();
    let hash = stem.rsplit('-').next().unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
}
