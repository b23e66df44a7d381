//! kill -9 at any moment, and two processes on one run.

use std::process::Stdio;
use std::time::Duration;

use super::{arguments, last_checkpoint, long_run, only_run};
use crate::cli::{command_in, vitrine_in};

/// Steps of the run that is killed again and again.
const STEPS: &str = "160";

#[test]
fn a_run_killed_at_any_moment_ends_like_an_unbroken_one() {
    let (whole, broken) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    vitrine_in(whole.path(), &arguments(&[], &["--max-steps", STEPS])).done();

    let mut moments = 0u64;
    for round in 0u64..8 {
        // Different moments each time the test runs: none of them may matter.
        let jitter_millis = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").subsec_nanos() as u64 % 97;
        let resume = ["train", "--resume", "last", "--device", "cpu", "--json", "--quiet", "--max-steps", STEPS];
        let is_begun = broken.path().join("runs").is_dir() && vitrine_in(broken.path(), &["runs", "show", "last"]).code == Some(0);
        let arguments = if is_begun { resume.to_vec() } else { arguments(&[], &["--max-steps", STEPS]) };
        let mut child =
            command_in(broken.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(Duration::from_millis(20 * round + jitter_millis));
        child.kill().expect("it can be killed");
        moments += u64::from(!child.wait().expect("it has ended").success());
    }
    assert!(moments > 0, "every run was over before it was killed");

    // Readable, and it goes on; one killed before its first checkpoint has nothing to go on from and says so.
    vitrine_in(broken.path(), &["runs", "ls"]).done();
    let resumed = vitrine_in(broken.path(), &["train", "--resume", "last", "--device", "cpu", "--json", "--quiet", "--max-steps", STEPS]);
    if resumed.code == Some(3) {
        assert!(resumed.stderr.contains("no checkpoint to go on from") || resumed.stderr.contains("there is no run"), "{}", resumed.stderr);
        eprintln!("every kill came before the first checkpoint");
        return;
    }
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let runs = std::fs::read_dir(broken.path().join("runs")).expect("runs").map(|run| run.expect("an entry").path());
    let ended = runs.filter(|run| run.join("checkpoints/last.safetensors").is_file()).max().expect("the run");
    assert!(last_checkpoint(&ended) == last_checkpoint(&only_run(whole.path())), "the kills left a mark");
}

#[test]
fn a_second_process_is_refused_and_a_stale_lock_is_no_obstacle() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = long_run(folder.path());
    let resume = ["train", "--resume", "last", "--device", "cpu", "--json", "--quiet", "--max-steps", "9"];
    vitrine_in(folder.path(), &resume).refused(3, &["another process is writing this run", "Ctrl-C"]);
    assert!(vitrine_in(folder.path(), &["runs", "ls"]).done().contains("running"));

    first.kill().expect("it can be killed");
    first.wait().expect("it has ended");
    assert!(only_run(folder.path()).join("lock").is_file(), "a killed process leaves its lock file");
    assert!(vitrine_in(folder.path(), &["runs", "ls"]).done().contains("killed"));
    let resume = ["train", "--resume", "last", "--device", "cpu", "--json", "--quiet", "--max-steps", "100000"];
    let mut second = super::started(command_in(folder.path(), &resume), last_step(folder.path()) + 3);
    second.kill().expect("it can be killed");
    second.wait().expect("it has ended");
}

/// The step of the newest optimiser file.
fn last_step(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(only_run(folder).join("checkpoints")).expect("checkpoints");
    let step = |name: String| name.strip_prefix("optimizer-")?.strip_suffix(".safetensors")?.parse().ok();
    let steps = files.filter_map(|file| step(file.expect("an entry").file_name().to_string_lossy().into_owned()));
    steps.max().expect("a checkpoint")
}
