//! Series and pictures as files.

use vitrine::dashboard::export;
use vitrine::dashboard::runs::{Metric, Run};
use vitrine::dashboard::view::XAxis;

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
    let svg = export::chart_svg(&[&run], Metric::Loss, XAxis::Step);
    assert!(svg.starts_with("<svg") && svg.contains("non-finite") && svg.contains("chance"), "{}", &svg[..300]);
}
