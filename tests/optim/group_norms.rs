//! Gradient norms of parameter groups.

use vitrine::graph::place::{GROUPS_START, SLOT_LEN};
use vitrine::graph::{Region, Scalars};
use vitrine::model::groups::Groups;
use vitrine::model::vit;
use vitrine::optim::group_norms::{GroupNorms, MAX_GROUPS};

use super::{Runner, assert_close};
use crate::support::{Case, Tensor, check_kernel};

/// Three groups over four parameters of 64, 1100 (two chunks), 10 and 128 words; the last belongs to the first group.
const CHUNKS: [[f32; 2]; 5] = [[0.0, 64.0], [20.0, 128.0], [1.0, 1024.0], [17.0, 76.0], [19.0, 10.0]];
const FIRSTS: [f32; 4] = [0.0, 2.0, 4.0, 5.0];
const LEN: usize = 22 * 64;

fn op() -> GroupNorms {
    GroupNorms { len: LEN, num_chunks: CHUNKS.len(), num_groups: 3 }
}

fn scalars(report: u32) -> Scalars {
    Scalars { report, ring_slot: 1, ..Scalars::default() }
}

#[test]
fn each_group_is_the_norm_of_its_words() {
    let gradients = Tensor::normal(1, &[LEN]).data;
    let regions = [(Region::Grads, LEN), (Region::Groups, 10), (Region::Images, 4), (Region::Ring, 2 * SLOT_LEN)];
    let mut runner = Runner::new(op(), &regions);
    runner.set(Region::Grads, &gradients);
    runner.set(Region::Groups, CHUNKS.as_flattened());
    runner.set(Region::Images, &FIRSTS);
    runner.step(scalars(0));
    assert_eq!(runner.get(Region::Ring), vec![0.0; 2 * SLOT_LEN], "a pass that does not report");
    runner.step(scalars(1));
    let squares = |start: usize, end: usize| gradients[start..end].iter().map(|word| f64::from(*word).powi(2)).sum::<f64>();
    let expected = [squares(0, 64) + squares(1280, 1408), squares(64, 1164), squares(1216, 1226)].map(f64::sqrt);
    let ring = runner.get(Region::Ring);
    assert_close(&ring[SLOT_LEN + GROUPS_START..][..3], &expected);
    assert!(
        ring[..SLOT_LEN + GROUPS_START].iter().chain(&ring[SLOT_LEN + GROUPS_START + 3..]).all(|word| *word == 0.0),
        "other words changed"
    );
}

#[test]
fn kernels_agree() {
    for report in [0, 1] {
        let case = Case::new(vec![Tensor::normal(1, &[LEN]), Tensor::new(&[5, 2], CHUNKS.concat()), Tensor::new(&[4], FIRSTS.to_vec())])
            .state(Tensor::normal(3, &[2 * SLOT_LEN]))
            .scalars(scalars(report));
        check_kernel(&case, |graph, leaves| {
            graph.push(op(), leaves)?;
            Ok(vec![])
        });
    }
}

#[test]
fn the_groups_of_a_model_go_from_stem_to_head_and_cover_it() {
    let experiment = crate::train::toy::experiment(&["model.depth=2"]);
    let parameters = vit::parameters(&experiment.model).expect("parameters");
    let groups = Groups::new(&parameters);
    assert_eq!(groups.names, ["patch_embed", "pos_embed", "blocks.0.attn", "blocks.0.mlp", "blocks.1.attn", "blocks.1.mlp", "head"]);
    assert_eq!(groups.firsts.len(), groups.names.len() + 1);
    assert_eq!(groups.chunks.iter().map(|[_, words]| words).sum::<usize>(), parameters.count());
    assert_eq!(groups.table().len(), groups.table_len());

    let deep = crate::train::toy::experiment(&["model.depth=40"]);
    let groups = Groups::new(&vit::parameters(&deep.model).expect("parameters"));
    assert!(groups.names.len() <= MAX_GROUPS && groups.names.contains(&"blocks.39".to_string()), "{:?}", groups.names);
    let deepest = crate::train::toy::experiment(&["model.depth=80"]);
    assert_eq!(Groups::new(&vit::parameters(&deepest.model).expect("parameters")).names, ["patch_embed", "pos_embed", "blocks", "head"]);
}
