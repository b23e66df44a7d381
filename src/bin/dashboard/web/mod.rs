//! The page and its worker: the screens on a canvas in one, files and trainings in the other.

/// What helps a browser that cannot train on its GPU.
mod advice;
/// Looking at adapters and kernels.
mod doctor;
/// Dropped folders of images.
mod images;
/// Files kept over a reload.
mod keeping;
/// The page: its host, and what scripts see of it.
mod page;
/// Runs from everywhere: kept, bundled, dropped, served.
mod shelf;
/// How fast this browser trains.
mod speed;
/// What scripts and tests see of the page.
mod state;
/// Trainings under way.
mod training;
/// Messages between page and worker.
mod wire;
/// The worker: questions in, answers out.
mod worker;

use js_sys::{Function, Reflect};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{checkup, exports, pace};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// Lets a panic say what it was about: on the console, and to the script that started this module, whose `onPanic` tells people.
fn show_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        error(&text);
        let on_panic = Reflect::get(&js_sys::global(), &"onPanic".into()).ok().and_then(|hook| hook.dyn_into::<Function>().ok());
        if let Some(on_panic) = on_panic {
            // Nobody is left to hear of a failure.
            let _ = on_panic.call1(&JsValue::NULL, &text.into());
        }
    }));
}
