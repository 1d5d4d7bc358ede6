//! Writing to the terminal or a pipe: the only place that does.

use std::io::{self, Write};

/// Writes what a command was asked for to standard output. A reader that has gone away is no error: `| head` is common.
pub(super) fn answer(text: &str) -> io::Result<()> {
    write(io::stdout().lock(), text)
}

/// Writes a problem to standard error.
pub(super) fn problem(text: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _closed = write(io::stderr().lock(), &format!("corelog: {text}\n"));
}

fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
