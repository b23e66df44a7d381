//! What people see and do: letters, themes, keys, addresses that make no sense, a browser that can draw nothing.

use super::chrome::{Graphics, from_base64, until};
use super::page::Page;
use vitrine::dashboard::lettering;

/// Levels of 255 by which coverage may differ: builds round sums of the same numbers differently.
const MAX_DIFFERENCE: u8 = 2;

/// Every letter of the page is the letter of this build, pixel by pixel.
#[test]
fn letters_are_whole() {
    let Some(mut page) = Page::open("letters", Graphics::WebGl, "") else { return };
    let text = page.chrome.eval(
        "(() => { const bytes = window.vitrine.letters(); let text = ''; \
         for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192)); \
         return btoa(text); })()",
    );
    let drawn = from_base64(text.as_str().expect("text"));
    let own = lettering::sample();
    assert_eq!(drawn.len(), own.coverage.len(), "the sample has another size");
    let far = own.coverage.iter().zip(&drawn).enumerate().filter(|(_, (own, drawn))| own.abs_diff(**drawn) > MAX_DIFFERENCE);
    let far: Vec<(usize, usize)> = far.map(|(ix, _)| (ix % own.width, ix / own.width)).collect();
    assert!(far.is_empty(), "{} pixels of letters differ, the first at {:?}", far.len(), far[0]);
    page.assert_no_errors();
}

/// How light the page is, 0 to 255.
fn lightness(page: &mut Page) -> f64 {
    let picture = image::load_from_memory(&page.chrome.picture()).expect("a PNG").to_luma8();
    picture.pixels().map(|pixel| f64::from(pixel.0[0])).sum::<f64>() / f64::from(picture.width() * picture.height())
}

/// The page follows the system's theme while it is open.
#[test]
fn both_themes_are_shown() {
    let Some(mut page) = Page::open("themes", Graphics::WebGl, "") else { return };
    for (is_dark, word) in [(true, "dark"), (false, "light"), (true, "dark-again")] {
        page.chrome.prefer(is_dark);
        page.watched(|page| {
            until("the theme changes", || ((lightness(page) < 80.0) == is_dark && (lightness(page) > 170.0) != is_dark).then_some(()))
        });
        page.keep_picture(word);
    }
    page.assert_no_errors();
}

/// Everything is done by keys: screens by number and by name, the theme, runs.
#[test]
fn keys_do_everything() {
    let Some(mut page) = Page::open("keys", Graphics::WebGl, "") else { return };
    let is_at = |page: &mut Page, slug: &str| {
        page.wait(&format!("the screen {slug}"), |state| state["location"].as_str()?.starts_with(slug).then_some(()));
    };
    page.chrome.press("8", false);
    is_at(&mut page, "compare");
    page.by_name("go to doctor");
    is_at(&mut page, "doctor");
    page.chrome.eval("history.back()");
    is_at(&mut page, "compare");
    page.chrome.eval("history.forward()");
    is_at(&mut page, "doctor");
    page.wait("the recorded runs", |state| (state["runs"].as_array()?.len() >= 7).then_some(()));
    page.by_name("select run 2");
    page.wait_for_run("a run is selected and opened", |run| run["num_steps"].as_u64() > Some(0));
    page.chrome.press("2", false);
    is_at(&mut page, "train?runs=");
    page.wait_for_words("the state is read aloud", |words| words.starts_with("Train screen; ") && words.contains("step "));
    let is_taken = "(() => { const key = new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, cancelable: true }); \
         window.dispatchEvent(key); return key.defaultPrevented; })()";
    assert_eq!(page.chrome.eval(is_taken), true, "the browser has Ctrl-K for itself");
    page.by_name("save a picture");
    let folder = page.chrome.downloads.path().join("vitrine-train.png");
    page.watched(|_| until("the picture is downloaded", || image::open(&folder).ok()));
    page.assert_no_errors();
}

/// An address that makes no sense opens the page, which says what it left out; one that does is followed.
#[test]
fn addresses_are_forgiven_and_followed() {
    let Some(mut page) = Page::open("address", Graphics::WebGl, "#nowhere?step=soon&runs=%ZZ&%&=&x=%F0") else { return };
    page.wait_for_words("the complaint is read aloud", |words| words.contains("makes no sense"));
    page.chrome.eval("location.hash = 'doctor'");
    page.wait_for_words("the new address is followed", |words| words.starts_with("Doctor screen"));
    page.go_to("#train?runs=gone");
    page.wait_for_run("a run that is not there is said to be missing", |run| !run["failure"].is_null());
    // The browser logs that the server has no such file.
    page.chrome.errors.retain(|error| !error.contains("404"));
    page.assert_no_errors();
}

/// A browser with neither WebGPU nor WebGL lists the recorded reports, and they are whole.
#[test]
fn without_graphics_reports_are_read() {
    let Some(mut page) = Page::without_page("plain", Graphics::Neither) else { return };
    page.load("");
    page.watched(|page| {
        until("the reports are listed", || {
            let count = page.chrome.eval("document.body?.classList.contains('plain') ? document.querySelectorAll('#reports a').length : 0");
            (count.as_u64() >= Some(7)).then_some(())
        });
    });
    page.keep_picture("reports");
    let report = page.chrome.eval("fetch(document.querySelector('#reports a').href).then((answer) => answer.text())");
    let report = report.as_str().expect("a page");
    assert!(report.contains("<svg") && !report.contains("<script"), "{}", &report[..200.min(report.len())]);
    page.assert_no_errors();
}

/// Median time between two frames of the browser, and how many there were.
const GAPS: &str = "new Promise((resolve) => { \
     const gaps = []; let last; const end = performance.now() + 6000; \
     const tick = (now) => { if (last !== undefined) gaps.push(now - last); last = now; \
         if (now < end) requestAnimationFrame(tick); \
         else resolve([gaps.sort((a, b) => a - b)[gaps.length >> 1], gaps.length]); }; \
     requestAnimationFrame(tick); })";
/// What a frame may take of the page's thread while it trains, milliseconds.
const MAX_FRAME_MILLIS: f64 = 50.0;

/// The page goes on smoothly while its worker trains: the time that frames take of its thread, and the time between them.
#[test]
fn frames_come_while_it_trains() {
    let Some(mut page) = Page::open("frames", Graphics::WebGl, "") else { return };
    let id = page.train("smooth", &["schedule.epochs=200"], None);
    page.wait_for("it is under way", &id, |run| run["step"].as_u64() >= Some(20));
    page.chrome.eval(&format!("location.hash = 'train?runs={id}'"));
    page.wait_for_words("its charts are on the screen", |words| words.starts_with("Train screen; demo: running"));
    let before = page.state()["open"][&id]["step"].as_u64();
    let gaps = page.chrome.eval(GAPS);
    let state = page.state();
    page.keep_picture("training");
    let frame_millis = state["frame_millis"].as_f64().unwrap_or(f64::NAN);
    eprintln!("frames while training: {frame_millis:.1} ms of the page's thread, {gaps} ms between two (median, count)");
    assert!(state["open"][&id]["step"].as_u64() > before, "it trains meanwhile");
    assert!(frame_millis > 0.0 && frame_millis <= MAX_FRAME_MILLIS, "{frame_millis} ms");
    page.ask(&serde_json::json!({ "Command": [id, "stop"] }));
    page.wait_for("it stops", &id, |run| run["is_closed"] == true);
    page.assert_no_errors();
}

/// A recorded run that plays changes the address many times a second; browsers allow some 100 changes in 10 s, and the
/// last one must be there.
#[test]
fn playing_does_not_write_the_address_too_often() {
    let Some(mut page) = Page::open("playing", Graphics::WebGl, "") else { return };
    // One that is long enough to be played.
    let is_long = |id: &&str| id.ends_with("-conv-stem-healthy");
    let id = page.wait("the recorded runs", |state| {
        state["runs"].as_array()?.iter().filter_map(serde_json::Value::as_str).find(is_long).map(str::to_string)
    });
    // As Firefox and Safari do.
    page.chrome.eval(
        "for (const name of ['replaceState', 'pushState']) { const usual = history[name].bind(history); let left = 40; \
         history[name] = (...state) => { if (left-- <= 0) throw new DOMException('', 'SecurityError'); usual(...state); }; } 0",
    );
    page.chrome.eval(&format!("location.hash = 'train?runs={id}&step=1'"));
    page.wait_for_words("the run is on the screen", |words| words.starts_with("Train screen; ") && words.contains("step "));
    page.by_name("play or pause");
    page.watched(|page| until("it plays", || (step_in(page.chrome.eval("location.hash").as_str()?)? >= 5).then_some(())));
    page.by_name("play or pause");
    page.by_name("go to compare");
    page.wait_for_words("the page still moves", |words| words.starts_with("Compare screen"));
    page.assert_no_errors();
}

/// The playhead in an address.
fn step_in(address: &str) -> Option<u64> {
    let (_, step) = address.split_once("step=")?;
    step.split('&').next()?.parse().ok()
}

/// A trainer that comes to its end says so: its trainings have failed, and the page asks for a reload.
#[test]
fn the_end_of_the_trainer_is_said() {
    let Some(mut page) = Page::open("ended", Graphics::WebGl, "") else { return };
    let id = page.train("ended", &["schedule.epochs=200"], None);
    page.wait_for("it is under way", &id, |run| run["step"].as_u64() >= Some(3));
    // Two rounds of keeping: a trainer that dies earlier leaves nothing to go on from.
    std::thread::sleep(std::time::Duration::from_secs(3));
    page.chrome.eval_in_worker("setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable') }); 0");
    let run = page.wait_for("its training has failed", &id, |run| !run["failure"].is_null());
    assert!(run["is_closed"] == true && run["failure"].as_str().is_some_and(|why| why.contains("unreachable")), "{run}");
    assert_eq!(page.chrome.eval("document.getElementById('end').hidden"), false, "the page says so");
    page.keep_picture("said");
    page.chrome.eval("document.getElementById('again').click()");
    page.wait("the training goes on after the reload", |state| {
        (state["open"][&id]["step"].as_u64() >= Some(1) && state["open"][&id]["is_closed"] == false).then_some(())
    });
    page.ask(&serde_json::json!({ "Command": [id, "stop"] }));
    page.wait_for("it stops", &id, |run| run["is_closed"] == true);
}
