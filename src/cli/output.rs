//! stdout is data, stderr is for people; both may be closed at any time (`vitrine runs ls | head`).

use std::io::{self, ErrorKind, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use serde::Serialize;
use vitrine::error::{Error, Result};

/// The exit code of a mistake of ours.
const INTERNAL: u8 = 1;

/// Writes `text` to stdout. A reader that has gone away is no error; a full disk is.
pub fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// [`print`] for what may be no text.
pub fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io(Path::new("stdout"), "write the output", error)),
        _ => Ok(()),
    }
}

/// Lets `write` write to stdout as it goes. A reader that has gone away ends it without an error.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut stdout = Stdout { stdout: io::stdout().lock(), is_gone: false };
    let outcome =
        write(&mut stdout).and_then(|()| stdout.flush().map_err(|error| Error::io(Path::new("stdout"), "write the output", error)));
    if stdout.is_gone { Ok(()) } else { outcome }
}

/// stdout that remembers whether its reader has gone away.
struct Stdout {
    stdout: io::StdoutLock<'static>,
    is_gone: bool,
}

impl Stdout {
    fn watch<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        self.is_gone |= outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        outcome
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.stdout.write(bytes);
        self.watch(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.stdout.flush();
        self.watch(outcome)
    }
}

/// Writes `value` to stdout as one line of JSON.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(value).expect("reports are plain data with text keys");
    print(&(line + "\n"))
}

/// Writes a line to stderr.
pub fn note(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `word` as a shell takes it for one word.
pub fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Prints what clap has to say (help, version or a mistake in the flags); the exit code.
pub fn refused(refusal: &clap::Error) -> u8 {
    // As in `note`; help piped into a closed pager ends here too.
    let _ = refusal.print();
    u8::try_from(refusal.exit_code()).unwrap_or(INTERNAL)
}

/// Keeps Mesa's layer for choosing a device by the desktop session from complaining on stderr where
/// there is no session: "error: XDG_RUNTIME_DIR is invalid" reads like an error of ours. The layer
/// only reorders adapters, and Vitrine chooses them by kind. To be called before there are threads.
pub fn hush_drivers() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: no other thread exists yet that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Makes a panic say that it is ours, with its place, instead of a trace.
pub fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |place| format!(" at {}:{}", place.file(), place.line()));
        let what = panic.payload_as_str().unwrap_or("a panic without a message");
        note(&format!("error: {}", Error::Internal(format!("{what}{place}"))));
    }));
}

/// Runs `work`; reports its error, and turns error or panic into the exit code.
pub fn without_panic(work: impl FnOnce() -> Result<u8>) -> u8 {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            note(&format!("error: {error}"));
            error.exit_code()
        }
        // The hook has reported it.
        Err(_) => INTERNAL,
    }
}
