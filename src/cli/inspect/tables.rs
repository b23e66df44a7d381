//! Each table of a look, as CSV.

use vitrine::run::number;
use vitrine::run::probe::{Array, Maps};
use vitrine::train::inspect::Report;

use super::Written;

/// All of them.
pub fn all(report: &Report) -> Vec<Written> {
    let Some(maps) = &report.probe.maps else { return Vec::new() };
    let mut files = vec![similarity(report), stem(maps), theorem2(maps), attention(maps), rollout(maps)];
    files.extend(theorem1(maps));
    files
}

fn written(name: &str, caption: &str, head: &str, rows: impl Iterator<Item = Vec<String>>) -> Written {
    let lines = rows.map(|row| row.join(",") + "\n");
    Written { name: name.to_string(), caption: caption.to_string(), bytes: (head.to_string() + "\n" + &lines.collect::<String>()).into() }
}

fn numbers(values: &[f32]) -> Vec<String> {
    // The shortest text that gives the same f32 again; NaN and the infinities as in run files.
    let text = |value: &f32| number::word(f64::from(*value)).map_or_else(|| value.to_string(), str::to_string);
    values.iter().map(text).collect()
}

/// Layers as the paper's Figure 1 counts them.
pub fn layer_name(ix: usize) -> String {
    match ix {
        0 => "stem".to_string(),
        1 => "+position".to_string(),
        _ => format!("block {}", ix - 2),
    }
}

fn similarity(report: &Report) -> Written {
    let row = |(ix, value): (usize, &f32)| [vec![(ix + 1).to_string(), layer_name(ix)], numbers(&[*value])].concat();
    let rows = report.probe.cossim.iter().enumerate().map(row);
    written("similarity.csv", "Mean cosine similarity of patch tokens by layer (the paper's Figure 1)", "layer,name,cossim", rows)
}

fn stem(maps: &Maps) -> Written {
    let rows = maps.stages.iter().enumerate().flat_map(|(ix, stage)| {
        let dead = stage.dead_channels();
        stage.channels.iter().enumerate().map(move |(channel, sums)| {
            let names = vec![ix.to_string(), stage.name.layer.clone(), stage.name.kind.name().to_string(), channel.to_string()];
            let sums = numbers(&[sums.mean, sums.deviation, sums.least, sums.largest, sums.zero_frac]);
            let is_dead = vec![dead.contains(&channel).to_string()];
            let norm = stage.norm.get(channel).map_or_else(
                || vec![String::new(); 6],
                |norm| numbers(&[norm.bias, norm.weight, norm.mean, norm.deviation, norm.scale(), norm.shift()]),
            );
            [names, sums, is_dead, norm].concat()
        })
    });
    let head = "stage,layer,kind,channel,mean,deviation,least,largest,zero_frac,dead,alpha,beta,running_mean,running_deviation,scale,shift";
    let caption = "Every channel of every stage of the stem over the images; for BatchNorm the paper's α (bias) and β (weight)";
    written("stem.csv", caption, head, rows)
}

fn theorem1(maps: &Maps) -> Option<Written> {
    let theorem = maps.theorem1.as_ref()?;
    let row = |(ix, c): (usize, &vitrine::run::probe::theory::Channel)| {
        [vec![ix.to_string()], numbers(&[c.scale, c.l1, c.penalty, c.balance])].concat()
    };
    let caption =
        format!("Theorem 1: √(α²+β²), ‖W_c‖₁ in {}, the channel's penalty at λ = 1, and η that would balance them", theorem.weight);
    Some(written("theorem1.csv", &caption, "channel,scale,l1,penalty,eta", theorem.channels.iter().enumerate().map(row)))
}

fn theorem2(maps: &Maps) -> Written {
    let rows = maps.stages.iter().enumerate().flat_map(|(ix, stage)| {
        stage.bound.iter().enumerate().map(move |(image, s)| {
            let names = vec![ix.to_string(), stage.name.layer.clone(), stage.name.kind.name().to_string(), image.to_string()];
            [names, numbers(&[s.mean, s.deviation, s.operator_norm, s.least_row_norm, s.cossim, s.bound])].concat()
        })
    });
    let head = "stage,layer,kind,image,mean,deviation,operator_norm,least_row_norm,cossim,bound";
    let caption = "Theorem 2 for each stage as a matrix of pixels by channels: both sides of bound (6), proven after ReLU";
    written("theorem2.csv", caption, head, rows)
}

fn attention(maps: &Maps) -> Written {
    let [blocks, heads] = maps.attention.distance.shape[..] else { unreachable!("distance has two sides") };
    let at = |array: &Array, ix: usize| array.values[ix];
    let row = |ix: usize| {
        let names = vec![(ix / heads).to_string(), (ix % heads).to_string()];
        [names, numbers(&[at(&maps.attention.distance, ix), at(&maps.attention.entropy, ix)])].concat()
    };
    let caption = "Mean attention distance (pixels) and entropy (nats) by block and head";
    written("attention.csv", caption, "block,head,distance_pixels,entropy_nats", (0..blocks * heads).map(row))
}

fn rollout(maps: &Maps) -> Written {
    let patches = maps.grid * maps.grid;
    let row = |ix: usize| {
        let patch = ix % patches;
        let names = vec![(ix / patches).to_string(), (patch / maps.grid).to_string(), (patch % maps.grid).to_string()];
        [names, numbers(&[maps.attention.rollout.values[ix]])].concat()
    };
    let caption = "Attention rollout from the class token to each patch";
    written("rollout.csv", caption, "image,row,column,rollout", (0..maps.num_images * patches).map(row))
}
