//! Convolutions: each input that is not zero meets the weights of a tile of output channels. Where a pool follows, the sums of all
//! places of a window are there at once, and a maximum is that of integers.

use super::BlockFloat;
use super::running::Running;
use crate::lower::Lowering;
use crate::lower::conv::{At, Conv, input_index};
use crate::lower::fuse::Group;
use crate::lower::tile::{Tiles, order, tiles};
use crate::lower::window::{axis_names, places_of, tap_names};
use crate::program::{ArrayId, Expr, Index, ravel};
use teff_graph::DType;

/// Output channels computed side by side, at most.
const CHANNELS: usize = 32;
/// Sums that are held at most.
const SUMS: usize = 128;

impl<'a> Lowering<'a> {
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
