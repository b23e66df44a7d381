//! timm's and DeiT's weights in our models: the same logits, and a report of what was changed.

use vitrine::config::{Experiment, Sources, load};
use vitrine::model::parameters::Parameters;
use vitrine::model::vit;
use vitrine::platform::Wait as _;
use vitrine::run::tensors::{Tensor, Tensors};
use vitrine::train::device::Device;
use vitrine::train::import::{Purpose, Report, adopt};
use vitrine::train::positions;
use vitrine::train::trace::trace;

use super::pth::file;

/// The model of `make_timm.py`, with changes.
fn experiment(sets: &[&str]) -> Experiment {
    let own = ["model.image_size=16", "model.dim=16", "model.depth=2", "model.heads=2", "model.num_classes=5", "model.stem=1Proj"];
    let sets: Vec<String> = own.iter().chain(&["model.strides=[4]"]).chain(sets).map(|set| set.to_string()).collect();
    load(&Sources { sets, ..Sources::default() }).expect("a good config").experiment
}

fn parameters(sets: &[&str]) -> Parameters {
    vit::parameters(&experiment(sets).model).expect("parameters")
}

fn expected(name: &str) -> Vec<f32> {
    let expected = Tensors::read(&file("timm/expected.safetensors")).expect("the reference");
    expected.floats(name, &file("timm")).expect(name).1.to_vec()
}

/// Arrays by name, in PyTorch's order of elements.
type Arrays = Vec<(String, Vec<f32>)>;

/// Writes arrays to a temporary file and adopts them.
fn adopted(change: impl Fn(&mut Tensors), sets: &[&str], purpose: Purpose) -> vitrine::error::Result<(Arrays, Report)> {
    let mut tensors = Tensors::read(&file("timm/weights.safetensors")).expect("weights");
    change(&mut tensors);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.safetensors");
    tensors.write(&path).expect("written");
    let parameters = parameters(sets);
    let (values, report) = adopt(&path, &parameters, purpose)?;
    Ok((values.into_iter().map(|(parameter, values)| (parameter.name.clone(), parameter.to_torch(&values))).collect(), report))
}

fn value<'a>(values: &'a [(String, Vec<f32>)], name: &str) -> Option<&'a [f32]> {
    values.iter().find(|value| value.0 == name).map(|value| value.1.as_slice())
}

#[test]
fn timms_weights_give_timms_logits() {
    let reference = expected("logits");
    let experiment = experiment(&[]);
    for name in ["timm/weights.safetensors", "pth/deit.pth", "pth/module.pth"] {
        let trace = trace(&experiment, &Device::Cpu, &file(name), &file("timm/batch.safetensors")).wait().expect("a trace");
        let logits = trace.floats("logits_eval", &file(name)).expect("logits").1;
        let worst = logits.iter().zip(&reference).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        println!("{name}: {worst:e} from timm's logits, the largest of which is {}", reference.iter().copied().fold(0.0, f32::max));
        assert!(worst <= 1e-4 && logits.len() == reference.len(), "{name}: {worst}");
    }
}

#[test]
fn position_embeddings_are_resized_as_deit_does() {
    for (side, size) in [(6, "model.image_size=24"), (3, "model.image_size=12")] {
        for purpose in [Purpose::Use, Purpose::Start] {
            let (values, report) = adopted(|_| {}, &[size], purpose).expect("weights");
            let reference = expected(&format!("pos_embed.{side}"));
            let resized = value(&values, "pos_embed").expect("positions");
            let worst = resized.iter().zip(&reference).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-6 && resized.len() == reference.len(), "{side}: {worst}");
            assert_eq!(report.changed, [format!("pos_embed from 4×4 to {side}×{side}, bicubic")]);
            assert!(report.made_new.is_empty() && report.skipped.is_empty() && report.loaded == report.wanted);
            assert!(report.lines()[0].contains("arrays loaded"), "{:?}", report.lines());
        }
    }
    let (_, report) = adopted(|_| {}, &[], Purpose::Start).expect("weights");
    assert!(report.lines().is_empty(), "nothing to say: {report:?}");
    for (count, layout) in [(197, Some((1, 14))), (198, Some((2, 14))), (196, Some((0, 14))), (5, Some((1, 2))), (0, None), (199, None)] {
        assert_eq!(positions::layout(count), layout, "{count}");
    }
}

#[test]
fn distilled_models_and_models_without_biases_are_understood() {
    let distilled = |tensors: &mut Tensors| {
        let position = tensors.by_name["pos_embed"].clone();
        let vitrine::run::tensors::Numbers::F32(values) = position.numbers else { panic!("floats") };
        let with_token = [&values[..16], &[9.0; 16], &values[16..]].concat();
        tensors.by_name.insert("pos_embed".to_string(), Tensor::floats(&[1, 18, 16], with_token));
        tensors.by_name.insert("dist_token".to_string(), Tensor::floats(&[1, 1, 16], vec![0.0; 16]));
        tensors.by_name.remove("blocks.0.attn.qkv.bias");
        tensors.by_name.remove("blocks.1.attn.qkv.bias");
        tensors.by_name.insert("blocks.1.attn.q_bias".to_string(), Tensor::floats(&[16], vec![1.0; 16]));
        tensors.by_name.insert("blocks.1.attn.v_bias".to_string(), Tensor::floats(&[16], vec![2.0; 16]));
    };
    let (values, report) = adopted(distilled, &[], Purpose::Start).expect("weights");
    let plain = adopted(|_| {}, &[], Purpose::Start).expect("weights").0;
    assert_eq!(value(&values, "pos_embed"), value(&plain, "pos_embed"));
    assert_eq!(value(&values, "blocks.0.attn.qkv.bias"), Some(&[0.0; 48][..]));
    assert_eq!(value(&values, "blocks.1.attn.qkv.bias"), Some(&[[1.0; 16], [0.0; 16], [2.0; 16]].concat()[..]));
    assert_eq!(report.skipped, ["dist_token"]);
    assert_eq!(report.changed.len(), 2, "{report:?}");
    assert!(report.changed.iter().any(|change| change.contains("without the distillation token's")), "{report:?}");
    let error = adopted(distilled, &[], Purpose::Use).expect_err("it is another model").to_string();
    assert!(error.contains("1 unexpected: dist_token"), "{error}");
}

#[test]
fn heads_and_stems_are_swapped_to_start_and_never_to_use() {
    let sets = ["model.num_classes=7", "model.stem=3Conv+3BN+3ReLU+1Proj", "model.strides=[2,1,1,2]", "model.stem_kernels=[7,3,3,2]"];
    let (values, report) = adopted(|_| {}, &sets, Purpose::Start).expect("weights");
    assert!(value(&values, "head.weight").is_none() && value(&values, "blocks.1.mlp.fc1.weight").is_some());
    let made_new = report.made_new.join("\n");
    for part in ["head.weight ([5, 16] in the file, [7, 16] here)", "patch_embed.conv.0.weight (not in the file)", "running_mean"] {
        assert!(made_new.contains(part), "no {part} in {made_new}");
    }
    let error = adopted(|_| {}, &sets, Purpose::Use).expect_err("another model").to_string();
    assert!(error.contains("missing") && error.contains("head.weight is [5, 16] and should be [7, 16]"), "{error}");

    let error = adopted(|_| {}, &["model.dim=32"], Purpose::Start).expect_err("another width").to_string();
    assert!(error.contains("of another size") && error.contains("model.dim"), "{error}");
    let strange = |tensors: &mut Tensors| {
        let by_name = std::mem::take(&mut tensors.by_name);
        tensors.by_name = by_name.into_iter().map(|(name, tensor)| (format!("vit.encoder.{name}"), tensor)).collect();
    };
    let error = adopted(strange, &[], Purpose::Start).expect_err("other names").to_string();
    assert!(error.contains("only 0 of 32 arrays") && error.contains("vit.encoder."), "{error}");
}
