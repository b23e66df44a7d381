//! Loops written out: the same arithmetic, with a number where the counter stood.

use vitrine::gpu::unroll::unroll;

#[test]
fn loops_of_constant_length_are_written_out() {
    let text = "const N: u32 = 8u;\nconst HALF: u32 = N / 4u;\nfor (var r = 0u; r < HALF; r++) { a[r] += b.r * row[r]; } // for (var r";
    let unrolled = unroll(text);
    assert!(unrolled.contains("{ a[0u] += b.r * row[0u]; }\n{ a[1u] += b.r * row[1u]; }"), "{unrolled}");
    assert!(!unrolled.contains("for"), "{unrolled}");
}

#[test]
fn loops_in_loops_are_written_out_from_the_inside() {
    let unrolled = unroll("for (var i = 0u; i < 2u; i++) { for (var j = 0u; j < 2u; j++) { c[i][j] = 0; } }");
    for element in ["c[0u][0u]", "c[0u][1u]", "c[1u][0u]", "c[1u][1u]"] {
        assert_eq!(unrolled.matches(element).count(), 1, "{unrolled}");
    }
}

#[test]
fn other_loops_stay() {
    for text in [
        "for (var r = 0u; r < dims.width; r++) { a[r] = 0; }",
        "for (var r = 1u; r < 4u; r++) { a[r] = 0; }",
        "for (var r = 0u; r < 4u; r += 2u) { a[r] = 0; }",
        "for (var r = 0u; r < 4u; r++) { if (a[r] > 0) { break; } }",
        "for (var r = 0u; r < 90000u; r++) { a[r] = 0; }",
    ] {
        assert_eq!(unroll(text), text);
    }
}
