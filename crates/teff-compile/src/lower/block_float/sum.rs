//! Sums of products of mantissas.

use super::BlockFloat;
use super::input::{Block, Input, int};
use crate::lower::Lowering;
use crate::program::{ArrayId, BufferId, Expr, Index, Stmt};
use teff_graph::{Binary, DType, Num, Type, Value};

/// The constants of a layer, in the order its loops read them.
pub(super) struct Tables {
    weights: BufferId,
    dtype: DType,
    /// One factor for each output; `None` when all are alike.
    factors: Option<BufferId>,
}

impl<'a> Lowering<'a> {
    /// Makes the constants. Weight i is that at `order[i]`.
    pub(super) fn tables(&mut self, layer: &BlockFloat, order: &[usize]) -> Tables {
        let f = &layer.format;
        let dtype = f.width.dtype;
        let of = |dtype: DType, n: usize, at: &dyn Fn(usize) -> i32| {
            Value::from_fn(&Type::new(dtype, [n]), |i| Num::Int(at(i) as i128))
        };
        let weights = self.integers(layer.source, "", of(dtype, order.len(), &|i| f.weights[order[i]]));
        let alike = f.factors.iter().all(|x| *x == f.factors[0]);
        let factors = (!alike).then(|| {
            self.integers(layer.source, "_factor", of(DType::I32, f.factors.len(), &|i| f.factors[i]))
        });
        Tables { weights, dtype, factors }
    }

    /// An array of sums, as they begin.
    pub(super) fn start_sums(&mut self, block: &Block, count: usize) -> ArrayId {
        self.array_of("sum", count, block.start.clone())
    }

    /// Adds the products of some inputs with `width` weights of each to the sums from `first` on.
    pub(super) fn add_inputs(
        &mut self,
        layer: &BlockFloat,
        tables: &Tables,
        inputs: &[Input],
        (sums, first): (ArrayId, &Index),
        width: usize,
    ) {
        let f = &layer.format;
        let add = |l: &mut Self, j: Index| {
            let at = first.plus(&j);
            let mut sum = Expr::LoadLocal(sums, DType::I32, at.clone());
            for input in inputs {
                let weight =
                    Expr::Load(tables.weights, tables.dtype, input.weights.plus(&j)).cast(DType::I32);
                let weight = if input.parts.len() > 1 { l.name_value("w", weight) } else { weight };
                for (part, shift) in input.parts.iter().zip([f.shift, f.shift + f.width.low_bits]) {
                    let product = Expr::binary(Binary::Mul, part.clone(), weight.clone());
                    let product = match shift {
                        0 => product,
                        s => Expr::binary(Binary::Shr, product, int(s as i64)),
                    };
                    sum = Expr::binary(Binary::Add, sum, product);
                }
            }
            l.push(Stmt::StoreLocal(sums, at, sum));
        };
        self.repeat_unrolled(width, add)
    }

    /// The float that a sum of output `output` stands for.
    pub(super) fn float_of(
        &mut self,
        layer: &BlockFloat,
        tables: &Tables,
        block: &Block,
        sum: Expr,
        output: &Index,
    ) -> Expr {
        let of_output = match tables.factors {
            Some(factors) => Expr::Load(factors, DType::I32, output.clone()),
            None => int(layer.format.factors[0] as i64),
        };
        Expr::binary(Binary::Mul, sum.cast(DType::F32), self.factor(block, of_output))
    }
}
