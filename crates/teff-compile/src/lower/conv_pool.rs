//! What a pool keeps of the convolution results of one window, while they are still in registers.

use super::Lowering;
use super::conv::PoolAfter;
use crate::program::{Expr, Index, VarKind, each_expr};
use teff_graph::{Binary, NodeId, PoolKind};

impl<'a> Lowering<'a> {
    /// The pooled value of the window whose places have these indices and sums; `whole` makes the value of `from`, the convolution or
    /// what comes of it, of one.
    pub(super) fn pooled(
        &mut self,
        from: NodeId,
        pool: PoolAfter,
        index: &[Vec<Index>],
        sum: &dyn Fn(usize) -> Expr,
        whole: &dyn Fn(&mut Self, Expr) -> Expr,
    ) -> Expr {
        let chain = self.node(pool.node).operands[0];
        let combine = if pool.kind == PoolKind::Max { Binary::Max } else { Binary::Add };
        let join = |a, b| Expr::binary(combine, a, b);
        if pool.kind == PoolKind::Max && self.keeps_order(from, chain, index) {
            // The largest sum stays the largest, so what follows is computed once.
            let best = (0..index.len()).map(sum).reduce(join).expect("a window has places");
            let best = whole(self, best);
            let best = self.name_value("best", best);
            return self.element_with(from, best, chain, &index[0]);
        }
        let values = index.iter().enumerate().map(|(p, at)| {
            let value = whole(self, sum(p));
            let value = if let Expr::LoadLocal(..) = value { value } else { self.name_value("value", value) };
            self.element_with(from, value, chain, at)
        });
        values.reduce(join).expect("a window has places")
    }

    /// True when what follows the convolution is the same at every place of a window and never swaps two floats' order.
    fn keeps_order(&mut self, from: NodeId, chain: NodeId, index: &[Vec<Index>]) -> bool {
        let dtype = self.node(from).ty.dtype;
        if !dtype.is_float() || self.node(chain).ty.dtype != dtype {
            return false;
        }
        let vars = self.builder.vars.clone();
        let probe = Expr::Var(self.new_var("probe", VarKind::Scalar(dtype)), dtype);
        let mut seen: Vec<Expr> = Vec::new();
        for at in index {
            // What is named there has a name of its own at each place, so that no two are the same.
            self.nested(|l| seen.push(l.element_with(from, probe.clone(), chain, at)));
        }
        self.builder.vars = vars;
        seen.iter().all(|e| *e == seen[0]) && rises(&seen[0], &probe)
    }
}

/// True when `e` is `x`, or a function of it that never falls, whatever else it reads.
fn rises(e: &Expr, x: &Expr) -> bool {
    if e == x {
        return true;
    }
    let Expr::Binary(op, a, b) = e else { return false };
    let (left, right) = (rises(a, x) && !mentions(b, x), rises(b, x) && !mentions(a, x));
    match op {
        Binary::Add | Binary::Max | Binary::Min => left || right,
        Binary::Sub => left,
        Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow | Binary::MulHigh => false,
        Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr => false,
        Binary::Eq | Binary::Lt | Binary::Le => false,
    }
}

fn mentions(e: &Expr, x: &Expr) -> bool {
    let mut found = false;
    each_expr(e, &mut |inner| found |= inner == x);
    found
}
