//! Dense layers of 8-bit numbers, one row at a time, on machines with one 32-bit multiplier ([`RowSums`]).

use super::weights_of;
use crate::lower::Lowering;
use crate::lower::fuse::Group;
use crate::program::{Expr, Index, Micro, RowSums, Stmt, bits_of};
use teff_graph::{DType, NodeId, Op};

/// Outputs whose sums are held at once, if there is a choice: 1 kB of stack.
const TOGETHER: usize = 256;

impl<'a> Lowering<'a> {
    /// Writes the product of the rows `a` of one element each and `b` this way, if it can be: `[1, inner]` by `[inner, across]`.
    pub(in crate::lower) fn row_product(
        &mut self,
        group: &Group,
        anchor: NodeId,
        inner: usize,
        across: usize,
    ) -> bool {
        let [a, b] = self.node(anchor).operands[..] else { unreachable!("a product has two operands") };
        if !self.target.word_products || self.node(anchor).ty.dtype != DType::I32 || !across.is_multiple_of(4)
        {
            return false;
        }
        let Some(mut lanes) = self.lanes(a) else { return false };
        let narrow = self.behind_moves(self.node(lanes.node).operands[0]);
        let Some(storage) = self.scope.storage.get(&narrow).cloned() else { return false };
        let (Some(first), Some(weights)) = (storage.base.as_constant(), self.small_columns(b, inner, across))
        else {
            return false;
        };
        // Inputs are what they are more than the least of their type, not between -128 and 127.
        lanes.zero += 128;
        let divides = |n: &usize| n.is_multiple_of(8) && across.is_multiple_of(*n);
        let at_once = (1..=across.min(TOGETHER)).rev().find(divides);
        let at_once = at_once.unwrap_or(across);
        let columns: Vec<Vec<i8>> =
            (0..across).map(|j| weights.iter().skip(j).step_by(across).copied().collect()).collect();
        let whole = self.whole(group, anchor, &columns, &lanes);
        let bits = if at_once.is_multiple_of(8) { bits_of(&weights) } else { 8 };
        let weights = self.word_constant(b, weights_of(weights, bits));
        let rank = self.node(anchor).ty.rank();
        let sums = self.array("sum", DType::I32, at_once);
        self.repeat("block", across / at_once, |l, block| {
            l.push(Stmt::Micro(Micro::Rows(RowSums {
                inputs: storage.buffer,
                first: first as usize,
                len: inner,
                runs: None,
                rows: inner,
                adds: false,
                weights,
                bits,
                at: block.times((at_once * usize::from(bits) / 8) as i64),
                pitch: across,
                outputs: at_once,
                sums,
            })));
            l.repeat_rolled(at_once, |l, j| {
                let column = block.times(at_once as i64).plus(&j);
                let mut to = vec![Index::zero(); rank - 1];
                to.push(column.clone());
                let sum = Expr::LoadLocal(sums, DType::I32, j.clone());
                l.finish(group, whole.node, &to, whole.of(sum, &column))
            })
        });
        true
    }

    /// What has the same elements in the same order.
    fn behind_moves(&self, mut id: NodeId) -> NodeId {
        while matches!(self.node(id).op, Op::Reshape(_)) && !self.scope.storage.contains_key(&id) {
            id = self.node(id).operands[0];
        }
        id
    }

    /// Constant weights of 8 bits, row by row of the inputs.
    fn small_columns(&self, b: NodeId, inner: usize, across: usize) -> Option<Vec<i8>> {
        let all = self.constant_integers(b).filter(|all| all.len() == inner * across)?;
        all.iter().map(|w| i8::try_from(*w).ok()).collect()
    }
}
