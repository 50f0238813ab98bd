//! The loops of a layer. Each input that is not zero meets the weights of all outputs of a dense layer, whose sums are held at once, or of
//! a tile of output channels of a convolution. Where a pool follows, the sums of all places of a window are there at once, and a maximum
//! is that of integers.

use super::BlockFloat;
use super::running::Running;
use crate::lower::Lowering;
use crate::lower::conv::{At, Conv, input_index};
use crate::lower::fuse::Group;
use crate::lower::tile::{Tiles, order, tiles};
use crate::lower::window::{axis_names, places_of, tap_names};
use crate::program::{ArrayId, Expr, Index, ravel};
use teff_graph::{DType, NodeId};

/// Sums that are held at most: 2 kB of stack.
const MOST: usize = 512;

/// A product of a matrix of inputs and one of weights.
pub(super) struct Dense {
    /// The weights are the right operand, a column for each output; else the left one, a row for each.
    pub(super) of_columns: bool,
    /// Terms of a sum.
    pub(super) inner: usize,
    /// Batches, then rows of inputs, or columns.
    pub(super) outer: Vec<usize>,
    /// Outputs of each.
    pub(super) across: usize,
}

/// Output channels computed side by side, at most.
const CHANNELS: usize = 32;
/// Sums that are held at most.
const SUMS: usize = 128;

impl<'a> Lowering<'a> {
    pub(super) fn block_float_dense(
        &mut self,
        group: &Group,
        anchor: NodeId,
        layer: &BlockFloat,
        dense: &Dense,
    ) {
        let plan = tiles(dense.across, MOST);
        let r = &self.running(layer, &order(1, dense.across, dense.inner, &plan));
        let pair = |outer: &[Index], other: &Index| {
            let [batch @ .., own] = outer else { unreachable!("a row or column") };
            let pair = if dense.of_columns { [own, other] } else { [other, own] };
            batch.iter().chain(pair).cloned().collect::<Vec<_>>()
        };
        // Two neighbours share the loads and stores of the sums. Of pictures both are zero or neither; behind a rectifier zeros come
        // one by one, and are worth more skipped. Wide mantissas leave no registers for a second input.
        let together = if layer.positive || layer.format.width.low_bits > 0 { 1 } else { 2 };
        let mut names = vec!["batch"; dense.outer.len() - 1];
        names.push("row");
        self.repeat_all(&names, &dense.outer, &mut |l, outer| {
            for tile in &plan {
                l.repeat("tile", tile.count, |l, t| {
                    let sums = l.array_of("sum", tile.width, r.start.clone());
                    let first =
                        t.times((tile.width * dense.inner) as i64).offset((tile.start * dense.inner) as i64);
                    let add = |l: &mut Self, inputs: &[Index]| {
                        let place = |i: &Index| (pair(outer, i), first.plus(&i.times(tile.width as i64)));
                        let places: Vec<_> = inputs.iter().map(place).collect();
                        l.with_inputs(r, &places, |l, inputs| {
                            l.add_inputs(r, inputs, (sums, &Index::zero()), tile.width)
                        })
                    };
                    l.repeat("i", dense.inner / together, |l, i| {
                        let i = i.times(together as i64);
                        add(l, &(0..together).map(|k| i.offset(k as i64)).collect::<Vec<_>>())
                    });
                    let rest = dense.inner / together * together..dense.inner;
                    rest.into_iter().for_each(|i| add(l, &[Index::from(i as i64)]));
                    l.repeat_rolled(tile.width, |l, j| {
                        let output = t.times(tile.width as i64).offset(tile.start as i64).plus(&j);
                        let sum = Expr::LoadLocal(sums, DType::I32, j);
                        let result = l.float_of(r, sum, &output);
                        l.finish(group, anchor, &pair(outer, &output), result)
                    })
                });
            }
        })
    }

    pub(super) fn block_float_conv(&mut self, group: &Group, layer: &BlockFloat) {
        let c = self.conv_of(group).expect("a convolution");
        let window = c.pool.map_or(vec![1; c.taps.len() - 1], |p| p.window.size.clone());
        let places: usize = window.iter().product();
        let plan = tiles(c.outputs, (SUMS / places).clamp(1, CHANNELS));
        let r = &self.running(layer, &order(c.groups, c.outputs, c.taps.iter().product(), &plan));
        let columns = c.result[2..].last().copied().unwrap_or(1);
        let whole = (Tiles { start: 0, count: columns, width: 1 }, places_of(&window));
        self.each_conv_tile(&c, &plan, |_, _| vec![whole.clone()], &mut |l, at| {
            let sums = l.array_of("sum", places * at.width, r.start.clone());
            l.repeat_all(&axis_names(["py", "px", "pz"], window.len()), &window, &mut |l, place| {
                let first = ravel(place, &window).times(at.width as i64);
                l.block_float_taps(&c, r, at, place, (sums, &first))
            });
            let sum =
                |p: usize, j: &Index| Expr::LoadLocal(sums, DType::I32, j.offset((p * at.width) as i64));
            l.conv_results(group, &c, at, &sum, &|l, sum, channel| l.float_of(r, sum, channel));
        });
    }

    /// Adds the products of every tap at one place, none where the tap sees padding.
    fn block_float_taps(&mut self, c: &Conv, r: &Running, at: &At, place: &[Index], sums: (ArrayId, &Index)) {
        let spatial = &self.node(c.x).ty.shape[2..];
        let names = [&["c"][..], &tap_names(spatial.len())].concat();
        let place: Vec<Index> = at.origin.iter().zip(place).map(|(o, by)| o.plus(by)).collect();
        self.repeat_all(&names, c.taps, &mut |l, tap| {
            let (seen, inside) = l.seen(&c.window, &place, &tap[1..], spatial);
            l.when(inside, |l| {
                let weights = at.weights.plus(&ravel(tap, c.taps).times(at.width as i64));
                let from = input_index(c, at, &tap[0], &seen);
                l.with_inputs(r, &[(from, weights)], |l, inputs| l.add_inputs(r, inputs, sums, at.width))
            })
        })
    }
}
