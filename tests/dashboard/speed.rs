//! A hundred thousand steps in twelve runs: how many points a frame draws, which is what it costs.

use vitrine::dashboard::runs::{Metric, Run};
use vitrine::dashboard::view::XAxis;

use egui_kittest::kittest::Queryable as _;

use super::host::Stage;
use super::sample;

#[test]
fn a_frame_draws_as_many_points_as_pixels() {
    let sample = sample::seeded(1, 100_000);
    let run = Run::new(sample.head, &sample.events, 0.9);
    assert_eq!(run.num_points(), 100_000);
    for (low, high) in [(0.0, 1e9), (25_000.0, 75_000.0), (99_000.0, 100_000.0), (500.0, 510.0)] {
        let range = run.points_between(XAxis::Step, low, high);
        let blocks = run.curve(Metric::Loss).smooth.blocks(range.clone(), 1600);
        assert!(blocks.len() <= 1602, "{low}..{high}: {}", blocks.len());
        assert!(blocks.len() >= range.len().min(400), "{low}..{high}: {} blocks are too coarse", blocks.len());
    }
}

/// Steps of each run in the frame that is timed; `DASHBOARD_BENCH_STEPS=100000` is the size of the aim.
fn bench_steps() -> u64 {
    std::env::var("DASHBOARD_BENCH_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

#[test]
fn panning_twelve_runs_says_what_a_frame_costs() {
    let samples: Vec<_> = (0..12).map(|seed| sample::seeded(seed, bench_steps())).collect();
    let keys: Vec<String> = samples.iter().map(|sample| sample.key().0).collect();
    let (mut harness, ..) = Stage::new(samples, format!("compare?runs={}", keys.join(","))).open();
    let chart = harness.get_by_label_contains("Training loss, seed 0").rect();
    let vertices = |harness: &egui_kittest::Harness<'static, vitrine::dashboard::app::Dashboard>| {
        let shapes = harness.output().shapes.clone();
        harness
            .ctx
            .tessellate(shapes, 1.0)
            .iter()
            .map(|part| match &part.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                egui::epaint::Primitive::Callback(_) => 0,
            })
            .sum::<usize>()
    };
    let mut frame_millis = Vec::new();
    let mut num_vertices = 0;
    harness.hover_at(chart.center());
    harness.drag_at(chart.center());
    for ix in 0..20 {
        harness.hover_at(chart.center() + egui::vec2(-4.0 * ix as f32, 0.0));
        let started = std::time::Instant::now();
        harness.step();
        num_vertices = vertices(&harness).max(num_vertices);
        frame_millis.push(started.elapsed().as_secs_f64() * 1e3);
    }
    frame_millis.sort_by(f64::total_cmp);
    println!(
        "12 runs of {} steps: a panned frame takes {:.1} ms (median of {}), {num_vertices} vertices",
        bench_steps(),
        frame_millis[frame_millis.len() / 2],
        frame_millis.len()
    );
    // What a frame draws does not grow with the runs: 12 curves of two points a pixel, and their bands.
    assert!(num_vertices < 400_000, "{num_vertices} vertices");
}
