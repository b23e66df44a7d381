//! The search for the largest stable learning rate, against frontiers that are known.

use vitrine::run::alarm::Verdict;
use vitrine::run::edge::{Edge, Frontier, Next, RUNGS_PER_OCTAVE, Search, Trial, lr_of_rung};

const START: f64 = 1e-3;

/// Searches where everything up to `frontier` is stable; the end and the number of runs.
fn search(frontier: f64) -> (Search, usize) {
    let mut search = Search::default();
    for runs in 0..100 {
        let Next::Try(rung) = search.next() else { return (search, runs) };
        let lr = lr_of_rung(START, rung);
        let stable = lr <= frontier;
        let verdict = if stable { Verdict::Healthy } else { Verdict::Crashed };
        assert!(search.tried.iter().all(|trial| trial.rung != rung), "rung {rung} is tried twice");
        search.tried.push(Trial { rung, lr, stable, verdict, run: String::new() });
    }
    panic!("no end for {frontier}");
}

#[test]
fn the_bracket_closes_around_the_frontier() {
    for frontier in [3e-6, 9.9e-4, 1e-3, 1.01e-3, 7.3e-3, 0.2, 40.0] {
        let (search, runs) = search(frontier);
        let Next::Found(stable, unstable) = search.next() else { panic!("{frontier}: {:?}", search.next()) };
        assert_eq!(unstable, stable + 1);
        assert!(lr_of_rung(START, stable) <= frontier && frontier < lr_of_rung(START, unstable), "{frontier}: {stable}");
        // A stride of two octaves a widening, three halvings of it.
        let octaves = (frontier / START).log2().abs();
        assert!(runs as f64 <= octaves / 2.0 + 2.0 + 3.0, "{frontier} took {runs} runs");
    }
}

#[test]
fn a_frontier_out_of_reach_ends_the_search() {
    assert_eq!(search(1e9).0.next(), Next::AllStable);
    assert_eq!(search(0.0).0.next(), Next::NoneStable);
}

#[test]
fn a_lucky_run_above_a_crash_does_not_lift_the_edge() {
    let trial = |rung: i32, stable: bool| Trial { rung, lr: 0.0, stable, verdict: Verdict::Healthy, run: String::new() };
    let search = Search { seed: 0, tried: vec![trial(0, true), trial(4, false), trial(8, true)] };
    assert_eq!(search.next(), Next::Try(2));
}

#[test]
fn rates_of_the_ladder_are_short_and_double() {
    assert_eq!(lr_of_rung(START, 0), START);
    assert_eq!(lr_of_rung(START, RUNGS_PER_OCTAVE), 2e-3);
    assert_eq!(lr_of_rung(START, 1), 1.189e-3);
    assert_eq!(lr_of_rung(START, -2 * RUNGS_PER_OCTAVE), 2.5e-4);
}

#[test]
fn seeds_add_up_to_one_number_with_an_interval() {
    let one = Frontier::of(&[search(4.1e-3).0], START).expect("a search has ended");
    assert!(one.low <= 4.1e-3 && 4.1e-3 <= one.high, "{one:?}");
    assert!((one.high / one.low - 2f64.powf(0.25)).abs() < 1e-9, "one seed: the bracket itself");

    let searches: Vec<Search> = [2.1e-3, 4.1e-3, 8.1e-3].into_iter().map(|frontier| search(frontier).0).collect();
    let three = Frontier::of(&searches, START).expect("searches have ended");
    assert_eq!(three.seeds, 3);
    assert!((three.lr / one.lr - 1.0).abs() < 1e-9, "symmetric in log lr: {} and {}", three.lr, one.lr);
    // Deviation one octave: ± t(2)/√3 octaves.
    assert!((three.high / three.lr).log2() - 4.303 / 3f64.sqrt() < 1e-6, "{three:?}");

    let mut edge = Edge::new("test", START, 320, &["1Proj".to_string()], &[0, 1]);
    assert_eq!(edge.stems[0].edge, None);
    for trial in search(4.1e-3).0.tried {
        edge.put(0, 1, trial);
    }
    assert_eq!(edge.stems[0].edge.map(|edge| (edge.seeds, edge.lr)), Some((1, one.lr)));
    let folder = tempfile::tempdir().expect("a folder");
    edge.write(folder.path()).expect("a file");
    assert_eq!(Edge::read(folder.path()).expect("the file"), edge);
}
