//! What a probe sees of a model, against the model's own arrays in f64 and definitions by hand.

use vitrine::augment::normalise::ChannelStats;
use vitrine::augment::pictures::Pictures;
use vitrine::config::Experiment;
use vitrine::cpu::machine::CpuMachine;
use vitrine::graph::machine::Machine as _;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Place, Region, Scalars};
use vitrine::model::init;
use vitrine::platform::Wait as _;
use vitrine::rng::{Draws, Stream};
use vitrine::run::probe::{Group, Maps, StageKind};
use vitrine::train::device::Device;
use vitrine::train::probe::graph::{Kept, look};
use vitrine::train::probe::groups::{groups, update_ratios};
use vitrine::train::probe::{ProbeImages, Prober};
use vitrine::train::weights::Values;

use crate::support::adapter::adapter;
use crate::train::toy;

/// f32 arithmetic through a dozen layers, of numbers about 1.
const TOLERANCE: f64 = 1e-4;
const HEADS: usize = 2;
const STATS: ChannelStats = ChannelStats::grey(0.5, 0.25);

fn experiment(stem: &str) -> Experiment {
    let layout: [&str; 2] = match stem.contains("3Conv") {
        true => ["model.strides=[2,1,1,2]", "model.stem_kernels=[7,3,3,2]"],
        false => ["model.strides=[4]", "model.stem_kernels=[4]"],
    };
    let stem = format!("model.stem={stem}");
    toy::experiment(&["model.depth=2", "train.micro_batch=4", &stem, layout[0], layout[1]])
}

/// Initial weights; BatchNorm's vectors and statistics made different from 0 and 1.
fn values(prober: &Prober) -> Values<'_> {
    let mut draws = Draws::new(5, Stream::Synthetic, 0, 0);
    let mut values = init::initial(prober.parameters(), 3);
    for (parameter, words) in &mut values {
        let is_norm = parameter.name.starts_with("patch_embed") && parameter.shape.sides().len() == 1;
        if is_norm {
            words.iter_mut().for_each(|word| *word += draws.next_between(0.1, 0.8));
        }
        // Logits of attention that differ from 0.
        if parameter.name.ends_with("qkv.weight") {
            words.iter_mut().for_each(|word| *word *= 20.0);
        }
    }
    values
}

fn images(experiment: &Experiment) -> ProbeImages {
    let mut draws = Draws::new(3, Stream::Synthetic, 1, 0);
    let len = 4 * experiment.model.image_size.pow(2) * 3;
    let bytes = (0..len).map(|_| draws.next_below(256) as u8).collect();
    ProbeImages { bytes, labels: vec![1, 0, 4, 2], stats: STATS }
}

/// One of them as the model reads it.
fn normalised(experiment: &Experiment, image: usize) -> Vec<f32> {
    let len = experiment.model.image_size.pow(2) * 3;
    let value = |byte: &u8| ((f64::from(*byte) / 255.0 - STATS.mean[0]) / STATS.std[0]) as f32;
    images(experiment).bytes[image * len..][..len].iter().map(value).collect()
}

fn seen(experiment: &Experiment, device: &Device, num_shown: usize) -> (Vec<f32>, Maps) {
    let mut prober = Prober::new(experiment, device).expect("a prober");
    let parameters = prober.parameters().clone();
    let other = Prober::new(experiment, &Device::Cpu).expect("another, for its parameters");
    assert_eq!(parameters, *other.parameters());
    prober.take(&values(&other)).expect("weights");
    prober.look(7, &images(experiment), num_shown).wait().expect("a look")
}

#[track_caller]
fn all_close(found: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (ix, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let off = (f64::from(*found) - wanted).abs();
        assert!(off <= TOLERANCE * wanted.abs().max(1.0), "{what} {ix}: {found} is not {wanted}");
    }
}

/// The same forward pass in f64: the kept arrays of one image.
struct Reference {
    machine: CpuMachine<f64>,
    keeps: vitrine::train::probe::graph::Keeps,
}

impl Reference {
    fn new(experiment: &Experiment, image: usize) -> Self {
        let prober = Prober::new(experiment, &Device::Cpu).expect("a prober, for its parameters");
        let (graph, keeps) = look(experiment, prober.parameters()).expect("a graph");
        let image_len = experiment.model.image_size.pow(2) * 3;
        let mut machine = CpuMachine::<f64>::new(&[
            (Region::Params, prober.parameters().len),
            (Region::Stats, prober.parameters().stats_len),
            (Region::Images, image_len),
            (Region::MapsEven, keeps.lens[0]),
            (Region::MapsOdd, keeps.lens[1]),
        ]);
        for (parameter, words) in values(&prober) {
            let region = if parameter.trained { Region::Params } else { Region::Stats };
            machine.upload(Place::new(region, parameter.offset), &words).expect("weights");
        }
        machine.upload(Place::new(Region::Images, 0), &normalised(experiment, image)).expect("an image");
        let plan = machine.load(Plan::new("look", &graph, &Layout::processor()).expect("a plan")).expect("a plan");
        machine.run(plan, &Scalars::default()).expect("a run");
        Self { machine, keeps }
    }

    fn read(&mut self, kept: Kept) -> Vec<f64> {
        self.machine.download(kept.place, kept.rows * kept.width).wait().expect("an array").into_iter().map(f64::from).collect()
    }
}

/// Row by row: softmax(Q·Kᵀ/√w) of one head, from the definition.
fn softmax_of(qkv: &[f64], tokens: usize, head: usize) -> Vec<f64> {
    let packed = qkv.len() / tokens;
    let (dim, width) = (packed / 3, packed / 3 / HEADS);
    let mut rows = Vec::new();
    for query in 0..tokens {
        let score = |key: usize| {
            let part = |ix: usize| qkv[query * packed + head * width + ix] * qkv[key * packed + dim + head * width + ix];
            ((0..width).map(part).sum::<f64>() / (width as f64).sqrt()).exp()
        };
        let scores: Vec<f64> = (0..tokens).map(score).collect();
        let sum: f64 = scores.iter().sum();
        rows.extend(scores.into_iter().map(|score| score / sum));
    }
    rows
}

#[test]
fn attention_and_similarity_are_those_of_the_tokens() {
    let experiment = experiment("3Conv+3BN+3ReLU+1Proj");
    let (cossim, maps) = seen(&experiment, &Device::Cpu, 2);
    assert_eq!(maps.attention.weights.shape, [2, 2, HEADS, 17, 17]);
    assert_eq!(maps.similarity.shape, [2, 4, 16, 16]);
    for image in 0..2 {
        let mut reference = Reference::new(&experiment, image);
        for block in 0..2 {
            let qkv = reference.read(reference.keeps.qkv[block]);
            for head in 0..HEADS {
                let found = maps.attention.weights.at(&[image, block, head]).expect("a head");
                all_close(found, &softmax_of(&qkv, 17, head), "attention");
                found.chunks_exact(17).for_each(|row| all_close(&[row.iter().sum()], &[1.0], "a row"));
            }
        }
        for layer in 0..4 {
            let (kept, prefix) = reference.keeps.layers[layer];
            assert_eq!(prefix, usize::from(layer > 0));
            let tokens = reference.read(kept)[prefix * kept.width..].to_vec();
            let token = |ix: usize| &tokens[ix * kept.width..][..kept.width];
            let dot = |a: usize, b: usize| token(a).iter().zip(token(b)).map(|(a, b)| a * b).sum::<f64>();
            let cosine = |ix: usize| dot(ix / 16, ix % 16) / (dot(ix / 16, ix / 16) * dot(ix % 16, ix % 16)).sqrt();
            let wanted: Vec<f64> = (0..256).map(cosine).collect();
            all_close(maps.similarity.at(&[image, layer]).expect("a layer"), &wanted, "similarity");
        }
    }
    // Over all four images: what the light probe measures, and the mean off the diagonal.
    let (_, all) = seen(&experiment, &Device::Cpu, 4);
    for (layer, mean) in cossim.iter().enumerate() {
        let matrix = |image: usize| all.similarity.at(&[image, layer]).expect("a layer").iter().map(|v| f64::from(*v)).sum::<f64>();
        let off_diagonal = (0..4).map(|image| matrix(image) - 16.0).sum::<f64>() / (4.0 * 240.0);
        all_close(&[*mean], &[off_diagonal], "mean similarity");
    }
}

#[test]
fn the_full_probe_and_the_light_one_agree() {
    let experiment =
        Experiment { probe: vitrine::config::experiment::ProbeConfig { images: 4, ..Default::default() }, ..experiment("1Proj") };
    let mut trainer = toy::trainer(&experiment, &Device::Cpu);
    let probed = images(&experiment);
    let pictures = Pictures { bytes: probed.bytes.clone(), stats: probed.stats, ..Pictures::default() };
    let light = trainer.probe(&pictures, 4).wait().expect("a probe");
    let mut prober = Prober::new(&experiment, &Device::Cpu).expect("a prober");
    prober.take_from(trainer.machine.as_mut()).wait().expect("weights");
    let (cossim, _) = prober.look(0, &probed, 1).wait().expect("a look");
    all_close(&cossim, &light, "similarity");
}

#[test]
fn stages_follow_from_one_another() {
    let (_, maps) = seen(&experiment("3Conv+3BN+3ReLU+1Proj"), &Device::Cpu, 3);
    let kinds: Vec<StageKind> = maps.stages.iter().map(|stage| stage.name.kind).collect();
    let one = [StageKind::Conv, StageKind::BatchNorm, StageKind::Relu];
    assert_eq!(kinds, [&one[..], &one, &one, &[StageKind::Conv]].concat());
    assert_eq!(maps.stages[9].name.layer, "patch_embed.proj");
    assert_eq!((maps.stages[0].maps.shape.clone(), maps.stages[9].maps.shape.clone()), (vec![3, 4, 8, 8], vec![3, 16, 4, 4]));
    for layer in 0..3 {
        let [conv, norm, relu] = [0, 1, 2].map(|ix| &maps.stages[3 * layer + ix]);
        for channel in 0..4 {
            let [before, normed, after] = [conv, norm, relu].map(|stage| stage.maps.at(&[2, channel]).expect("a map"));
            let scaled = norm.norm[channel];
            let wanted: Vec<f64> = before.iter().map(|x| f64::from(scaled.scale()) * f64::from(*x) + f64::from(scaled.shift())).collect();
            all_close(normed, &wanted, "BatchNorm");
            let cut: Vec<f64> = normed.iter().map(|x| f64::from(*x).max(0.0)).collect();
            all_close(after, &cut, "ReLU");
        }
        assert!(relu.channels.iter().all(|channel| channel.least >= 0.0));
        assert!(relu.bound.iter().all(|spread| spread.cossim <= spread.bound), "{:?}", relu.bound);
    }
}

#[test]
fn a_dead_channel_is_found() {
    let experiment = experiment("1Proj+1BN+1ReLU");
    let mut prober = Prober::new(&experiment, &Device::Cpu).expect("a prober");
    let other = Prober::new(&experiment, &Device::Cpu).expect("another");
    let mut values = values(&other);
    let bias = values.iter_mut().find(|(parameter, _)| parameter.name == "patch_embed.bn.bias").expect("a bias");
    bias.1[5] = -1e3;
    prober.take(&values).expect("weights");
    let (_, maps) = prober.look(0, &images(&experiment), 1).wait().expect("a look");
    let dead: Vec<Vec<usize>> = maps.stages.iter().map(|stage| stage.dead_channels()).collect();
    assert_eq!(dead, [vec![], vec![], vec![5]]);
    assert_eq!(maps.stages[2].channels[5].zero_frac, 1.0);
}

#[test]
fn theorem_1_reads_the_weight_behind_the_last_batch_norm() {
    for (stem, name) in [("1Proj+1BN+1ReLU", "blocks.0.attn.qkv.weight"), ("3Conv+3BN+1Proj", "patch_embed.proj.weight")] {
        let experiment = experiment(stem);
        let (_, maps) = seen(&experiment, &Device::Cpu, 1);
        let other = Prober::new(&experiment, &Device::Cpu).expect("a prober, for its parameters");
        let values = values(&other);
        let (parameter, words) = values.iter().find(|(parameter, _)| parameter.name == name).expect(name);
        let (sides, words) = (parameter.shape.sides().to_vec(), parameter.to_torch(words));
        let inner: usize = sides[2..].iter().product();
        let theorem = maps.theorem1.expect("a BatchNorm");
        assert_eq!((theorem.weight.as_str(), theorem.channels.len()), (name, sides[1]));
        let norm = &maps.stages.iter().rev().find(|stage| !stage.norm.is_empty()).expect("a BatchNorm").norm;
        for (ix, channel) in theorem.channels.iter().enumerate() {
            // Every element whose second index is the channel.
            let own = words.iter().enumerate().filter(|(word, _)| word / inner % sides[1] == ix).map(|(_, value)| f64::from(value.abs()));
            all_close(&[channel.l1], &[own.sum()], "‖W_c‖₁");
            all_close(&[channel.scale], &[f64::from(norm[ix].weight).hypot(norm[ix].bias.into())], "√(α² + β²)");
        }
    }
    assert!(seen(&experiment("1Proj"), &Device::Cpu, 1).1.theorem1.is_none());
}

#[test]
fn images_come_back_as_bytes() {
    let experiment = experiment("1Proj");
    let (_, maps) = seen(&experiment, &Device::Cpu, 2);
    assert_eq!(maps.images, images(&experiment).bytes[..2 * 16 * 16 * 3]);
    assert_eq!((maps.labels.as_slice(), maps.step), (&[1, 0][..], 7));
    assert_eq!(maps.filters.shape, [16, 3, 4, 4]);
}

#[test]
fn the_adapter_sees_the_same() {
    let Some(gpu) = adapter() else { return };
    for stem in ["3Conv+3BN+3ReLU+1Proj", "3Conv+1Proj+1ReLU", "1Proj+1BN+1ReLU"] {
        let experiment = experiment(stem);
        let (cossim, ours) = seen(&experiment, &Device::Cpu, 1);
        let (theirs_cossim, theirs) = seen(&experiment, &Device::Gpu(gpu.clone(), None), 1);
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
        all_close(&theirs_cossim, &wide(&cossim), "mean similarity");
        all_close(&theirs.attention.weights.values, &wide(&ours.attention.weights.values), "attention");
        all_close(&theirs.similarity.values, &wide(&ours.similarity.values), "similarity");
        assert_eq!(ours.stages.len(), theirs.stages.len());
        for (ours, theirs) in ours.stages.iter().zip(&theirs.stages) {
            all_close(&theirs.maps.values, &wide(&ours.maps.values), &ours.name.layer);
        }
    }
}

#[test]
fn groups_have_the_norms_of_the_last_step() {
    for optim in [&["optim.kind=adamw"][..], &["optim.kind=sgd"], &["optim.clip_grad=0.1"]] {
        let experiment = toy::experiment(&[optim, &["optim.weight_decay=0.3"]].concat());
        let mut trainer = toy::trainer(&experiment, &Device::Cpu);
        let len = trainer.parameters.len;
        let mut before = Vec::new();
        for step in 0..3 {
            before = trainer.machine.download(Place::new(Region::Params, 0), len).wait().expect("weights");
            let (images, targets) = toy::batch(&experiment, step);
            trainer.step(step, 1e-2, &images[..], &targets).expect("a step");
        }
        let after = trainer.machine.download(Place::new(Region::Params, 0), len).wait().expect("weights");
        let gradients = trainer.machine.download(Place::new(Region::Grads, 0), len).wait().expect("gradients");
        let found = groups(&mut trainer, 3, 1e-2).wait().expect("groups");
        let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names[..3], ["patch_embed", "cls_token", "pos_embed"], "{names:?}");
        // Groups of two kinds: those of every step put tokens and positions together, and norms with what they normalise.
        let ratios = update_ratios(&mut trainer, 3, 1e-2).wait().expect("ratios");
        assert_eq!(ratios.len(), trainer.groups.len());
        for (name, ratio) in trainer.groups.iter().zip(&ratios).filter(|(name, _)| *name == "patch_embed" || *name == "pos_embed") {
            let parts = if name == "pos_embed" { &found[1..3] } else { &found[..1] };
            let norm = |of: fn(&Group) -> f32| parts.iter().map(|group| f64::from(of(group)).powi(2)).sum::<f64>().sqrt();
            let wanted = norm(|group| group.update_norm) / norm(|group| group.weight_norm);
            assert!((ratio - wanted).abs() <= 1e-5 * wanted, "{optim:?} {name}: {ratio}, {wanted}");
        }
        for group in &found {
            let own = trainer.parameters.trained.iter().filter(|parameter| parameter.group() == group.name);
            let places: Vec<usize> = own.flat_map(|parameter| parameter.offset..parameter.offset + parameter.shape.len()).collect();
            let norm = |of: &dyn Fn(usize) -> f32| places.iter().map(|ix| f64::from(of(*ix)).powi(2)).sum::<f64>().sqrt();
            let near = |found: f32, wanted: f64, share: f64| (f64::from(found) - wanted).abs() <= share * wanted;
            assert!(near(group.weight_norm, norm(&|ix| after[ix]), 1e-5), "{optim:?} {group:?}");
            assert!(near(group.gradient_norm, norm(&|ix| gradients[ix]), 1e-5), "{optim:?} {group:?}");
            // Decay is taken from the weights after the step instead of before: 1 % of 1 % here.
            let moved = norm(&|ix| after[ix] - before[ix]);
            assert!(near(group.update_norm, moved, 1e-2), "{optim:?} {group:?}: moved by {moved}");
        }
    }
}
