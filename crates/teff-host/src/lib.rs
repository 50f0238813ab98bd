//! Fast execution of a graph on the host.

mod error;
mod plan;

pub use error::Error;
pub use plan::Plan;

/// How a plan is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Threads that share the work, the caller's included; at least 1.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { threads: std::thread::available_parallelism().map_or(1, |n| n.get()) }
    }
}
