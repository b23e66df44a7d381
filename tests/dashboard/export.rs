//! Series and pictures as files.

use vitrine::dashboard::export;
use vitrine::dashboard::runs::{Metric, Run};
use vitrine::dashboard::view::XAxis;
use vitrine::dashboard::widgets::chart::ChartSpec;
use vitrine::dashboard::widgets::sampled::{self, Group};

use super::sample;

#[test]
fn a_series_keeps_every_digit_and_what_is_not_finite() {
    let crashed = sample::crashed();
    let short = sample::short();
    let runs = [&crashed, &short].map(|sample| Run::new(sample.head.clone(), &sample.events, 0.9));
    let csv = export::series_csv(&[&runs[0], &runs[1]], Metric::Loss);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "step,\"patchify, bold\",short");
    assert_eq!(lines.len(), 1 + runs[0].num_points());
    let first: Vec<f64> = lines[1].split(',').skip(1).map(|field| field.parse().expect("a number")).collect();
    assert_eq!(first, [runs[0].state.steps[0].loss, runs[1].state.steps[0].loss]);
    assert_eq!(lines[214], "214,NaN,", "the crash is in the file, and the short run has no such step");
}

fn spec(metric: Metric) -> ChartSpec {
    ChartSpec {
        id: "exported",
        metric,
        x_axis: XAxis::Step,
        is_log_x: false,
        is_log_y: false,
        is_smoothed: true,
        height: 200.0,
        level: Some((10f64.ln(), "chance, ln K")),
        step: None,
        steps: None,
        corners: Vec::new(),
    }
}

#[test]
fn groups_are_saved_as_they_are_drawn() {
    let samples = [sample::seeded(1, 200), sample::seeded(2, 200), sample::crashed()];
    let runs = samples.map(|sample| Run::new(sample.head.clone(), &sample.events, 0.9));
    let group = |name: &str, runs: Vec<&'static Run>| Group { name: name.to_string(), slot: 0, runs };
    let runs: &'static [Run; 3] = Box::leak(Box::new(runs));
    let groups = [group("two seeds", vec![&runs[0], &runs[1]]), group("crashed", vec![&runs[2]])];
    let spec = ChartSpec { is_log_x: true, is_log_y: true, ..spec(Metric::Loss) };
    let sampled = sampled::sample(&groups, None, &spec);
    let csv = export::groups_csv(&groups, &sampled, &spec);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        ["step", "two seeds mean", "two seeds least", "two seeds greatest", "crashed mean", "crashed least", "crashed greatest"]
    );
    let number = |line: usize, column: usize| lines[line][column].parse::<f64>().expect("a number");
    assert!(number(1, 2) <= number(1, 1) && number(1, 1) <= number(1, 3));
    // Places are evenly spread on the axis as drawn, which is logarithmic.
    let ratios = [number(2, 0) / number(1, 0), number(301, 0) / number(300, 0)];
    assert!((ratios[0] - ratios[1]).abs() < 1e-6, "{ratios:?}");
    assert_eq!(lines.last().expect("a line")[4..], ["", "", ""], "after the crash there is no mean");
    let svg = export::groups_svg("Loss by group".to_string(), &groups, &sampled, &spec);
    assert!(svg.contains("<polygon") && svg.contains('✖') && svg.contains("(log)"), "band, crash and axis: {}", &svg[..400]);
    let alone = sampled::sample(&groups[..1], Some(&runs[0]), &ChartSpec { is_log_y: false, ..spec });
    let least = alone.lines[0].iter().flatten().map(|place| place[1].abs().min(place[2].abs())).fold(0.0, f64::max);
    assert!(least < 1e-6, "one of the two is the baseline itself: {least}");
}

#[test]
fn a_picture_comes_back_from_its_png() {
    let colors: Vec<egui::Color32> = (0..12u8).map(|ix| egui::Color32::from_rgb(ix * 20, 255 - ix, ix)).collect();
    let picture = egui::ColorImage::new([4, 3], colors.clone());
    let bytes = export::png(&picture).expect("a whole picture");
    let back = image::load_from_memory(&bytes).expect("a PNG").to_rgba8();
    assert_eq!(back.dimensions(), (4, 3));
    assert!(back.pixels().zip(&colors).all(|(pixel, color)| pixel.0 == color.to_array()));
}

#[test]
fn a_report_is_the_runs_own_page() {
    let crashed = sample::crashed();
    let run = Run::new(crashed.head.clone(), &crashed.events, 0.9);
    let recorded = export::recorded(&run);
    // As text, where NaN equals itself.
    let state = |run: &Run| format!("{:?}", run.state);
    assert!(state(&Run::new(crashed.head.clone(), &recorded.events, 0.9)) == state(&run), "the events replay to the same state");
    let html = export::report_html(&run);
    assert!(html.contains("non_finite") && html.contains("<svg") && !html.contains("<script"), "{}", &html[..300]);
    let spec = spec(Metric::Loss);
    let svg = export::chart_svg(&[&run], &spec);
    assert!(svg.starts_with("<svg") && svg.contains("non-finite") && svg.contains("chance"), "{}", &svg[..300]);
}
