//! Bytes to floats: the formula, the kernel, what is padding, and whose statistics.

use vitrine::augment::normalise::{ChannelStats, TABLE_LEN, normalise, table};
use vitrine::config::experiment::AugmentConfig;
use vitrine::error::{Error, Result};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_kernel};

const STATS: ChannelStats = ChannelStats { mean: [0.5, 0.25, 0.0], std: [0.5, 0.25, 2.0] };

const PARAMS: Place = Place { region: Region::Params, offset: 0 };

/// Every byte, in an order that changes its channel and its place in the word.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|ix| (ix * 37 + ix / 256) as u8).collect()
}

/// `batch` images of `side`, of which `valid` count. Values are copied from the table: one ulp of f32 is too much.
fn case(batch: usize, side: usize, valid: usize) -> Case {
    let table = Tensor::new(&[TABLE_LEN], table(&STATS).to_vec());
    let case = Case::new(vec![Tensor::bytes(&bytes(batch * side * side * 3)), table]).tolerance(1e-9);
    case.scalars(Scalars { valid: valid as f32, ..Scalars::default() })
}

fn normalised(batch: usize, side: usize) -> impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![normalise(graph, leaves[0], leaves[1], batch, side)?])
}

#[test]
fn kernels_copy_from_the_table() {
    // Images of 75 bytes begin inside a word, and the last word is not full.
    for (batch, side, valid) in [(3, 16, 3), (5, 5, 5), (7, 5, 4), (1, 1, 1), (4, 33, 0)] {
        check_kernel(&case(batch, side, valid), normalised(batch, side));
    }
}

#[test]
fn values_are_divided_by_255_then_shifted_and_scaled_and_padding_is_0() {
    let (batch, side, valid) = (3, 10, 2);
    let y = FromCpu64::run(&Setup::new(&case(batch, side, valid), &normalised(batch, side)));
    for (ix, (found, byte)) in y.result(0).iter().zip(bytes(batch * side * side * 3)).enumerate() {
        let value = (f64::from(byte) / 255.0 - STATS.mean[ix % 3]) / STATS.std[ix % 3];
        let expected = if ix / (side * side * 3) < valid { value } else { 0.0 };
        assert!((found - expected).abs() < 1e-6, "number {ix}, byte {byte}: {found} is not {expected}");
    }
}

#[test]
fn bytes_that_do_not_fit_are_refused() {
    let case = case(2, 4, 2);
    let refusal = |batch: usize| {
        let mut graph = Graph::new();
        let leaves: Vec<Value> = case.inputs.iter().map(|input| graph.leaf(PARAMS, [input.data.len()])).collect();
        normalise(&mut graph, leaves[0], leaves[1], batch, 4).map(drop)
    };
    assert!(refusal(2).is_ok());
    let error = refusal(3).expect_err("24 words are two images").to_string();
    assert!(error.contains("[24]") && error.contains("[36]"), "{error}");
}

#[test]
fn statistics_come_from_the_config_or_the_set() {
    let own = ChannelStats::IMAGENET;
    let with = |mean: &[f64], std: &[f64]| {
        let config = AugmentConfig { mean: mean.to_vec(), std: std.to_vec(), ..AugmentConfig::default() };
        ChannelStats::from_config(&config, own)
    };
    assert_eq!(with(&[], &[]).expect("empty means the set's own"), own);
    let grey = with(&[0.5], &[0.1, 0.2, 0.3]).expect("1 and 3 numbers");
    assert_eq!(grey, ChannelStats { mean: [0.5; 3], std: [0.1, 0.2, 0.3] });
    for (mean, std, names) in [(vec![0.1, 0.2], vec![], "augment.mean"), (vec![], vec![0.0], "augment.std")] {
        let error = with(&mean, &std).expect_err("impossible numbers");
        assert!(matches!(error, Error::Config { .. }));
        assert!(error.to_string().contains(names), "{error}");
    }
}
