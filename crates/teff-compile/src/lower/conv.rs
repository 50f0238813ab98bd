//! Convolutions.
//!
//! A tile of sums covers some output channels at some places: all places of one pooling window, when the convolution is pooled, so
//! that only what the pool keeps is stored and the unpooled plane never exists; else some neighbours along the last axis.

use super::Lowering;
use super::fuse::Group;
use super::pool::input_axis;
use super::tile::{Sums, Tiles, tiles};
use crate::program::{BufferId, Expr, Index, ravel};
use teff_graph::{ConvGeometry, DType, NodeId, Num, PoolKind, Window};

/// The pool that follows a convolution in its kernel.
pub(super) type PoolAfter<'b> = Option<(NodeId, PoolKind, &'b Window)>;

/// What the loops of one convolution share.
pub(super) struct Conv<'b> {
    pub(super) hero: NodeId,
    pub(super) dtype: DType,
    pub(super) pool: PoolAfter<'b>,
    geometry: &'b ConvGeometry,
    x: NodeId,
    w: NodeId,
    packed: Option<BufferId>,
    /// Shape of the weights of one output channel: input channels of a group, then the window.
    taps: Vec<usize>,
    /// Output channels of a group.
    outputs: usize,
}

/// Where one tile lies.
struct At<'b> {
    n: &'b Index,
    group: &'b Index,
    /// First output channel within the group, and how many.
    channel: Index,
    width: usize,
    /// Place in the convolution's result of the first sum, and offsets of all.
    origin: Vec<Index>,
    places: &'b [Vec<usize>],
    /// Position of the tile's weights in the packed order.
    packed: Index,
}

pub(super) fn axis_names(names: [&'static str; 3], axes: usize) -> Vec<&'static str> {
    if axes == 1 {
        vec![names[1]]
    } else {
        names.into_iter().chain(std::iter::repeat("k")).take(axes).collect()
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn conv(&mut self, group: &Group, hero: NodeId, geometry: &ConvGeometry, pool: PoolAfter<'_>) {
        if self.paired_conv(group, hero, geometry, pool)
            || pool.is_none() && self.depthwise_conv(group, hero, geometry)
        {
            return;
        }
        let ty = self.node(hero).ty.clone();
        let [x, w] = self.node(hero).operands[..] else { unreachable!("a convolution has two operands") };
        let kernel = self.node(w).ty.shape.clone();
        let outputs = kernel[0] / geometry.groups;
        let in_window = pool.map_or(4, |(_, _, w)| w.size.iter().product());
        let plan = tiles(outputs, (self.target.sums / in_window).clamp(1, self.target.lanes));
        let packed = self.packed_kernel(w, geometry.groups, &plan);
        let conv =
            Conv { hero, dtype: ty.dtype, pool, geometry, x, w, packed, taps: kernel[1..].to_vec(), outputs };
        let taps: usize = conv.taps.iter().product();
        let result = self.node(pool.map_or(hero, |(p, ..)| p)).ty.shape.clone();
        let mut first = 0;
        for tile in plan {
            for (columns, places) in self.places(&result, tile.width, pool) {
                let mut shape = vec![result[0], geometry.groups, tile.count];
                shape.extend(&result[2..]);
                if let (Some(last), true) = (shape.last_mut(), result.len() > 2) {
                    *last = columns.count;
                }
                let mut names = vec!["n", "group", "tile"];
                names.extend(axis_names(["oy", "ox", "oz"], result.len() - 2));
                self.repeat_all(&names, &shape, &mut |l, at| {
                    let [n, g, t, result_at @ ..] = at else {
                        unreachable!("image, group and tile come first")
                    };
                    let mut result_at = result_at.to_vec();
                    if let Some(last) = result_at.last_mut() {
                        *last = last.times(columns.width as i64).offset(columns.start as i64);
                    }
                    let stride = |axis: usize| pool.map_or(1, |(_, _, p)| p.stride[axis] as i64);
                    let block =
                        g.times((conv.outputs * taps) as i64).plus(&t.times((tile.width * taps) as i64));
                    let at = At {
                        n,
                        group: g,
                        channel: t.times(tile.width as i64).offset(tile.start as i64),
                        width: tile.width,
                        origin: result_at.iter().enumerate().map(|(axis, o)| o.times(stride(axis))).collect(),
                        places: &places,
                        packed: block.offset(first as i64),
                    };
                    l.conv_tile(group, &conv, &at, &result_at)
                });
            }
            first += tile.count * tile.width * taps;
        }
    }

    /// How the result's last axis is cut, and the places of a tile in each cut.
    fn places(&self, result: &[usize], width: usize, pool: PoolAfter) -> Vec<(Tiles, Vec<Vec<usize>>)> {
        let axes = result.len() - 2;
        let columns = result[2..].last().copied().unwrap_or(1);
        if let Some((_, _, window)) = pool {
            let offsets = window.size.iter().fold(vec![vec![]], |all: Vec<Vec<usize>>, &n| {
                all.iter().flat_map(|p| (0..n).map(move |i| [p.as_slice(), &[i]].concat())).collect()
            });
            return vec![(Tiles { start: 0, count: columns, width: 1 }, offsets)];
        }
        // Places side by side share weights and inputs, which takes registers and, at the edges, code of its own.
        let share = axes > 0 && self.target.steps > 1;
        let most = if share { (self.target.sums / width.max(1)).clamp(1, 4) } else { 1 };
        let beside = |n: usize| {
            (0..n).map(|i| (0..axes).map(|axis| if axis + 1 == axes { i } else { 0 }).collect()).collect()
        };
        tiles(columns, most).into_iter().map(|t| (t, beside(t.width))).collect()
    }

    /// The sums of a tile, and what becomes of them.
    fn conv_tile(&mut self, group: &Group, c: &Conv, at: &At, result_at: &[Index]) {
        let sums = self.sums(c.dtype, at.places.len(), at.width);
        self.conv_taps(c, at, &sums);
        let channel = at.group.times(c.outputs as i64).plus(&at.channel);
        let index = |channel: &Index, offsets: &[usize]| -> Vec<Index> {
            let spatial = at.origin.iter().zip(offsets).map(|(o, &by)| o.offset(by as i64));
            [at.n.clone(), channel.clone()].into_iter().chain(spatial).collect()
        };
        match c.pool {
            None => {
                for (p, place) in at.places.iter().enumerate() {
                    self.repeat_rolled(at.width, |l, j| {
                        l.finish(group, c.hero, &index(&channel.plus(&j), place), sums.get(p, &j))
                    });
                }
            }
            Some((pool, kind, _)) => self.repeat_rolled(at.width, |l, j| {
                let channel = channel.plus(&j);
                let pooled =
                    l.pooled(c, pool, kind, at.places, &|place| index(&channel, place), &|p| sums.get(p, &j));
                let to: Vec<Index> = [at.n, &channel].into_iter().chain(result_at).cloned().collect();
                l.finish(group, pool, &to, pooled)
            }),
        }
    }

    /// Adds the products of every tap: a loop over all but the last axis of the window, which is written out on targets that
    /// take several inputs a turn.
    fn conv_taps(&mut self, c: &Conv, at: &At, sums: &Sums) {
        let axes = c.taps.len() - 1;
        let last = *c.taps.last().expect("taps include the channels");
        let together =
            if axes > 0 && last <= 2 * self.target.steps && self.target.steps > 1 { last } else { 1 };
        let mut looped = c.taps.clone();
        looped[axes] /= together;
        let mut names = vec!["c"];
        names.extend(axis_names(["ky", "kx", "kz"], axes));
        self.repeat_all(&names, &looped, &mut |l, tap| {
            if together == 1 && l.target.steps == 1 {
                return l.conv_tap_alone(c, at, sums, tap);
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
                    let from = l.conv_input(c, at, place, &tap_at(i));
                    let known = seen.iter().find(|(f, _)| *f == from).map(|(_, x)| x.clone());
                    let x = match known {
                        Some(x) => x,
                        None => {
                            let x = l.element_or_zero(c.x, &from, c.dtype);
                            let x = l.name_value("x", x);
                            seen.push((from, x.clone()));
                            x
                        }
                    };
                    of_place.push(x);
                }
                inputs.push(of_place);
            }
            l.add_products(sums, &inputs, &|l, i, lane| l.conv_weight(c, at, &tap_at(i), lane))
        })
    }

    /// The products of one tap, place by place, none where the tap sees padding.
    fn conv_tap_alone(&mut self, c: &Conv, at: &At, sums: &Sums, tap: &[Index]) {
        let spatial = self.node(c.x).ty.shape[2..].to_vec();
        for (p, place) in at.places.iter().enumerate() {
            let mut from = self.conv_input(c, at, place, tap);
            let mut inside = None;
            for (axis, &size) in spatial.iter().enumerate() {
                from[axis + 2] =
                    self.name_if_tested(input_axis(axis, spatial.len()), from[axis + 2].clone(), size);
                inside = self.also_inside(inside, &from[axis + 2], size);
            }
            self.when(inside, |l| {
                let x = l.element(c.x, &from);
                let x = if at.width > 1 { l.name_value("x", x) } else { x };
                l.add_products_at(sums, p, x, &|l, lane| l.conv_weight(c, at, tap, lane))
            });
        }
    }

    /// Where a tap sees the input: image, channel, and places that may lie in the padding.
    fn conv_input(&self, c: &Conv, at: &At, place: &[usize], tap: &[Index]) -> Vec<Index> {
        let channel = at.group.times(c.taps[0] as i64).plus(&tap[0]);
        let seen = (0..place.len()).map(|axis| {
            let out = at.origin[axis].offset(place[axis] as i64).times(c.geometry.stride[axis] as i64);
            out.plus(&tap[axis + 1].times(c.geometry.dilation[axis] as i64))
                .offset(-(c.geometry.pad_low[axis] as i64))
        });
        [at.n.clone(), channel].into_iter().chain(seen).collect()
    }

    /// The element of the input, or 0 in the padding.
    fn element_or_zero(&mut self, x: NodeId, from: &[Index], dtype: DType) -> Expr {
        let spatial = self.node(x).ty.shape[2..].to_vec();
        let inside =
            spatial.iter().zip(&from[2..]).fold(None, |all, (&size, i)| self.also_inside(all, i, size));
        let zero = Expr::constant(dtype, Num::Int(0));
        match inside {
            None => self.element(x, from),
            Some(never) if self.is_never(&never) => zero,
            Some(inside) => Expr::select(inside, self.guarded_element(x, from), zero),
        }
    }

    fn conv_weight(&mut self, c: &Conv, at: &At, tap: &[Index], lane: &Index) -> Expr {
        match c.packed {
            Some(buffer) => {
                let position = at.packed.plus(&ravel(tap, &c.taps).times(at.width as i64)).plus(lane);
                Expr::Load(buffer, c.dtype, position)
            }
            None => {
                let channel = at.group.times(c.outputs as i64).plus(&at.channel).plus(lane);
                self.element(c.w, &[&channel].into_iter().chain(tap).cloned().collect::<Vec<_>>())
            }
        }
    }

    /// Constant weights in the order the tiles read them: group, tile, channel, tap, lane.
    fn packed_kernel(&mut self, w: NodeId, groups: usize, plan: &[Tiles]) -> Option<BufferId> {
        let constant = self.stored(w)?;
        let shape = &self.node(w).ty.shape;
        let outputs = shape[0] / groups;
        let taps: usize = shape[1..].iter().product();
        let mut order = Vec::with_capacity(constant.len());
        for g in 0..groups {
            for tile in plan {
                for t in 0..tile.count {
                    for tap in 0..taps {
                        let lanes =
                            (0..tile.width).map(|lane| g * outputs + tile.start + t * tile.width + lane);
                        order.extend(lanes.map(|o| o * taps + tap));
                    }
                }
            }
        }
        Some(self.packed(w, constant, order))
    }
}
