//! Chromium without a window: started on a profile of its own, asked in JSON over a websocket.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Names that Chromium goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// How long something may take to come about on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How long a browser may take to start; then it is started once more.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long one answer may take: a page that computes for so long is broken.
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);

/// What every browser of these tests is started with: no window, no first-run pages, no calls home, and no end to a
/// process that computes in the place of a GPU and so takes its time.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu-watchdog",
    "--disable-gpu-process-crash-limit",
    "--disable-search-engine-choice-screen",
    "--remote-debugging-port=0",
    "--window-size=1280,800",
];
/// WebGL on the processor, which draws the screens.
const WEBGL_FLAGS: [&str; 2] = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
/// WebGPU on the processor.
const WEBGPU_FLAGS: [&str; 3] = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];
/// No WebGPU at all.
const NO_WEBGPU_FLAGS: [&str; 1] = ["--disable-blink-features=WebGPU"];
/// No WebGL either.
const NO_WEBGL_FLAGS: [&str; 2] = ["--disable-gpu", "--disable-3d-apis"];

/// What a browser can draw and compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// WebGPU and WebGL.
    WebGpu,
    /// WebGL alone.
    WebGl,
    /// Neither.
    Neither,
}

/// A browser with one page.
pub struct Chrome {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    /// The latest worker of the page.
    worker: String,
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

/// A browser's process and the address it listens at; none where it does not come up.
fn launch(program: &Path, graphics: Graphics, profile: &Path) -> Option<(Child, String)> {
    let mut command = Command::new(program);
    command.args(FLAGS).arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
    match graphics {
        Graphics::WebGpu => command.args(WEBGL_FLAGS).args(WEBGPU_FLAGS),
        Graphics::WebGl => command.args(WEBGL_FLAGS).args(NO_WEBGPU_FLAGS),
        Graphics::Neither => command.args(NO_WEBGL_FLAGS).args(NO_WEBGPU_FLAGS),
    };
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the browser starts");
    let port_file = profile.join("DevToolsActivePort");
    let address = found_within(START_PATIENCE, || {
        let text = std::fs::read_to_string(&port_file).ok()?;
        let (port, path) = text.trim().split_once('\n')?;
        Some(format!("ws://127.0.0.1:{port}{path}"))
    });
    if address.is_none() {
        // It may have gone by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
    address.map(|address| (process, address))
}

impl Chrome {
    /// Starts a browser with an empty page, with a second try; none where there is no browser.
    pub fn start(graphics: Graphics) -> Option<Self> {
        let program = program()?;
        let attempt = |_| {
            let profile = tempfile::tempdir().expect("a folder");
            launch(&program, graphics, profile.path()).map(|(process, address)| (profile, process, address))
        };
        let (profile, process, address) = (0..2).find_map(attempt).expect("the browser starts");
        let (socket, _) = tungstenite::connect(address).expect("a connection to the browser");
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(ANSWER_PATIENCE)).expect("a time limit");
        }
        let downloads = tempfile::tempdir().expect("a folder");
        let mut chrome = Self {
            process,
            socket,
            session: String::new(),
            worker: String::new(),
            next_id: 0,
            errors: Vec::new(),
            downloads,
            _profile: profile,
        };
        let target = chrome.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = chrome.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        chrome.session = attached["sessionId"].as_str().expect("a session").to_string();
        for domain in ["Page", "Runtime", "Log"] {
            chrome.call(&format!("{domain}.enable"), json!({}));
        }
        chrome.call("Target.setAutoAttach", json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true }));
        let folder = chrome.downloads.path().display().to_string();
        chrome.call("Page.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder }));
        Some(chrome)
    }

    /// One question; what the browser tells meanwhile is kept where it matters.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.call_in(&self.session.clone(), method, params)
    }

    fn call_in(&mut self, session: &str, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut question = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            question["sessionId"] = session.into();
        }
        self.socket.send(Message::text(question.to_string())).expect("the browser listens");
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            let Message::Text(text) = message else { continue };
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
            "Target.attachedToTarget" if params["targetInfo"]["type"] == "worker" => {
                self.worker = params["sessionId"].as_str().unwrap_or_default().to_string();
            }
            _ => {}
        }
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of a JavaScript expression; promises are awaited.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.eval_in(&self.session.clone(), expression)
    }

    /// The same in the worker of the page.
    pub fn eval_in_worker(&mut self, expression: &str) -> Value {
        self.eval_in(&self.worker.clone(), expression)
    }

    fn eval_in(&mut self, session: &str, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call_in(session, "Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key by its name (`Enter`, `k`), with Ctrl held or not.
    pub fn press(&mut self, key: &str, is_ctrl_held: bool) {
        let letter = key.chars().next().filter(|_| key.len() == 1);
        let code = match (letter, key) {
            (Some(letter), _) => letter.to_ascii_uppercase() as u32,
            (None, "Tab") => 9,
            (None, "Enter") => 13,
            (None, "Escape") => 27,
            _ => 0,
        };
        let mut params = json!({ "key": key, "windowsVirtualKeyCode": code, "modifiers": if is_ctrl_held { 2 } else { 0 } });
        params["type"] = (if is_ctrl_held || letter.is_none() { "rawKeyDown" } else { "keyDown" }).into();
        if let Some(letter) = letter.filter(|_| !is_ctrl_held) {
            params["text"] = letter.to_string().into();
        }
        self.call("Input.dispatchKeyEvent", params.clone());
        params["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", params);
    }

    /// Drags a file of this machine over the page and lets it go.
    pub fn drop_file(&mut self, path: &Path) {
        let data = json!({ "items": [], "files": [path.display().to_string()], "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({ "type": kind, "x": 640, "y": 400, "data": data }));
        }
    }

    /// Has the system prefer the dark theme, or the light one.
    pub fn prefer(&mut self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// A picture of the page as PNG.
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

fn found_within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Waits for something to be there.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    found_within(PATIENCE, look).unwrap_or_else(|| panic!("waited {} s: {what}", PATIENCE.as_secs()))
}

/// The bytes of a text in base64.
pub fn from_base64(text: &str) -> Vec<u8> {
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
