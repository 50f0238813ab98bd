//! What a pool keeps of the convolution results of one window, while they are still in registers.

use super::Lowering;
use super::conv::Conv;
use crate::program::{Expr, Index, VarKind, each_expr};
use teff_graph::{Binary, NodeId, PoolKind};

impl<'a> Lowering<'a> {
    /// The pooled value of the window whose places have these indices and sums.
    pub(super) fn pooled(
        &mut self,
        c: &Conv,
        pool: NodeId,
        kind: PoolKind,
        places: &[Vec<usize>],
        index: &dyn Fn(&[usize]) -> Vec<Index>,
        sum: &dyn Fn(usize) -> Expr,
    ) -> Expr {
        let chain = self.node(pool).operands[0];
        let combine = if kind == PoolKind::Max { Binary::Max } else { Binary::Add };
        if kind == PoolKind::Max && self.keeps_order(c.hero, chain, places, index) {
            // The largest sum stays the largest, so what follows is computed once.
            let best = (1..places.len()).map(sum).fold(sum(0), |a, b| Expr::binary(combine, a, b));
            let best = self.name_value("best", best);
            return self.element_with(c.hero, best, chain, &index(&places[0]));
        }
        let mut total: Option<Expr> = None;
        for (p, place) in places.iter().enumerate() {
            let value = self.element_with(c.hero, sum(p), chain, &index(place));
            total = Some(match total {
                None => value,
                Some(before) => Expr::binary(combine, before, value),
            });
        }
        total.expect("a window has places")
    }

    /// True when what follows the convolution is the same at every place of a window and never swaps two floats' order.
    pub(super) fn keeps_order(
        &mut self,
        hero: NodeId,
        chain: NodeId,
        places: &[Vec<usize>],
        index: &dyn Fn(&[usize]) -> Vec<Index>,
    ) -> bool {
        let dtype = self.node(hero).ty.dtype;
        if !dtype.is_float() || self.node(chain).ty.dtype != dtype {
            return false;
        }
        let vars = self.builder.vars.clone();
        let probe = Expr::Var(self.new_var("probe", VarKind::Scalar(dtype)), dtype);
        let mut seen: Vec<Expr> = Vec::new();
        for place in places {
            let at = index(place);
            // What is named there has a name of its own at each place, so that no two are the same.
            self.nested(|l| seen.push(l.element_with(hero, probe.clone(), chain, &at)));
        }
        self.builder.vars = vars;
        seen.iter().all(|e| *e == seen[0]) && rises(&seen[0], &probe)
    }
}

/// True when `e` is `x`, or a function of it that never falls, whatever else it reads.
fn rises(e: &Expr, x: &Expr) -> bool {
    match e {
        e if e == x => true,
        Expr::Binary(Binary::Add | Binary::Max | Binary::Min, a, b) => {
            rises(a, x) && !mentions(b, x) || rises(b, x) && !mentions(a, x)
        }
        Expr::Binary(Binary::Sub, a, b) => rises(a, x) && !mentions(b, x),
        _ => false,
    }
}

fn mentions(e: &Expr, x: &Expr) -> bool {
    let mut found = false;
    each_expr(e, &mut |inner| found |= inner == x);
    found
}
