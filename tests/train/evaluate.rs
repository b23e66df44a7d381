//! `eval`: its logits give the numbers it reports.

use vitrine::config::{Sources, load};
use vitrine::platform::Wait as _;
use vitrine::run::tensors::{Numbers, Tensors};
use vitrine::train::evaluate::{Request, run, weights_of_run};
use vitrine::train::session::DeviceChoice;

use super::golden;

#[test]
fn loss_and_accuracy_are_those_of_the_logits() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("logits.safetensors");
    let config = golden::case("vit_patchify").join("config.toml");
    // 1024 test images in batches of 96: the last is padded.
    let sets = ["data.kind=random", "train.batch=96", "train.micro_batch=96"].map(str::to_string).to_vec();
    let request = Request {
        experiment: load(&Sources { file: Some(&config), sets, ..Sources::default() }).expect("a good config").experiment,
        weights: golden::case("vit_patchify").join("weights.safetensors"),
        out: Some(out.clone()),
        device: DeviceChoice::Cpu,
        adapter: None,
    };
    let report = run(&request).wait().expect("an evaluation");
    let tensors = Tensors::read(&out).expect("logits");
    let (shape, logits) = tensors.floats("logits", &out).expect("logits");
    assert_eq!(shape, [1024, 10]);
    let Numbers::I64(labels) = &tensors.by_name["labels"].numbers else { panic!("labels are integers") };

    let (mut loss, mut hits) = (0.0, 0);
    for (row, label) in logits.chunks_exact(10).zip(labels) {
        let of_label = f64::from(row[*label as usize]);
        loss += row.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln() - of_label;
        hits += usize::from(row.iter().all(|logit| f64::from(*logit) <= of_label));
    }
    let totals = report.totals;
    assert_eq!(totals.count, 1024);
    assert!((totals.loss - loss / 1024.0).abs() < 1e-5, "{} is not {}", totals.loss, loss / 1024.0);
    assert_eq!(totals.top1, hits as f64 / 1024.0);
    assert!(totals.top5 > totals.top1 && totals.top5 < 1.0, "top-5 {}", totals.top5);
}

#[test]
fn a_run_is_judged_by_its_best_weights() {
    let run = tempfile::tempdir().expect("a folder");
    let folder = run.path().join("checkpoints");
    std::fs::create_dir(&folder).expect("a folder");
    assert!(weights_of_run(run.path()).expect_err("a refusal").to_string().contains("no checkpoint"));
    for name in ["last.safetensors", "best.safetensors"] {
        std::fs::write(folder.join(name), b"").expect("a file");
        assert_eq!(weights_of_run(run.path()).expect("weights"), folder.join(name));
    }
}
