//! Spans that live at one time never share words, and words are used again.

use vitrine::cpu::machine::CpuMachine;
use vitrine::graph::machine::Machine;
use vitrine::graph::memory::{Packer, Span};
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::elementwise::{add, scale};
use vitrine::optim::accumulate::Accumulate;
use vitrine::rng::{Draws, Stream};

const ALIGN: usize = 64;

fn draws(seed: u64) -> Draws {
    Draws::new(seed, Stream::Synthetic, 0, 0)
}

/// Two spans with a word in common, if there are any.
fn overlap(spans: &[Span]) -> Option<(Span, Span)> {
    let shares = |a: &Span, b: &Span| a.arena == b.arena && a.offset < b.offset + b.len && b.offset < a.offset + a.len;
    let mut pairs = spans.iter().enumerate().flat_map(|(ix, a)| spans[ix + 1..].iter().map(move |b| (*a, *b)));
    pairs.find(|(a, b)| shares(a, b))
}

#[test]
fn an_overlap_is_found() {
    let span = |arena, offset, len| Span { arena, offset, len };
    assert!(overlap(&[span(0, 0, 64), span(1, 0, 64), span(0, 64, 64)]).is_none());
    assert!(overlap(&[span(0, 0, 64), span(0, 128, 64), span(0, 63, 2)]).is_some());
}

#[test]
fn live_spans_never_overlap() {
    for seed in 0..50 {
        let mut draw = draws(seed);
        let mut packer = Packer::new(ALIGN, 1 << 20);
        let mut live: Vec<Span> = Vec::new();
        for _ in 0..300 {
            if !live.is_empty() && draw.next_below(5) < 2 {
                let gone = live.swap_remove(draw.next_below(live.len() as u32) as usize);
                packer.free(gone);
                continue;
            }
            let len = draw.next_below(1000) as usize;
            let forbidden: Vec<usize> = (0..packer.arena_lens().len()).filter(|_| draw.next_below(4) == 0).collect();
            let span = packer.allocate(len, &forbidden);
            assert!(
                span.len >= len.max(1) && span.len < len.max(1) + ALIGN && span.offset.is_multiple_of(ALIGN),
                "seed {seed}: {span:?} for {len}"
            );
            assert!(!forbidden.contains(&span.arena), "seed {seed}: {span:?} lies in one of {forbidden:?}");
            assert!(span.offset + span.len <= packer.arena_lens()[span.arena], "seed {seed}: {span:?} lies outside its arena");
            live.push(span);
            assert_eq!(overlap(&live), None, "seed {seed}");
        }
        free_pieces_are_joined(packer, live, seed);
    }
}

/// After all spans are given back, each arena holds one span of its whole length without growing.
fn free_pieces_are_joined(mut packer: Packer, live: Vec<Span>, seed: u64) {
    live.into_iter().for_each(|span| packer.free(span));
    let lens = packer.arena_lens();
    for (arena, len) in lens.iter().enumerate() {
        let others: Vec<usize> = (0..lens.len()).filter(|other| *other != arena).collect();
        assert_eq!(packer.allocate(*len, &others), Span { arena, offset: 0, len: *len }, "seed {seed}");
    }
    assert_eq!(packer.arena_lens(), lens, "seed {seed}");
}

#[test]
fn freed_words_are_used_again() {
    for len in [1000, 10, 500] {
        let mut packer = Packer::new(ALIGN, 1 << 20);
        let first = packer.allocate(1000, &[]);
        packer.free(first);
        assert_eq!(packer.allocate(len, &[]).offset, first.offset);
        assert_eq!(packer.arena_lens(), [1024]);
    }
}

#[test]
fn the_tightest_hole_is_taken() {
    let mut packer = Packer::new(1, 1 << 20);
    let spans: Vec<Span> = [100, 1, 30, 1, 60, 1].iter().map(|len| packer.allocate(*len, &[])).collect();
    for hole in [0, 2, 4] {
        packer.free(spans[hole]);
    }
    assert_eq!(packer.allocate(28, &[]).offset, spans[2].offset);
    assert_eq!(packer.allocate(55, &[]).offset, spans[4].offset);
}

#[test]
fn a_full_arena_opens_another() {
    let mut packer = Packer::new(ALIGN, 1024);
    let spans = [packer.allocate(1000, &[]), packer.allocate(1000, &[]), packer.allocate(24, &[1])];
    assert_eq!(spans.map(|span| span.arena), [0, 1, 2]);
}

/// A random graph of sums and multiples of vectors, and the value of each by plain arithmetic.
struct RandomGraph {
    graph: Graph,
    values: Vec<(Value, Vec<f64>)>,
}

const WIDTH: usize = 37;

impl RandomGraph {
    fn new(seed: u64, inputs: &[Vec<f64>]) -> Self {
        let mut draw = draws(seed);
        let mut graph = Graph::new();
        let leaf = |(ix, input): (usize, &Vec<f64>)| (graph.leaf(Place::new(Region::Params, ix * ALIGN), [WIDTH]), input.clone());
        let mut values: Vec<(Value, Vec<f64>)> = inputs.iter().enumerate().map(leaf).collect();
        for _ in 0..60 {
            // Mostly recent values, so that lifetimes are short, and sometimes old ones.
            let pick = |draw: &mut Draws, values: &[(Value, Vec<f64>)]| {
                let back = if draw.next_below(4) == 0 { values.len() } else { values.len().min(4) };
                values[values.len() - 1 - draw.next_below(back as u32) as usize].clone()
            };
            let (a, b) = (pick(&mut draw, &values), pick(&mut draw, &values));
            values.push(match draw.next_below(2) {
                0 => (add(&mut graph, a.0, b.0).expect("one shape"), a.1.iter().zip(&b.1).map(|(a, b)| a + b).collect()),
                _ => (scale(&mut graph, a.0, -0.75).expect("any shape"), a.1.iter().map(|a| -0.75 * a).collect()),
            });
        }
        Self { graph, values }
    }
}

#[test]
fn values_keep_their_bytes_until_their_last_use() {
    let inputs: Vec<Vec<f64>> = (0..3).map(|ix| (0..WIDTH).map(|column| (ix * WIDTH + column) as f64 * 0.25 - 9.0).collect()).collect();
    let (mut words, mut arena_words) = (0, 0);
    for seed in 0..40 {
        let RandomGraph { mut graph, values } = RandomGraph::new(seed, &inputs);
        let (last, expected) = values.last().expect("60 values");
        graph.store(*last, Place::new(Region::Grads, 0));
        let plan = Plan::new("random", &graph, &Layout::processor()).expect("the graph can be planned");
        words += plan.steps.len() * WIDTH;
        arena_words += plan.arenas.iter().sum::<usize>();
        let mut machine = CpuMachine::<f64>::new(&[(Region::Params, 3 * ALIGN), (Region::Grads, WIDTH)]);
        for (ix, input) in inputs.iter().enumerate() {
            machine.region_mut(Region::Params)[ix * ALIGN..][..WIDTH].copy_from_slice(input);
        }
        let plan = machine.load(plan).expect("the plan loads");
        machine.run(plan, &Scalars::default()).expect("the plan runs");
        assert_eq!(machine.region(Region::Grads), expected, "seed {seed}");
    }
    assert!(arena_words < words / 2, "{words} words of values lie in {arena_words}");
}

#[test]
fn a_value_changed_in_place_keeps_its_bytes_until_the_results_last_use() {
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 0), [WIDTH]);
    let doubled = scale(&mut graph, x, 2.0).expect("any shape");
    let tripled = graph.push_one(Accumulate { len: WIDTH }, &[x, doubled]).expect("one length");
    // Would take the memory of the doubled, were its end that of the value.
    let fourfold = scale(&mut graph, x, 4.0).expect("any shape");
    let sum = add(&mut graph, fourfold, tripled).expect("one shape");
    graph.store(sum, Place::new(Region::Grads, 0));
    let plan = Plan::new("in place", &graph, &Layout::processor()).expect("the graph can be planned");
    assert_eq!(plan.steps[1].inputs[1], plan.steps[1].outputs[0]);
    let mut machine = CpuMachine::<f64>::new(&[(Region::Params, WIDTH), (Region::Grads, WIDTH)]);
    let plan = machine.load(plan).expect("it loads");
    machine.upload(Place::new(Region::Params, 0), &[1.0; WIDTH]).expect("it fits");
    machine.run(plan, &Scalars { micro: 1, ..Scalars::default() }).expect("it runs");
    assert_eq!(machine.region(Region::Grads), [7.0; WIDTH]);
}
