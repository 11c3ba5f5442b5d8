//! Writing for people and pipes. A reader that goes away is a quiet end, not an error.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::process::ExitCode;

/// Standard output, buffered.
pub type Output = BufWriter<StdoutLock<'static>>;

/// Writes to standard output. The exit status is success if all was written, or if nobody reads any more.
pub fn print(program: &str, write: impl FnOnce(&mut Output) -> io::Result<()>) -> ExitCode {
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = write(&mut output).and_then(|()| output.flush());
    // What is left in the buffer could only fail again.
    let _ = output.into_parts();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{program}: cannot write: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error, if anybody reads it.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
