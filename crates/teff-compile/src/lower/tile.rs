//! A tile of sums of products, built side by side: `lanes` neighbouring outputs at each of several places.
//!
//! Every turn of the loop around it adds the products of a few inputs, so that a weight is loaded once for all places and a
//! compiler can keep the tile in vector registers. Written this way, gcc (-O2 and -O3) and clang vectorise it at any width without
//! being allowed to reorder float sums; with one input a turn gcc 12 unrolls narrow tiles into scalar code first.

use super::Lowering;
use super::build::value;
use crate::program::{ArrayId, Expr, Index, Stmt, Var};
use teff_graph::{Binary, DType, Num};

/// Neighbouring outputs computed side by side: `count` tiles of `width`, the first at `start`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiles {
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) width: usize,
}

/// Tiles that cover `n` outputs, each of at most `lanes`: of one width if some width that divides `n` is nearly as good.
pub(super) fn tiles(n: usize, lanes: usize) -> Vec<Tiles> {
    if n <= lanes {
        return vec![Tiles { start: 0, count: 1, width: n }];
    }
    let even = (lanes.div_ceil(2)..=lanes).rev().find(|w| n.is_multiple_of(*w) && (w % 4 == 0 || lanes < 4));
    let width = even.unwrap_or(lanes);
    let count = n / width;
    let whole = Tiles { start: 0, count, width };
    let rest = Tiles { start: count * width, count: 1, width: n - count * width };
    if rest.width == 0 { vec![whole] } else { vec![whole, rest] }
}

/// Where weights that are read tile by tile are taken from: `taps` of each of `outputs` in each of `groups`, in this order. Within a tile
/// the outputs lie side by side, tap after tap.
pub(super) fn order(groups: usize, outputs: usize, taps: usize, plan: &[Tiles]) -> Vec<usize> {
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

/// The sums of one tile.
pub(super) struct Sums {
    dtype: DType,
    width: usize,
    held: Held,
}

enum Held {
    One((Var, DType)),
    Many(ArrayId),
}

impl Sums {
    /// The sum at `place` and `lane`.
    pub(super) fn get(&self, place: usize, lane: &Index) -> Expr {
        match self.held {
            Held::One(var) => value(var),
            Held::Many(array) => Expr::LoadLocal(array, self.dtype, lane.offset((place * self.width) as i64)),
        }
    }
}

impl<'a> Lowering<'a> {
    /// Sums of zero.
    pub(super) fn sums(&mut self, dtype: DType, places: usize, width: usize) -> Sums {
        let zero = Expr::constant(dtype, Num::Int(0));
        if places * width == 1 {
            let held = Held::One(self.mutable("sum", zero));
            return Sums { dtype, width, held };
        }
        let array = self.array_of("sum", places * width, zero);
        Sums { dtype, width, held: Held::Many(array) }
    }

    fn set_sum(&mut self, sums: &Sums, place: usize, lane: &Index, total: Expr) {
        match sums.held {
            Held::One(var) => self.set(var, total),
            Held::Many(array) => {
                self.push(Stmt::StoreLocal(array, lane.offset((place * sums.width) as i64), total))
            }
        }
    }

    /// Adds to the sums of places, from `first` on, the products of their inputs, `inputs[place][tap]`, with the weights of the taps.
    pub(super) fn add_products(
        &mut self,
        sums: &Sums,
        first: usize,
        inputs: &[Vec<Expr>],
        weight: &dyn Fn(&mut Self, usize, &Index) -> Expr,
    ) {
        let taps = inputs[0].len();
        self.repeat("j", sums.width, |l, lane| {
            let mut weights = Vec::new();
            for tap in 0..taps {
                let w = weight(l, tap, &lane);
                weights.push(if inputs.len() > 1 { l.name_value("w", w) } else { w });
            }
            for (place, inputs) in (first..).zip(inputs) {
                let products =
                    inputs.iter().zip(&weights).map(|(x, w)| Expr::binary(Binary::Mul, x.clone(), w.clone()));
                let add = |a, b| Expr::binary(Binary::Add, a, b);
                let total = add(sums.get(place, &lane), products.reduce(add).expect("a tile has taps"));
                l.set_sum(sums, place, &lane, total);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: usize, lanes: usize) -> Vec<[usize; 3]> {
        tiles(n, lanes).iter().map(|t| [t.start, t.count, t.width]).collect()
    }

    #[test]
    fn one_width_is_taken_if_it_is_nearly_as_good() {
        assert_eq!(of(5, 8), [[0, 1, 5]]);
        assert_eq!(of(8, 8), [[0, 1, 8]]);
        assert_eq!(of(9, 8), [[0, 1, 8], [8, 1, 1]]);
        assert_eq!(of(48, 16), [[0, 3, 16]]);
        assert_eq!(of(24, 16), [[0, 2, 12]], "12, a multiple of 4, divides 24");
        assert_eq!(of(40, 16), [[0, 5, 8]]);
        assert_eq!(of(20, 16), [[0, 1, 16], [16, 1, 4]], "4 is less than half of 16");
        assert_eq!(of(28, 16), [[0, 1, 16], [16, 1, 12]], "14 divides 28 and is no multiple of 4");
        assert_eq!(of(9, 3), [[0, 3, 3]]);
        assert_eq!(of(10, 3), [[0, 5, 2]]);
        assert_eq!(of(7, 3), [[0, 2, 3], [6, 1, 1]]);
        assert_eq!(of(10, 4), [[0, 2, 4], [8, 1, 2]]);
    }

    #[test]
    fn tiles_cover_each_output_once() {
        for n in 1..70 {
            for lanes in 1..20 {
                let covered = tiles(n, lanes).into_iter().flat_map(|t| t.start..t.start + t.count * t.width);
                assert!(covered.eq(0..n), "{n} by {lanes}: {:?}", of(n, lanes));
            }
        }
    }
}
