//! Convolutions: each input that is not zero meets the weights of a tile of output channels. Where a pool follows, the sums of all
//! places of a window are there at once, and a maximum is that of integers.

use super::Mantissas;
use super::input::Block;
use super::sum::Tables;
use crate::lower::Lowering;
use crate::lower::conv::{PoolAfter, axis_names};
use crate::lower::fuse::Group;
use crate::lower::pool::input_axis;
use crate::lower::tile::{Tiles, tiles};
use crate::program::{ArrayId, Expr, Index, ravel};
use teff_graph::{Binary, ConvGeometry, DType, NodeId, PoolKind};

/// Output channels computed side by side, at most.
const CHANNELS: usize = 32;
/// Sums that are held at most.
const SUMS: usize = 128;

/// What the loops share.
struct Conv<'b> {
    hero: NodeId,
    layer: &'b Mantissas,
    geometry: &'b ConvGeometry,
    pool: PoolAfter<'b>,
    tables: Tables,
    block: Block,
    /// Shape of the weights of one output channel: input channels of a group, then the window.
    taps: Vec<usize>,
    /// Places of a pool's window; one, of no pool.
    window: Vec<usize>,
}

/// Where one tile lies.
struct At<'b> {
    n: &'b Index,
    group: &'b Index,
    /// First output channel, and how many.
    channel: Index,
    width: usize,
    /// Place in the convolution's result of the first sum.
    origin: Vec<Index>,
    /// Position of the tile's weights.
    weights: Index,
}

impl<'a> Lowering<'a> {
    pub(super) fn mantissa_conv(
        &mut self,
        group: &Group,
        hero: NodeId,
        layer: &Mantissas,
        (geometry, kernel): (&ConvGeometry, &[usize]),
        pool: PoolAfter<'_>,
    ) {
        let outputs = kernel[0] / geometry.groups;
        let spatial = kernel.len() - 2;
        let window = pool.map_or(vec![1; spatial], |(_, _, w)| w.size.clone());
        let most = (SUMS / window.iter().product::<usize>()).clamp(1, CHANNELS);
        let plan = tiles(outputs, most);
        let taps: usize = kernel[1..].iter().product();
        let tables = self.tables(layer, &order(geometry.groups, outputs, taps, &plan));
        let block = self.block(layer);
        let conv = Conv { hero, layer, geometry, pool, tables, block, taps: kernel[1..].to_vec(), window };
        let result = self.node(pool.map_or(hero, |(p, ..)| p)).ty.shape.clone();
        let mut first = 0;
        for tile in plan {
            let mut shape = vec![result[0], geometry.groups, tile.count];
            shape.extend(&result[2..]);
            let mut names = vec!["n", "group", "tile"];
            names.extend(axis_names(["oy", "ox", "oz"], spatial));
            self.repeat_all(&names, &shape, &mut |l, at| {
                let [n, g, t, result_at @ ..] = at else { unreachable!("image, group and tile come first") };
                let stride = |axis: usize| pool.map_or(1, |(_, _, p)| p.stride[axis] as i64);
                let of_group = g.times(outputs as i64).offset(tile.start as i64);
                let tile_at = At {
                    n,
                    group: g,
                    channel: of_group.plus(&t.times(tile.width as i64)),
                    width: tile.width,
                    origin: result_at.iter().enumerate().map(|(axis, o)| o.times(stride(axis))).collect(),
                    weights: g
                        .times((outputs * taps) as i64)
                        .plus(&t.times((tile.width * taps) as i64))
                        .offset(first as i64),
                };
                l.mantissa_tile(group, &conv, &tile_at, result_at)
            });
            first += tile.count * tile.width * taps;
        }
    }

    /// The sums of a tile, and what becomes of them.
    fn mantissa_tile(&mut self, group: &Group, c: &Conv, at: &At, result_at: &[Index]) {
        let places: usize = c.window.iter().product();
        let sums = self.start_sums(&c.block, places * at.width);
        let names = axis_names(["py", "px", "pz"], c.window.len());
        self.repeat_all(&names, &c.window, &mut |l, place| {
            let first = ravel(place, &c.window).times(at.width as i64);
            l.mantissa_taps(c, at, place, (sums, &first))
        });
        self.repeat_rolled(at.width, |l, j| {
            let channel = at.channel.plus(&j);
            let sum = |p: usize| Expr::LoadLocal(sums, DType::I32, j.offset((p * at.width) as i64));
            let float = |l: &mut Self, sum: Expr| l.float_of(c.layer, &c.tables, &c.block, sum, &channel);
            let index = |offsets: &[usize]| -> Vec<Index> {
                let spatial = at.origin.iter().zip(offsets).map(|(o, &by)| o.offset(by as i64));
                [at.n.clone(), channel.clone()].into_iter().chain(spatial).collect()
            };
            let Some((pool, kind, _)) = c.pool else {
                let value = float(l, sum(0));
                return l.finish(group, c.hero, &index(&vec![0; c.window.len()]), value);
            };
            let offsets = c.window.iter().fold(vec![vec![]], |all: Vec<Vec<usize>>, &n| {
                all.iter().flat_map(|p| (0..n).map(move |i| [p.as_slice(), &[i]].concat())).collect()
            });
            let chain = l.node(pool).operands[0];
            let pooled = if kind == PoolKind::Max && l.keeps_order(c.hero, chain, &offsets, &index) {
                // The largest sum stays the largest, so what follows is computed once.
                let best = (1..places).map(sum).fold(sum(0), |a, b| Expr::binary(Binary::Max, a, b));
                let best = float(l, best);
                let best = l.name_value("best", best);
                l.element_with(c.hero, best, chain, &index(&offsets[0]))
            } else {
                let combine = if kind == PoolKind::Max { Binary::Max } else { Binary::Add };
                let mut total: Option<Expr> = None;
                for (p, offset) in offsets.iter().enumerate() {
                    let value = float(l, sum(p));
                    let value = l.name_value("value", value);
                    let value = l.element_with(c.hero, value, chain, &index(offset));
                    total = Some(match total {
                        None => value,
                        Some(before) => Expr::binary(combine, before, value),
                    });
                }
                total.expect("a window has places")
            };
            let to: Vec<Index> = [at.n, &channel].into_iter().chain(result_at).cloned().collect();
            l.finish(group, pool, &to, pooled)
        })
    }

    /// Adds the products of every tap at one place, none where the tap sees padding.
    fn mantissa_taps(&mut self, c: &Conv, at: &At, place: &[Index], sums: (ArrayId, &Index)) {
        let spatial = self.node(c.layer.x).ty.shape[2..].to_vec();
        let mut names = vec!["c"];
        names.extend(axis_names(["ky", "kx", "kz"], spatial.len()));
        self.repeat_all(&names, &c.taps, &mut |l, tap| {
            let channel = at.group.times(c.taps[0] as i64).plus(&tap[0]);
            let mut from = vec![at.n.clone(), channel];
            let mut inside = None;
            for (axis, &size) in spatial.iter().enumerate() {
                let output = at.origin[axis].plus(&place[axis]);
                let seen = output.times(c.geometry.stride[axis] as i64);
                let seen = seen.plus(&tap[axis + 1].times(c.geometry.dilation[axis] as i64));
                let seen = seen.offset(-(c.geometry.pad_low[axis] as i64));
                let seen = l.name_if_tested(input_axis(axis, spatial.len()), seen, size);
                inside = l.also_inside(inside, &seen, size);
                from.push(seen);
            }
            l.when(inside, |l| {
                let weights = at.weights.plus(&ravel(tap, &c.taps).times(at.width as i64));
                l.with_inputs(c.layer, &c.block, &[(from, weights)], |l, inputs| {
                    l.add_inputs(c.layer, &c.tables, inputs, sums, at.width)
                })
            })
        })
    }
}

/// Weights in the order the tiles read them: group, tile, channel, tap, output.
fn order(groups: usize, outputs: usize, taps: usize, plan: &[Tiles]) -> Vec<usize> {
    let mut order = Vec::with_capacity(groups * outputs * taps);
    for g in 0..groups {
        for tile in plan {
            for t in 0..tile.count {
                let first = g * outputs + tile.start + t * tile.width;
                for tap in 0..taps {
                    order.extend((first..first + tile.width).map(|output| output * taps + tap));
                }
            }
        }
    }
    order
}
