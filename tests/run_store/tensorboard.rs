//! Event files: checksums, what comes back, what PyTorch wrote, what is damaged.

use std::fs;
use std::path::Path;

use vitrine::run::event::{Event, Status, StepStat};
use vitrine::run::foreign::{Role, events_from_scalars, role_of};
use vitrine::run::read::read_run;
use vitrine::run::state::RunState;
use vitrine::run::store::RunStore;
use vitrine::run::tensorboard::file_from_run;
use vitrine::run::tfevents::{At, Scalar, crc32c, histogram, read, restart, scalars, version};

use super::sample::{new_run, part, started, whole};

const SOURCE: &str = "events.out.tfevents.1";

fn at(step: i64) -> At {
    At { step, wall_secs: 1.5 }
}

fn parsed(bytes: &[u8]) -> Vec<Scalar> {
    read(bytes, Path::new(SOURCE)).expect("an event file")
}

/// (step, value) of a tag.
fn series(scalars: &[Scalar], tag: &str) -> Vec<(i64, f64)> {
    scalars.iter().filter(|scalar| scalar.tag == tag).map(|scalar| (scalar.at.step, scalar.value)).collect()
}

#[test]
fn checksums_are_castagnolis() {
    // RFC 3720, appendix B.4, and the check value of the catalogue.
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
}

#[test]
fn a_recorded_run_has_its_event_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
    whole(Status::Crashed).iter().for_each(|event| store.record(event).expect("recorded"));
    store.record_histogram("weights/head", 8, &[0.0, 1.0]).expect("recorded");
    let path = store.path().to_path_buf();
    drop(store);
    let files: Vec<_> = fs::read_dir(path.join("tb")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1);
    let live = parsed(&fs::read(&files[0]).expect("the file"));
    let exported = parsed(&file_from_run(&read_run(&path).expect("readable")));
    for scalars in [&live, &exported] {
        let losses = series(scalars, "train/loss");
        assert_eq!(losses.len(), 8);
        assert!(losses[4].1.is_nan() && series(scalars, "train/grad_norm")[4].1.is_infinite(), "what a crash is about");
        assert_eq!(series(scalars, "eval/top1"), [(3, 0.5), (6, 0.25)]);
        assert_eq!(series(scalars, "similarity/00_stem"), [(2, 0.25)]);
    }

    // Read back as a run: the same numbers to f32.
    let events = events_from_scalars("demo", &exported);
    let (found, original) = (RunState::from_events(&events), RunState::from_events(&read_run(&path).expect("readable").events));
    // As text, in which NaN equals NaN.
    let texts = [&found, &original].map(|state| {
        let of_step =
            |stat: &StepStat| (stat.step, stat.loss as f32, stat.lr as f32, stat.grad_norm as f32, stat.accuracy, stat.non_finite);
        format!("{:?}", state.steps.iter().map(of_step).collect::<Vec<_>>())
    });
    assert_eq!(texts[0], texts[1]);
    assert_eq!(found.evals.iter().map(|eval| (eval.step, eval.top1)).collect::<Vec<_>>(), [(3, 0.5), (6, 0.25)]);
    assert_eq!(found.standing.crash.map(|crash| crash.step), Some(5));
}

#[test]
fn a_resumed_run_takes_back_what_no_longer_counts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
    [vec![started(0)], part(1, 7)].concat().iter().for_each(|event| store.record(event).expect("recorded"));
    let path = store.path().to_path_buf();
    drop(store);
    let (mut store, _) = RunStore::resume(&path, 3).expect("resumable");
    part(4, 8).iter().for_each(|event| store.record(event).expect("recorded"));
    let mut files: Vec<_> = fs::read_dir(path.join("tb")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "one a session");
    let bytes: Vec<u8> = files.iter().flat_map(|file| fs::read(file).expect("the file")).collect();
    let losses = series(&parsed(&bytes), "train/loss");
    assert_eq!(losses.iter().map(|loss| loss.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);

    let records = [version(0.0), scalars(at(1), &[("a", 1.0)]), scalars(at(2), &[("a", 2.0)]), restart(at(2))].concat();
    assert_eq!(series(&parsed(&records), "a"), [(1, 1.0)]);
}

#[test]
fn damage_is_named_and_a_torn_end_is_none() {
    let bytes = [version(0.0), scalars(at(1), &[("a", 1.0)]), scalars(at(2), &[("a", f64::NAN)])].concat();
    let whole = parsed(&bytes).len();
    assert_eq!(whole, 2);
    assert_eq!(parsed(&bytes[..bytes.len() - 1]).len(), 1);
    let refusal = |bytes: &[u8]| read(bytes, Path::new(SOURCE)).expect_err("a refusal").to_string();
    for byte_ix in [60, bytes.len() - 3] {
        let mut flipped = bytes.clone();
        flipped[byte_ix] ^= 1;
        assert!(refusal(&flipped).contains("it is damaged"), "{byte_ix}: {}", refusal(&flipped));
    }
    assert!(refusal(b"this is no event file at all").contains("not an event file"));
    assert!(refusal(b"short").contains("not an event file"));
    assert!(parsed(b"").is_empty());
}

#[test]
fn histograms_need_a_finite_value() {
    assert!(histogram("h", at(1), &[f32::NAN, f32::INFINITY]).is_none());
    assert!(histogram("h", at(1), &[]).is_none());
    for values in [&[1.0, 1.0][..], &[f32::MIN, f32::MAX, f32::NAN], &[0.0]] {
        assert!(parsed(&histogram("h", at(1), values).expect("a record")).is_empty(), "a histogram is no scalar");
    }
}

#[test]
fn words_of_tags_have_their_meaning() {
    let cases = [
        ("Loss/train", Some(Role::Loss)),
        ("train_loss", Some(Role::Loss)),
        ("loss", Some(Role::Loss)),
        ("val/loss", Some(Role::EvalLoss)),
        ("test_loss", Some(Role::EvalLoss)),
        ("Accuracy/test", Some(Role::Top1)),
        ("perf/test_acc1", Some(Role::Top1)),
        ("test_acc5", Some(Role::Top5)),
        ("train/accuracy", Some(Role::Accuracy)),
        ("lr", Some(Role::Lr)),
        ("learning_rate", Some(Role::Lr)),
        ("train/grad_norm", Some(Role::GradNorm)),
        ("grad_norm/blocks.3.attn", None),
        ("similarity/03_block_1", Some(Role::Similarity(3))),
        ("similarity/99999999", None),
        ("train/images_per_sec", Some(Role::Speed)),
        ("epoch", Some(Role::Epoch)),
        ("gpu/temperature", None),
        ("", None),
    ];
    for (tag, role) in cases {
        assert_eq!(role_of(tag), role, "{tag}");
    }
}

#[test]
fn event_files_of_pytorch_become_runs() {
    // Written by torch.utils.tensorboard and by its new_style; see tests/interop/README.md.
    for name in ["pytorch", "pytorch_new_style"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/interop/tfevents/{name}.bin"));
        let Ok(bytes) = fs::read(&path) else { panic!("{} is missing", path.display()) };
        let state = RunState::from_events(&events_from_scalars("theirs", &parsed(&bytes)));
        let losses: Vec<(u64, f64)> = state.steps.iter().map(|stat| (stat.step, stat.loss)).collect();
        assert_eq!(losses[..3], [(1, 2.25), (2, 2.125), (3, 2.0)], "{name}: steps from 0 are moved by one");
        assert!(losses[3].1.is_nan() && losses[4].1.is_infinite(), "{name}: {losses:?}");
        assert_eq!(state.steps[0].lr, f64::from(1e-3f32));
        assert_eq!(state.standing.crash.map(|crash| crash.step), Some(4));
        assert_eq!(state.evals.iter().map(|eval| (eval.step, eval.top1)).collect::<Vec<_>>(), [(3, 0.5), (5, 0.75)], "percent");
    }
    assert!(events_from_scalars("none", &[]).iter().all(|event| !matches!(event, Event::Step(_))));
}
