//! Convolutions of 8-bit numbers on machines with one 32-bit multiplier: two places at a time, so that each weight is taken out of its
//! word once for both and multiplied with both at once ([`PairSums`]).
//!
//! What two places see is gathered into an array of words, one for each tap, the one place in the lower half and the other in the
//! upper. All output channels are then computed from it.

use super::{Lanes, Whole, weights_of, word};
use crate::lower::Lowering;
use crate::lower::conv::Conv;
use crate::lower::fuse::Group;
use crate::lower::window::{axis_names, places_of, tap_names};
use crate::program::{ArrayId, BufferId, Expr, Index, Micro, PairSums, Stmt, bits_of, unravel};
use teff_graph::{Binary, DType, PoolKind, Value};

/// Words gathered at most: 4 kB of stack.
const MOST_TAPS: usize = 1024;
/// Output channels whose sums are held at once, if there is a choice.
const TOGETHER: usize = 32;

/// What the loops of one convolution share.
struct Pairs<'b> {
    conv: &'b Conv<'b>,
    lanes: Lanes,
    weights: BufferId,
    /// Width of the weights.
    bits: u8,
    /// Taps, filled up to what the width asks for.
    words: usize,
    /// Output channels that are computed at once.
    together: usize,
    /// What the sums are to be; of the pool, when that comes before all else.
    whole: Whole,
    /// Whether places are counted through all axes as one, because windows are single elements.
    flat: bool,
}

/// Where a place sees a tap, and the condition that this is inside.
type Seen = (Vec<Index>, Option<Expr>);

impl<'a> Lowering<'a> {
    /// Writes the convolution this way, if it can be.
    pub(in crate::lower) fn paired_conv(&mut self, group: &Group, conv: &Conv) -> bool {
        let Some(c) = self.pairs(group, conv) else { return false };
        let (images, spatial) = (conv.result[0], &conv.result[2..]);
        let mut axes = if c.flat { vec![spatial.iter().product()] } else { spatial.to_vec() };
        if axes.is_empty() {
            axes = vec![1];
        }
        let last = axes.len() - 1;
        let columns = axes[last];
        // Without a pool, pairs lie along the last axis, and an odd column is computed alone.
        let cuts = match conv.pool {
            Some(_) => vec![(0, columns, 1)],
            None => vec![(0, columns / 2, 2), (columns / 2 * 2, columns % 2, 1)],
        };
        for (start, count, width) in cuts.into_iter().filter(|c| c.1 > 0) {
            axes[last] = count;
            let names = [&["n"][..], &axis_names(["oy", "ox", "oz"], axes.len())].concat();
            self.repeat_all(&names, &[&[images], &axes[..]].concat(), &mut |l, at| {
                let [n, at @ ..] = at else { unreachable!("the image comes first") };
                let place = |by: i64| -> Vec<Index> {
                    let mut at = at.to_vec();
                    at[last] = at[last].times(width).offset(start as i64 + by);
                    if c.flat {
                        return unravel(&at[0], spatial, l.vars());
                    }
                    at.truncate(spatial.len());
                    at
                };
                let places: Vec<Vec<Index>> = (0..width).map(place).collect();
                l.pair_tile(group, &c, n, &places)
            });
        }
        true
    }

    fn pairs<'b>(&mut self, group: &Group, conv: &'b Conv<'b>) -> Option<Pairs<'b>> {
        let count: usize = conv.taps.iter().product();
        // One output would waste half of what is gathered for it.
        let fits = conv.groups == 1 && conv.outputs > 1 && count <= MOST_TAPS;
        if !self.target.word_products || self.node(conv.node).ty.dtype != DType::I32 || !fits {
            return None;
        }
        let rows = self.small_weights(conv.w, conv.outputs)?;
        let lanes = self.lanes(conv.x)?;
        let divides = |n: &usize| conv.outputs.is_multiple_of(*n) && n.is_multiple_of(2);
        let together = (1..=TOGETHER.min(conv.outputs)).rev().find(divides).unwrap_or(conv.outputs);
        let window = &conv.window;
        let one_place = window.size.iter().all(|n| *n == 1) && conv.pool.is_none();
        let padded = window.pad_low.iter().chain(&window.pad_high).any(|p| *p != 0);
        let flat = one_place && !padded && window.stride.iter().all(|s| *s == 1);
        let (bits, words, packed) = packed(&rows, &tap_order(conv.taps), together);
        let weights = self.word_constant(conv.w, packed);
        let summed = conv.pool.filter(|_| self.pools_sums(conv)).map_or(conv.node, |p| p.node);
        let whole = self.whole(group, summed, &rows, &lanes);
        Some(Pairs { conv, lanes, weights, bits, words, together, whole, flat })
    }

    /// Whether the largest sum is what the pool keeps: then what all lack is added to that.
    fn pools_sums(&self, conv: &Conv) -> bool {
        conv.pool.is_some_and(|p| p.kind == PoolKind::Max && self.node(p.node).operands[0] == conv.node)
    }

    /// The sums at a place or two, or those of a pool's window, and what becomes of them. `at` are places of the result.
    fn pair_tile(&mut self, group: &Group, c: &Pairs, n: &Index, at: &[Vec<Index>]) {
        let places: Vec<Vec<Index>> = match c.conv.pool {
            None => at.to_vec(),
            Some(pool) => {
                let within = |offsets: Vec<usize>| {
                    let place = at[0].iter().zip(offsets).zip(&pool.window.stride);
                    place.map(|((o, by), stride)| o.times(*stride as i64).offset(by as i64)).collect()
                };
                places_of(&pool.window.size).into_iter().map(within).collect()
            }
        };
        let words = self.array("word", DType::I32, c.words);
        for k in c.conv.taps.iter().product()..c.words {
            self.push(Stmt::StoreLocal(words, Index::from(k as i64), Expr::int(DType::I32, 0)));
        }
        let pairs: Vec<&[Vec<Index>]> = places.chunks(2).collect();
        let sums = self.array("sum", DType::I32, pairs.len() * 2 * c.together);
        let block_len = (PairSums::weight_len(c.together, c.words) * usize::from(c.bits) / 8) as i64;
        if let [pair] = &pairs[..] {
            self.gather(c, n, pair, words);
        }
        self.repeat("block", c.conv.outputs / c.together, |l, block| {
            for (i, pair) in pairs.iter().enumerate() {
                if pairs.len() > 1 {
                    l.gather(c, n, pair, words);
                }
                l.push(Stmt::Micro(Micro::Pairs(PairSums {
                    inputs: words,
                    taps: c.words,
                    weights: c.weights,
                    bits: c.bits,
                    at: block.times(block_len),
                    outputs: c.together,
                    sums,
                    to: i * 2 * c.together,
                })));
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
            let index = |place: &Vec<Index>| [&[n.clone(), channel.clone()], &place[..]].concat();
            let raw = |place: usize| {
                let position = j.times(2).offset((place / 2 * 2 * c.together + place % 2) as i64);
                Expr::LoadLocal(sums, DType::I32, position)
            };
            let whole = |sum: Expr| c.whole.of(sum, &channel);
            match c.conv.pool {
                None => (0..places.len())
                    .for_each(|p| l.finish(group, c.whole.node, &index(&places[p]), whole(raw(p)))),
                Some(_) if l.pools_sums(c.conv) => {
                    let best = (0..places.len()).map(raw).reduce(|a, b| Expr::binary(Binary::Max, a, b));
                    let best = whole(best.expect("a window has places"));
                    l.finish(group, c.whole.node, &index(&at[0]), best)
                }
                Some(pool) => {
                    let all: Vec<Vec<Index>> = places.iter().map(index).collect();
                    let pooled = l.pooled(c.whole.node, pool, &all, &raw, &|_, sum| whole(sum));
                    l.finish(group, pool.node, &index(&at[0]), pooled)
                }
            }
        })
    }

    /// Fills the array with what two places see, or one, tap by tap.
    fn gather(&mut self, c: &Pairs, n: &Index, pair: &[Vec<Index>], words: ArrayId) {
        let channels_last = channels_last(c.conv.taps);
        let spatial = &self.node(c.lanes.node).ty.shape[2..];
        let mut shape = c.conv.taps.to_vec();
        let mut names = [&["c"][..], &tap_names(spatial.len())].concat();
        if channels_last {
            shape.rotate_left(1);
            names.rotate_left(1);
        }
        let inner = if channels_last { shape.len() - 1 } else { shape.len() };
        self.repeat_all(&names[..inner], &shape[..inner], &mut |l, tap| {
            let window = if channels_last { tap } else { &tap[1..] };
            let seen: Vec<Seen> =
                pair.iter().map(|place| l.seen(&c.conv.window, place, window, spatial)).collect();
            let base = tap.iter().zip(&shape).fold(Index::zero(), |sum, (i, n)| sum.times(*n as i64).plus(i));
            if !channels_last {
                return l.gather_word(c, [n, &tap[0]], &seen, words, base);
            }
            let count = shape[inner];
            let all = seen.iter().fold(None, |all, (_, inside)| match inside {
                Some(inside) => Expr::and(all, inside.clone()),
                None => all,
            });
            let sure: Vec<Seen> = seen.iter().map(|(from, _)| (from.clone(), None)).collect();
            let fill = |l: &mut Self, seen: &[Seen]| {
                l.repeat("c", count, |l, channel| {
                    l.gather_word(c, [n, &channel], seen, words, base.times(count as i64).plus(&channel))
                })
            };
            l.either(all, |l| fill(l, &sure), |l| fill(l, &seen));
        })
    }

    fn gather_word(
        &mut self,
        c: &Pairs,
        [n, channel]: [&Index; 2],
        seen: &[Seen],
        words: ArrayId,
        to: Index,
    ) {
        let mut lanes = Vec::new();
        for (from, inside) in seen {
            let from = [&[n.clone(), channel.clone()], &from[..]].concat();
            lanes.push(self.lane(&c.lanes, inside.clone(), &from));
        }
        let value = lanes.into_iter().reduce(word).expect("a place");
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
