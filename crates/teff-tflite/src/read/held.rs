//! Values while reading, and where their axes are.
//!
//! The file has `[N, H, W, C]`, convolutions of the graph want `[N, C, H, W]`. A value stays as the operator that made it wants it,
//! and is turned only when another wants it otherwise: a chain of convolutions has permutations at its ends alone.

use teff_graph::{Op, Tensor};

/// The order of a value's axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    /// As in the file.
    Plain,
    /// The last axis, the channels, stands second.
    ChannelsFirst,
}

/// Axes of `[N, .., C]` in the order `[N, C, ..]`.
fn to_first(rank: usize) -> Vec<usize> {
    [0, rank - 1].into_iter().chain(1..rank - 1).collect()
}

/// Axes of `[N, C, ..]` in the order `[N, .., C]`.
fn to_last(rank: usize) -> Vec<usize> {
    [0].into_iter().chain(2..rank).chain([1]).collect()
}

/// A value as it is held.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) tensor: Tensor,
    pub(crate) layout: Layout,
}

impl Held {
    pub(crate) fn plain(tensor: Tensor) -> Held {
        Held { tensor, layout: Layout::Plain }
    }

    pub(crate) fn channels_first(tensor: Tensor) -> Held {
        Held { tensor, layout: Layout::ChannelsFirst }
    }

    /// With something done to each element.
    pub(crate) fn map(self, f: impl FnOnce(Tensor) -> Tensor) -> Held {
        Held { tensor: f(self.tensor), layout: self.layout }
    }

    /// Sizes of the axes as in the file.
    pub(crate) fn shape(&self) -> Vec<usize> {
        (0..self.tensor.rank()).map(|axis| self.tensor.shape()[self.position(axis)]).collect()
    }

    /// Where axis `axis` of the file is.
    pub(crate) fn position(&self, axis: usize) -> usize {
        match self.layout {
            Layout::Plain => axis,
            Layout::ChannelsFirst => to_last(self.tensor.rank())[axis],
        }
    }

    /// The tensor with its axes as in the file.
    pub(crate) fn into_plain(self) -> Tensor {
        match self.layout {
            Layout::Plain => self.tensor,
            Layout::ChannelsFirst => permuted(&self.tensor, &to_last(self.tensor.rank())),
        }
    }

    /// The tensor with channels second.
    ///
    /// # Panics
    /// When it has fewer than two axes.
    pub(crate) fn into_channels_first(self) -> Tensor {
        match self.layout {
            Layout::Plain => permuted(&self.tensor, &to_first(self.tensor.rank())),
            Layout::ChannelsFirst => self.tensor,
        }
    }
}

/// With axis i being axis `perm[i]`. What is a constant keeps its label, so that simplifying leaves a constant of that name.
pub(crate) fn permuted(t: &Tensor, perm: &[usize]) -> Tensor {
    let moved = t.permute(perm);
    match t.label() {
        Some(label) if matches!(t.op(), Op::Constant(_)) => moved.named(&label),
        Some(_) | None => moved,
    }
}
