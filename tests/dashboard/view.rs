//! Links: every view comes back, nonsense is said and left out.

use vitrine::dashboard::host::RunKey;
use vitrine::dashboard::runs::Metric;
use vitrine::dashboard::view::{Screen, View, XAxis};

fn full() -> View {
    View {
        screen: Screen::Attention,
        runs: vec![RunKey("20260509-073045-demo".to_string()), RunKey("a b/ü,&=#%".to_string())],
        step: Some(500),
        patch: Some(12),
        layer: 3,
        head: Some(0),
        image: 2,
        channel: 7,
        metric: Metric::StemNorm,
        x_axis: XAxis::Wall,
        is_log_x: true,
        is_log_y: true,
        smoothing: 0.6,
        is_grouped: true,
        baseline: Some(RunKey("20260509-073045-demo".to_string())),
    }
}

#[test]
fn every_view_comes_back_from_its_link() {
    let mut views = vec![full()];
    views.extend(Screen::ALL.map(|screen| View { screen, ..View::default() }));
    views.extend(Metric::ALL.map(|metric| View { metric, ..View::default() }));
    views.extend(XAxis::ALL.map(|x_axis| View { x_axis, ..View::default() }));
    for view in views {
        let hash = view.to_hash();
        assert!(hash.is_ascii() && !hash.contains([' ', '#']), "{hash}");
        assert_eq!(View::from_hash(&hash), (view.clone(), Vec::new()), "{hash}");
        assert_eq!(View::from_hash(&format!("#{hash}")).0, view);
    }
}

#[test]
fn a_run_named_twice_is_one_run() {
    let (view, complaints) = View::from_hash("compare?runs=a,b,a");
    assert_eq!((view.runs, complaints.len()), (vec![RunKey("a".to_string()), RunKey("b".to_string())], 0));
}

#[test]
fn usual_values_stay_out_of_links() {
    assert_eq!(View::default().to_hash(), "start");
    assert_eq!(View { screen: Screen::Compare, step: Some(7), ..View::default() }.to_hash(), "compare?step=7");
}

#[test]
fn nonsense_is_said_and_the_rest_is_kept() {
    let cases = [
        ("nowhere?step=5", 1, Some(5)),
        ("train?step=five&layer=2", 1, None),
        ("train?step=-3", 1, None),
        ("train?step=99999999999999999999999", 1, None),
        ("train?smooth=7&step=5", 1, Some(5)),
        ("train?runs=%zz", 1, None),
        ("train?runs=%e4", 1, None),
        ("train?x=moon&logy=maybe&=&constructor=1", 4, None),
        ("", 0, None),
        ("?", 0, None),
    ];
    for (hash, num_complaints, step) in cases {
        let (view, complaints) = View::from_hash(hash);
        assert_eq!(complaints.len(), num_complaints, "{hash}: {complaints:?}");
        assert_eq!(view.step, step, "{hash}");
    }
    let long = format!("train?{}", "x".repeat(5000));
    let (_, complaints) = View::from_hash(&long);
    assert!(complaints[0].len() < 200, "a foreign text is cut: {}", complaints[0]);
}
