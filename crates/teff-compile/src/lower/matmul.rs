//! Matrix products and dense layers.
//!
//! Constant weights are packed in the order in which the tiles read them: tile by tile, for each input the weights of the tile.
//!
//! Of a row of which many elements are zero, on machines without vectors, all sums are held at once, and each input meets the weights of
//! all outputs: two neighbouring inputs that are zero take no products, as most of a picture's are.

use super::Lowering;
use super::fuse::Group;
use super::tile::{Sums, Tiles, order, tiles};
use crate::program::{ArrayId, BufferId, Expr, Index, Stmt};
use teff_graph::{Binary, DType, NodeId, Num, Op, Unary};

/// Which operand the lanes of a tile run over.
#[derive(Clone, Copy, PartialEq)]
enum Along {
    Columns,
    Rows,
}

/// What the loops of one product share. The lanes run `across` one axis of the result, the places of a tile along the other.
struct Product {
    anchor: NodeId,
    dtype: DType,
    along: Along,
    inputs: NodeId,
    weights: NodeId,
    inner: usize,
    packed: Option<BufferId>,
}

/// Where one tile lies.
struct At<'b> {
    batch: &'b [Index],
    /// Row of the first place.
    row: Index,
    places: usize,
    /// Column of the first lane.
    column: Index,
    width: usize,
    /// Position of the tile's weights in the packed order.
    packed: Index,
}

impl Product {
    /// The index of an operand or of the result, as if the lanes ran along columns: then inputs are `[row, k]`, weights `[k, column]`.
    fn index(&self, batch: &[Index], row: &Index, column: &Index) -> Vec<Index> {
        let pair = if self.along == Along::Columns { [row, column] } else { [column, row] };
        batch.iter().chain(pair).cloned().collect()
    }
}

/// Sums that are held at most: 2 kB of stack.
const MOST: usize = 512;

impl<'a> Lowering<'a> {
    pub(super) fn matmul(&mut self, group: &Group, anchor: NodeId) {
        let ty = self.node(anchor).ty.clone();
        let [a, b] = self.node(anchor).operands[..] else { unreachable!("a product has two operands") };
        let (m, n) = (ty.shape[ty.rank() - 2], ty.shape[ty.rank() - 1]);
        let inner = *self.node(a).ty.shape.last().expect("a matrix");
        let batch = ty.shape[..ty.rank() - 2].to_vec();
        let along = if n == 1 && m > 1 { Along::Rows } else { Along::Columns };
        let (outer, across) = if along == Along::Columns { (m, n) } else { (n, m) };
        let single = outer == 1 && batch.iter().product::<usize>() == 1 && along == Along::Columns;
        if single && self.row_product(group, anchor, inner, across) {
            return;
        }
        let sparse = single && self.skips_zeros(a, ty.dtype, across);
        let lanes = if outer > 1 { self.target.lanes.div_ceil(2) } else { self.target.lanes };
        let plan = tiles(across, if sparse { across } else { lanes });
        let (inputs, weights) = if along == Along::Columns { (a, b) } else { (b, a) };
        let packed = self.packed_matrix(weights, along, inner, across, &plan, &batch);
        let product = Product { anchor, dtype: ty.dtype, along, inputs, weights, inner, packed };
        if sparse {
            return self.sparse_product(group, &product, across);
        }
        let mut first = 0;
        for tile in plan {
            let places = (self.target.sums / tile.width.max(1)).clamp(1, 4);
            for rows in tiles(outer, places) {
                let shape: Vec<usize> = batch.iter().copied().chain([tile.count, rows.count]).collect();
                let names: Vec<&str> = batch.iter().map(|_| "batch").chain(["tile", "row"]).collect();
                self.repeat_all(&names, &shape, &mut |l, at| {
                    let [batch @ .., t, r] = at else { unreachable!("tile and row come last") };
                    let at = At {
                        batch,
                        row: r.times(rows.width as i64).offset(rows.start as i64),
                        places: rows.width,
                        column: t.times(tile.width as i64).offset(tile.start as i64),
                        width: tile.width,
                        packed: t.times((tile.width * inner) as i64).offset(first as i64),
                    };
                    l.matmul_tile(group, &product, &at)
                });
            }
            first += tile.count * tile.width * inner;
        }
    }

    fn matmul_tile(&mut self, group: &Group, p: &Product, at: &At) {
        let sums = self.sums(p.dtype, at.places, at.width);
        let steps = self.target.steps;
        self.repeat("i", p.inner / steps, |l, i| l.matmul_step(p, at, &sums, &i.times(steps as i64), steps));
        let rest = p.inner % steps;
        if rest > 0 {
            self.matmul_step(p, at, &sums, &Index::from((p.inner - rest) as i64), rest);
        }
        for place in 0..at.places {
            self.repeat_rolled(at.width, |l, lane| {
                let to = p.index(at.batch, &at.row.offset(place as i64), &at.column.plus(&lane));
                l.finish(group, p.anchor, &to, sums.get(place, &lane))
            });
        }
    }

    /// The products of inputs `k .. k + taps`.
    fn matmul_step(&mut self, p: &Product, at: &At, sums: &Sums, k: &Index, taps: usize) {
        let mut inputs = Vec::new();
        for place in 0..at.places {
            let row = at.row.offset(place as i64);
            let mut of_place = Vec::new();
            for tap in 0..taps {
                let x = self.element(p.inputs, &p.index(at.batch, &row, &k.offset(tap as i64)));
                of_place.push(if at.width > 1 { self.name_value("x", x) } else { x });
            }
            inputs.push(of_place);
        }
        self.add_products(sums, 0, &inputs, &|l, tap, lane| {
            let k = k.offset(tap as i64);
            match p.packed {
                Some(buffer) => {
                    let position = at.packed.plus(&k.times(at.width as i64)).plus(lane);
                    Expr::Load(buffer, p.dtype, position)
                }
                None => l.element(p.weights, &p.index(at.batch, &k, &at.column.plus(lane))),
            }
        })
    }

    /// What a matrix is read from, and whether it is its transpose: simplification leaves a transposition when the constant is used
    /// elsewhere.
    fn transposed(&self, node: NodeId) -> (NodeId, bool) {
        let last_two = |p: &[usize]| p.iter().rev().take(2).eq([&(p.len() - 2), &(p.len() - 1)]);
        let flipped = matches!(&self.node(node).op, Op::Permute(p) if last_two(p));
        (if flipped { self.node(node).operands[0] } else { node }, flipped)
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
        let (source, flipped) = self.transposed(node);
        let constant = self.stored(source)?;
        let by_input = (along == Along::Columns) != flipped;
        let of_output = |i: usize| if by_input { i % inner * across + i / inner } else { i };
        let order = order(1, across, inner, plan).into_iter().map(of_output).collect();
        Some(self.packed(source, constant, order))
    }

    /// Whether the product of `[1, inner]` and `[inner, across]` is to be computed this way: its inputs are 8-bit integers that
    /// something is taken from, which the integer rewriting leaves only where that is the least of their type, as of pictures and behind
    /// a rectifier; or unsigned ones.
    fn skips_zeros(&self, inputs: NodeId, dtype: DType, across: usize) -> bool {
        let node = self.node(inputs);
        let narrow = |id: NodeId, of: DType| {
            self.node(id).op == Op::Cast(DType::I32) && self.node(self.node(id).operands[0]).ty.dtype == of
        };
        let takes = matches!(node.op, Op::Binary(Binary::Add | Binary::Sub));
        let shifted = if takes { narrow(node.operands[0], DType::I8) } else { narrow(inputs, DType::U8) };
        self.target.steps == 1 && dtype == DType::I32 && shifted && (8..=MOST).contains(&across)
    }

    fn sparse_product(&mut self, group: &Group, p: &Product, across: usize) {
        let rank = self.node(p.anchor).ty.rank();
        let zeros = vec![Index::zero(); rank - 1];
        let at = |last: &Index| zeros.iter().chain([last]).cloned().collect::<Vec<_>>();
        let sums = self.array_of("sum", across, Expr::constant(p.dtype, Num::Int(0)));
        let pairs = p.inner / 2;
        self.repeat("i", pairs, |l, i| {
            let first = i.times(2);
            l.sparse_step(p, across, sums, &[first.clone(), first.offset(1)])
        });
        if p.inner % 2 == 1 {
            self.sparse_step(p, across, sums, &[Index::from(p.inner as i64 - 1)]);
        }
        self.repeat_rolled(across, |l, j| {
            let sum = Expr::LoadLocal(sums, p.dtype, j.clone());
            l.finish(group, p.anchor, &at(&j), sum)
        })
    }

    /// Adds the products of these inputs, which are neighbours, unless all of them are zero.
    fn sparse_step(&mut self, p: &Product, across: usize, sums: ArrayId, inputs: &[Index]) {
        let zeros = vec![Index::zero(); self.node(p.anchor).ty.rank() - 1];
        let mut values = Vec::new();
        for i in inputs {
            let x = self.element(p.inputs, &[&zeros[..], std::slice::from_ref(i)].concat());
            values.push(self.name_value("x", x));
        }
        let bits = values.iter().cloned().reduce(|a, b| Expr::binary(Binary::Or, a, b)).expect("an input");
        let is_zero = Expr::binary(Binary::Eq, bits, Expr::constant(p.dtype, Num::Int(0)));
        self.when(Some(Expr::unary(Unary::Not, is_zero)), |l| {
            let add = |l: &mut Self, j: Index| {
                let mut sum = Expr::LoadLocal(sums, p.dtype, j.clone());
                for (i, x) in inputs.iter().zip(&values) {
                    let weight = match p.packed {
                        Some(packed) => Expr::Load(packed, p.dtype, i.times(across as i64).plus(&j)),
                        None => l.element(p.weights, &[&zeros[1..], &[i.clone(), j.clone()]].concat()),
                    };
                    sum = Expr::binary(Binary::Add, sum, Expr::binary(Binary::Mul, x.clone(), weight));
                }
                l.push(Stmt::StoreLocal(sums, j, sum));
            };
            l.repeat_unrolled(across, add)
        })
    }
}
