//! Help, and mistakes in the command line: exit code 2.

use super::vitrine;

#[test]
fn without_arguments_it_prints_help_and_exits_2() {
    vitrine(&[]).refused(2, &["Usage: vitrine", "train", "Examples:", "Exit codes:"]);
}

#[test]
fn every_verb_has_help_with_examples() {
    // Every verb and every verb of a verb, as the help lists them.
    let verbs = |of: &[&str]| -> Vec<String> {
        let help = vitrine(&[of, &["--help"]].concat()).done();
        let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
        let lines = list.lines().take_while(|line| line.starts_with("  "));
        let is_name = |line: &&str| line.as_bytes().get(2).is_some_and(|letter| *letter != b' ');
        lines.filter(is_name).filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").map(str::to_string).collect()
    };
    let top = verbs(&[]);
    assert!(["train", "runs", "data", "bench", "man"].iter().all(|verb| top.iter().any(|listed| listed == verb)), "{top:?}");
    for verb in &top {
        let inner = verbs(&[verb]).into_iter().map(|inner| vec![verb.clone(), inner]);
        for path in inner.chain([vec![verb.clone()]]) {
            let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
            let help = vitrine(&words).done();
            assert!(help.contains("Examples:") && help.contains(&format!("vitrine {}", path.join(" "))), "{path:?}: {help}");
        }
    }
}

#[test]
fn train_has_the_documented_flags() {
    let help = vitrine(&["train", "--help"]).done();
    let flags = "--preset --config --set --data-path --device --adapter --seed --name --runs-dir --max-steps --resume --init \
                 --dry-run --print-config --json --quiet";
    for flag in flags.split_whitespace() {
        assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "no {flag} in: {help}");
    }
}

#[test]
fn mistakes_in_the_flags_exit_2() {
    vitrine(&["train", "--bogus"]).refused(2, &["--bogus"]);
    vitrine(&["trian"]).refused(2, &["trian", "train"]);
    vitrine(&["train", "--device", "tpu"]).refused(2, &["tpu", "cpu", "gpu"]);
    vitrine(&["train", "--max-steps", "0"]).refused(2, &["--max-steps"]);
    vitrine(&["train", "--seed", "-1"]).refused(2, &["'-1' for '--seed <N>'", "a whole number from 0"]);
    vitrine(&["train", "--seed", "9223372036854775808"]).refused(2, &["--seed", "9223372036854775807"]);
    vitrine(&["train", "--resume", "last", "--preset", "demo"]).refused(2, &["--resume", "--preset"]);
    vitrine(&["train", "--adapter", "x", "--device", "cpu"]).refused(2, &["error: --adapter"]);
    vitrine(&["train", "--set", "model.heads"]).refused(2, &["--set model.heads", "section.key=value"]);
    vitrine(&["bench", "--seconds", "0"]).refused(2, &["--seconds"]);
    vitrine(&["eval", "--json"]).refused(2, &["no weights are named", "--weights FILE", "--run RUN"]);
    vitrine(&["inspect", "--out", "look"]).refused(2, &["no weights are named", "--weights FILE", "--run RUN"]);
    vitrine(&["trace", "--config", "c.toml"]).refused(2, &["--weights", "--batch", "--out"]);
}

#[test]
fn a_run_that_is_not_there_is_named() {
    vitrine(&["train", "--resume", "last"]).refused(2, &["error: there is no run in runs"]);
    vitrine(&["runs", "show", "abc"]).refused(2, &["error: there is no run `abc`"]);
    vitrine(&["eval", "--run", "abc"]).refused(2, &["error: there is no run `abc`"]);
}
