//! Browsers: one thread that must never block; files in memory; the clock is the page's.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageChannel, MessagePort};

use crate::error::{Error, Result};

/// Files and folders.
pub mod files;
/// Work on the one thread there is.
pub mod parallel;

/// Whether this thread may block, and start others: it may not.
pub const CAN_BLOCK: bool = false;

/// Between two looks for a message.
const LOOK_SECS: f64 = 0.02;

#[wasm_bindgen]
extern "C" {
    /// Of a window and of a worker alike.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: f64) -> f64;

    /// Milliseconds on a clock that never goes back.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Seconds since the first call, on a clock that never goes back.
pub fn now_secs() -> f64 {
    static START_MILLIS: OnceLock<f64> = OnceLock::new();
    let now_millis = performance_now();
    (now_millis - START_MILLIS.get_or_init(|| now_millis)) / 1e3
}

/// Milliseconds since 1970, UTC; 0 where the clock stands before that.
pub fn unix_millis() -> u64 {
    js_sys::Date::now() as u64
}

/// Cores that this module may use: it runs on one thread.
pub fn num_cores() -> usize {
    1
}

/// A page's module cannot start threads of its own: always an error.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    drop(work);
    Err(Error::io(Path::new(name), "start the thread", std::io::ErrorKind::Unsupported.into()))
}

/// Maker and architecture of the GPU that the browser prefers, as far as it tells them.
pub async fn adapter_name() -> Option<String> {
    let of = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).ok().filter(|value| value.is_object());
    let gpu = of(&of(&js_sys::global(), "navigator")?, "gpu")?;
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into()).ok()?.dyn_into().ok()?;
    let asked: Promise = request.call0(&gpu).ok()?.dyn_into().ok()?;
    let info = of(&JsFuture::from(asked).await.ok()?, "info")?;
    let words = ["vendor", "architecture"].map(|name| Reflect::get(&info, &name.into()).ok()?.as_string().filter(|word| !word.is_empty()));
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

/// Replaces the file as a whole.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    files::write(path, bytes).map_err(|source| Error::io(path, "write the file", source))
}

/// a·b + c. WASM has no fused instruction, and emulating one costs a call.
#[inline(always)]
pub fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    a * b + c
}

/// Waits so long.
pub async fn sleep(secs: f64) {
    let promise = Promise::new(&mut |resolve, _| {
        set_timeout(&resolve, secs * 1e3);
    });
    // A promise that only a timer settles is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// A channel from this thread to itself: its message comes after everything the browser has to do before,
/// and without the 4 ms that a timer waits at least.
struct Turnstile {
    entry: MessagePort,
    waiting: Rc<RefCell<Vec<Waker>>>,
}

impl Turnstile {
    fn new() -> std::result::Result<Self, JsValue> {
        let channel = MessageChannel::new()?;
        let waiting: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let woken = waiting.clone();
        let on_message = Closure::<dyn FnMut()>::new(move || woken.take().into_iter().for_each(Waker::wake));
        channel.port1().set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
        Ok(Self { entry: channel.port2(), waiting })
    }
}

thread_local! {
    static TURNSTILE: Option<Turnstile> = Turnstile::new().ok();
}

/// Goes back to the browser's loop of events, so that messages, callbacks and other tasks have their turn.
pub async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        TURNSTILE.with(|turnstile| match turnstile {
            Some(Turnstile { entry, waiting }) if entry.post_message(&JsValue::NULL).is_ok() => {
                waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
    })
    .await;
}

/// The future's result if it comes within `secs`.
pub async fn within<T>(secs: f64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut timer = std::pin::pin!(sleep(secs));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => timer.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// The next message, once there is one; `None` when nobody is left to send one.
pub async fn receive<T>(messages: &Receiver<T>) -> Option<T> {
    loop {
        match messages.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => sleep(LOOK_SECS).await,
        }
    }
}
