//! What two places of a convolution see, put together word by word.

use super::conv::Pairs;
use super::lanes::word;
use crate::lower::Lowering;
use crate::lower::window::tap_names;
use crate::program::{ArrayId, Expr, Index, Stmt};

/// Where a place sees a tap, and the condition that this is inside.
type Seen = (Vec<Index>, Option<Expr>);

impl<'a> Lowering<'a> {
    /// Fills the array with what two places see, or one, tap by tap.
    pub(super) fn gather(&mut self, c: &Pairs, n: &Index, pair: &[Vec<Index>], words: ArrayId) {
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

/// Whether channels are gathered innermost: then the edges are tested once for all of them.
fn channels_last(taps: &[usize]) -> bool {
    taps[0] >= 4 || taps.len() == 1
}

/// The taps, as positions in the graph's order, in the order they are gathered.
pub(super) fn tap_order(taps: &[usize]) -> Vec<usize> {
    let (channels, window) = (taps[0], taps[1..].iter().product::<usize>());
    if !channels_last(taps) {
        return (0..channels * window).collect();
    }
    (0..window).flat_map(|at| (0..channels).map(move |c| c * window + at)).collect()
}
