//! Dense layers: each input that is not zero meets the weights of all outputs, whose sums are held at once.

use super::BlockFloat;
use crate::lower::Lowering;
use crate::lower::fuse::Group;
use crate::lower::tile::{order, tiles};
use crate::program::{Expr, Index};
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
}
