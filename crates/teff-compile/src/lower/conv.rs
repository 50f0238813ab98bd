//! Convolutions.
//!
//! As in dense layers the sums of a tile of output channels are built side by side. A convolution that is pooled builds the sums of
//! all places of one pooling window at once, and stores only what the pool keeps.

use super::Lowering;
use super::fuse::Group;
use super::matmul::{Tiles, tiles};
use crate::error::Error;
use crate::program::{ArrayId, BufferId, Expr, Index, Stmt};
use teff_graph::{Binary, ConvGeometry, DType, NodeId, Num, PoolKind, Window};

/// The pool that follows a convolution in its kernel.
type PoolAfter<'b> = Option<(NodeId, PoolKind, &'b Window)>;

/// What the loops of one convolution share.
struct Conv<'b> {
    hero: NodeId,
    geometry: &'b ConvGeometry,
    window: Window,
    x: NodeId,
    w: NodeId,
    packed: Option<BufferId>,
    dtype: DType,
    /// Input channels of a group.
    channels: usize,
    /// Output channels of a group.
    outputs: usize,
    /// Places of a pooling window, each an offset along every spatial axis; one place of zeros without a pool.
    places: Vec<Vec<usize>>,
    pool: PoolAfter<'b>,
}

const TAPS: [&str; 3] = ["ky", "kx", "kz"];
const PLACES: [&str; 3] = ["oy", "ox", "oz"];

fn axis_names(names: [&'static str; 3], axes: usize) -> Vec<&'static str> {
    if axes == 1 { vec![names[1]] } else { names.into_iter().chain(std::iter::repeat("k")).take(axes).collect() }
}

impl<'a> Lowering<'a> {
    pub(super) fn conv(
        &mut self,
        group: &Group,
        hero: NodeId,
        geometry: &ConvGeometry,
        pool: PoolAfter<'_>,
    ) -> Result<(), Error> {
        let ty = self.node(hero).ty.clone();
        let [x, w] = self.graph[hero].operands[..] else { unreachable!("a convolution has two operands") };
        let kernel = self.node(w).ty.shape.clone();
        let outputs = kernel[0] / geometry.groups;
        let plan = tiles(outputs, self.conv_lanes(pool));
        let size = pool.map_or(vec![1; kernel.len() - 2], |(_, _, p)| p.size.clone());
        let conv = Conv {
            hero,
            geometry,
            window: geometry.window(&kernel[2..]),
            x,
            w,
            packed: self.packed_kernel(w, geometry.groups, &plan),
            dtype: ty.dtype,
            channels: kernel[1],
            outputs,
            places: places(&size),
            pool,
        };
        let result = self.node(pool.map_or(hero, |(p, ..)| p)).ty.shape.clone();
        let taps: usize = kernel[1..].iter().product();
        let mut packed_at = 0;
        for tile in plan {
            let mut shape = vec![result[0], geometry.groups, tile.count];
            shape.extend(&result[2..]);
            let mut names = vec!["n", "group", "tile"];
            names.extend(axis_names(PLACES, result.len() - 2));
            let first = packed_at;
            packed_at += tile.count * tile.width * taps;
            self.repeat_all(&names, &shape, &mut |l, at| l.conv_tile(group, &conv, tile, first, at))?;
        }
        Ok(())
    }

    fn conv_lanes(&self, pool: PoolAfter<'_>) -> usize {
        let places = pool.map_or(1, |(_, _, w)| w.size.iter().product());
        (self.target.lanes / places).max(1)
    }

    /// The sums of a tile of channels at one place of the result, and what becomes of them.
    fn conv_tile(&mut self, group: &Group, c: &Conv, tile: Tiles, first: usize, at: &[Index]) -> Result<(), Error> {
        let [n, g, t] = &at[..3] else { unreachable!("image, group and tile come first") };
        let zero = Expr::constant(c.dtype, Num::Int(0));
        let width = tile.width;
        let sums = self.array("sum", c.dtype, c.places.len() * width);
        self.repeat("j", c.places.len() * width, |l, j| {
            l.push(Stmt::StoreLocal(sums, j, zero));
            Ok(())
        })?;
        // Where the first place of the result lies in the convolution.
        let origin: Vec<Index> = at[3..].iter().enumerate().map(|(axis, o)| match c.pool {
            Some((_, _, p)) => o.times(p.stride[axis] as i64),
            None => o.clone(),
        }).collect();
        self.conv_taps(c, tile, first, (n, g, t), &origin, sums)?;
        let channel = g.times(c.outputs as i64).plus(&t.times(width as i64)).offset(tile.start as i64);
        self.repeat("j", width, |l, j| {
            let channel = channel.plus(&j);
            let sum = |p: usize| Expr::LoadLocal(sums, c.dtype, j.offset((p * width) as i64));
            let index = |offsets: &[usize]| -> Vec<Index> {
                let spatial = origin.iter().zip(offsets).map(|(o, &by)| o.offset(by as i64));
                [n.clone(), channel.clone()].into_iter().chain(spatial).collect()
            };
            match c.pool {
                None => l.finish(group, c.hero, &index(&c.places[0]), sum(0)),
                Some((pool, kind, _)) => {
                    let pooled = l.pooled(c, pool, kind, &index, &sum)?;
                    let mut to = vec![n.clone(), channel.clone()];
                    to.extend(at[3..].iter().cloned());
                    l.finish(group, pool, &to, pooled)
                }
            }
        })
    }

    /// Adds the products of every tap to the sums.
    fn conv_taps(
        &mut self,
        c: &Conv,
        tile: Tiles,
        first: usize,
        (n, g, t): (&Index, &Index, &Index),
        origin: &[Index],
        sums: ArrayId,
    ) -> Result<(), Error> {
        let spatial = self.node(c.x).ty.shape[2..].to_vec();
        let width = tile.width as i64;
        let shape: Vec<usize> = [c.channels].iter().chain(&c.window.size).copied().collect();
        let taps: usize = shape.iter().product();
        let mut names = vec!["c"];
        names.extend(axis_names(TAPS, spatial.len()));
        self.repeat_all(&names, &shape, &mut |l, tap| {
            let tap_at = crate::program::ravel(tap, &shape);
            for (p, place) in c.places.iter().enumerate() {
                let mut inside = None;
                let mut from = vec![n.clone(), g.times(c.channels as i64).plus(&tap[0])];
                for (axis, &size) in spatial.iter().enumerate() {
                    let out = origin[axis].offset(place[axis] as i64);
                    let at = out.times(c.geometry.stride[axis] as i64).plus(&tap[axis + 1].times(c.geometry.dilation[axis] as i64));
                    let at = at.offset(-(c.geometry.pad_low[axis] as i64));
                    let at = l.name_if_tested(super::pool::input_axis(axis, spatial.len()), at, size);
                    inside = l.also_inside(inside, &at, size);
                    from.push(at);
                }
                l.when(inside, |l| {
                    let x = l.element(c.x, &from)?;
                    let x = l.name_value("x", x);
                    l.repeat("j", tile.width, |l, j| {
                        let weight = match c.packed {
                            Some(buffer) => {
                                let block = g.times((c.outputs * taps) as i64).plus(&t.times(width * taps as i64));
                                let at = block.plus(&tap_at.times(width)).plus(&j).offset(first as i64);
                                Expr::Load(buffer, c.dtype, at)
                            }
                            None => {
                                let channel = g.times(c.outputs as i64).plus(&t.times(width)).offset(tile.start as i64).plus(&j);
                                let at: Vec<Index> = [&channel].into_iter().chain(tap).cloned().collect();
                                l.element(c.w, &at)?
                            }
                        };
                        let at = j.offset(p as i64 * width);
                        let sum = Expr::LoadLocal(sums, c.dtype, at.clone());
                        let product = Expr::binary(Binary::Mul, x, weight);
                        l.push(Stmt::StoreLocal(sums, at, Expr::binary(Binary::Add, sum, product)));
                        Ok(())
                    })
                })?;
            }
            Ok(())
        })
    }

    /// What the pool keeps of the places of one window.
    fn pooled(
        &mut self,
        c: &Conv,
        pool: NodeId,
        kind: PoolKind,
        index: &dyn Fn(&[usize]) -> Vec<Index>,
        sum: &dyn Fn(usize) -> Expr,
    ) -> Result<Expr, Error> {
        let chain = self.graph[pool].operands[0];
        let combine = if kind == PoolKind::Max { Binary::Max } else { Binary::Add };
        if kind == PoolKind::Max && self.keeps_order(c, chain, index)? {
            // The largest sum stays the largest, so what follows is computed once.
            let mut best = sum(0);
            for p in 1..c.places.len() {
                best = Expr::binary(combine, best, sum(p));
                best = self.name_value("best", best);
            }
            return self.element_with(c.hero, best, chain, &index(&c.places[0]));
        }
        let mut total: Option<Expr> = None;
        for (p, place) in c.places.iter().enumerate() {
            let value = self.element_with(c.hero, sum(p), chain, &index(place))?;
            total = Some(match total {
                None => self.name_value("pooled", value),
                Some(before) => {
                    let both = Expr::binary(combine, before, value);
                    self.name_value("pooled", both)
                }
            });
        }
        Ok(total.expect("a window has places"))
    }

    /// True when what follows the convolution is the same at every place of a window and never swaps two floats' order.
    fn keeps_order(&mut self, c: &Conv, chain: NodeId, index: &dyn Fn(&[usize]) -> Vec<Index>) -> Result<bool, Error> {
        if !c.dtype.is_float() || self.node(chain).ty.dtype != c.dtype {
            return Ok(false);
        }
        let probe = Expr::Var(self.new_var("probe", crate::program::VarKind::Scalar(c.dtype)), c.dtype);
        let mut seen: Vec<Expr> = Vec::new();
        for place in &c.places {
            let mut value = None;
            let at = index(place);
            let named = self.nested(|l| {
                value = Some(l.element_with(c.hero, probe.clone(), chain, &at)?);
                Ok(())
            })?;
            seen.push(value.expect("just computed"));
            if !named.is_empty() {
                return Ok(false);
            }
        }
        self.builder.vars.pop();
        Ok(seen.iter().all(|e| *e == seen[0]) && rises(&seen[0], &probe))
    }

    /// Constant weights in the order the tiles read them: group, tile, channel, tap, lane.
    fn packed_kernel(&mut self, w: NodeId, groups: usize, plan: &[Tiles]) -> Option<BufferId> {
        let constant = self.known(w)?;
        let shape = &self.node(w).ty.shape;
        let outputs = shape[0] / groups;
        let taps: usize = shape[1..].iter().product();
        let mut order = Vec::with_capacity(constant.len());
        // Tiles of one kind lie together in each group; kernels address the first kind of every group before the second.
        if plan.len() > 1 && groups > 1 {
            return None;
        }
        for g in 0..groups {
            for tile in plan {
                for t in 0..tile.count {
                    for tap in 0..taps {
                        let lanes = (0..tile.width).map(|lane| g * outputs + tile.start + t * tile.width + lane);
                        order.extend(lanes.map(|o| o * taps + tap));
                    }
                }
            }
        }
        Some(self.packed(w, constant, order))
    }
}

/// True when `e` is `x`, or a function of it that never falls, whatever else it reads.
fn rises(e: &Expr, x: &Expr) -> bool {
    match e {
        e if e == x => true,
        Expr::Binary(Binary::Add | Binary::Max | Binary::Min, a, b) => {
            rises(a, x) && !mentions(b, x) || rises(b, x) && !mentions(a, x)
        }
        Expr::Binary(Binary::Sub, a, b) => rises(a, x) && !mentions(b, x),
        _ => false,
    }
}

fn mentions(e: &Expr, x: &Expr) -> bool {
    let mut found = false;
    crate::program::each_expr(e, &mut |inner| found |= inner == x);
    found
}

/// Offsets inside a window, row-major.
fn places(size: &[usize]) -> Vec<Vec<usize>> {
    size.iter().fold(vec![vec![]], |all, &n| {
        all.into_iter()
            .flat_map(|p: Vec<usize>| (0..n).map(move |i| p.iter().copied().chain([i]).collect()))
            .collect()
    })
}
