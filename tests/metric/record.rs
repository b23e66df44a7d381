//! Loss and accuracy records: kernels, and slots counted by hand.

use vitrine::error::Result;
use vitrine::gpu::GpuMachine;
use vitrine::graph::launch::Tier;
use vitrine::graph::place::{SLOT_LEN, SLOTS};
use vitrine::graph::{Graph, Scalars, Value};
use vitrine::metric::record::record;

use crate::support::adapter::adapter;
use crate::support::case::Setup;
use crate::support::origin::{FromCpu64, FromGpu, Measured};
use crate::support::{Case, Tensor, check_kernel};

const CLASSES: usize = 7;

fn scalars(valid: usize) -> Scalars {
    Scalars { ring_slot: 3, report: 1, valid: valid as f32, ..Default::default() }
}

/// row_loss, logits, targets; the state is the ring, or one slot of totals, with something in it.
fn case(rows: usize, classes: usize, totals: bool, scalars: Scalars) -> Case {
    let slots = if totals { vec![SLOT_LEN] } else { vec![SLOTS, SLOT_LEN] };
    let inputs =
        vec![Tensor::uniform(1, &[rows], 0.0, 4.0), Tensor::normal(2, &[rows, classes]), Tensor::uniform(3, &[rows, classes], 0.0, 1.0)];
    // Counts are exact; the sum of losses rounds in another order.
    Case::new(inputs).state(Tensor::uniform(4, &slots, 1.0, 2.0)).scalars(scalars).tolerance(1e-6)
}

fn recorded(totals: bool) -> impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![record(graph, leaves[0], leaves[1], leaves[2], leaves[3], totals)?])
}

#[test]
fn kernels_agree() {
    for (rows, classes, valid) in [(1, 1, 1), (9, 3, 9), (70, 10, 64), (20, 1000, 20)] {
        for totals in [false, true] {
            check_kernel(&case(rows, classes, totals, scalars(valid)), recorded(totals));
            check_kernel(&case(rows, classes, totals, Scalars { micro: 1, ..scalars(valid) }), recorded(totals));
        }
    }
}

/// Seven rows of seven classes, labels 0..7: rows 0, 1, 2 are right; row 3 has its label second, row 4
/// fifth, row 5 sixth; row 6 ties its label (6) with class 0, which comes first.
fn by_hand() -> Case {
    let mut logits = vec![vec![0.0f32; CLASSES]; CLASSES];
    for (row_ix, row) in logits.iter_mut().enumerate() {
        let num_larger = [0, 0, 0, 1, 4, 5, 0][row_ix];
        row[row_ix] = 1.0;
        (0..CLASSES).filter(|class| *class != row_ix).take(num_larger).for_each(|class| row[class] = 2.0);
    }
    logits[6][0] = 1.0;
    let targets = (0..CLASSES * CLASSES).map(|ix| if ix % (CLASSES + 1) == 0 { 0.9 } else { 0.1 }).collect();
    let losses = (1..=CLASSES).map(|loss| loss as f32).collect();
    let mut case = case(CLASSES, CLASSES, false, scalars(CLASSES));
    case.inputs =
        vec![Tensor::new(&[CLASSES], losses), Tensor::new(&[CLASSES, CLASSES], logits.concat()), Tensor::new(&[CLASSES, CLASSES], targets)];
    case
}

fn slot(case: &Case, totals: bool) -> Vec<f64> {
    let slots = FromCpu64::run(&Setup::new(case, &recorded(totals)));
    let start = if totals { 0 } else { case.scalars.ring_slot as usize * SLOT_LEN };
    slots.result(0)[start..start + SLOT_LEN].to_vec()
}

#[test]
fn counts_hits_by_hand() {
    // Class 0 is predicted by rows 0, 3, 4, 5 and, as the first of a tie, 6.
    check_kernel(&by_hand(), recorded(false));
    assert_eq!(slot(&by_hand(), false)[..6], [28.0, 7.0, 3.0, 6.0, 5.0, 0.0]);
}

#[test]
fn equal_logits_are_right_for_one_class_only() {
    let mut case = by_hand();
    case.inputs[1].data.fill(0.5);
    check_kernel(&case, recorded(false));
    assert_eq!(slot(&case, false)[2..5], [1.0, 5.0, 7.0]);
}

#[test]
fn only_valid_rows_count() {
    let mut case = by_hand();
    case.scalars.valid = 4.0;
    check_kernel(&case, recorded(false));
    assert_eq!(slot(&case, false)[..6], [10.0, 4.0, 3.0, 4.0, 2.0, 0.0]);
}

#[test]
fn micro_batches_add_up_and_the_first_one_clears() {
    let mut case = by_hand();
    let alone = slot(&case, false);
    case.scalars.micro = 1;
    let added = slot(&case, false);
    for word in 0..5 {
        let before = f64::from(case.states[0].data[3 * SLOT_LEN + word]);
        assert_eq!(added[word], before + alone[word], "word {word}");
    }
    let (ring, others) = (FromCpu64::run(&Setup::new(&case, &recorded(false))), &case.states[0].data);
    for (ix, (after, before)) in ring.result(0).iter().zip(others).enumerate() {
        assert!(ix / SLOT_LEN == 3 || *after == f64::from(*before), "word {ix} of another slot changed");
    }
}

#[test]
fn totals_are_never_cleared() {
    let case = Case { inputs: by_hand().inputs, ..case(CLASSES, CLASSES, true, scalars(CLASSES)) };
    let before = f64::from(case.states[0].data[1]);
    assert_eq!(slot(&case, true)[1], before + 7.0);
}

#[test]
fn a_pass_that_does_not_report_writes_nothing() {
    let mut case = by_hand();
    case.scalars.report = 0;
    check_kernel(&case, recorded(false));
    let before: Vec<f64> = case.states[0].data[3 * SLOT_LEN..4 * SLOT_LEN].iter().map(|word| f64::from(*word)).collect();
    assert_eq!(slot(&case, false), before);
}

#[test]
fn nan_logits_are_no_hits() {
    let mut case = by_hand();
    // Row 0: its label's logit; row 1: another one.
    case.inputs[1].data[0] = f32::NAN;
    case.inputs[1].data[CLASSES + 4] = f32::NAN;
    check_kernel(&case, recorded(false));
    let slot = slot(&case, false);
    assert_eq!(slot[2..4], [1.0, 5.0], "top-1: row 2 only; top-5: without row 0");
}

#[test]
fn a_loss_that_is_not_finite_is_flagged_on_every_device() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut case = by_hand();
        case.inputs[0].data[5] = bad;
        assert_eq!(slot(&case, false)[5], 1.0, "{bad} in the definition");
        // A row that does not count is not looked at.
        let padded = Case { scalars: scalars(5), ..case.clone() };
        assert_eq!(slot(&padded, false)[5], 0.0, "{bad} in the padding");
        let Some(gpu) = adapter() else { continue };
        for tier in [Tier::Plain, Tier::Tiled] {
            for (case, expected) in [(&case, 1.0), (&padded, 0.0)] {
                let setup = Setup::new(case, &recorded(false));
                let mut machine = GpuMachine::new(&gpu, &setup.region_lens, Some(tier)).expect("a machine for the case");
                let plan = FromGpu::load(&mut machine, &setup);
                let ring = FromGpu::run(&mut machine, plan, &setup);
                assert_eq!(ring.result(0)[3 * SLOT_LEN + 5], expected, "{bad}, {tier:?}");
            }
        }
    }
}
