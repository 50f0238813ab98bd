//! The adjoints of the convolution: transposed convolution, and the gradient in the weights.

use super::Lowering;
use super::build::value;
use super::fuse::Group;
use crate::program::{Expr, Index};
use teff_graph::{Binary, ConvGeometry, NodeId, Num};

impl<'a> Lowering<'a> {
    /// Each element of the result gathers from the windows that see it.
    pub(super) fn conv_transpose(&mut self, group: &Group, hero: NodeId, geometry: &ConvGeometry) {
        let ty = self.node(hero).ty.clone();
        let [y, w] = self.node(hero).operands[..] else { unreachable!("takes two operands") };
        let kernel = self.node(w).ty.shape.clone();
        let window = geometry.window(&kernel[2..]);
        let outputs = kernel[0] / geometry.groups;
        let mut shape = vec![ty.shape[0], geometry.groups, kernel[1]];
        shape.extend(&ty.shape[2..]);
        self.repeat_all(&["n", "group", "c", "iy", "ix"], &shape, &mut |l, at| {
            let channel = at[1].times(kernel[1] as i64).plus(&at[2]);
            let to: Vec<Index> = [&at[0], &channel].into_iter().chain(&at[3..]).cloned().collect();
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            l.each_window(y, &window, &to, &mut |l, place, tap| {
                l.repeat("o", outputs, |l, o| {
                    let output = at[1].times(outputs as i64).plus(&o);
                    let from: Vec<Index> =
                        [&at[0], &output].into_iter().chain(&place[2..]).cloned().collect();
                    let weight: Vec<Index> = [&output, &at[2]].into_iter().chain(tap).cloned().collect();
                    let product = Expr::binary(Binary::Mul, l.element(y, &from), l.element(w, &weight));
                    l.set(sum, Expr::binary(Binary::Add, value(sum), product));
                })
            });
            l.finish(group, hero, &to, value(sum))
        })
    }

    /// Each weight sums over all places where its tap meets an input.
    pub(super) fn conv_weight_grad(&mut self, group: &Group, hero: NodeId, geometry: &ConvGeometry) {
        let ty = self.node(hero).ty.clone();
        let [x, y] = self.node(hero).operands[..] else { unreachable!("takes two operands") };
        let places = self.node(y).ty.shape.clone();
        let spatial = self.node(x).ty.shape[2..].to_vec();
        let outputs = ty.shape[0] / geometry.groups;
        let mut shape = vec![geometry.groups, outputs];
        shape.extend(&ty.shape[1..]);
        self.repeat_all(&["group", "o", "c", "ky", "kx"], &shape, &mut |l, at| {
            let (g, tap) = (&at[0], &at[3..]);
            let output = g.times(outputs as i64).plus(&at[1]);
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            let over: Vec<usize> = [places[0]].iter().chain(&places[2..]).copied().collect();
            l.repeat_all(&["n", "oy", "ox"], &over, &mut |l, place| {
                let mut inside = None;
                let mut from = vec![place[0].clone(), g.times(ty.shape[1] as i64).plus(&at[2])];
                for (axis, &size) in spatial.iter().enumerate() {
                    let seen = place[axis + 1].times(geometry.stride[axis] as i64);
                    let seen = seen
                        .plus(&tap[axis].times(geometry.dilation[axis] as i64))
                        .offset(-(geometry.pad_low[axis] as i64));
                    let seen = l.name_if_tested(super::pool::input_axis(axis, spatial.len()), seen, size);
                    inside = l.also_inside(inside, &seen, size);
                    from.push(seen);
                }
                l.when(inside, |l| {
                    let to: Vec<Index> =
                        [&place[0], &output].into_iter().chain(&place[1..]).cloned().collect();
                    let product = Expr::binary(Binary::Mul, l.element(x, &from), l.element(y, &to));
                    l.set(sum, Expr::binary(Binary::Add, value(sum), product));
                })
            });
            let to: Vec<Index> = [&output].into_iter().chain(&at[2..]).cloned().collect();
            l.finish(group, hero, &to, value(sum))
        })
    }
}
