//! Indices in Rust: as `usize` wherever no part can be negative, through `isize` elsewhere.

use super::expr::Printer;
use crate::printing::{Array, Binds, Text, at_least, ordered, product, range_test, sum};
use crate::program::{Atom, Expr, Index, Var, VarKind};
use teff_graph::DType;

/// The type an index is computed in.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Natural,
    Signed,
}

impl Printer<'_> {
    /// An index that is not negative, as `usize`.
    pub(super) fn position(&mut self, index: &Index) -> Text {
        let alone = index.constant() == 0 && matches!(index.terms(), [(_, 1)]);
        if alone || self.is_natural(index) {
            return self.sum(index, Kind::Natural);
        }
        let text = self.sum(index, Kind::Signed);
        (format!("{} as usize", at_least(text, Binds::Cast)), Binds::Cast)
    }

    /// An index that may be negative, as `isize`.
    fn signed(&mut self, index: &Index) -> Text {
        self.sum(index, Kind::Signed)
    }

    /// What a variable that holds this index is set to.
    pub(super) fn named_index(&mut self, var: Var, index: &Index) -> String {
        if self.is_signed(var) { self.signed(index).0 } else { self.position(index).0 }
    }

    /// An index as a value of an integer type.
    pub(super) fn number_of(&mut self, dtype: DType, index: &Index) -> Text {
        if let Some(c) = index.as_constant() {
            return self.typed(&Expr::int(dtype, c));
        }
        let natural = self.scope.facts.bounds(index, self.scope.vars).is_some_and(|(low, _)| low >= 0);
        let text = if natural { self.position(index) } else { self.signed(index) };
        (format!("{} as {dtype}", at_least(text, Binds::Cast)), Binds::Cast)
    }

    /// True when every part and every partial sum, positive ones first, is at least 0, given that the whole is.
    fn is_natural(&self, index: &Index) -> bool {
        let part = |atom: &Atom| self.scope.facts.bounds(&Index::atom(atom.clone()), self.scope.vars);
        index.terms().iter().all(|(atom, _)| part(atom).is_some_and(|(low, _)| low >= 0))
    }

    /// True for what is an `usize` already.
    fn is_plain(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Var(v) => !self.is_signed(*v),
            Atom::Div(..) | Atom::Mod(..) => true,
            Atom::Value(_) => false,
        }
    }

    fn is_signed(&self, var: Var) -> bool {
        matches!(self.scope.vars[var.0 as usize].kind, VarKind::Index { low, .. } if low < 0)
    }

    pub(super) fn range(&mut self, index: &Index, low: i64, high: i64) -> Text {
        // An integer of the network is tested in its own type; of sums, the constant moves to the bounds.
        let value = match index.terms() {
            [(Atom::Value(e), 1)] if index.constant() == 0 => Some(e),
            _ => None,
        };
        let form = index.offset(-index.constant());
        let (low, high) = (low - index.constant(), high - index.constant());
        let bounds = form.interval(self.scope.vars);
        let below = bounds.is_some_and(|(_, most)| most < high);
        let natural = form.terms().iter().all(|(_, c)| *c > 0) && self.is_natural(&form) && high >= 0;
        let (text, unsigned) = match value {
            Some(e) => (self.typed(e), !e.dtype().is_signed_int()),
            None if natural => (self.sum(&form, Kind::Natural), true),
            None => (self.sum(&form, Kind::Signed), false),
        };
        let above = bounds.is_some_and(|(least, _)| least >= low) || unsigned && low <= 0;
        let low = if value.is_none() && natural { low.max(0) } else { low };
        range_test(&text, [above, below], low, high).unwrap_or_else(|| {
            (format!("({low}..{high}).contains(&{})", at_least(text, Binds::Postfix)), Binds::Postfix)
        })
    }

    fn atom(&mut self, atom: &Atom, kind: Kind) -> Text {
        let (text, own) = match atom {
            Atom::Var(v) => {
                let own = if self.is_signed(*v) { Kind::Signed } else { Kind::Natural };
                ((self.scope.var(*v).into(), Binds::Postfix), Some(own))
            }
            Atom::Div(i, n) | Atom::Mod(i, n) => {
                let sign = if matches!(atom, Atom::Div(..)) { '/' } else { '%' };
                let text = at_least(self.position(i), Binds::Product);
                ((format!("{text} {sign} {n}"), Binds::Product), Some(Kind::Natural))
            }
            Atom::Value(e) => (self.typed(e), None),
        };
        match kind {
            kind if own == Some(kind) => text,
            Kind::Natural => (format!("{} as usize", at_least(text, Binds::Cast)), Binds::Cast),
            Kind::Signed => (format!("{} as isize", at_least(text, Binds::Cast)), Binds::Cast),
        }
    }

    /// An element of an array. Where only a test makes the index fit, it is taken in two steps, one of loops and one of what
    /// was tested: `input[125 * c..][..125][5 * y]`. rustc knows bounds of either, but not of their sum.
    pub(super) fn place(&mut self, array: &Array, index: &Index) -> String {
        let (name, index) = (&array.name, index.offset(array.offset));
        match self.parted(&index, array.len as i64) {
            Some((free, tested, span)) => {
                format!("{name}[{}..][..{span}][{}]", self.position(&free).0, self.position(&tested).0)
            }
            None => format!("{name}[{}]", self.position(&index).0),
        }
    }

    /// An index that may leave the array but for what is known here: the part of it that nothing is known of, the part that is
    /// tested, and what the latter stays below.
    fn parted(&self, index: &Index, len: i64) -> Option<(Index, Index, i64)> {
        if index.interval(self.scope.vars).is_some_and(|(low, high)| low >= 0 && high < len) {
            return None;
        }
        let (multiples, rest) = self.multiples_of_tested(index);
        let free = rest.offset(-rest.constant());
        if multiples.is_empty() || free.terms().is_empty() {
            return None;
        }
        let tested = index.minus(&free);
        let (low, high) = self.scope.facts.bounds(&tested, self.scope.vars)?;
        let (least, most) = free.interval(self.scope.vars)?;
        (low >= 0 && least >= 0 && most + high < len).then_some((free, tested, high + 1))
    }

    /// Multiples of sums that are known to be in a range, and what remains.
    fn multiples_of_tested(&self, index: &Index) -> (Vec<(Index, i64)>, Index) {
        let (mut multiples, mut rest) = (Vec::new(), index.clone());
        for form in self.scope.facts.forms() {
            let of = |atom: &Atom| rest.terms().iter().find(|(a, _)| a == atom).map_or(0, |(_, c)| *c);
            let Some((first, c)) = form.terms().first() else { continue };
            let m = of(first) / c;
            if m > 0 && form.terms().iter().all(|(a, c)| *c > 0 && of(a) == m * c) {
                rest = rest.minus(&form.times(m));
                multiples.push((form.clone(), m));
            }
        }
        (multiples, rest)
    }

    /// The same but for what gains nothing by parentheses. rustc sees that `10 * (2 * oy + ky) - 40` is inside when it has just seen
    /// `2 * oy + ky` tested; of `20 * oy + 10 * ky - 40` it does not.
    fn factored(&self, index: &Index) -> (Vec<(Index, i64)>, Index) {
        let (multiples, mut rest) = self.multiples_of_tested(index);
        let (kept, plain) = multiples.into_iter().partition(|(form, m)| *m > 1 && form.terms().len() > 1);
        let plain: Vec<(Index, i64)> = plain;
        for (form, m) in plain {
            rest = rest.plus(&form.times(m));
        }
        (kept, rest)
    }

    /// Larger strides first, positive terms before negative: what is subtracted never exceeds what is there.
    fn sum(&mut self, index: &Index, kind: Kind) -> Text {
        let (multiples, index) = match kind {
            Kind::Natural => self.factored(index),
            Kind::Signed => (Vec::new(), index.clone()),
        };
        let (positive, negative) = ordered(&index);
        let mut added: Vec<Text> =
            multiples.iter().map(|(form, m)| product(*m, self.sum(form, kind))).collect();
        if kind == Kind::Signed && !positive.is_empty() && positive.iter().all(|(a, _)| self.is_plain(a)) {
            // One conversion for all: `(oy + ky) as isize`.
            let whole =
                positive.iter().fold(Index::zero(), |i, (a, c)| i.plus(&Index::atom(a.clone()).times(*c)));
            let text = self.sum(&whole, Kind::Natural);
            added.push((format!("{} as isize", at_least(text, Binds::Cast)), Binds::Cast));
        } else {
            added.extend(positive.iter().map(|(atom, c)| product(*c, self.atom(atom, kind))));
        }
        let subtracted = negative.iter().map(|(atom, c)| product(-c, self.atom(atom, kind))).collect();
        sum(added, index.constant(), subtracted)
    }
}
