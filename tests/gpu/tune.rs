//! Tuned tiles: found, kept, and found again when the file is damaged.

use vitrine::gpu::tune::tune;
use vitrine::graph::{Graph, Place, Region};
use vitrine::ops::matmul::{Form, matmul};
use vitrine::platform::Wait as _;

use crate::support::adapter::adapter;

fn product() -> Graph {
    let mut graph = Graph::new();
    let a = graph.leaf(Place::new(Region::Params, 0), [48, 16]);
    let b = graph.leaf(Place::new(Region::Params, 0), [32, 16]);
    let y = matmul(&mut graph, Form::Nt, a, b).expect("the shapes fit");
    graph.store(y, Place::new(Region::Grads, 0));
    graph
}

#[test]
fn choices_are_kept_in_a_file_and_a_damaged_file_is_replaced() {
    let Some(gpu) = adapter() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let graph = product();
    let (key, count) = graph.nodes[0].op.candidates().expect("products are tuned");
    let choices = tune(&gpu, [&graph], Some(dir.path())).wait().expect("tunes");
    let timed = choices[&key];
    assert!(timed < count, "{choices:?}");
    let path = std::fs::read_dir(dir.path()).expect("a folder").next().expect("one file").expect("readable").path();
    let text = std::fs::read_to_string(&path).expect("readable");

    // Another choice in the file is believed: nothing is timed again.
    let other = (timed + 1) % count;
    let edited = text.replace(&format!("\"{key}\": {timed}"), &format!("\"{key}\": {other}"));
    assert_ne!(text, edited);
    std::fs::write(&path, edited).expect("writable");
    assert_eq!(tune(&gpu, [&graph], Some(dir.path())).wait().expect("reads")[&key], other);
    assert_eq!(gpu.target(None).choices[&key], other);

    // A choice that does not exist, a damaged file and another device's file are not.
    let device = text.lines().find(|line| line.contains("\"device\"")).expect("the device is named");
    let wrong = [
        text.replace(&format!("\"{key}\": {timed}"), &format!("\"{key}\": 99")),
        text[..text.len() / 2].to_string(),
        text.replace(device, "  \"device\": \"another\","),
    ];
    for damaged in wrong {
        std::fs::write(&path, &damaged).expect("writable");
        assert!(tune(&gpu, [&graph], Some(dir.path())).wait().expect("times again")[&key] < count);
        let now = std::fs::read_to_string(&path).expect("readable");
        assert_ne!(now, damaged);
        assert!(now.contains(&key) && now.contains(device.trim()), "{now}");
    }
}
