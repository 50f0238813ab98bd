//! Matrix products and dense layers.
//!
//! The sums of a tile of neighbouring results are built side by side, so that the weights are read in the order they are stored and
//! a compiler can put the tile into vector registers without changing the order of any sum. Constant weights are packed in that
//! order: tile by tile, for each input the weights of the tile.

use super::Lowering;
use super::build::value;
use super::fuse::Group;
use crate::error::Error;
use crate::program::{BufferId, Expr, Index, Stmt};
use teff_graph::{Binary, NodeId, Num, Op};

/// Neighbouring results computed side by side: `count` tiles of `width`, the first at `start`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tiles {
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) width: usize,
}

/// Tiles that cover `n` results, of at most `lanes`: of one width if some width that divides `n` is nearly as good.
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

/// Which operand the tile runs over.
#[derive(Clone, Copy, PartialEq)]
enum Along {
    Columns,
    Rows,
}

impl<'a> Lowering<'a> {
    pub(super) fn matmul(&mut self, group: &Group, hero: NodeId) -> Result<(), Error> {
        let ty = self.node(hero).ty.clone();
        let [a, b] = self.graph[hero].operands[..] else { unreachable!("a product has two operands") };
        let (m, n) = (ty.shape[ty.rank() - 2], ty.shape[ty.rank() - 1]);
        let inner = *self.node(a).ty.shape.last().expect("a matrix");
        let batch = ty.shape[..ty.rank() - 2].to_vec();
        let along = if n == 1 && m > 1 { Along::Rows } else { Along::Columns };
        let (outer, across) = if along == Along::Columns { (m, n) } else { (n, m) };
        let weights = if along == Along::Columns { b } else { a };
        let plan = tiles(across, self.target.lanes);
        let packed = self.packed_matrix(weights, along, inner, across, &plan, &batch);
        let mut packed_at = 0;
        for tile in plan {
            let (first, tile_at) = (packed_at, tile.width * inner);
            packed_at += tile.count * tile_at;
            let shape: Vec<usize> = batch.iter().copied().chain([outer, tile.count]).collect();
            let names: Vec<&str> = batch.iter().map(|_| "batch").chain(["row", "tile"]).collect();
            self.repeat_all(&names, &shape, &mut |l, at| {
                let (at, t) = (&at[..at.len() - 1], &at[at.len() - 1]);
                let (outer_at, batch_at) = at.split_last().expect("batch axes and one more");
                let index = |row: &Index, column: &Index| -> Vec<Index> {
                    let pair = if along == Along::Columns { [row, column] } else { [column, row] };
                    batch_at.iter().chain(pair).cloned().collect()
                };
                let base = t.times(tile.width as i64).offset(tile.start as i64);
                let weight = |l: &mut Self, k: &Index, lane: &Index| match packed {
                    Some(buffer) => {
                        let at = t.times(tile_at as i64).plus(&k.times(tile.width as i64)).plus(lane).offset(first as i64);
                        Ok(Expr::Load(buffer, ty.dtype, at))
                    }
                    // A product's right operand is indexed [.., k, column], its left [.., row, k].
                    None if along == Along::Columns => l.element(b, &index(k, &base.plus(lane))),
                    None => {
                        let at: Vec<Index> = batch_at.iter().chain([&base.plus(lane), k]).cloned().collect();
                        l.element(a, &at)
                    }
                };
                let x = |l: &mut Self, k: &Index| match along {
                    Along::Columns => {
                        let at: Vec<Index> = batch_at.iter().chain([outer_at, k]).cloned().collect();
                        l.element(a, &at)
                    }
                    Along::Rows => l.element(b, &batch_at.iter().chain([k, outer_at]).cloned().collect::<Vec<_>>()),
                };
                l.tile_of_sums(ty.dtype, inner, tile.width, &x, &weight, &mut |l, lane, sum| {
                    l.finish(group, hero, &index(outer_at, &base.plus(lane)), sum)
                })
            })?;
        }
        Ok(())
    }

    /// The sums over `k` of `x(k) * weight(k, lane)` for each lane, each handed to `done`.
    fn tile_of_sums(
        &mut self,
        dtype: teff_graph::DType,
        inner: usize,
        width: usize,
        x: &dyn Fn(&mut Self, &Index) -> Result<Expr, Error>,
        weight: &dyn Fn(&mut Self, &Index, &Index) -> Result<Expr, Error>,
        done: &mut dyn FnMut(&mut Self, &Index, Expr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let zero = Expr::constant(dtype, Num::Int(0));
        if width == 1 {
            let sum = self.mutable("sum", zero);
            self.repeat("i", inner, |l, k| {
                let product = Expr::binary(Binary::Mul, x(l, &k)?, weight(l, &k, &Index::zero())?);
                l.set(sum, Expr::binary(Binary::Add, value(sum), product));
                Ok(())
            })?;
            return done(self, &Index::zero(), value(sum));
        }
        let sums = self.array("sum", dtype, width);
        self.repeat("j", width, |l, j| {
            l.push(Stmt::StoreLocal(sums, j, zero));
            Ok(())
        })?;
        self.repeat("i", inner, |l, k| {
            let x = x(l, &k)?;
            let x = l.name_value("x", x);
            l.repeat("j", width, |l, j| {
                let product = Expr::binary(Binary::Mul, x, weight(l, &k, &j)?);
                let sum = Expr::LoadLocal(sums, dtype, j.clone());
                l.push(Stmt::StoreLocal(sums, j, Expr::binary(Binary::Add, sum, product)));
                Ok(())
            })
        })?;
        self.repeat("j", width, |l, j| done(l, &j, Expr::LoadLocal(sums, dtype, j.clone())))
    }

    /// Constant weights in the order the tiles read them.
    fn packed_matrix(
        &mut self,
        node: NodeId,
        along: Along,
        inner: usize,
        across: usize,
        plan: &[Tiles],
        batch: &[usize],
    ) -> Option<BufferId> {
        if batch.iter().product::<usize>() != 1 {
            return None;
        }
        // Seen through a transposition too, which simplification leaves when the constant is used elsewhere.
        let (source, flipped) = match &self.node(node).op {
            Op::Permute(p) if p.iter().rev().take(2).eq([&(p.len() - 2), &(p.len() - 1)]) => {
                (self.graph[node].operands[0], true)
            }
            _ => (node, false),
        };
        let constant = self.known(source)?;
        let by_input = (along == Along::Columns) != flipped;
        let mut order = Vec::with_capacity(constant.len());
        for tile in plan {
            for t in 0..tile.count {
                for k in 0..inner {
                    let lanes = (0..tile.width).map(|lane| tile.start + t * tile.width + lane);
                    order.extend(lanes.map(|at| if by_input { k * across + at } else { at * inner + k }));
                }
            }
        }
        Some(self.packed(source, constant, order))
    }
}
