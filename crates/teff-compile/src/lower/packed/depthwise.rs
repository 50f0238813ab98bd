//! Depthwise convolutions of 8-bit numbers on machines with one 32-bit multiplier: two places of a row at a time ([`WindowSums`]).
//!
//! A strip of a channel's rows is gathered into words, each an element and the one a stride further; every window of the strip reads
//! its words from there, the padding among them, so that no edge is tested where products are made.

use super::{Lanes, Whole, word};
use crate::lower::Lowering;
use crate::lower::conv::Conv;
use crate::lower::fuse::Group;
use crate::program::{ArrayId, BufferId, Expr, Index, Micro, Stmt, WindowSums};
use teff_graph::{DType, Value};

/// Words gathered at once, if a row of results does with so few.
const MOST_WORDS: usize = 400;
/// Words gathered at most: 4 kB of stack.
const LIMIT: usize = 1024;

/// One depthwise convolution. What has one axis is a row of one with two.
struct Depthwise {
    lanes: Lanes,
    whole: Whole,
    weights: BufferId,
    /// Channels, and the axes that places have.
    channels: usize,
    axes: usize,
    window: [usize; 2],
    stride: [usize; 2],
    pad: [i64; 2],
    /// Height and width of a channel of the input.
    input: [usize; 2],
    /// Height and width of a channel of the result.
    result: [usize; 2],
    /// Pairs of places in a row.
    columns: usize,
    /// Words gathered for a row.
    pitch: usize,
    /// Rows of results that are computed from one gathering.
    rows: usize,
}

/// Two axes for one or two.
fn two<T: Copy>(of: &[T], absent: T) -> Option<[T; 2]> {
    match *of {
        [x] => Some([absent, x]),
        [y, x] => Some([y, x]),
        _ => None,
    }
}

impl<'a> Lowering<'a> {
    /// Writes the convolution this way, if it can be.
    pub(in crate::lower) fn depthwise_conv(&mut self, group: &Group, conv: &Conv) -> bool {
        let Some(d) = self.depthwise(group, conv) else { return false };
        let images = conv.result[0];
        let strips = d.result[0] / d.rows;
        self.repeat_all(&["n", "channel", "strip"], &[images, d.channels, strips], &mut |l, at| {
            let [n, channel, strip] = at else { unreachable!("an image, a channel, a strip") };
            let input_rows = (d.rows - 1) * d.stride[0] + d.window[0];
            let words = l.array("word", DType::I32, input_rows * d.pitch);
            l.gather_strip(&d, [n, channel, strip], input_rows, words);
            let sums = l.array("sum", DType::I32, 2 * d.rows * d.columns);
            let taps = d.window[0] * d.window[1];
            l.push(Stmt::Micro(Micro::Window(WindowSums {
                words,
                pitch: d.pitch,
                window: d.window,
                weights: d.weights,
                at: channel.times(taps as i64),
                rows: d.rows,
                row_step: d.stride[0],
                columns: d.columns,
                column_step: 2 * d.stride[1],
                sums,
            })));
            l.repeat_all(&["oy", "ox"], &[d.rows, d.result[1]], &mut |l, at| {
                let sum = Expr::LoadLocal(sums, DType::I32, at[0].times(2 * d.columns as i64).plus(&at[1]));
                let place = [strip.times(d.rows as i64).plus(&at[0]), at[1].clone()];
                let to: Vec<Index> = [n, channel].into_iter().chain(&place[2 - d.axes..]).cloned().collect();
                l.finish(group, d.whole.node, &to, d.whole.of(sum, channel))
            })
        });
        true
    }

    fn depthwise(&mut self, group: &Group, conv: &Conv) -> Option<Depthwise> {
        let Conv { taps, groups: channels, .. } = *conv;
        let fits = conv.pool.is_none() && channels > 1 && conv.outputs == 1 && taps[0] == 1;
        let dense = conv.window.dilation.iter().all(|d| *d == 1);
        if !self.target.word_products || self.node(conv.node).ty.dtype != DType::I32 || !fits || !dense {
            return None;
        }
        // Windows of one row share too little to be gathered first.
        let window = two(&taps[1..], 1).filter(|w| w[0] > 1)?;
        let stride = two(&conv.window.stride, 1)?;
        let pad = two(&conv.window.pad_low, 0)?.map(|p| p as i64);
        let input = two(&self.node(conv.x).ty.shape[2..], 1)?;
        let result = two(&conv.result[2..], 1).filter(|r| r[1] > 1)?;
        let rows = self.small_weights(conv.w, channels)?;
        let lanes = self.lanes(conv.x)?;
        let columns = result[1].div_ceil(2);
        let pitch = (columns - 1) * 2 * stride[1] + window[1];
        let words = |rows: usize| ((rows - 1) * stride[0] + window[0]) * pitch;
        let divides = |n: &usize| result[0].is_multiple_of(*n);
        let at_once = (1..=result[0]).filter(divides).rev().find(|n| words(*n) <= MOST_WORDS).unwrap_or(1);
        if words(at_once) > LIMIT {
            return None;
        }
        let weights = self.word_constant(conv.w, Value::new([rows.len() * rows[0].len()], rows.concat()));
        let whole = self.whole(group, conv.node, &rows, &lanes);
        let (axes, rows) = (taps.len() - 1, at_once);
        Some(Depthwise {
            lanes,
            whole,
            weights,
            channels,
            axes,
            window,
            stride,
            pad,
            input,
            result,
            columns,
            pitch,
            rows,
        })
    }

    /// Fills the words of a strip, row by row.
    fn gather_strip(&mut self, d: &Depthwise, [n, channel, strip]: [&Index; 3], rows: usize, words: ArrayId) {
        let from = |y: &Index, x: &Index| -> Vec<Index> {
            let place = [y.clone(), x.clone()];
            [n, channel].into_iter().chain(&place[2 - d.axes..]).cloned().collect()
        };
        self.repeat("y", rows, |l, row| {
            let at = strip.times((d.rows * d.stride[0]) as i64).plus(&row).offset(-d.pad[0]);
            let y = l.name_if_tested("iy", at, d.input[0]);
            let to = |x: &Index| row.times(d.pitch as i64).plus(x);
            let inside = l.also_inside(None, &y, d.input[0]);
            let filled = |l: &mut Self| {
                // Words whose both lanes lie in the row; those before and behind have padding in one.
                let whole = d.input[1].saturating_sub(d.stride[1]);
                let left = (d.pad[1] as usize).min(d.pitch);
                let middle = whole.min(d.pitch - left);
                let both = |l: &mut Self, i: Index, start: usize, tested: bool| {
                    let i = i.offset(start as i64);
                    let mut lanes = Vec::new();
                    for by in [0, d.stride[1] as i64] {
                        let x = i.offset(by - d.pad[1]);
                        let x = if tested { l.name_if_tested("ix", x, d.input[1]) } else { x };
                        let inside = l.also_inside(None, &x, d.input[1]);
                        lanes.push(l.lane(&d.lanes, inside, &from(&y, &x)));
                    }
                    let value = lanes.into_iter().reduce(word).expect("two lanes");
                    l.push(Stmt::StoreLocal(words, to(&i), value));
                };
                l.repeat("x", left, |l, i| both(l, i, 0, true));
                l.repeat("x", middle, |l, i| both(l, i, left, false));
                l.repeat("x", d.pitch - left - middle, |l, i| both(l, i, left + middle, true))
            };
            let empty = |l: &mut Self| {
                l.repeat("x", d.pitch, |l, i| {
                    l.push(Stmt::StoreLocal(words, to(&i), word(d.lanes.padding(), d.lanes.padding())))
                })
            };
            l.either(inside, filled, empty);
        })
    }
}
