//! Disks and files: full, gone, cut off.

use std::fs;
use std::process::Command;

use super::{arguments, last_checkpoint, long_run, only_run};
use crate::cli::{command_in, vitrine_in};

#[test]
fn a_truncated_checkpoint_gives_way_to_the_one_before_it() {
    let (whole, cut) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    vitrine_in(whole.path(), &arguments(&[], &["--max-steps", "9"])).done();
    for damage in ["last.safetensors", "optimizer-000006.safetensors"] {
        vitrine_in(cut.path(), &arguments(&[], &["--max-steps", "6"])).done();
        let run = only_run(cut.path());
        let path = run.join("checkpoints").join(damage);
        let bytes = fs::read(&path).expect("the file");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("half a file");

        let resume = ["train", "--resume", "last", "--device", "cpu", "--max-steps", "9"];
        let resumed = vitrine_in(cut.path(), &resume);
        assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
        for words in ["the previous one is, of step 4", damage, "truncated"] {
            assert!(resumed.stderr.contains(words), "no `{words}` in {}", resumed.stderr);
        }
        assert!(last_checkpoint(&run) == last_checkpoint(&only_run(whole.path())), "{damage}: the run is another one");
        fs::remove_dir_all(cut.path().join("runs")).expect("the folder");
    }
    vitrine_in(cut.path(), &arguments(&[], &["--max-steps", "6"])).done();
    let run = only_run(cut.path());
    for name in ["last", "previous"] {
        fs::write(run.join(format!("checkpoints/{name}.safetensors")), b"half").expect("a file");
    }
    vitrine_in(cut.path(), &["train", "--resume", "last", "--device", "cpu"]).refused(3, &["last.safetensors", "truncated"]);
}

/// A shell that lets no file grow beyond 64 KiB (128 KiB where blocks are 1 KiB), as a full disk would.
#[cfg(unix)]
fn on_a_full_disk(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().expect("a folder"));
    shell
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_with_a_word_and_the_run_goes_on_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = arguments(&["train.checkpoint_every=50"], &["--max-steps", "1200"]);
    let output = on_a_full_disk(&command_in(folder.path(), &arguments)).output().expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(": cannot write to the file") && stderr.contains("too large"), "{stderr}");

    let run = only_run(folder.path());
    let listed = vitrine_in(folder.path(), &["runs", "show", "last"]).done();
    assert!(listed.contains("killed after") && listed.contains("train --resume"), "{listed}");
    let leftovers = fs::read_dir(run.join("checkpoints"))
        .expect("checkpoints")
        .filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".tmp")));
    assert_eq!(leftovers.count(), 0, "nothing half-written");
    vitrine_in(folder.path(), &["train", "--resume", "last", "--device", "cpu", "--json", "--quiet", "--max-steps", "1200"]).done();
}

#[test]
fn a_run_folder_that_vanishes_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = long_run(folder.path());
    let run = only_run(folder.path());
    fs::rename(&run, folder.path().join("elsewhere")).expect("the folder can be moved");
    let output = child.wait_with_output().expect("it ends by itself");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let name = run.file_name().expect("a name").to_string_lossy().into_owned();
    for words in [name.as_str(), "the run folder is gone"] {
        assert!(stderr.contains(words), "no `{words}` in {stderr}");
    }
    assert!(!run.exists(), "nothing is made in its place");
}
