//! Every screen over no run, a short, a crashed and a long one; and what can be done on them.

use egui_kittest::kittest::Queryable as _;
use vitrine::dashboard::app::status;
use vitrine::dashboard::host::{Notice, Start};
use vitrine::dashboard::view::Screen;
use vitrine::run::event::{Event, StepStat};

use super::host::Stage;
use super::sample::{self, Sample};

fn hash_of(screen: Screen, samples: &[Sample]) -> String {
    let keys: Vec<String> = samples.iter().map(|sample| sample.key().0).collect();
    format!("{}?runs={}", screen.slug(), keys.join(","))
}

#[test]
fn every_screen_shows_every_kind_of_run() {
    let kinds: [(&str, Vec<Sample>); 4] = [
        ("empty", Vec::new()),
        ("short", vec![sample::short()]),
        ("crashed", vec![sample::crashed()]),
        ("long", vec![sample::long(), sample::crashed()]),
    ];
    for screen in Screen::ALL {
        for (kind, samples) in &kinds {
            for size in [[1280.0, 860.0], [420.0, 760.0]] {
                let stage = Stage { size, ..Stage::new(samples.clone(), hash_of(screen, samples)) };
                let (harness, ..) = stage.open();
                let titles = harness.query_all_by_label(screen.title()).count();
                assert!(titles >= 1, "{} {kind} {size:?}: the screen is named", screen.title());
                for sample in samples {
                    harness.get_by_label(&format!("Take out {}", sample.key()));
                }
            }
        }
    }
}

#[test]
fn screens_without_runs_say_what_to_do() {
    let cases = [
        (Screen::Autopsy, "No run selected"),
        (Screen::Tokens, "No run selected"),
        (Screen::Stem, "No run selected"),
        (Screen::Attention, "No run selected"),
        (Screen::Compare, "No runs selected"),
        (Screen::CrashMap, "No finished runs yet"),
        (Screen::Report, "No run selected"),
        (Screen::Doctor, "Not checked yet"),
        (Screen::Twin, "No twin yet"),
    ];
    for (screen, text) in cases {
        let (harness, ..) = Stage::new(Vec::new(), screen.slug()).open();
        harness.get_by_label(text);
    }
}

#[test]
fn a_run_that_is_gone_is_an_error_with_another_try() {
    let (mut harness, log, _) = Stage::new(Vec::new(), "train?runs=gone").open();
    harness.get_by_label("gone cannot be opened");
    harness.get_by_label("Try again").click();
    harness.run_steps(4);
    assert_eq!(log.borrow().opened.len(), 2, "it was asked for again");
}

#[test]
fn charts_say_their_numbers_and_where_they_break() {
    let crashed = sample::crashed();
    let (harness, ..) = Stage::new(vec![crashed.clone()], hash_of(Screen::Train, &[crashed])).open();
    harness.get_by_label_contains("Training loss, patchify, bold NaN at step 220, 7 steps not finite");
}

#[test]
fn strips_show_how_far_updates_move_the_weights() {
    let crashed = sample::crashed();
    let (harness, ..) = Stage::new(vec![crashed.clone()], hash_of(Screen::Train, std::slice::from_ref(&crashed))).open();
    harness.get_by_label("patchify, bold: update ratios of 6 groups over 5 probes");
    harness.get_by_label_contains("Gradient norm, stem, patchify, bold");
    let mut silent = crashed;
    silent.events.iter_mut().for_each(|event| {
        if let Event::Probe(probe) = event {
            probe.updates.clear();
        }
    });
    let (harness, ..) = Stage::new(vec![silent.clone()], hash_of(Screen::Train, &[silent])).open();
    harness.get_by_label("This run did not record how far its updates moved the weights");
}

#[test]
fn an_autopsy_names_what_gave_way_first() {
    let crashed = sample::crashed();
    let (mut harness, ..) = Stage::new(vec![crashed.clone()], hash_of(Screen::Autopsy, &[crashed])).open();
    harness.get_by_label_contains("non-finite at step 214");
    harness.get_by_label("t−12").click_accesskit();
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.step, Some(202));
}

#[test]
fn a_remedy_starts_a_training_beside_the_crashed_run() {
    let crashed = sample::crashed();
    let (mut harness, log, _) = Stage::new(vec![crashed.clone()], hash_of(Screen::Autopsy, std::slice::from_ref(&crashed))).open();
    harness.get_by_label("Half the learning rate").click_accesskit();
    harness.run_steps(3);
    let log = log.borrow();
    assert_eq!(log.orders.len(), 1);
    assert_eq!(log.orders[0].experiment.optim.lr, 4e-3);
    assert_eq!(log.orders[0].start, Start::Fresh, "this run kept no weights from before the crash");
    assert!(harness.state().model.view.runs.contains(&crashed.key()));
}

#[test]
fn the_form_starts_what_it_shows() {
    let (mut harness, log, _) = Stage::new(Vec::new(), "train").open();
    harness.get_by_label("lr").click();
    harness.run_steps(2);
    harness.state_mut().model.form.set("optim.lr", "3e-3");
    harness.run_steps(3);
    harness.get_by_label("Take optim.lr back to 0.001");
    harness.get_by_label("Start training").click();
    harness.run_steps(3);
    let log = log.borrow();
    assert_eq!(log.orders.len(), 1);
    assert_eq!(log.orders[0].experiment.optim.lr, 3e-3);
    assert_eq!(log.orders[0].name, "demo");
}

#[test]
fn a_dropped_folder_of_images_is_what_the_form_trains_on() {
    let (mut harness, _, notices) = Stage::new(vec![sample::short()], hash_of(Screen::Compare, &[sample::short()])).open();
    notices.borrow_mut().push(Notice::Images("/pictures of birds".to_string(), 7));
    harness.run_steps(3);
    let model = &harness.state().model;
    assert_eq!((model.view.screen, model.view.runs.len()), (Screen::Train, 0));
    let resolved = model.form.resolved.as_ref().expect("a config that could be trained");
    assert_eq!((resolved.experiment.data.kind.as_str(), resolved.experiment.data.path.as_str()), ("folder", "/pictures of birds"));
    assert_eq!(resolved.experiment.model.num_classes, 7);
    harness.get_by_label("Start training");
}

#[test]
fn the_first_card_starts_both_twins() {
    let (mut harness, log, notices) = Stage::new(Vec::new(), "start").open();
    harness.get_by_label("Start the twin").click();
    harness.run_steps(3);
    assert_eq!(log.borrow().orders.len(), 2);
    let model = &harness.state().model;
    assert_eq!((model.view.screen, model.view.runs.len()), (Screen::Twin, 2));
    // The host gives the first one its lasting name.
    let lasting = sample::short();
    let temporary = harness.state().model.view.runs[0].clone();
    notices
        .borrow_mut()
        .extend([Notice::Named(temporary, lasting.key()), Notice::Opened(Box::new(lasting.head.clone()), lasting.events.clone())]);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.runs[0], lasting.key());
}

#[test]
fn events_that_arrive_live_equal_those_replayed() {
    let long = sample::long();
    let (head, tail) = long.events.split_at(3000);
    let mut live = long.clone();
    live.events = head.to_vec();
    let (mut harness, _, notices) = Stage::new(vec![live], hash_of(Screen::Train, std::slice::from_ref(&long))).open();
    for part in tail.chunks(500) {
        notices.borrow_mut().push(Notice::Events(long.key(), part.to_vec()));
        harness.run_steps(1);
    }
    let (replayed, ..) = Stage::new(vec![long.clone()], hash_of(Screen::Train, std::slice::from_ref(&long))).open();
    let state = |harness: &egui_kittest::Harness<'static, vitrine::dashboard::app::Dashboard>| {
        harness.state().model.runs.get(&long.key()).expect("it is open").state.clone()
    };
    assert_eq!(state(&harness), state(&replayed));
    assert_eq!(status(&harness.state().model), status(&replayed.state().model));
}

#[test]
fn the_status_speaks_the_crash() {
    let crashed = sample::crashed();
    let (harness, log, _) = Stage::new(vec![crashed.clone()], hash_of(Screen::Train, &[crashed])).open();
    let status = status(&harness.state().model);
    assert!(status.contains("crashed") && status.contains("non-finite at step 214"), "{status}");
    assert!(log.borrow().locations.last().is_some_and(|hash| hash.starts_with("train?runs=")), "the address follows");
}

#[test]
fn a_filter_keeps_runs_whose_words_fit() {
    let (mut harness, ..) = Stage::new(vec![sample::short(), sample::crashed()], "train").open();
    harness.state_mut().model.is_list_open = Some(true);
    harness.run_steps(2);
    harness.get_by_label("Select run 20260101-000100-crashed");
    harness.state_mut().model.filter = "healthy".to_string();
    harness.run_steps(2);
    assert!(harness.query_by_label("Select run 20260101-000100-crashed").is_none());
    harness.get_by_label("Select run 20260101-000000-short").click();
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.runs, [sample::short().key()]);
}

#[test]
fn a_wrong_kernel_is_named() {
    let (mut harness, ..) = Stage::new(Vec::new(), "doctor").open();
    harness.get_by_label("Check every kernel").click();
    harness.run_steps(4);
    harness.get_by_label("Self-test: 1 of 2 kernels wrong");
    harness.get_by_label("element 3 is 2.0, expected 1.0");
}

#[test]
fn a_step_that_is_not_finite_does_not_stop_the_charts() {
    let mut run = sample::short();
    run.events.insert(
        5,
        Event::Step(StepStat {
            step: 5,
            loss: f64::NEG_INFINITY,
            grad_norm: f64::NAN,
            lr: f64::NAN,
            images_per_sec: f64::NAN,
            ..StepStat::default()
        }),
    );
    for screen in [Screen::Train, Screen::Compare, Screen::Report] {
        let mut hash = hash_of(screen, std::slice::from_ref(&run));
        hash.push_str("&logx=1&logy=1&x=time");
        let (harness, ..) = Stage::new(vec![run.clone()], hash).open();
        harness.get_by_label(&format!("Take out {}", run.key()));
    }
}
