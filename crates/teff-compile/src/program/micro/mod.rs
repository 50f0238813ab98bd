//! Micro-kernels: inner loops that a machine does in a way no compiler finds, as statements that say what is computed, not how.
//!
//! Each is defined by its contract and the evaluator; printers write it portably, and in assembly where that is faster.

mod pair_sums;
mod window_sums;

pub use pair_sums::PairSums;
pub use window_sums::WindowSums;

use super::{ArrayId, BufferId, Index};

/// A micro-kernel: reads constant weights and a local array, and fills another.
#[derive(Clone, Debug, PartialEq)]
pub enum Micro {
    /// Rows of weights by two places at once.
    Pairs(PairSums),
    /// A window of one channel by two places at once.
    Window(WindowSums),
}

impl Micro {
    /// The weights it reads.
    pub fn weights(&self) -> BufferId {
        match self {
            Micro::Pairs(p) => p.weights,
            Micro::Window(w) => w.weights,
        }
    }

    /// Where the first of them is.
    pub fn at(&self) -> &Index {
        match self {
            Micro::Pairs(p) => &p.at,
            Micro::Window(w) => &w.at,
        }
    }

    pub(crate) fn at_mut(&mut self) -> &mut Index {
        match self {
            Micro::Pairs(p) => &mut p.at,
            Micro::Window(w) => &mut w.at,
        }
    }

    pub(crate) fn weights_mut(&mut self) -> &mut BufferId {
        match self {
            Micro::Pairs(p) => &mut p.weights,
            Micro::Window(w) => &mut w.weights,
        }
    }

    pub(crate) fn arrays_mut(&mut self) -> [&mut ArrayId; 2] {
        match self {
            Micro::Pairs(p) => [&mut p.inputs, &mut p.sums],
            Micro::Window(w) => [&mut w.words, &mut w.sums],
        }
    }
}
