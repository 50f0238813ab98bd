//! The frame of both printers: how expressions are put together with no more parentheses than a reader needs. A [`Language`] says how
//! its own forms look.

use super::at_least;
use super::body::{Array, Scope};
use crate::program::{Atom, Expr, Index, Micro, Quantizer, Scalar, Stmt, Var};
use teff_graph::{Binary, DType, Unary};

/// How tightly an operator binds (C99 6.5; Rust reference, "Expression precedence"); larger is tighter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binds {
    Choice,
    Or,
    And,
    /// `&`, `|`, `^` in C.
    LooseBits,
    Comparison,
    /// Those, and shifts, in Rust.
    Bits,
    Sum,
    Product,
    /// `as` in Rust.
    Cast,
    /// Casts in C too.
    Prefix,
    Postfix,
}

/// Text and how tightly its outermost operator binds.
pub(crate) type Text = (String, Binds);

/// The operator of a function of two numbers, or of a function of booleans that is one of numbers too; `None` where neither language
/// has one.
pub(crate) fn sign(op: Binary) -> Option<&'static str> {
    match op {
        Binary::Add => Some("+"),
        Binary::Sub => Some("-"),
        Binary::Mul => Some("*"),
        Binary::Div => Some("/"),
        Binary::Rem => Some("%"),
        Binary::And => Some("&"),
        Binary::Or => Some("|"),
        Binary::Xor => Some("^"),
        Binary::Shl => Some("<<"),
        Binary::Shr => Some(">>"),
        Binary::Eq => Some("=="),
        Binary::Lt => Some("<"),
        Binary::Le => Some("<="),
        Binary::Pow | Binary::Max | Binary::Min | Binary::MulHigh => None,
    }
}

/// The left side of a comparison. A type before `<` would be read as the beginning of its parameters.
pub(crate) fn compared((text, binds): Text, op: &str) -> String {
    let ends_with_type = text.rsplit_once(" as ").is_some_and(|(_, t)| t.chars().all(char::is_alphanumeric));
    let least = if op.starts_with('<') && ends_with_type { Binds::Postfix } else { Binds::Bits };
    at_least((text, binds), least)
}

/// `text < high` and the like for `low <= text < high`, of which `above` says that the first, `below` that the second is known; `None`
/// when neither is.
pub(crate) fn range_test(text: &Text, [above, below]: [bool; 2], low: i64, high: i64) -> Option<Text> {
    let test = |op: &str, bound: i64| {
        Some((format!("{} {op} {bound}", compared(text.clone(), op)), Binds::Comparison))
    };
    match (above, below) {
        (true, true) => Some(("true".into(), Binds::Postfix)),
        (true, false) if high == low + 1 => test("==", low),
        (true, false) => test("<", high),
        (false, true) => test(">=", low),
        (false, false) => None,
    }
}

type Terms<'i> = Vec<&'i (Atom, i64)>;

/// The terms of an index that are added and those that are subtracted, larger strides first.
pub(crate) fn ordered(index: &Index) -> (Terms<'_>, Terms<'_>) {
    let mut terms: Terms = index.terms().iter().collect();
    terms.sort_by_key(|(_, c)| std::cmp::Reverse(*c));
    terms.into_iter().partition(|(_, c)| *c > 0)
}

/// `factor * text`.
pub(crate) fn product(factor: i64, text: Text) -> Text {
    if factor == 1 { text } else { (format!("{factor} * {}", at_least(text, Binds::Cast)), Binds::Product) }
}

/// A sum: what is added before what is subtracted, so that it never exceeds what is there.
pub(crate) fn sum(mut added: Vec<Text>, constant: i64, mut subtracted: Vec<Text>) -> Text {
    if constant > 0 || constant == 0 && added.is_empty() && subtracted.is_empty() {
        added.push((constant.to_string(), Binds::Postfix));
    } else if constant < 0 {
        subtracted.push(((-constant).to_string(), Binds::Postfix));
    }
    let mut parts = added.into_iter().map(|t| ('+', t)).chain(subtracted.into_iter().map(|t| ('-', t)));
    let first = match parts.next().expect("a sum has a part") {
        ('-', text) => (format!("-{}", at_least(text, Binds::Prefix)), Binds::Prefix),
        (_, text) => text,
    };
    parts.fold(first, |sum, (sign, part)| {
        (format!("{} {sign} {}", sum.0, at_least(part, Binds::Product)), Binds::Sum)
    })
}

/// What a language says of expressions and statements.
pub(crate) trait Language<'a> {
    /// How tightly `&`, `|`, `^` bind.
    const BITS: Binds;
    /// Whether a loop names what it counts although nothing mentions it.
    const NAMES_ALL: bool;
    /// Whether a local array is given a first value, which a loop that fills it with one says.
    const FILLS: bool;

    /// The names where the printer is.
    fn scope(&mut self) -> &mut Scope<'a>;

    fn constant(&mut self, s: Scalar) -> Text;
    /// An index as a value.
    fn number(&mut self, dtype: DType, index: &Index) -> Text;
    fn in_range(&mut self, index: &Index, low: i64, high: i64) -> Text;
    fn element(&mut self, array: &Array, index: &Index) -> String;
    fn unary(&mut self, op: Unary, x: &Expr) -> Text;
    /// What is no comparison of two numbers, `whole`, and no operator on floats.
    fn arithmetic(&mut self, whole: &Expr, op: Binary, a: &Expr, b: &Expr) -> Text;
    fn select(&mut self, operands: &[Expr; 3]) -> Text;
    fn converted(&mut self, to: DType, x: &Expr) -> Text;
    fn same_bits(&mut self, to: DType, x: &Expr) -> Text;
    fn quantized(&mut self, to: Quantizer, x: &Expr) -> Text;
    /// The left operand beside `b`.
    fn left(&mut self, a: &Expr, _b: &Expr) -> Text {
        self.expr(a)
    }

    /// What begins a loop.
    fn loop_head(&mut self, name: &str, count: usize, rolled: bool) -> Vec<String>;
    /// One statement for a whole loop, where the language has one.
    fn whole_loop(&mut self, _var: Var, _count: usize, _body: &[Stmt]) -> Option<String> {
        None
    }
    /// `if`, up to its brace.
    fn test(&mut self, condition: &Expr) -> String;
    /// The definition of a variable, one that may change if `changes`.
    fn definition(&mut self, name: &str, value: &Expr, changes: bool) -> String;
    fn index_definition(&mut self, name: &str, var: Var, index: &Index) -> String;
    fn array_definition(&mut self, array: &Array, dtype: DType, first: Option<Scalar>) -> String;
    /// The call of a micro-kernel, without a semicolon.
    fn micro(&mut self, micro: &Micro) -> String;

    fn expr(&mut self, e: &Expr) -> Text {
        match e {
            Expr::Const(s) => self.constant(*s),
            Expr::Var(v, _) => (self.scope().var(*v).into(), Binds::Postfix),
            Expr::Index(dtype, i) => self.number(*dtype, i),
            Expr::InRange { index, low, high } => self.in_range(index, *low, *high),
            Expr::Load(id, _, i) => {
                let array = self.scope().buffer(*id);
                (self.element(&array, i), Binds::Postfix)
            }
            Expr::LoadLocal(id, _, i) => {
                let array = self.scope().local(*id);
                (self.element(&array, i), Binds::Postfix)
            }
            Expr::Unary(op, x) => self.unary(*op, x),
            Expr::Binary(op, a, b) => self.binary(e, *op, a, b),
            Expr::Select(operands) => self.select(operands),
            Expr::Cast(dtype, x) => self.converted(*dtype, x),
            Expr::Bits(dtype, x) => self.same_bits(*dtype, x),
            Expr::Quantize(to, x) => self.quantized(*to, x),
        }
    }

    /// An expression as text on its own.
    fn value(&mut self, e: &Expr) -> String {
        self.expr(e).0
    }

    fn operand(&mut self, e: &Expr, least: Binds) -> String {
        at_least(self.expr(e), least)
    }

    /// Operands of a call.
    fn list(&mut self, operands: &[&Expr]) -> String {
        operands.iter().map(|e| self.value(e)).collect::<Vec<_>>().join(", ")
    }

    /// An operator on numbers that stands between them.
    fn infix(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        let sign = sign(op).expect("an operator");
        let left = self.left(a, b);
        match op {
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem => {
                let sums = matches!(op, Binary::Add | Binary::Sub);
                let binds = if sums { Binds::Sum } else { Binds::Product };
                // The right operand of a left-associative operator needs parentheses at the same level.
                let right = self.operand(b, if sums { Binds::Product } else { Binds::Cast });
                (format!("{} {sign} {right}", at_least(left, binds)), binds)
            }
            Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr => {
                let (a, b) = (at_least(left, Binds::Prefix), self.operand(b, Binds::Prefix));
                (format!("{a} {sign} {b}"), Self::BITS)
            }
            // Comparisons do not chain.
            Binary::Eq | Binary::Lt | Binary::Le => {
                let (a, b) = (compared(left, sign), self.operand(b, Binds::Bits));
                (format!("{a} {sign} {b}"), Binds::Comparison)
            }
            Binary::Pow | Binary::Max | Binary::Min | Binary::MulHigh => unreachable!("no operators"),
        }
    }

    fn binary(&mut self, whole: &Expr, op: Binary, a: &Expr, b: &Expr) -> Text {
        if a.dtype() == DType::Bool {
            return self.logical(op, a, b);
        }
        let operator = match op {
            Binary::Eq | Binary::Lt | Binary::Le => true,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div => a.dtype().is_float(),
            Binary::Rem | Binary::Pow | Binary::Max | Binary::Min | Binary::MulHigh => false,
            Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr => false,
        };
        if operator { self.infix(op, a, b) } else { self.arithmetic(whole, op, a, b) }
    }

    /// Of booleans.
    fn logical(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        match op {
            Binary::And | Binary::Min => {
                let left = self.operand(a, Binds::And);
                // What holds on the left holds on the right.
                let outside = self.scope().suppose(a, true);
                let right = self.operand(b, Binds::LooseBits);
                self.scope().facts = outside;
                (format!("{left} && {right}"), Binds::And)
            }
            Binary::Or | Binary::Max => {
                // Compilers of C ask for parentheses around && inside ||.
                let (a, b) = (self.operand(a, Binds::LooseBits), self.operand(b, Binds::LooseBits));
                (format!("{a} || {b}"), Binds::Or)
            }
            Binary::Eq | Binary::Xor => {
                let (a, b) = (self.operand(a, Binds::Bits), self.operand(b, Binds::Bits));
                (format!("{a} {} {b}", if op == Binary::Eq { "==" } else { "!=" }), Binds::Comparison)
            }
            Binary::Lt | Binary::Le => {
                let (sign, binds) = if op == Binary::Lt { ("&&", Binds::And) } else { ("||", Binds::Or) };
                let (a, b) = (self.operand(a, Binds::Postfix), self.operand(b, Binds::LooseBits));
                (format!("!{a} {sign} {b}"), binds)
            }
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                unreachable!("no numbers")
            }
            Binary::Shl | Binary::Shr | Binary::MulHigh => unreachable!("no integers"),
        }
    }
}
