//! Micro-kernels: inner loops that a machine does in a way no compiler finds, as statements that say what is computed, not how.
//!
//! Each is defined by its contract and the evaluator; printers write it portably, and in assembly where that is faster.

mod pair_sums;
mod row_sums;
mod window_sums;

pub use pair_sums::PairSums;
pub use row_sums::RowSums;
pub use window_sums::WindowSums;

use super::{ArrayId, BufferId, Index};

/// A micro-kernel: reads constant weights and inputs, and fills a local array with sums.
#[derive(Clone, Debug, PartialEq)]
pub enum Micro {
    /// Rows of weights by two places at once.
    Pairs(PairSums),
    /// A window of one channel by two places at once.
    Window(WindowSums),
    /// Columns of weights by one place.
    Rows(RowSums),
}

impl Micro {
    /// The buffers it reads.
    pub fn reads(&self) -> Vec<BufferId> {
        match self {
            Micro::Pairs(p) => vec![p.weights],
            Micro::Window(w) => vec![w.weights],
            Micro::Rows(r) => [r.inputs, r.weights].into_iter().chain(r.runs).collect(),
        }
    }

    /// Where the first of its weights is.
    pub fn at(&self) -> &Index {
        match self {
            Micro::Pairs(p) => &p.at,
            Micro::Window(w) => &w.at,
            Micro::Rows(r) => &r.at,
        }
    }

    pub(crate) fn at_mut(&mut self) -> &mut Index {
        match self {
            Micro::Pairs(p) => &mut p.at,
            Micro::Window(w) => &mut w.at,
            Micro::Rows(r) => &mut r.at,
        }
    }

    pub(crate) fn reads_mut(&mut self) -> Vec<&mut BufferId> {
        match self {
            Micro::Pairs(p) => vec![&mut p.weights],
            Micro::Window(w) => vec![&mut w.weights],
            Micro::Rows(r) => [&mut r.inputs, &mut r.weights].into_iter().chain(&mut r.runs).collect(),
        }
    }

    pub(crate) fn arrays_mut(&mut self) -> Vec<&mut ArrayId> {
        match self {
            Micro::Pairs(p) => vec![&mut p.inputs, &mut p.sums],
            Micro::Window(w) => vec![&mut w.words, &mut w.sums],
            Micro::Rows(r) => vec![&mut r.sums],
        }
    }
}

/// Numbers of `bits`, one after another, several to a byte, the first in its lowest bits.
pub(crate) fn pack_bits(numbers: &[i8], bits: u8) -> Vec<u8> {
    let per_byte = 8 / usize::from(bits);
    let mask = u8::MAX >> (8 - bits);
    let byte = |chunk: &[i8]| {
        let place = |(i, n): (usize, &i8)| (*n as u8 & mask) << (i as u8 * bits);
        chunk.iter().enumerate().map(place).fold(0, |all, bits| all | bits)
    };
    numbers.chunks(per_byte).map(byte).collect()
}

/// The fewest bits, of 8, 4 and 2, that hold all the numbers.
pub(crate) fn bits_of(numbers: &[i8]) -> u8 {
    let fit =
        |bits: u8| numbers.iter().all(|n| (-1i16 << (bits - 1)..1 << (bits - 1)).contains(&i16::from(*n)));
    [2, 4].into_iter().find(|bits| fit(*bits)).unwrap_or(8)
}
