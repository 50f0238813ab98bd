//! Indices: sums of whole multiples of loop variables, kept in a normal form so that moves of elements that undo each other vanish.

use super::walk::{each_expr, expr_indices};
use super::{Expr, Var, VarInfo, VarKind};

/// `constant + sum of coefficient * atom`, atoms in ascending order, no coefficient 0. Never overflows an `int` of 32 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Index {
    constant: i64,
    terms: Vec<(Atom, i64)>,
}

/// What an index is a sum of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Atom {
    /// An index variable.
    Var(Var),
    /// A non-negative index divided by a positive constant, rounded down.
    Div(Box<Index>, i64),
    /// The remainder of that division.
    Mod(Box<Index>, i64),
    /// An integer of the network, converted.
    Value(Box<Expr>),
}

/// Smallest and largest value, both included.
pub(crate) type Interval = (i64, i64);

impl From<i64> for Index {
    fn from(constant: i64) -> Index {
        Index { constant, terms: Vec::new() }
    }
}

impl From<Var> for Index {
    fn from(var: Var) -> Index {
        Index::atom(Atom::Var(var))
    }
}

impl Index {
    /// Zero.
    pub fn zero() -> Index {
        Index::default()
    }

    /// One atom.
    pub fn atom(atom: Atom) -> Index {
        Index { constant: 0, terms: vec![(atom, 1)] }
    }

    /// An integer of the network.
    pub fn value(value: Expr) -> Index {
        Index::atom(Atom::Value(Box::new(value)))
    }

    /// The constant part.
    pub fn constant(&self) -> i64 {
        self.constant
    }

    /// The atoms with their coefficients.
    pub fn terms(&self) -> &[(Atom, i64)] {
        &self.terms
    }

    /// Its value, when that is a constant.
    pub fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// The sum.
    pub fn plus(&self, other: &Index) -> Index {
        let mut sum = self.clone();
        sum.constant += other.constant;
        for (atom, coefficient) in &other.terms {
            sum.add_term(atom.clone(), *coefficient);
        }
        sum.recombine();
        sum
    }

    /// The sum with a constant.
    pub fn offset(&self, by: i64) -> Index {
        Index { constant: self.constant + by, terms: self.terms.clone() }
    }

    /// The product with a constant.
    pub fn times(&self, by: i64) -> Index {
        if by == 0 {
            return Index::zero();
        }
        Index {
            constant: self.constant * by,
            terms: self.terms.iter().map(|(a, c)| (a.clone(), c * by)).collect(),
        }
    }

    /// The difference.
    pub fn minus(&self, other: &Index) -> Index {
        self.plus(&other.times(-1))
    }

    /// What a variable is multiplied with; 0 when it does not occur by itself.
    pub(crate) fn coefficient(&self, var: Var) -> i64 {
        self.terms.iter().find(|(a, _)| *a == Atom::Var(var)).map_or(0, |(_, c)| *c)
    }

    /// The same index of other variables. Integers of the network in it stay as they are.
    pub(crate) fn map_vars(&self, f: &impl Fn(Var) -> Var) -> Index {
        self.mapped(&mut |atom| {
            if let Atom::Var(v) = atom {
                *v = f(*v)
            }
        })
    }

    /// The same index with every integer of the network in it changed.
    pub(crate) fn map_values(&self, f: &mut impl FnMut(&mut Expr)) -> Index {
        self.mapped(&mut |atom| {
            if let Atom::Value(e) = atom {
                f(e)
            }
        })
    }

    /// The same index with every atom changed, those in quotients too.
    fn mapped(&self, f: &mut impl FnMut(&mut Atom)) -> Index {
        let mut index = Index::from(self.constant);
        for (atom, c) in &self.terms {
            let mut atom = atom.clone();
            match &mut atom {
                Atom::Var(_) | Atom::Value(_) => f(&mut atom),
                Atom::Div(i, _) | Atom::Mod(i, _) => **i = i.mapped(f),
            }
            index.add_term(atom, *c);
        }
        index
    }

    fn add_term(&mut self, atom: Atom, coefficient: i64) {
        match self.terms.binary_search_by(|(a, _)| a.cmp(&atom)) {
            Ok(at) => {
                self.terms[at].1 += coefficient;
                if self.terms[at].1 == 0 {
                    self.terms.remove(at);
                }
            }
            Err(at) => self.terms.insert(at, (atom, coefficient)),
        }
    }

    /// `n * (e / n) + e % n` is e.
    fn recombine(&mut self) {
        let whole = self.terms.iter().find_map(|(atom, c)| {
            let Atom::Mod(e, n) = atom else { return None };
            let quotient = Atom::Div(e.clone(), *n);
            let (_, d) = self.terms.iter().find(|(a, _)| *a == quotient)?;
            (*d == c * n).then(|| (atom.clone(), quotient, e.clone(), *c))
        });
        if let Some((remainder, quotient, e, c)) = whole {
            self.terms.retain(|(a, _)| *a != remainder && *a != quotient);
            *self = self.plus(&e.times(c));
        }
    }

    /// This index, known to be not negative, divided by `n` and rounded down.
    pub(crate) fn divided(&self, n: i64, vars: &[VarInfo]) -> Index {
        let (whole, rest) = self.split(n, vars);
        match rest.interval(vars) {
            Some((low, high)) if low >= 0 && high < n => whole,
            _ => whole.plus(&Index::atom(Atom::Div(Box::new(rest), n))),
        }
    }

    /// The remainder of that division.
    pub(crate) fn remainder(&self, n: i64, vars: &[VarInfo]) -> Index {
        let (_, rest) = self.split(n, vars);
        match rest.interval(vars) {
            Some((low, high)) if low >= 0 && high < n => rest,
            _ => Index::atom(Atom::Mod(Box::new(rest), n)),
        }
    }

    /// (q, r) with `self = n * q + r` and r not negative, q as large a part as can be seen.
    fn split(&self, n: i64, vars: &[VarInfo]) -> (Index, Index) {
        let divides = |c: i64| c % n == 0;
        let pick = |keep: bool| self.terms.iter().filter(|(_, c)| divides(*c) == keep).cloned().collect();
        let whole = Index { constant: self.constant.div_euclid(n) * n, terms: pick(true) };
        let rest = Index { constant: self.constant.rem_euclid(n), terms: pick(false) };
        if rest.interval(vars).is_none_or(|(low, _)| low < 0) {
            return (Index::zero(), self.clone());
        }
        let terms = whole.terms.into_iter().map(|(a, c)| (a, c / n)).collect();
        (Index { constant: whole.constant / n, terms }, rest)
    }

    /// Bounds that follow from the bounds of its variables; `None` when some value has none.
    pub(crate) fn interval(&self, vars: &[VarInfo]) -> Option<Interval> {
        self.interval_by(&|atom| atom.interval(vars))
    }

    /// Bounds that follow from those of its atoms.
    pub(crate) fn interval_by(&self, of: &impl Fn(&Atom) -> Option<Interval>) -> Option<Interval> {
        self.terms.iter().try_fold((self.constant, self.constant), |(low, high), (atom, c)| {
            let (a, b) = of(atom)?;
            let (a, b) = if *c < 0 {
                (b.checked_mul(*c)?, a.checked_mul(*c)?)
            } else {
                (a.checked_mul(*c)?, b.checked_mul(*c)?)
            };
            Some((low.checked_add(a)?, high.checked_add(b)?))
        })
    }

    /// True when `var` occurs, be it in a quotient or in an integer of the network.
    pub(crate) fn mentions(&self, var: Var) -> bool {
        self.terms.iter().any(|(a, _)| match a {
            Atom::Var(v) => *v == var,
            Atom::Div(i, _) | Atom::Mod(i, _) => i.mentions(var),
            Atom::Value(e) => {
                let mut found = false;
                each_expr(e, &mut |e| found |= expr_indices(e).is_some_and(|i| i.mentions(var)));
                found
            }
        })
    }

    /// True when dividing is needed to compute it.
    pub(crate) fn divides(&self) -> bool {
        self.terms.iter().any(|(a, _)| matches!(a, Atom::Div(..) | Atom::Mod(..)))
    }
}

impl Atom {
    pub(crate) fn interval(&self, vars: &[VarInfo]) -> Option<Interval> {
        match self {
            Atom::Var(v) => match vars.get(v.0 as usize)?.kind {
                VarKind::Index { low, high } => Some((low, high)),
                VarKind::Scalar(_) => None,
            },
            Atom::Div(e, n) => {
                let (low, high) = e.interval(vars)?;
                Some((low.div_euclid(*n), high.div_euclid(*n)))
            }
            Atom::Mod(e, n) => {
                let (low, high) = e.interval(vars)?;
                Some(if low >= 0 && high < *n { (low, high) } else { (0, n - 1) })
            }
            Atom::Value(e) => {
                let (low, high) = super::bounds::integer_bounds(e, vars)?;
                Some((low.try_into().ok()?, high.try_into().ok()?))
            }
        }
    }
}

/// Position of `index` in a row-major array of `shape`.
pub(crate) fn ravel(index: &[Index], shape: &[usize]) -> Index {
    let mut at = Index::zero();
    for (i, stride) in index.iter().zip(teff_graph::strides(shape)) {
        at = at.plus(&i.times(stride as i64));
    }
    at
}

/// The inverse of [`ravel`], for a position inside the array.
pub(crate) fn unravel(position: &Index, shape: &[usize], vars: &[VarInfo]) -> Vec<Index> {
    let mut rest = position.clone();
    let mut index = vec![Index::zero(); shape.len()];
    let first = shape.iter().position(|&n| n != 1).unwrap_or(0);
    for axis in (0..shape.len()).rev() {
        if axis == first {
            // Nothing lies before it, so the quotient is inside by itself.
            index[axis] = rest;
            break;
        }
        if shape[axis] != 1 {
            index[axis] = rest.remainder(shape[axis] as i64, vars);
            rest = rest.divided(shape[axis] as i64, vars);
        }
    }
    index
}
