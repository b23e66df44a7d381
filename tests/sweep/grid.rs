//! Grid files: what they expand to, and what is refused.

use std::path::Path;

use vitrine::config::grid::Grid;
use vitrine::error::Result;

const WHOLE: &str = r#"
name = "stems"
preset = "demo"
seeds = 2
max_steps = 320

[set]
schedule.kind = "constant"
"optim.weight_decay" = 0.1

[axes]
optim.lr = [2e-3, 8e-3]
model.stem = ["1Proj", "3Conv+1Proj"]

[[variants]]
name = "narrow"
model.dim = 32

[[variants]]
name = "wide"
model.dim = 96
model.heads = 3
"#;

fn parse(text: &str) -> Result<Grid> {
    Grid::parse(text, Path::new("somewhere/mine.toml"))
}

#[test]
fn a_grid_expands_to_every_combination_in_the_order_of_the_file() {
    let grid = parse(WHOLE).expect("a good grid");
    assert_eq!(
        (grid.name.as_str(), grid.preset.as_deref(), &grid.seeds[..], grid.max_steps),
        ("stems", Some("demo"), &[0, 1][..], Some(320))
    );
    let names: Vec<&str> = grid.axes.iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(names, ["variant", "optim.lr", "model.stem"]);
    let cells = grid.cells();
    assert_eq!(cells.len(), 8);
    assert_eq!(cells[0].labels, ["narrow", "0.002", "1Proj"]);
    assert_eq!(cells[1].labels, ["narrow", "0.002", "3Conv+1Proj"]);
    assert_eq!(cells[7].labels, ["wide", "0.008", "3Conv+1Proj"]);
    let sets: Vec<&str> = cells[7].sets.iter().map(String::as_str).collect();
    assert_eq!(
        sets,
        [
            "schedule.kind=\"constant\"",
            "optim.weight_decay=0.1",
            "model.dim=96",
            "model.heads=3",
            "optim.lr=0.008",
            "model.stem=\"3Conv+1Proj\""
        ]
    );
}

#[test]
fn the_least_grid_is_one_run_named_after_its_file() {
    let grid = parse("").expect("an empty grid");
    assert_eq!((grid.name.as_str(), grid.seeds.as_slice(), grid.cells().len()), ("mine", &[0][..], 1));
    let grid = parse("config = \"base.toml\"\nseeds = [3, 5]").expect("a grid");
    assert_eq!(grid.config.as_deref(), Some(Path::new("somewhere/base.toml")), "a config lies beside its grid");
    assert_eq!(grid.seeds, [3, 5]);
    let lists = parse("[axes]\nmodel.strides = [[2, 1, 1, 8], [2, 2, 2, 2]]").expect("a list of lists");
    assert_eq!(lists.cells()[1].labels, ["[2, 2, 2, 2]"]);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("\n[axes]\noptim.lrr = [1.0]", ["mine.toml:3", "did you mean `lr`"]),
        ("\n[axis]\noptim.lr = [1.0]", ["mine.toml:2", "did you mean `axes`"]),
        ("[optim]\nlr = 1.0", ["mine.toml:1", "[set.optim]"]),
        ("[axes]\noptim.lr = 1.0", ["optim.lr", "an axis is a list"]),
        ("[axes]\noptim.lr = []", ["optim.lr", "empty"]),
        ("[axes]\noptim.lr = [1.0, 1.0]", ["optim.lr", "twice"]),
        ("[axes]\nmodel.strides = [2, 1, 1, 8]", ["model.strides", "list of lists"]),
        ("[axes]\ntrain.seed = [1, 2]", ["train.seed", "seeds ="]),
        ("seeds = 0", ["mine.toml:1", "seeds"]),
        ("seeds = [1, 1]", ["mine.toml:1", "seeds"]),
        ("seeds = [-1]", ["mine.toml:1", "seeds"]),
        ("seeds = 9000000000", ["mine.toml", "more than 100000 runs"]),
        ("max_steps = 1.5", ["mine.toml:1", "max_steps"]),
        ("name = \"//\"", ["mine.toml:1", "names no folder"]),
        ("preset = \"demo\"\nconfig = \"a.toml\"", ["mine.toml:2", "both"]),
        ("[[variants]]\nmodel.dim = 3", ["mine.toml:1", "without a name"]),
        ("[[variants]]\nname = \"a\"\npaper = 81.9", ["mine.toml:3", "paper"]),
        ("[[variants]]\nname = \"a\"\ninit = 1", ["mine.toml:3", "init"]),
        ("[axes", ["mine.toml:1", ""]),
    ];
    for (text, words) in cases {
        let refusal = parse(text).expect_err(text).to_string();
        for word in words {
            assert!(refusal.contains(word), "no `{word}` in `{refusal}`, for:\n{text}");
        }
    }
}
