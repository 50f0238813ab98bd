//! Convolutions of 8-bit numbers on machines with one 32-bit multiplier: two places at a time, so that each weight is taken out of its
//! word once for both and multiplied with both at once ([`PairSums`]).
//!
//! What two places see is gathered into an array of words, one for each tap, the one place in the lower half and the other in the
//! upper. All output channels are then computed from it.

use super::Lowering;
use super::conv::{PoolAfter, axis_names};
use super::fuse::Group;
use super::lanes::{Lanes, Whole, weights_of, word};
use crate::program::{ArrayId, BufferId, Expr, Index, Micro, PairSums, Stmt, bits_of, unravel};
use teff_graph::{Binary, ConvGeometry, DType, NodeId, PoolKind, Value};

/// Words gathered at most: 4 kB of stack.
const MOST_TAPS: usize = 1024;
/// Output channels whose sums are held at once, if there is a choice.
const TOGETHER: usize = 32;

/// What the loops of one convolution share.
struct Pairs<'b> {
    hero: NodeId,
    geometry: &'b ConvGeometry,
    pool: PoolAfter<'b>,
    lanes: Lanes,
    weights: BufferId,
    /// Width of the weights.
    bits: u8,
    /// Input channels, then the window.
    taps: Vec<usize>,
    /// Taps, filled up to what the width asks for.
    words: usize,
    /// Output channels, and how many are computed at once.
    outputs: usize,
    together: usize,
    /// What the sums are to be; of the pool, when that comes before all else.
    whole: Whole,
    /// Whether places are counted through all axes as one, because windows are single elements.
    flat: bool,
}

/// Two places whose sums are computed at once; the second may be none.
type Pair = [Vec<Index>; 2];

impl<'a> Lowering<'a> {
    /// Writes the convolution this way, if it can be.
    pub(super) fn paired_conv(
        &mut self,
        group: &Group,
        hero: NodeId,
        geometry: &ConvGeometry,
        pool: PoolAfter<'_>,
    ) -> bool {
        let Some(c) = self.pairs(group, hero, geometry, pool) else { return false };
        let result = self.node(pool.map_or(hero, |(p, ..)| p)).ty.shape.clone();
        let (images, spatial) = (result[0], result[2..].to_vec());
        let places: usize = spatial.iter().product();
        let mut axes = if c.flat { vec![places] } else { spatial.clone() };
        if axes.is_empty() {
            axes = vec![1];
        }
        let last = axes.len() - 1;
        let columns = axes[last];
        // Without a pool, pairs lie along the last axis, and an odd column is computed alone.
        let cuts: Vec<(usize, usize, usize)> = match pool {
            Some(_) => vec![(0, columns, 1)],
            None => [(0, columns / 2, 2), (columns / 2 * 2, columns % 2, 1)]
                .into_iter()
                .filter(|c| c.1 > 0)
                .collect(),
        };
        for (start, count, width) in cuts {
            axes[last] = count;
            let shape: Vec<usize> = [images].into_iter().chain(axes.iter().copied()).collect();
            let names: Vec<&str> =
                ["n"].into_iter().chain(axis_names(["oy", "ox", "oz"], axes.len())).collect();
            self.repeat_all(&names, &shape, &mut |l, at| {
                let [n, at @ ..] = at else { unreachable!("the image comes first") };
                let mut at = at.to_vec();
                at[last] = at[last].times(width as i64).offset(start as i64);
                let place = |by: i64| -> Vec<Index> {
                    let mut at = at.clone();
                    at[last] = at[last].offset(by);
                    if c.flat {
                        unravel(&at[0], &spatial, l.vars())
                    } else {
                        at.into_iter().take(spatial.len()).collect()
                    }
                };
                let place: Vec<Vec<Index>> = (0..width as i64).map(place).collect();
                l.pair_tile(group, &c, n, &place)
            });
        }
        true
    }

    fn pairs<'b>(
        &mut self,
        group: &Group,
        hero: NodeId,
        geometry: &'b ConvGeometry,
        pool: PoolAfter<'b>,
    ) -> Option<Pairs<'b>> {
        let [x, w] = self.node(hero).operands[..] else { unreachable!("a convolution has two operands") };
        if !self.target.word_products || self.node(hero).ty.dtype != DType::I32 || geometry.groups != 1 {
            return None;
        }
        let kernel = self.node(w).ty.shape.clone();
        let (outputs, taps) = (kernel[0], kernel[1..].to_vec());
        let count: usize = taps.iter().product();
        // One output would waste half of what is gathered for it.
        if count > MOST_TAPS || outputs < 2 {
            return None;
        }
        let rows = self.small_weights(w, outputs)?;
        let lanes = self.lanes(x)?;
        let together =
            (1..=TOGETHER.min(outputs)).rev().find(|n| outputs % n == 0 && n % 2 == 0).unwrap_or(outputs);
        let one_place = taps[1..].iter().all(|n| *n == 1) && pool.is_none();
        let padded = geometry.pad_low.iter().chain(&geometry.pad_high).any(|p| *p != 0);
        let flat = one_place && !padded && geometry.stride.iter().all(|s| *s == 1);
        let order = tap_order(&taps);
        let (bits, words, packed) = packed(&rows, &order, together);
        let weights = self.word_constant(w, packed);
        let plain = pool.is_none_or(|(p, kind, _)| kind == PoolKind::Max && self.node(p).operands[0] == hero);
        let summed = pool.filter(|_| plain).map_or(hero, |(p, ..)| p);
        let whole = self.whole(group, summed, &rows, &lanes);
        Some(Pairs {
            hero,
            geometry,
            pool,
            lanes,
            weights,
            bits,
            taps,
            words,
            outputs,
            together,
            whole,
            flat,
        })
    }

    /// The sums at a place or two, or those of a pool's window, and what becomes of them. `at` are places of the result.
    fn pair_tile(&mut self, group: &Group, c: &Pairs, n: &Index, at: &[Vec<Index>]) {
        let places: Vec<Vec<Index>> = match c.pool {
            None => at.to_vec(),
            Some((_, _, window)) => window_places(&window.size)
                .iter()
                .map(|offsets| {
                    let place = at[0].iter().zip(offsets).zip(&window.stride);
                    place.map(|((o, by), stride)| o.times(*stride as i64).offset(*by as i64)).collect()
                })
                .collect(),
        };
        let pairs: Vec<Pair> =
            places.chunks(2).map(|p| [p[0].clone(), p.get(1).cloned().unwrap_or_default()]).collect();
        let words = self.array("word", DType::I32, c.words);
        for k in c.taps.iter().product()..c.words {
            self.push(Stmt::StoreLocal(words, Index::from(k as i64), Expr::int(DType::I32, 0)));
        }
        let sums = self.array("sum", DType::I32, pairs.len() * 2 * c.together);
        let blocks = c.outputs / c.together;
        let block_len = (PairSums::weight_len(c.together, c.words) * usize::from(c.bits) / 8) as i64;
        let multiply = |l: &mut Self, block: &Index, pair: usize| {
            l.push(Stmt::Micro(Micro::Pairs(PairSums {
                inputs: words,
                taps: c.words,
                weights: c.weights,
                bits: c.bits,
                at: block.times(block_len),
                outputs: c.together,
                sums,
                to: pair * 2 * c.together,
            })));
        };
        if let [pair] = &pairs[..] {
            self.gather(c, n, pair, words);
            return self.repeat("block", blocks, |l, block| {
                multiply(l, &block, 0);
                l.pair_results(group, c, n, at, &places, &block, sums)
            });
        }
        self.repeat("block", blocks, |l, block| {
            for (i, pair) in pairs.iter().enumerate() {
                l.gather(c, n, pair, words);
                multiply(l, &block, i);
            }
            l.pair_results(group, c, n, at, &places, &block, sums)
        })
    }

    fn pair_results(
        &mut self,
        group: &Group,
        c: &Pairs,
        n: &Index,
        at: &[Vec<Index>],
        places: &[Vec<Index>],
        block: &Index,
        sums: ArrayId,
    ) {
        self.repeat_rolled(c.together, |l, j| {
            let channel = block.times(c.together as i64).plus(&j);
            let index =
                |place: &[Index]| -> Vec<Index> { [n, &channel].into_iter().chain(place).cloned().collect() };
            let raw = |place: usize| {
                let position = j.times(2).offset((place / 2 * 2 * c.together + place % 2) as i64);
                Expr::LoadLocal(sums, DType::I32, position)
            };
            let whole = |sum: Expr| c.whole.of(sum, &channel);
            let Some((pool, kind, _)) = c.pool else {
                return (0..places.len())
                    .for_each(|p| l.finish(group, c.whole.node, &index(&places[p]), whole(raw(p))));
            };
            let values = (0..places.len()).map(raw);
            let (done, pooled) = if l.node(pool).operands[0] == c.hero && kind == PoolKind::Max {
                // What all lack is added to the largest.
                let best =
                    values.reduce(|a, b| Expr::binary(Binary::Max, a, b)).expect("a window has places");
                (c.whole.node, whole(best))
            } else {
                let chain = l.node(pool).operands[0];
                let combine = if kind == PoolKind::Max { Binary::Max } else { Binary::Add };
                let mut total: Option<Expr> = None;
                for (p, place) in places.iter().enumerate() {
                    let value = l.element_with(c.whole.node, whole(raw(p)), chain, &index(place));
                    total = Some(match total {
                        None => value,
                        Some(before) => Expr::binary(combine, before, value),
                    });
                }
                (pool, total.expect("a window has places"))
            };
            l.finish(group, done, &index(&at[0]), pooled)
        })
    }

    /// Fills the array with what two places see, tap by tap.
    fn gather(&mut self, c: &Pairs, n: &Index, pair: &Pair, words: ArrayId) {
        let channels_last = channels_last(&c.taps);
        let spatial = self.node(c.lanes.node).ty.shape[2..].to_vec();
        let axes = spatial.len();
        let mut shape = c.taps.clone();
        let mut names = vec!["c"];
        names.extend(axis_names(["ky", "kx", "kz"], axes));
        if channels_last {
            shape.rotate_left(1);
            names.rotate_left(1);
        }
        let inner = if channels_last { shape.len() - 1 } else { shape.len() };
        self.repeat_all(&names[..inner], &shape[..inner], &mut |l, tap| {
            // Where the window's element lies in the input, for each place; and whether it does.
            let mut seen = Vec::new();
            for place in pair.iter().filter(|p| !p.is_empty() || axes == 0) {
                let window = if channels_last { tap } else { &tap[1..] };
                let mut from = Vec::new();
                let mut inside = None;
                for axis in 0..axes {
                    let at = place[axis].times(c.geometry.stride[axis] as i64);
                    let at = at.plus(&window[axis].times(c.geometry.dilation[axis] as i64));
                    let at = at.offset(-(c.geometry.pad_low[axis] as i64));
                    let at = l.name_if_tested(super::pool::input_axis(axis, axes), at, spatial[axis]);
                    inside = l.also_inside(inside, &at, spatial[axis]);
                    from.push(at);
                }
                seen.push((from, inside));
            }
            let base = tap.iter().zip(&shape).fold(Index::zero(), |sum, (i, n)| sum.times(*n as i64).plus(i));
            if !channels_last {
                return l.gather_word(c, n, &tap[0], &seen, words, base);
            }
            let count = shape[inner];
            let all = seen
                .iter()
                .filter_map(|(_, inside)| inside.clone())
                .reduce(|a, b| Expr::binary(Binary::And, a, b));
            let sure: Vec<_> = seen.iter().map(|(from, _)| (from.clone(), None)).collect();
            let fill = |l: &mut Self, seen: &[(Vec<Index>, Option<Expr>)]| {
                l.repeat("c", count, |l, channel| {
                    l.gather_word(c, n, &channel, seen, words, base.times(count as i64).plus(&channel))
                })
            };
            let Some(all) = all else { return fill(l, &sure) };
            if l.is_never(&all) {
                return fill(l, &seen);
            }
            let then = l.nested(|l| fill(l, &sure));
            let otherwise = l.nested(|l| fill(l, &seen));
            l.push(Stmt::If { condition: all, then, otherwise });
        })
    }

    fn gather_word(
        &mut self,
        c: &Pairs,
        n: &Index,
        channel: &Index,
        seen: &[(Vec<Index>, Option<Expr>)],
        words: ArrayId,
        to: Index,
    ) {
        let mut lanes = Vec::new();
        for (from, inside) in seen {
            let from: Vec<Index> = [n, channel].into_iter().chain(from).cloned().collect();
            let value = match inside {
                None => c.lanes.of(self.element(c.lanes.node, &from)),
                Some(never) if self.is_never(never) => c.lanes.padding(),
                Some(inside) => {
                    let value = c.lanes.of(self.guarded_element(c.lanes.node, &from));
                    Expr::select(inside.clone(), value, c.lanes.padding())
                }
            };
            lanes.push(value);
        }
        let mut lanes = lanes.into_iter();
        let low = lanes.next().expect("a place");
        let value = match lanes.next() {
            None => low,
            Some(high) => word(low, high),
        };
        self.push(Stmt::StoreLocal(words, to, value));
    }
}

/// Weights as [`PairSums`] reads them, `together` rows a block: their width, taps with those that fill words up, the constant. Narrow
/// weights are packed where that takes less memory.
fn packed(rows: &[Vec<i8>], order: &[usize], together: usize) -> (u8, usize, Value) {
    let fewest = if together.is_multiple_of(2) { bits_of(&rows.concat()) } else { 8 };
    let blocks = rows.len() / together;
    let taps = |bits: u8| order.len().next_multiple_of(PairSums::tap_step(bits));
    let bytes = |bits: u8| blocks * PairSums::weight_len(together, taps(bits)) * usize::from(bits) / 8;
    let widths = [fewest, 4, 8].into_iter().filter(|bits| *bits >= fewest);
    let bits = widths.min_by_key(|bits| bytes(*bits)).expect("8 bits are always enough");
    let (taps, block_len) = (taps(bits), PairSums::weight_len(together, taps(bits)));
    let mut all = vec![0i8; blocks * block_len];
    for (o, row) in rows.iter().enumerate() {
        for (k, tap) in order.iter().enumerate() {
            all[o / together * block_len + PairSums::position(together, taps, o % together, k)] = row[*tap];
        }
    }
    (bits, taps, weights_of(all, bits))
}

/// Whether channels are gathered innermost: then the edges are tested once for all of them.
fn channels_last(taps: &[usize]) -> bool {
    taps[0] >= 4 || taps.len() == 1
}

/// The taps, as positions in the graph's order, in the order they are gathered.
fn tap_order(taps: &[usize]) -> Vec<usize> {
    let (channels, window) = (taps[0], taps[1..].iter().product::<usize>());
    if !channels_last(taps) {
        return (0..channels * window).collect();
    }
    (0..window).flat_map(|at| (0..channels).map(move |c| c * window + at)).collect()
}

/// All places of a window, the last axis innermost.
fn window_places(size: &[usize]) -> Vec<Vec<usize>> {
    size.iter().fold(vec![vec![]], |all: Vec<Vec<usize>>, &n| {
        all.iter().flat_map(|p| (0..n).map(move |i| [p.as_slice(), &[i]].concat())).collect()
    })
}
