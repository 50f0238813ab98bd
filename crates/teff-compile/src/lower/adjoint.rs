//! The adjoints of the convolution: transposed convolution, and the gradient in the weights.

use super::Lowering;
use super::build::value;
use super::group::Group;
use crate::program::{Expr, Index};
use teff_graph::{Binary, ConvGeometry, Num};

/// Indices one after another.
fn joined(first: &[&Index], then: &[Index]) -> Vec<Index> {
    first.iter().copied().chain(then).cloned().collect()
}

impl<'a> Lowering<'a> {
    /// Each element of the result gathers from the windows that see it.
    pub(super) fn conv_transpose(&mut self, group: &Group, geometry: &ConvGeometry) {
        let node = self.node(group.anchor());
        let [y, w] = node.operands[..] else { unreachable!("takes two operands") };
        let kernel = &self.node(w).ty.shape;
        let window = geometry.window(&kernel[2..]);
        let outputs = kernel[0] / geometry.groups;
        let shape = [&[node.ty.shape[0], geometry.groups, kernel[1]], &node.ty.shape[2..]].concat();
        self.repeat_all(&["n", "group", "c", "iy", "ix"], &shape, &mut |l, at| {
            let channel = at[1].times(kernel[1] as i64).plus(&at[2]);
            let to = joined(&[&at[0], &channel], &at[3..]);
            let sum = l.mutable("sum", Expr::constant(node.ty.dtype, Num::Int(0)));
            l.each_window(y, &window, &to, &mut |l, place, tap| {
                l.repeat("o", outputs, |l, o| {
                    let output = at[1].times(outputs as i64).plus(&o);
                    let y = l.element(y, &joined(&[&at[0], &output], &place[2..]));
                    let w = l.element(w, &joined(&[&output, &at[2]], tap));
                    l.accumulate(Binary::Add, sum, Expr::binary(Binary::Mul, y, w));
                })
            });
            l.finish(group, group.anchor(), &to, value(sum))
        })
    }

    /// Each weight sums over all places where its tap meets an input.
    pub(super) fn conv_weight_grad(&mut self, group: &Group, geometry: &ConvGeometry) {
        let ty = &self.node(group.anchor()).ty;
        let [x, y] = self.node(group.anchor()).operands[..] else { unreachable!("takes two operands") };
        let places = &self.node(y).ty.shape;
        let spatial = &self.node(x).ty.shape[2..];
        let window = geometry.window(&ty.shape[2..]);
        let outputs = ty.shape[0] / geometry.groups;
        let shape = [&[geometry.groups, outputs], &ty.shape[1..]].concat();
        let over = [&places[..1], &places[2..]].concat();
        self.repeat_all(&["group", "o", "c", "ky", "kx"], &shape, &mut |l, at| {
            let output = at[0].times(outputs as i64).plus(&at[1]);
            let channel = at[0].times(ty.shape[1] as i64).plus(&at[2]);
            let sum = l.mutable("sum", Expr::constant(ty.dtype, Num::Int(0)));
            l.repeat_all(&["n", "oy", "ox"], &over, &mut |l, place| {
                let (seen, inside) = l.seen(&window, &place[1..], &at[3..], spatial);
                l.when(inside, |l| {
                    let x = l.element(x, &joined(&[&place[0], &channel], &seen));
                    let y = l.element(y, &joined(&[&place[0], &output], &place[1..]));
                    l.accumulate(Binary::Add, sum, Expr::binary(Binary::Mul, x, y));
                })
            });
            l.finish(group, group.anchor(), &joined(&[&output], &at[2..]), value(sum))
        })
    }
}
