//! What bounds an index: intervals of its variables, sharpened by the conditions it stands under.

use super::index::Interval;
use super::{Atom, Expr, Index, VarInfo};
use teff_graph::{Binary, DType, Num};

/// Dividends within dividends are looked into so far: what is known of one may mention the other, and so on without end.
const DEEPEST: usize = 4;

/// Conditions that hold: each index, its constant taken off, lies in its interval, both ends included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts(Vec<(Index, i64, i64)>);

impl Facts {
    /// These facts and those that follow from `condition` being true.
    pub(crate) fn under(&self, condition: &Expr) -> Facts {
        let mut facts = self.clone();
        facts.learn(condition);
        facts
    }

    /// These facts and those that follow from `condition` being false: an index that can only be above the range is.
    pub(crate) fn outside(&self, condition: &Expr, vars: &[VarInfo]) -> Facts {
        let mut facts = self.clone();
        if let Expr::InRange { index, low, high } = condition
            && let Some((least, most)) = self.bounds(index, vars)
            && least >= *low
        {
            facts.add(index, *high, most);
        }
        facts
    }

    fn learn(&mut self, condition: &Expr) {
        if let Expr::InRange { index, low, high } = condition {
            self.add(index, *low, high - 1);
        } else if let Expr::Binary(Binary::And, a, b) = condition {
            self.learn(a);
            self.learn(b);
        }
    }

    fn add(&mut self, index: &Index, low: i64, high: i64) {
        let (low, high) = (low - index.constant(), high - index.constant());
        let form = index.offset(-index.constant());
        for (atom, c) in form.terms() {
            if let (Atom::Div(e, n), 1) = (atom, c) {
                // s + e / n is (n * s + e) / n, and low <= e / n <= high is low * n <= e < (high + 1) * n.
                let dividend = form.minus(&Index::atom(atom.clone())).times(*n).plus(e);
                self.add(&dividend, low * n, (high + 1) * n - 1);
            }
        }
        match self.0.iter_mut().find(|(f, ..)| *f == form) {
            Some((_, a, b)) => (*a, *b) = (low.max(*a), high.min(*b)),
            None => self.0.push((form, low, high)),
        }
    }

    /// The indices that something is known of, without their constants.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &Index> {
        self.0.iter().map(|(form, ..)| form)
    }

    /// Bounds of `index`: the tightest that subtracting multiples of known forms gives.
    pub(crate) fn bounds(&self, index: &Index, vars: &[VarInfo]) -> Option<Interval> {
        self.bounds_within(index, vars, DEEPEST)
    }

    fn bounds_within(&self, index: &Index, vars: &[VarInfo], depth: usize) -> Option<Interval> {
        let mut rest = index.clone();
        let mut known = (0i64, 0i64);
        let width = |r: Option<Interval>| r.map_or(i64::MAX, |(a, b)| b.saturating_sub(a));
        for (form, low, high) in self.0.iter().chain(&self.of_dividends(vars)) {
            let Some((atom, c)) = form.terms().first() else { continue };
            let Some((_, d)) = rest.terms().iter().find(|(a, _)| a == atom) else { continue };
            let m = d / c;
            if m == 0 {
                continue;
            }
            let (low, high) = match form.interval(vars) {
                Some((a, b)) => (*low.max(&a), *high.min(&b)),
                None => (*low, *high),
            };
            let without = rest.minus(&form.times(m));
            let span = m.abs().saturating_mul(high - low);
            if width(self.sum(&without, vars, depth)).saturating_add(span)
                < width(self.sum(&rest, vars, depth))
            {
                rest = without;
                let (a, b) = if m > 0 { (low * m, high * m) } else { (high * m, low * m) };
                known = (known.0 + a, known.1 + b);
            }
        }
        let (low, high) = self.sum(&rest, vars, depth)?;
        Some((low.checked_add(known.0)?, high.checked_add(known.1)?))
    }

    /// What is known of e when something is of e % n: `n * (e / n) + e % n` is e.
    fn of_dividends(&self, vars: &[VarInfo]) -> Vec<(Index, i64, i64)> {
        let dividend = |(form, low, high): &(Index, i64, i64)| {
            let [(Atom::Mod(e, n), 1)] = form.terms() else { return None };
            let (least, most) = e.interval(vars)?;
            let (low, high) = (least.div_euclid(*n) * n + low, most.div_euclid(*n) * n + high);
            Some((e.offset(-e.constant()), low - e.constant(), high - e.constant()))
        };
        self.0.iter().filter_map(dividend).collect()
    }

    /// Bounds of a sum by those of its terms.
    fn sum(&self, index: &Index, vars: &[VarInfo], depth: usize) -> Option<Interval> {
        index.interval_by(&|atom| self.atom(atom, vars, depth))
    }

    /// Bounds of an atom, with what is known of it and of what it is made of.
    fn atom(&self, atom: &Atom, vars: &[VarInfo], depth: usize) -> Option<Interval> {
        let inner = |e: &Index| match depth.checked_sub(1) {
            Some(depth) => self.bounds_within(e, vars, depth),
            None => e.interval(vars),
        };
        let by_form = match atom {
            Atom::Var(_) | Atom::Value(_) => atom.interval(vars),
            Atom::Div(e, n) => inner(e).map(|(low, high)| (low.div_euclid(*n), high.div_euclid(*n))),
            Atom::Mod(e, n) => match inner(e)? {
                (low, high) if low >= 0 && high < *n => Some((low, high)),
                _ => Some((0, n - 1)),
            },
        };
        let fact = self.0.iter().find(|(form, ..)| matches!(form.terms(), [(a, 1)] if a == atom));
        match (by_form, fact) {
            (Some((a, b)), Some((_, low, high))) => Some((a.max(*low), b.min(*high))),
            (None, Some((_, low, high))) => Some((*low, *high)),
            (by_form, None) => by_form,
        }
    }
}

/// Bounds of an integer that follow from the types and operations it is made of; `None` when it may wrap, or is no integer.
pub(crate) fn unwrapped(e: &Expr, vars: &[VarInfo]) -> Option<(i128, i128)> {
    let of_type = e.dtype().int_range()?;
    let exact = match e {
        Expr::Const(s) => match s.get() {
            Num::Int(i) => (i, i),
            Num::Float(_) => return None,
        },
        Expr::Index(_, index) => index.interval(vars).map(|(a, b)| (a as i128, b as i128))?,
        Expr::Binary(op, a, b) => {
            let (a, b) = (integer_bounds(a, vars)?, integer_bounds(b, vars)?);
            match op {
                Binary::Add => (a.0 + b.0, a.1 + b.1),
                Binary::Sub => (a.0 - b.1, a.1 - b.0),
                Binary::Mul | Binary::MulHigh => {
                    let pairs = [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)];
                    let products = pairs.map(|(x, y)| x.saturating_mul(y));
                    let half = if *op == Binary::MulHigh { 32 } else { 0 };
                    (products.iter().min()? >> half, products.iter().max()? >> half)
                }
                Binary::Max => (a.0.max(b.0), a.1.max(b.1)),
                Binary::Min => (a.0.min(b.0), a.1.min(b.1)),
                Binary::Div | Binary::Rem | Binary::Pow | Binary::Shl | Binary::Shr => of_type,
                Binary::And | Binary::Or | Binary::Xor | Binary::Eq | Binary::Lt | Binary::Le => of_type,
            }
        }
        Expr::Select(operands) => {
            let (a, b) = (integer_bounds(&operands[1], vars)?, integer_bounds(&operands[2], vars)?);
            (a.0.min(b.0), a.1.max(b.1))
        }
        Expr::Cast(_, x) if x.dtype() == DType::Bool => (0, 1),
        Expr::Cast(_, x) => match integer_bounds(x, vars) {
            Some(inner) if of_type.0 <= inner.0 && inner.1 <= of_type.1 => inner,
            _ => of_type,
        },
        Expr::Quantize(to, _) => (to.range().0.into(), to.range().1.into()),
        Expr::Bits(..) | Expr::Var(..) | Expr::Load(..) | Expr::LoadLocal(..) => of_type,
        Expr::Unary(..) | Expr::InRange { .. } => of_type,
    };
    (of_type.0 <= exact.0 && exact.1 <= of_type.1).then_some(exact)
}

/// The same, or the bounds of its type where it may wrap.
pub(super) fn integer_bounds(e: &Expr, vars: &[VarInfo]) -> Option<(i128, i128)> {
    unwrapped(e, vars).or(e.dtype().int_range())
}
