//! What the command says when it cannot go on.

use std::fmt;

/// A message for the user, and the exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) status: u8,
}

/// Result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Exit status 1.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: 1 }
    }

    /// The exit status of a process ended by the signal that was sent, as a shell reports it: 130 after Ctrl-C.
    pub(crate) fn stopped(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: crate::stop::status() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(e: E) -> Failure {
        Failure::new(e.to_string())
    }
}

/// Says what was being done when something failed.
pub(crate) trait During<T> {
    fn during(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Failure>> During<T> for std::result::Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| {
            let e = e.into();
            Failure { message: format!("{what}: {}", e.message), status: e.status }
        })
    }
}
