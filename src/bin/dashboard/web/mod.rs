//! The page and its worker: the screens on a canvas in one, files and trainings in the other.

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

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// Lets a panic say on the console what it was about.
fn show_panics() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}
