//! The server: files, parts of files, runs as they grow, and whom it does not answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use vitrine::serve::{Site, listen};

use crate::run_store::sample::{new_run, whole};
use vitrine::run::event::Status;
use vitrine::run::store::RunStore;

/// A server on the files of `root`; its port.
fn start(root: &Path, runs_dir: Option<&Path>) -> u16 {
    let listener = listen(0).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let site = Site { root: root.to_path_buf(), runs_dir: runs_dir.map(Path::to_path_buf) };
    std::thread::spawn(move || site.serve(&listener));
    port
}

/// Head and body of an answer.
fn ask(port: u16, target: &str, host: &str, further: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n{further}\r\n").expect("a request");
    stream.shutdown(std::net::Shutdown::Write).expect("no more requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_string(), body.to_string())
}

fn site() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("index.html"), "<p>page</p>").expect("a file");
    std::fs::write(root.path().join("page-0123456789abcdef.js"), "0123456789").expect("a file");
    std::fs::write(root.path().join("site.json"), "{\"data\":{}}").expect("a file");
    root
}

#[test]
fn files_come_with_their_kind_and_may_be_kept_where_their_name_tells_the_content() {
    let root = site();
    let port = start(root.path(), None);
    let (head, body) = ask(port, "/?device=gpu", "localhost:1", "");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/html") && head.contains("no-cache"), "{head}");
    assert_eq!(body, "<p>page</p>");
    let (head, _) = ask(port, "/page-0123456789abcdef.js", "127.0.0.1", "");
    assert!(head.contains("text/javascript") && head.contains("immutable"), "{head}");
}

#[test]
fn a_range_is_cut_out_and_one_behind_the_end_is_refused() {
    let root = site();
    let port = start(root.path(), None);
    let part = |range: &str| ask(port, "/page-0123456789abcdef.js", "localhost", &format!("Range: bytes={range}\r\n"));
    let (head, body) = part("4-6");
    assert!(head.starts_with("HTTP/1.1 206") && head.contains("bytes 4-6/10"), "{head}");
    assert_eq!(body, "456");
    assert_eq!(part("7-").1, "789");
    assert!(part("10-").0.starts_with("HTTP/1.1 416"));
}

#[test]
fn nothing_outside_the_folder_and_nobody_from_elsewhere_is_answered() {
    let root = site();
    let inner = root.path().join("inner");
    std::fs::create_dir(&inner).expect("a folder");
    let port = start(&inner, None);
    for path in ["/../site.json", "/%2e%2e/site.json", "//etc/hostname", "/..%2fsite.json"] {
        assert!(ask(port, path, "localhost", "").0.starts_with("HTTP/1.1 404"), "{path}");
    }
    let port = start(root.path(), None);
    assert!(ask(port, "/", "evil.example", "").0.starts_with("HTTP/1.1 403"));
    assert!(ask(port, "/runs-here/index.json", "localhost", "").0.starts_with("HTTP/1.1 404"));
}

#[test]
fn runs_are_listed_with_their_files_and_read_in_parts() {
    let (root, runs) = (site(), tempfile::tempdir().expect("a folder"));
    let mut store = RunStore::create(runs.path(), new_run("demo")).expect("a new run");
    whole(Status::Finished).iter().for_each(|event| store.record(event).expect("recorded"));
    std::fs::write(store.checkpoint_path("best"), "weights").expect("a checkpoint");
    let id = store.meta().id.clone();
    let port = start(root.path(), Some(runs.path()));
    let (_, manifest) = ask(port, "/site.json", "localhost", "");
    assert!(manifest.contains("\"runs_here\":true"), "{manifest}");
    let (_, index) = ask(port, "/runs-here/index.json", "localhost", "");
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    assert_eq!(index[0]["id"], id);
    let len = index[0]["files"]["metrics.jsonl"].as_u64().expect("a length");
    let metrics = std::fs::read_to_string(runs.path().join(&id).join("metrics.jsonl")).expect("metrics");
    assert_eq!(len, metrics.len() as u64);
    assert_eq!(index[0]["files"]["checkpoints/best.safetensors"], 7, "for those who save the run with its weights");
    let (_, tail) = ask(port, &format!("/runs-here/{id}/metrics.jsonl"), "localhost", "Range: bytes=20-\r\n");
    assert_eq!(tail, metrics[20..]);
}
