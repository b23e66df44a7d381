//! Clock, files and threads.

use std::fs;

use vitrine::error::Error;
use vitrine::platform::{self, calendar};

#[test]
fn dates_are_the_civil_calendar() {
    let cases = [
        (0, "19700101-000000"),
        (951_782_399_999, "20000228-235959"),
        (951_782_400_000, "20000229-000000"),
        (951_868_800_000, "20000301-000000"),
        (1_735_689_599_000, "20241231-235959"),
        (4_107_542_400_000, "21000301-000000"),
    ];
    for (millis, stamp) in cases {
        assert_eq!(calendar::utc_stamp(millis), stamp);
    }
    let mut expected = (1970, 1, 1);
    for day in 0..150_000 {
        assert_eq!(calendar::date_from_days(day), expected, "day {day}");
        expected = next_day(expected);
    }
}

/// The plain rule, month by month.
fn next_day((year, month, day): (u64, u64, u64)) -> (u64, u64, u64) {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let num_days = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    match (day < num_days, month < 12) {
        (true, _) => (year, month, day + 1),
        (false, true) => (year, month + 1, 1),
        (false, false) => (year + 1, 1, 1),
    }
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.json");
    for text in ["first, and longer", "second"] {
        platform::write_atomically(&path, text.as_bytes()).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), text);
    }
    let names = fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(names, 1, "no temporary file is left");
}

#[test]
fn a_failed_write_keeps_the_old_file_and_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("taken");
    fs::create_dir(&path).expect("a folder stands where the file should go");
    let error = platform::write_atomically(&path, b"text").expect_err("a folder is no file");
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("taken"), "{error}");
    assert!(path.is_dir());
    let names = fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(names, 1, "no temporary file is left");
}

#[test]
fn clocks_and_threads_work() {
    let before = platform::now_secs();
    let thread = platform::spawn("answer", || (std::thread::current().name().map(str::to_string), platform::now_secs()));
    let (name, during) = thread.expect("a thread").join().expect("it does not panic");
    assert_eq!(name.as_deref(), Some("answer"));
    assert!(before <= during && during <= platform::now_secs());
    assert!(platform::num_cores() >= 1);
    assert!(platform::unix_millis() > 1_700_000_000_000, "after 2023");
}
