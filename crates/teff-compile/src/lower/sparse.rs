//! Products of a row of which many elements are zero, on machines without vectors: two neighbouring inputs that are zero take no
//! products, as most of a picture's are. All sums are held at once, and each input meets the weights of all outputs.

use super::Lowering;
use super::fuse::Group;
use super::matmul::Product;
use crate::program::{ArrayId, Expr, Index, Stmt};
use teff_graph::{Binary, DType, NodeId, Num, Op, Unary};

/// Sums that are held at most: 2 kB of stack.
const MOST: usize = 512;

impl<'a> Lowering<'a> {
    /// Whether the product of `[1, inner]` and `[inner, across]` is to be computed this way: its inputs are 8-bit integers that
    /// something is taken from, which the integer rewriting leaves only where that is the least of their type, as of pictures and behind
    /// a rectifier; or unsigned ones.
    pub(super) fn skips_zeros(&self, inputs: NodeId, dtype: DType, across: usize) -> bool {
        let node = self.node(inputs);
        let narrow = |id: NodeId, of: DType| {
            self.node(id).op == Op::Cast(DType::I32) && self.node(self.node(id).operands[0]).ty.dtype == of
        };
        let takes = matches!(node.op, Op::Binary(Binary::Add | Binary::Sub));
        let shifted = if takes { narrow(node.operands[0], DType::I8) } else { narrow(inputs, DType::U8) };
        self.target.steps == 1 && dtype == DType::I32 && shifted && (8..=MOST).contains(&across)
    }

    pub(super) fn sparse_product(&mut self, group: &Group, p: &Product, across: usize) {
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
