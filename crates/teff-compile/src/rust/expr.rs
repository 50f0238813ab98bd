//! Expressions in Rust, with no more parentheses than a reader needs.

use super::bounds::bounds;
use super::data::{literal, typed_literal};
use super::names::Names;
use crate::printing::at_least;
use crate::program::{ArrayId, BufferId, Expr, Facts, Index, Kernel, Program, Scalar, VarInfo};
use std::collections::{BTreeSet, HashMap};
use teff_graph::{Binary, DType, Num, Unary};

/// How tightly an operator binds (reference, "Expression precedence"); larger is tighter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binds {
    Choice,
    Or,
    And,
    Comparison,
    Bits,
    Sum,
    Product,
    Cast,
    Prefix,
    Postfix,
}

/// Text and how tightly its outermost operator binds.
pub(super) type Text = (String, Binds);

/// The array through which a kernel's function sees a buffer, and where in it the buffer begins.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) offset: i64,
    /// Elements of the array.
    pub(super) len: usize,
}

/// The state of printing one kernel.
pub(super) struct Printer<'a> {
    pub(super) program: &'a Program,
    pub(super) names: &'a Names,
    /// Functions of `mod math` that are called.
    pub(super) math: BTreeSet<String>,
    pub(super) vars: &'a [VarInfo],
    pub(super) var_names: Vec<String>,
    pub(super) array_names: Vec<String>,
    pub(super) seen: HashMap<BufferId, Seen>,
    /// Conditions that hold where the printer is.
    pub(super) facts: Facts,
}

impl<'a> Printer<'a> {
    pub(super) fn new(program: &'a Program, names: &'a Names) -> Printer<'a> {
        Printer {
            program,
            names,
            math: BTreeSet::new(),
            vars: &[],
            var_names: Vec::new(),
            array_names: Vec::new(),
            seen: HashMap::new(),
            facts: Facts::default(),
        }
    }

    /// An expression as text on its own.
    pub(super) fn value(&mut self, e: &Expr) -> String {
        self.expr(e).0
    }

    /// An expression where nothing else says its type.
    pub(super) fn typed(&mut self, e: &Expr) -> Text {
        match e {
            Expr::Const(s) => (typed_literal(s.dtype(), s.get()), binds_of(*s)),
            e => self.expr(e),
        }
    }

    pub(super) fn operand(&mut self, e: &Expr, least: Binds) -> String {
        at_least(self.expr(e), least)
    }

    /// What a method is called on.
    fn receiver(&mut self, e: &Expr) -> String {
        at_least(self.typed(e), Binds::Postfix)
    }

    fn method(&mut self, x: &Expr, name: &str, others: &[&Expr]) -> Text {
        let receiver = self.receiver(x);
        let others: Vec<String> = others.iter().map(|e| self.value(e)).collect();
        (format!("{receiver}.{name}({})", others.join(", ")), Binds::Postfix)
    }

    /// A function of `mod math`.
    fn math(&mut self, name: &str, operands: &[&Expr]) -> Text {
        let name = format!("{name}_{}", operands[0].dtype());
        let list: Vec<String> = operands.iter().map(|e| self.value(e)).collect();
        let text = format!("math::{name}({})", list.join(", "));
        self.math.insert(name);
        (text, Binds::Postfix)
    }

    fn infix(&mut self, a: &Expr, op: &str, b: &Expr, binds: Binds) -> Text {
        let left = if is_untyped(a) && is_untyped(b) { self.typed(a) } else { self.expr(a) };
        let (left, right) = (at_least(left, binds), self.expr(b));
        // The right operand of a left-associative operator needs parentheses at the same level.
        let right = if right.1 <= binds { format!("({})", right.0) } else { right.0 };
        (format!("{left} {op} {right}"), binds)
    }

    /// `a < b` and the like, which do not chain.
    fn comparison(&mut self, a: &Expr, op: &str, b: &Expr) -> Text {
        let left = if is_untyped(a) && is_untyped(b) { self.typed(a) } else { self.expr(a) };
        let (left, right) = (compared(left, op), self.operand(b, Binds::Bits));
        (format!("{left} {op} {right}"), Binds::Comparison)
    }

    fn bits(&mut self, a: &Expr, op: &str, b: &Expr) -> Text {
        let left = if is_untyped(a) && is_untyped(b) { self.typed(a) } else { self.expr(a) };
        let (a, b) = (at_least(left, Binds::Prefix), self.operand(b, Binds::Prefix));
        (format!("{a} {op} {b}"), Binds::Bits)
    }

    pub(super) fn expr(&mut self, e: &Expr) -> Text {
        match e {
            Expr::Const(s) => (literal(s.dtype(), s.get()), binds_of(*s)),
            Expr::Var(v, _) => (self.var_names[v.0 as usize].clone(), Binds::Postfix),
            Expr::Index(dtype, i) => self.number(*dtype, i),
            Expr::InRange { index, low, high } => self.in_range(index, *low, *high),
            Expr::Load(id, _, i) => (self.place(*id, i), Binds::Postfix),
            Expr::LoadLocal(id, _, i) => (self.local(*id, i), Binds::Postfix),
            Expr::Unary(op, x) => self.unary(*op, x),
            Expr::Binary(op, a, b) => match a.dtype() {
                DType::Bool => self.bool_binary(*op, a, b),
                d if d.is_float() => self.float_binary(*op, a, b),
                _ => self.int_binary(*op, e, a, b),
            },
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                let test = self.value(condition);
                let outside = self.facts.clone();
                self.facts = outside.under(condition);
                let a = self.value(a);
                self.facts = outside.outside(condition, self.vars);
                let b = self.value(b);
                self.facts = outside;
                (format!("if {test} {{ {a} }} else {{ {b} }}"), Binds::Choice)
            }
            Expr::Cast(dtype, x) => self.converted(*dtype, x),
            Expr::Bits(DType::F32, x) => {
                let from = self.value(&x.as_ref().clone().cast(DType::U32));
                (format!("f32::from_bits({from})"), Binds::Postfix)
            }
            Expr::Bits(_, x) => (format!("{}.to_bits() as i32", self.receiver(x)), Binds::Cast),
        }
    }

    /// The array that shows a buffer: a parameter, or a table of weights.
    pub(super) fn array_of_buffer(&self, id: BufferId) -> Seen {
        let table = || {
            let name = self.names.buffers[id.index()].clone();
            Seen { name, offset: 0, len: self.program.buffer(id).len() }
        };
        self.seen.get(&id).cloned().unwrap_or_else(table)
    }

    /// A local array.
    pub(super) fn array_of_local(&self, kernel: &Kernel, id: ArrayId) -> Seen {
        let at = id.0 as usize;
        Seen { name: self.array_names[at].clone(), offset: 0, len: kernel.arrays[at].len }
    }

    /// An element of a buffer.
    pub(super) fn place(&mut self, id: BufferId, index: &Index) -> String {
        let array = self.array_of_buffer(id);
        self.element(&array.name, array.len, &index.offset(array.offset))
    }

    /// An element of a local array.
    pub(super) fn local(&mut self, id: ArrayId, index: &Index) -> String {
        let index = self.position(index).0;
        format!("{}[{index}]", self.array_names[id.0 as usize])
    }

    fn unary(&mut self, op: Unary, x: &Expr) -> Text {
        let dtype = x.dtype();
        let float = dtype.is_float();
        match op {
            Unary::Neg if float => (format!("-{}", self.receiver(x)), Binds::Prefix),
            Unary::Neg => self.method(x, "wrapping_neg", &[]),
            Unary::Abs if float => self.math("abs", &[x]),
            Unary::Abs if dtype.is_signed_int() => self.method(x, "wrapping_abs", &[]),
            Unary::Abs | Unary::StopGradient => self.expr(x),
            Unary::Sign if float => self.math("sign", &[x]),
            Unary::Sign if dtype.is_signed_int() => self.method(x, "signum", &[]),
            Unary::Sign => (format!("{}.min(1)", self.receiver(x)), Binds::Postfix),
            Unary::Not => (format!("!{}", self.receiver(x)), Binds::Prefix),
            Unary::IsNan => self.method(x, "is_nan", &[]),
            Unary::IsInf => self.method(x, "is_infinite", &[]),
            Unary::Floor => self.math("floor", &[x]),
            Unary::Ceil => self.math("ceil", &[x]),
            Unary::Round => self.math("round", &[x]),
            Unary::Sqrt => self.math("sqrt", &[x]),
            Unary::Exp => self.math("exp", &[x]),
            Unary::Expm1 => self.math("expm1", &[x]),
            Unary::Log => self.math("log", &[x]),
            Unary::Sin => self.math("sin", &[x]),
            Unary::Cos => self.math("cos", &[x]),
            Unary::Tan => self.math("tan", &[x]),
            Unary::Asin => self.math("asin", &[x]),
            Unary::Acos => self.math("acos", &[x]),
            Unary::Atan => self.math("atan", &[x]),
            Unary::Sinh => self.math("sinh", &[x]),
            Unary::Cosh => self.math("cosh", &[x]),
            Unary::Tanh => self.math("tanh", &[x]),
            Unary::Asinh => self.math("asinh", &[x]),
            Unary::Acosh => self.math("acosh", &[x]),
            Unary::Atanh => self.math("atanh", &[x]),
            Unary::Erf => self.math("erf", &[x]),
            Unary::Erfc => self.math("erfc", &[x]),
            Unary::Sigmoid => self.math("sigmoid", &[x]),
        }
    }

    fn bool_binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        match op {
            Binary::And | Binary::Min => {
                let left = self.operand(a, Binds::And);
                // What holds on the left holds on the right.
                let outside = self.facts.clone();
                self.facts = outside.under(a);
                let right = self.operand(b, Binds::Comparison);
                self.facts = outside;
                (format!("{left} && {right}"), Binds::And)
            }
            Binary::Or | Binary::Max => self.infix(a, "||", b, Binds::Or),
            Binary::Eq => self.comparison(a, "==", b),
            Binary::Xor => self.comparison(a, "!=", b),
            Binary::Lt | Binary::Le => {
                let (sign, binds) = if op == Binary::Lt { ("&&", Binds::And) } else { ("||", Binds::Or) };
                let (a, b) = (self.operand(a, Binds::Postfix), self.operand(b, Binds::Comparison));
                (format!("!{a} {sign} {b}"), binds)
            }
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                unreachable!("no numbers")
            }
            Binary::Shl | Binary::Shr | Binary::MulHigh => unreachable!("no integers"),
        }
    }

    fn float_binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        match op {
            Binary::Add => self.infix(a, "+", b, Binds::Sum),
            Binary::Sub => self.infix(a, "-", b, Binds::Sum),
            Binary::Mul => self.infix(a, "*", b, Binds::Product),
            Binary::Div => self.infix(a, "/", b, Binds::Product),
            Binary::Rem => self.infix(a, "%", b, Binds::Product),
            Binary::Pow => self.math("pow", &[a, b]),
            Binary::Max => self.math("max", &[a, b]),
            Binary::Min => self.math("min", &[a, b]),
            Binary::Eq => self.comparison(a, "==", b),
            Binary::Lt => self.comparison(a, "<", b),
            Binary::Le => self.comparison(a, "<=", b),
            Binary::And | Binary::Or | Binary::Xor => unreachable!("no integers"),
            Binary::Shl | Binary::Shr | Binary::MulHigh => unreachable!("no integers"),
        }
    }

    fn int_binary(&mut self, op: Binary, whole: &Expr, a: &Expr, b: &Expr) -> Text {
        let dtype = a.dtype();
        let number = match b {
            Expr::Const(s) => s.get().as_int(),
            _ => 0,
        };
        // An operator where it cannot overflow, a method that wraps where it may.
        let fits = bounds(whole, self.vars).is_some();
        match op {
            Binary::Add if fits => self.infix(a, "+", b, Binds::Sum),
            Binary::Sub if fits => self.infix(a, "-", b, Binds::Sum),
            Binary::Mul if fits => self.infix(a, "*", b, Binds::Product),
            Binary::Add => self.method(a, "wrapping_add", &[b]),
            Binary::Sub => self.method(a, "wrapping_sub", &[b]),
            Binary::Mul => self.method(a, "wrapping_mul", &[b]),
            // Only 0 and -1 need care.
            Binary::Div if !(-1..=0).contains(&number) => self.infix(a, "/", b, Binds::Product),
            Binary::Rem if !(-1..=0).contains(&number) => self.infix(a, "%", b, Binds::Product),
            Binary::Div => self.math("div", &[a, b]),
            Binary::Rem => self.math("rem", &[a, b]),
            Binary::Pow => self.math("pow", &[a, b]),
            Binary::Max | Binary::Min => match clamp(whole) {
                Some([x, low, high]) => self.method(x, "clamp", &[low, high]),
                None => self.method(a, if op == Binary::Max { "max" } else { "min" }, &[b]),
            },
            Binary::And => self.bits(a, "&", b),
            Binary::Or => self.bits(a, "|", b),
            Binary::Xor => self.bits(a, "^", b),
            Binary::Shl if number > 0 && number < 8 * dtype.size() as i128 => self.bits(a, "<<", b),
            Binary::Shr if number > 0 && number < 8 * dtype.size() as i128 => self.bits(a, ">>", b),
            Binary::Shl => self.math("shl", &[a, b]),
            Binary::Shr => self.math("shr", &[a, b]),
            Binary::MulHigh => self.math("mul_high", &[a, b]),
            Binary::Eq => self.comparison(a, "==", b),
            Binary::Lt => self.comparison(a, "<", b),
            Binary::Le => self.comparison(a, "<=", b),
        }
    }

    /// Rust's `as` is the graph's cast: integers wrap, floats are truncated and saturate, NaN is 0.
    fn converted(&mut self, to: DType, x: &Expr) -> Text {
        let from = x.dtype();
        if from == to {
            return self.expr(x);
        }
        let typed = self.typed(x);
        match (from, to) {
            (_, DType::Bool) => {
                let zero = literal(from, if from.is_float() { Num::Float(0.0) } else { Num::Int(0) });
                (format!("{} != {zero}", compared(typed, "!=")), Binds::Comparison)
            }
            (DType::Bool, to) if to.is_float() => (format!("{to}::from({})", typed.0), Binds::Postfix),
            _ => (format!("{} as {to}", at_least(typed, Binds::Cast)), Binds::Cast),
        }
    }
}

fn binds_of(s: Scalar) -> Binds {
    let negative = match s.get() {
        Num::Int(i) => i < 0,
        Num::Float(x) => x.is_finite() && x.is_sign_negative(),
    };
    if negative { Binds::Prefix } else { Binds::Postfix }
}

/// The left side of a comparison. A type before `<` would be read as the beginning of its parameters.
pub(super) fn compared((text, binds): Text, op: &str) -> String {
    let ends_with_type = text.rsplit_once(" as ").is_some_and(|(_, t)| t.chars().all(char::is_alphanumeric));
    let least = if op.starts_with('<') && ends_with_type { Binds::Postfix } else { Binds::Bits };
    at_least((text, binds), least)
}

/// What is held between which constants, if this is that: `x`, `low`, `high` of `min(max(x, low), high)` or the other way round.
fn clamp(e: &Expr) -> Option<[&Expr; 3]> {
    let Expr::Binary(outer, inside, bound) = e else { return None };
    let Expr::Binary(inner, x, other) = inside.as_ref() else { return None };
    let (low, high) = match (outer, inner) {
        (Binary::Min, Binary::Max) => (other, bound),
        (Binary::Max, Binary::Min) => (bound, other),
        _ => return None,
    };
    match (low.as_ref(), high.as_ref()) {
        (Expr::Const(a), Expr::Const(b)) if a.get().as_int() <= b.get().as_int() => Some([x, low, high]),
        _ => None,
    }
}

/// True when only literals say what type this is.
fn is_untyped(e: &Expr) -> bool {
    match e {
        Expr::Const(s) => s.dtype() != DType::Bool,
        Expr::Binary(op, a, b) => !op.is_comparison() && is_untyped(a) && is_untyped(b),
        Expr::Select(operands) => is_untyped(&operands[1]) && is_untyped(&operands[2]),
        Expr::Var(..) | Expr::Index(..) | Expr::InRange { .. } | Expr::Load(..) => false,
        Expr::LoadLocal(..) | Expr::Unary(..) | Expr::Cast(..) | Expr::Bits(..) => false,
    }
}
