//! Chromium without a window: started on a profile of its own, asked in JSON over a websocket.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Names that Chromium goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// A browser on a busy machine needs its time to start and to answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// What every browser of these tests is started with: no window, no first-run pages, no calls home, and
/// WebGL on the processor, which draws the screens.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-search-engine-choice-screen",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
    "--window-size=1280,800",
];
/// WebGPU on the processor.
const WEBGPU_FLAGS: [&str; 3] = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];
/// No WebGPU at all.
const NO_WEBGPU_FLAGS: [&str; 1] = ["--disable-blink-features=WebGPU"];

/// A browser with one page.
pub struct Chrome {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    next_id: u64,
    /// Errors on the console and uncaught exceptions.
    pub errors: Vec<String>,
    /// Where downloads go.
    pub downloads: tempfile::TempDir,
    _profile: tempfile::TempDir,
}

/// The browser's program; VITRINE_CHROMIUM names another.
fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("VITRINE_CHROMIUM") {
        return Some(path.into());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|path| path.is_file())
}

impl Chrome {
    /// Starts a browser with an empty page; none where there is no browser.
    pub fn start(has_webgpu: bool) -> Option<Self> {
        let program = program()?;
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(program);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        if has_webgpu {
            command.args(WEBGPU_FLAGS)
        } else {
            command.args(NO_WEBGPU_FLAGS)
        };
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the browser starts");
        let port_file = profile.path().join("DevToolsActivePort");
        let address = until("the browser listens", || {
            let text = std::fs::read_to_string(&port_file).ok()?;
            let (port, path) = text.trim().split_once('\n')?;
            Some(format!("ws://127.0.0.1:{port}{path}"))
        });
        let (socket, _) = tungstenite::connect(address).expect("a connection to the browser");
        let downloads = tempfile::tempdir().expect("a folder");
        let mut chrome = Self { process, socket, session: String::new(), next_id: 0, errors: Vec::new(), downloads, _profile: profile };
        let target = chrome.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = chrome.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        chrome.session = attached["sessionId"].as_str().expect("a session").to_string();
        for domain in ["Page", "Runtime", "Log"] {
            chrome.call(&format!("{domain}.enable"), json!({}));
        }
        let folder = chrome.downloads.path().display().to_string();
        chrome.call("Page.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder }));
        Some(chrome)
    }

    /// One question; what the browser tells meanwhile is kept where it matters.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut question = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            question["sessionId"] = self.session.clone().into();
        }
        self.socket.send(Message::text(question.to_string())).expect("the browser listens");
        loop {
            let Message::Text(text) = self.socket.read().expect("the browser answers") else { continue };
            let told: Value = serde_json::from_str(&text).expect("JSON");
            if told["id"] == id {
                assert!(told.get("error").is_none(), "{method}: {}", told["error"]);
                return told["result"].clone();
            }
            self.hear(&told);
        }
    }

    fn hear(&mut self, told: &Value) {
        let params = &told["params"];
        match told["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => self.errors.push(params["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if params["type"] == "error" => self.errors.push(params["args"].to_string()),
            "Log.entryAdded" if params["entry"]["level"] == "error" => self.errors.push(params["entry"].to_string()),
            _ => {}
        }
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of a JavaScript expression; promises are awaited.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// A picture of the page as PNG, for the eyes of whoever mends a failing test.
    pub fn picture(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        from_base64(answer["data"].as_str().expect("a picture"))
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for something to be there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let bytes = letters.chunks(4).flat_map(|four| {
        let word = four.iter().enumerate().fold(0, |word, (ix, letter)| word | (value(*letter) << (18 - 6 * ix)));
        word.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
