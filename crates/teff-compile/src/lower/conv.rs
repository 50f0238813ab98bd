//! Convolutions.
//!
//! A tile of sums covers some output channels at some places: all places of one pooling window, when the convolution is pooled, so
//! that only what the pool keeps is stored and the unpooled plane never exists; else some neighbours along the last axis.

use super::Lowering;
use super::fuse::Group;
use super::tile::{Sums, Tiles, order, tiles};
use super::window::{axis_names, places_of, seen_through, tap_names};
use crate::program::{BufferId, Expr, Index, VarKind, each_expr, ravel};
use teff_graph::{Binary, DType, NodeId, Num, Op, PoolKind, Window};

/// A convolution, and the pool that follows it in its kernel.
pub(super) struct Conv<'a> {
    pub(super) node: NodeId,
    pub(super) x: NodeId,
    pub(super) w: NodeId,
    pub(super) groups: usize,
    /// Output channels of a group.
    pub(super) outputs: usize,
    /// Shape of the weights of one output channel: input channels of a group, then the window.
    pub(super) taps: &'a [usize],
    pub(super) window: Window,
    pub(super) pool: Option<PoolAfter<'a>>,
    /// Shape of what is left of the results: the pool's, if there is one.
    pub(super) result: &'a [usize],
}

/// The pool that follows a convolution in its kernel.
#[derive(Clone, Copy)]
pub(super) struct PoolAfter<'a> {
    pub(super) node: NodeId,
    pub(super) kind: PoolKind,
    pub(super) window: &'a Window,
}

/// Where one tile lies.
pub(super) struct At<'b> {
    pub(super) n: &'b Index,
    pub(super) group: &'b Index,
    /// First output channel, and how many.
    pub(super) channel: Index,
    pub(super) width: usize,
    /// Place in the convolution's result of the first sum, and offsets of all.
    pub(super) origin: Vec<Index>,
    pub(super) places: &'b [Vec<usize>],
    /// Place in what is left of the results.
    result: Vec<Index>,
    /// Position of the tile's weights in the order of [`order`].
    pub(super) weights: Index,
}

impl At<'_> {
    /// The index of a convolution's result.
    fn index(&self, channel: &Index, offsets: &[usize]) -> Vec<Index> {
        let spatial = self.origin.iter().zip(offsets).map(|(o, &by)| o.offset(by as i64));
        [self.n.clone(), channel.clone()].into_iter().chain(spatial).collect()
    }
}

/// Weights of a tile: in the order its loops read them, or the node.
struct Weights<'c> {
    conv: &'c Conv<'c>,
    packed: Option<BufferId>,
    dtype: DType,
}

/// How the last axis of a result is cut, and the places of a tile in each cut.
pub(super) type Cuts = Vec<(Tiles, Vec<Vec<usize>>)>;

impl<'a> Lowering<'a> {
    /// The convolution that a kernel is built around.
    pub(super) fn conv_of(&self, group: &Group) -> Option<Conv<'a>> {
        let node = group.innermost();
        let Op::Conv(geometry) = &self.node(node).op else { return None };
        let [x, w] = self.node(node).operands[..] else { unreachable!("a convolution has two operands") };
        let kernel = &self.node(w).ty.shape;
        let pool = match &self.node(group.anchor()).op {
            Op::Pool { kind, window } => Some(PoolAfter { node: group.anchor(), kind: *kind, window }),
            // The convolution itself is the anchor.
            op => {
                debug_assert!(matches!(op, Op::Conv(_)), "only pools follow in place");
                None
            }
        };
        Some(Conv {
            node,
            x,
            w,
            groups: geometry.groups,
            outputs: kernel[0] / geometry.groups,
            taps: &kernel[1..],
            window: geometry.window(&kernel[2..]),
            pool,
            result: &self.node(group.anchor()).ty.shape,
        })
    }

    pub(super) fn conv(&mut self, group: &Group) {
        let conv = self.conv_of(group).expect("a convolution");
        if self.paired_conv(group, &conv) || self.depthwise_conv(group, &conv) {
            return;
        }
        let in_window = conv.pool.map_or(4, |p| p.window.size.iter().product());
        let plan = tiles(conv.outputs, (self.target.sums / in_window).clamp(1, self.target.lanes));
        let count = conv.taps.iter().product();
        let packed = self
            .stored(conv.w)
            .map(|value| self.packed(conv.w, value, order(conv.groups, conv.outputs, count, &plan)));
        let dtype = self.node(conv.node).ty.dtype;
        let weights = Weights { conv: &conv, packed, dtype };
        self.each_conv_tile(&conv, &plan, |l, width| l.cuts(&conv, width), &mut |l, at| {
            let sums = l.sums(dtype, at.places.len(), at.width);
            l.conv_taps(&weights, at, &sums);
            l.conv_results(group, &conv, at, &|p, lane| sums.get(p, lane), &|_, sum, _| sum);
        });
    }

    /// Loops over the tiles of a convolution.
    pub(super) fn each_conv_tile(
        &mut self,
        c: &Conv,
        plan: &[Tiles],
        cuts: impl Fn(&Self, usize) -> Cuts,
        write: &mut dyn FnMut(&mut Self, &At),
    ) {
        let taps: usize = c.taps.iter().product();
        let spatial = &c.result[2..];
        let mut names = vec!["n", "group", "tile"];
        names.extend(axis_names(["oy", "ox", "oz"], spatial.len()));
        let mut first = 0;
        for tile in plan {
            let width = tile.width as i64;
            for (columns, places) in cuts(self, tile.width) {
                let mut shape = [&[c.result[0], c.groups, tile.count], spatial].concat();
                if let Some(last) = shape[3..].last_mut() {
                    *last = columns.count;
                }
                self.repeat_all(&names, &shape, &mut |l, at| {
                    let [n, group, t, result @ ..] = at else {
                        unreachable!("image, group, tile come first")
                    };
                    let mut result = result.to_vec();
                    if let Some(last) = result.last_mut() {
                        *last = last.times(columns.width as i64).offset(columns.start as i64);
                    }
                    let stride = |axis: usize| c.pool.map_or(1, |p| p.window.stride[axis] as i64);
                    let of_group = group.times(c.outputs as i64).offset(tile.start as i64);
                    let weights = group.times((c.outputs * taps) as i64).offset(first as i64);
                    let at = At {
                        n,
                        group,
                        channel: of_group.plus(&t.times(width)),
                        width: tile.width,
                        origin: result.iter().enumerate().map(|(axis, o)| o.times(stride(axis))).collect(),
                        places: &places,
                        result,
                        weights: weights.plus(&t.times(width * taps as i64)),
                    };
                    write(l, &at);
                });
            }
            first += tile.count * tile.width * taps;
        }
    }

    /// How the result's last axis is cut, and the places of a tile in each cut.
    fn cuts(&self, c: &Conv, width: usize) -> Cuts {
        let axes = c.result.len() - 2;
        let columns = c.result[2..].last().copied().unwrap_or(1);
        if let Some(pool) = c.pool {
            return vec![(Tiles { start: 0, count: columns, width: 1 }, places_of(&pool.window.size))];
        }
        // Places side by side share weights and inputs, which takes registers and, at the edges, code of its own.
        let share = axes > 0 && self.target.steps > 1;
        let most = if share { (self.target.sums / width.max(1)).clamp(1, 4) } else { 1 };
        let beside = |n: usize| {
            (0..n).map(|i| (0..axes).map(|axis| if axis + 1 == axes { i } else { 0 }).collect()).collect()
        };
        tiles(columns, most).into_iter().map(|t| (t, beside(t.width))).collect()
    }

    /// What becomes of the sums of a tile, given by place and lane; `whole` makes the convolution's value of one, at a channel.
    pub(super) fn conv_results(
        &mut self,
        group: &Group,
        c: &Conv,
        at: &At,
        sum: &dyn Fn(usize, &Index) -> Expr,
        whole: &dyn Fn(&mut Self, Expr, &Index) -> Expr,
    ) {
        let Some(pool) = c.pool else {
            for (p, place) in at.places.iter().enumerate() {
                self.repeat_rolled(at.width, |l, j| {
                    let channel = at.channel.plus(&j);
                    let value = whole(l, sum(p, &j), &channel);
                    l.finish(group, c.node, &at.index(&channel, place), value)
                });
            }
            return;
        };
        self.repeat_rolled(at.width, |l, j| {
            let channel = at.channel.plus(&j);
            let index: Vec<Vec<Index>> = at.places.iter().map(|p| at.index(&channel, p)).collect();
            let whole = |l: &mut Self, sum| whole(l, sum, &channel);
            let pooled = l.pooled(c.node, pool, &index, &|p| sum(p, &j), &whole);
            let to: Vec<Index> = [at.n, &channel].into_iter().chain(&at.result).cloned().collect();
            l.finish(group, pool.node, &to, pooled)
        });
    }

    /// Adds the products of every tap: a loop over all but the last axis of the window, which is written out on targets that
    /// take several inputs a turn.
    fn conv_taps(&mut self, w: &Weights, at: &At, sums: &Sums) {
        let c = w.conv;
        let axes = c.taps.len() - 1;
        let last = *c.taps.last().expect("taps include the channels");
        let together =
            if axes > 0 && last <= 2 * self.target.steps && self.target.steps > 1 { last } else { 1 };
        let mut looped = c.taps.to_vec();
        looped[axes] /= together;
        let names = [&["c"][..], &tap_names(axes)].concat();
        self.repeat_all(&names, &looped, &mut |l, tap| {
            if together == 1 && l.target.steps == 1 {
                return l.conv_tap_alone(w, at, sums, tap);
            }
            let tap_at = |i: usize| {
                let mut tap = tap.to_vec();
                tap[axes] = tap[axes].offset(i as i64);
                tap
            };
            let mut seen: Vec<(Vec<Index>, Expr)> = Vec::new();
            let mut inputs = Vec::new();
            for place in at.places {
                let mut of_place = Vec::new();
                for i in 0..together {
                    let tap = tap_at(i);
                    let from = seen_through(&c.window, &at.index(&at.channel, place)[2..], &tap[1..]);
                    let known = seen.iter().find(|(f, _)| *f == from).map(|(_, x)| x.clone());
                    of_place.push(known.unwrap_or_else(|| {
                        let x = l.element_or_zero(c, at, &from, &tap[0], w.dtype);
                        let x = l.name_value("x", x);
                        seen.push((from, x.clone()));
                        x
                    }));
                }
                inputs.push(of_place);
            }
            l.add_products(sums, 0, &inputs, &|l, i, lane| l.conv_weight(w, at, &tap_at(i), lane))
        })
    }

    /// The products of one tap, place by place, none where the tap sees padding.
    fn conv_tap_alone(&mut self, w: &Weights, at: &At, sums: &Sums, tap: &[Index]) {
        let c = w.conv;
        for (p, place) in at.places.iter().enumerate() {
            let spatial = &self.node(c.x).ty.shape[2..];
            let (from, inside) = self.seen(&c.window, &at.index(&at.channel, place)[2..], &tap[1..], spatial);
            self.when(inside, |l| {
                let x = l.element(c.x, &input_index(c, at, &tap[0], &from));
                let x = if at.width > 1 { l.name_value("x", x) } else { x };
                l.add_products(sums, p, &[vec![x]], &|l, _, lane| l.conv_weight(w, at, tap, lane))
            });
        }
    }

    /// The element of the input, or 0 in the padding.
    fn element_or_zero(&mut self, c: &Conv, at: &At, from: &[Index], channel: &Index, dtype: DType) -> Expr {
        let spatial = &self.node(c.x).ty.shape[2..];
        let inside = spatial.iter().zip(from).fold(None, |all, (&size, i)| self.also_inside(all, i, size));
        let from = input_index(c, at, channel, from);
        let zero = Expr::constant(dtype, Num::Int(0));
        self.inside_or(inside, |_| zero, |l, always| l.element_of(c.x, &from, always))
    }

    fn conv_weight(&mut self, w: &Weights, at: &At, tap: &[Index], lane: &Index) -> Expr {
        match w.packed {
            Some(buffer) => {
                let position = at.weights.plus(&ravel(tap, w.conv.taps).times(at.width as i64)).plus(lane);
                Expr::Load(buffer, w.dtype, position)
            }
            None => self.element(w.conv.w, &[&[at.channel.plus(lane)], tap].concat()),
        }
    }

    /// The pooled value of the window whose places have these indices and sums; `whole` makes the value of `from`, the convolution or
    /// what comes of it, of one.
    pub(super) fn pooled(
        &mut self,
        from: NodeId,
        pool: PoolAfter,
        index: &[Vec<Index>],
        sum: &dyn Fn(usize) -> Expr,
        whole: &dyn Fn(&mut Self, Expr) -> Expr,
    ) -> Expr {
        let chain = self.node(pool.node).operands[0];
        let combine = if pool.kind == PoolKind::Max { Binary::Max } else { Binary::Add };
        let join = |a, b| Expr::binary(combine, a, b);
        if pool.kind == PoolKind::Max && self.keeps_order(from, chain, index) {
            // The largest sum stays the largest, so what follows is computed once.
            let best = (0..index.len()).map(sum).reduce(join).expect("a window has places");
            let best = whole(self, best);
            let best = self.name_value("best", best);
            return self.element_with(from, best, chain, &index[0]);
        }
        let values = index.iter().enumerate().map(|(p, at)| {
            let value = whole(self, sum(p));
            let value = if let Expr::LoadLocal(..) = value { value } else { self.name_value("value", value) };
            self.element_with(from, value, chain, at)
        });
        values.reduce(join).expect("a window has places")
    }

    /// True when what follows the convolution is the same at every place of a window and never swaps two floats' order.
    fn keeps_order(&mut self, from: NodeId, chain: NodeId, index: &[Vec<Index>]) -> bool {
        let dtype = self.node(from).ty.dtype;
        if !dtype.is_float() || self.node(chain).ty.dtype != dtype {
            return false;
        }
        let vars = self.builder.vars.clone();
        let probe = Expr::Var(self.new_var("probe", VarKind::Scalar(dtype)), dtype);
        let mut seen: Vec<Expr> = Vec::new();
        for at in index {
            // What is named there has a name of its own at each place, so that no two are the same.
            self.nested(|l| seen.push(l.element_with(from, probe.clone(), chain, at)));
        }
        self.builder.vars = vars;
        seen.iter().all(|e| *e == seen[0]) && rises(&seen[0], &probe)
    }
}

/// Where a tap of a channel within its group sees the input.
pub(super) fn input_index(c: &Conv, at: &At, channel: &Index, from: &[Index]) -> Vec<Index> {
    let channel = at.group.times(c.taps[0] as i64).plus(channel);
    [&[at.n.clone(), channel], from].concat()
}

/// True when `e` is `x`, or a function of it that never falls, whatever else it reads.
fn rises(e: &Expr, x: &Expr) -> bool {
    if e == x {
        return true;
    }
    let Expr::Binary(op, a, b) = e else { return false };
    let (left, right) = (rises(a, x) && !mentions(b, x), rises(b, x) && !mentions(a, x));
    match op {
        Binary::Add | Binary::Max | Binary::Min => left || right,
        Binary::Sub => left,
        Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow | Binary::MulHigh => false,
        Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr => false,
        Binary::Eq | Binary::Lt | Binary::Le => false,
    }
}

fn mentions(e: &Expr, x: &Expr) -> bool {
    let mut found = false;
    each_expr(e, &mut |inner| found |= inner == x);
    found
}
