//! Indices in Rust: as `usize` wherever no part can be negative, through `isize` elsewhere.

use super::expr::{Binds, Printer, Text, compared};
use crate::printing::at_least;
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
    pub(super) fn number(&mut self, dtype: DType, index: &Index) -> Text {
        if let Some(c) = index.as_constant() {
            return self.typed(&Expr::int(dtype, c));
        }
        let natural = self.facts.bounds(index, self.vars).is_some_and(|(low, _)| low >= 0);
        let text = if natural { self.position(index) } else { self.signed(index) };
        (format!("{} as {dtype}", at_least(text, Binds::Cast)), Binds::Cast)
    }

    /// True when every part and every partial sum, positive ones first, is at least 0, given that the whole is.
    fn is_natural(&self, index: &Index) -> bool {
        let part = |atom: &Atom| self.facts.bounds(&Index::atom(atom.clone()), self.vars);
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
        matches!(self.vars[var.0 as usize].kind, VarKind::Index { low, .. } if low < 0)
    }

    pub(super) fn in_range(&mut self, index: &Index, low: i64, high: i64) -> Text {
        if let ([(Atom::Value(e), 1)], 0) = (index.terms(), index.constant()) {
            // An integer of the network is tested in its own type.
            let unsigned = !e.dtype().is_signed_int();
            let bounds = index.interval(self.vars);
            let above = bounds.is_some_and(|(least, _)| least >= low) || unsigned && low <= 0;
            let below = bounds.is_some_and(|(_, most)| most < high);
            let text = self.typed(e);
            return range_test(text, above, below, low, high);
        }
        // The constant moves to the bounds.
        let (form, low, high) =
            (index.offset(-index.constant()), low - index.constant(), high - index.constant());
        let bounds = form.interval(self.vars);
        let above = bounds.is_some_and(|(least, _)| least >= low);
        let below = bounds.is_some_and(|(_, most)| most < high);
        let natural = form.terms().iter().all(|(_, c)| *c > 0) && self.is_natural(&form);
        if natural && high >= 0 {
            let text = self.sum(&form, Kind::Natural);
            range_test(text, above || low <= 0, below, low.max(0), high)
        } else {
            let text = self.sum(&form, Kind::Signed);
            range_test(text, above, below, low, high)
        }
    }

    fn atom(&mut self, atom: &Atom, kind: Kind) -> Text {
        let (text, own) = match atom {
            Atom::Var(v) => {
                let own = if self.is_signed(*v) { Kind::Signed } else { Kind::Natural };
                ((self.var_names[v.0 as usize].clone(), Binds::Postfix), Some(own))
            }
            Atom::Div(i, n) => {
                let text = self.position(i);
                ((format!("{} / {n}", at_least(text, Binds::Product)), Binds::Product), Some(Kind::Natural))
            }
            Atom::Mod(i, n) => {
                let text = self.position(i);
                ((format!("{} % {n}", at_least(text, Binds::Product)), Binds::Product), Some(Kind::Natural))
            }
            Atom::Value(e) => (self.typed(e), None),
        };
        match kind {
            kind if own == Some(kind) => text,
            Kind::Natural => (format!("{} as usize", at_least(text, Binds::Cast)), Binds::Cast),
            Kind::Signed => (format!("{} as isize", at_least(text, Binds::Cast)), Binds::Cast),
        }
    }

    /// An element of an array of `len`. Where only a test makes the index fit, it is taken in two steps, one of loops and one of what
    /// was tested: `input[125 * c..][..125][5 * y]`. rustc knows bounds of either, but not of their sum.
    pub(super) fn element(&mut self, name: &str, len: usize, index: &Index) -> String {
        match self.parted(index, len as i64) {
            Some((free, tested, span)) => {
                format!("{name}[{}..][..{span}][{}]", self.position(&free).0, self.position(&tested).0)
            }
            None => format!("{name}[{}]", self.position(index).0),
        }
    }

    /// An index that may leave the array but for what is known here: the part of it that nothing is known of, the part that is
    /// tested, and what the latter stays below.
    fn parted(&self, index: &Index, len: i64) -> Option<(Index, Index, i64)> {
        if index.interval(self.vars).is_some_and(|(low, high)| low >= 0 && high < len) {
            return None;
        }
        let (multiples, rest) = self.multiples_of_tested(index);
        let free = rest.offset(-rest.constant());
        if multiples.is_empty() || free.terms().is_empty() {
            return None;
        }
        let tested = index.minus(&free);
        let (low, high) = self.facts.bounds(&tested, self.vars)?;
        let (least, most) = free.interval(self.vars)?;
        (low >= 0 && least >= 0 && most + high < len).then_some((free, tested, high + 1))
    }

    /// Multiples of sums that are known to be in a range, and what remains.
    fn multiples_of_tested(&self, index: &Index) -> (Vec<(Index, i64)>, Index) {
        let (mut multiples, mut rest) = (Vec::new(), index.clone());
        for form in self.facts.forms() {
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
        let mut terms: Vec<&(Atom, i64)> = index.terms().iter().collect();
        terms.sort_by_key(|(_, c)| std::cmp::Reverse(*c));
        let (positive, negative): (Vec<_>, Vec<_>) = terms.into_iter().partition(|(_, c)| *c > 0);
        let mut parts: Vec<(bool, Text)> = Vec::new();
        for (form, m) in multiples {
            let text = self.sum(&form, kind);
            parts.push((false, (format!("{m} * {}", at_least(text, Binds::Cast)), Binds::Product)));
        }
        if kind == Kind::Signed && !positive.is_empty() && positive.iter().all(|(a, _)| self.is_plain(a)) {
            // One conversion for all: `(oy + ky) as isize`.
            let whole =
                positive.iter().fold(Index::zero(), |i, (a, c)| i.plus(&Index::atom(a.clone()).times(*c)));
            let text = self.sum(&whole, Kind::Natural);
            parts.push((false, (format!("{} as isize", at_least(text, Binds::Cast)), Binds::Cast)));
        } else {
            for (atom, c) in &positive {
                parts.push((false, self.product(atom, *c, kind)));
            }
        }
        let constant = index.constant();
        if constant > 0 || constant == 0 && parts.is_empty() && negative.is_empty() {
            parts.push((false, (constant.to_string(), Binds::Postfix)));
        }
        for (atom, c) in &negative {
            parts.push((true, self.product(atom, -c, kind)));
        }
        if constant < 0 {
            parts.push((true, ((-constant).to_string(), Binds::Postfix)));
        }
        let mut parts = parts.into_iter();
        let (minus, first) = parts.next().expect("a sum has a part");
        let mut sum =
            if minus { (format!("-{}", at_least(first, Binds::Prefix)), Binds::Prefix) } else { first };
        for (minus, part) in parts {
            let sign = if minus { '-' } else { '+' };
            sum = (format!("{} {sign} {}", sum.0, at_least(part, Binds::Product)), Binds::Sum);
        }
        sum
    }

    fn product(&mut self, atom: &Atom, factor: i64, kind: Kind) -> Text {
        let text = self.atom(atom, kind);
        match factor {
            1 => text,
            f => (format!("{f} * {}", at_least(text, Binds::Cast)), Binds::Product),
        }
    }
}

/// `low <= text < high`, of which `above` says that the first, `below` that the second is known.
fn range_test(text: Text, above: bool, below: bool, low: i64, high: i64) -> Text {
    match (above, below) {
        (true, true) => ("true".into(), Binds::Postfix),
        (true, false) if high == low + 1 => (format!("{} == {low}", compared(text, "==")), Binds::Comparison),
        (true, false) => (format!("{} < {high}", compared(text, "<")), Binds::Comparison),
        (false, true) => (format!("{} >= {low}", compared(text, ">=")), Binds::Comparison),
        (false, false) => {
            let text = if text.1 == Binds::Postfix { text.0 } else { format!("({})", text.0) };
            (format!("({low}..{high}).contains(&{text})"), Binds::Postfix)
        }
    }
}
