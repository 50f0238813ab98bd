//! Expressions and statements in Rust.

use super::data::{literal, typed_literal, zero};
use super::names::Names;
use crate::printing::{Array, Binds, Language, Scope, Text, at_least, compared};
use crate::program::{Expr, Index, Micro, Program, Quantizer, Scalar, Stmt, Var, unwrapped};
use std::collections::BTreeSet;
use teff_graph::{Binary, DType, Num, Unary};

/// The state of printing.
pub(super) struct Printer<'a> {
    pub(super) scope: Scope<'a>,
    /// Functions of `mod math` that are called.
    pub(super) math: BTreeSet<String>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(program: &'a Program, names: &Names) -> Printer<'a> {
        Printer { scope: Scope::new(program, names.buffers.clone()), math: BTreeSet::new() }
    }

    /// An expression where nothing else says its type.
    pub(super) fn typed(&mut self, e: &Expr) -> Text {
        match e {
            Expr::Const(s) => (typed_literal(s.dtype(), s.get()), binds_of(*s)),
            e => self.expr(e),
        }
    }

    /// What a method is called on.
    fn receiver(&mut self, e: &Expr) -> String {
        at_least(self.typed(e), Binds::Postfix)
    }

    fn method(&mut self, x: &Expr, name: &str, others: &[&Expr]) -> Text {
        (format!("{}.{name}({})", self.receiver(x), self.list(others)), Binds::Postfix)
    }

    /// A function of `mod math`.
    fn math(&mut self, name: &str, operands: &[&Expr]) -> Text {
        let name = format!("{name}_{}", operands[0].dtype());
        let text = format!("math::{name}({})", self.list(operands));
        self.math.insert(name);
        (text, Binds::Postfix)
    }
}

impl<'a> Language<'a> for Printer<'a> {
    const BITS: Binds = Binds::Bits;
    const NAMES_ALL: bool = false;
    const FILLS: bool = true;

    fn scope(&mut self) -> &mut Scope<'a> {
        &mut self.scope
    }

    fn constant(&mut self, s: Scalar) -> Text {
        (literal(s.dtype(), s.get()), binds_of(s))
    }

    fn number(&mut self, dtype: DType, index: &Index) -> Text {
        self.number_of(dtype, index)
    }

    fn in_range(&mut self, index: &Index, low: i64, high: i64) -> Text {
        self.range(index, low, high)
    }

    fn element(&mut self, array: &Array, index: &Index) -> String {
        self.place(array, index)
    }

    fn unary(&mut self, op: Unary, x: &Expr) -> Text {
        let dtype = x.dtype();
        let float = dtype.is_float();
        match op {
            Unary::Neg if float => (format!("-{}", self.receiver(x)), Binds::Prefix),
            Unary::Neg => self.method(x, "wrapping_neg", &[]),
            Unary::Abs if dtype.is_signed_int() => self.method(x, "wrapping_abs", &[]),
            Unary::Abs if !float => self.expr(x),
            Unary::Sign if dtype.is_signed_int() => self.method(x, "signum", &[]),
            Unary::Sign if !float => (format!("{}.min(1)", self.receiver(x)), Binds::Postfix),
            Unary::Not => (format!("!{}", self.receiver(x)), Binds::Prefix),
            Unary::IsNan => self.method(x, "is_nan", &[]),
            Unary::IsInf => self.method(x, "is_infinite", &[]),
            Unary::StopGradient => self.expr(x),
            Unary::Abs
            | Unary::Sign
            | Unary::Floor
            | Unary::Ceil
            | Unary::Round
            | Unary::Sqrt
            | Unary::Exp => self.math(op.name(), &[x]),
            Unary::Expm1 | Unary::Log | Unary::Sin | Unary::Cos | Unary::Tan | Unary::Asin | Unary::Acos => {
                self.math(op.name(), &[x])
            }
            Unary::Atan | Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Asinh | Unary::Acosh => {
                self.math(op.name(), &[x])
            }
            Unary::Atanh | Unary::Erf | Unary::Erfc | Unary::Sigmoid => self.math(op.name(), &[x]),
        }
    }

    fn arithmetic(&mut self, whole: &Expr, op: Binary, a: &Expr, b: &Expr) -> Text {
        let dtype = a.dtype();
        let number = if let Expr::Const(s) = b { s.get().as_int() } else { 0 };
        let shifts = number > 0 && number < 8 * dtype.size() as i128;
        match op {
            Binary::Rem if dtype.is_float() => self.infix(op, a, b),
            Binary::Max | Binary::Min if dtype.is_float() => self.math(op.name(), &[a, b]),
            // An operator where it cannot overflow, a method that wraps where it may.
            Binary::Add | Binary::Sub | Binary::Mul if unwrapped(whole, self.scope.vars).is_some() => {
                self.infix(op, a, b)
            }
            Binary::Add | Binary::Sub | Binary::Mul => {
                self.method(a, &format!("wrapping_{}", op.name()), &[b])
            }
            // Only 0 and -1 need care.
            Binary::Div | Binary::Rem if !(-1..=0).contains(&number) => self.infix(op, a, b),
            Binary::Max | Binary::Min => match clamp(whole) {
                Some([x, low, high]) => self.method(x, "clamp", &[low, high]),
                None => self.method(a, op.name(), &[b]),
            },
            Binary::And | Binary::Or | Binary::Xor => self.infix(op, a, b),
            Binary::Shl | Binary::Shr if shifts => self.infix(op, a, b),
            Binary::Div | Binary::Rem | Binary::Pow | Binary::Shl | Binary::Shr | Binary::MulHigh => {
                self.math(op.name(), &[a, b])
            }
            Binary::Eq | Binary::Lt | Binary::Le => unreachable!("a comparison"),
        }
    }

    fn select(&mut self, [condition, a, b]: &[Expr; 3]) -> Text {
        let test = self.value(condition);
        let outside = self.scope.suppose(condition, true);
        let a = self.value(a);
        self.scope.facts = outside.clone();
        self.scope.suppose(condition, false);
        let b = self.value(b);
        self.scope.facts = outside;
        (format!("if {test} {{ {a} }} else {{ {b} }}"), Binds::Choice)
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
                let zero = zero(from);
                (format!("{} != {zero}", compared(typed, "!=")), Binds::Comparison)
            }
            (DType::Bool, to) if to.is_float() => (format!("{to}::from({})", typed.0), Binds::Postfix),
            _ => (format!("{} as {to}", at_least(typed, Binds::Cast)), Binds::Cast),
        }
    }

    fn same_bits(&mut self, to: DType, x: &Expr) -> Text {
        if to == DType::F32 {
            let from = self.value(&x.clone().cast(DType::U32));
            return (format!("f32::from_bits({from})"), Binds::Postfix);
        }
        (format!("{}.to_bits() as i32", self.receiver(x)), Binds::Cast)
    }

    fn quantized(&mut self, to: Quantizer, x: &Expr) -> Text {
        let (x, factor) = (self.typed(x), to.factor());
        let x = match factor {
            1.0 => x.0,
            f => format!(
                "{} * {}",
                at_least(x, Binds::Product),
                typed_literal(DType::F32, Num::Float(f.into()))
            ),
        };
        (
            format!("math::{} as {}", super::ends::call(&mut self.math, to, factor, &x), to.dtype()),
            Binds::Cast,
        )
    }

    fn left(&mut self, a: &Expr, b: &Expr) -> Text {
        if is_untyped(a) && is_untyped(b) { self.typed(a) } else { self.expr(a) }
    }

    fn loop_head(&mut self, name: &str, count: usize, _: bool) -> Vec<String> {
        vec![format!("for {name} in 0..{count} {{")]
    }

    fn whole_loop(&mut self, var: Var, count: usize, body: &[Stmt]) -> Option<String> {
        self.whole(var, count, body)
    }

    fn test(&mut self, condition: &Expr) -> String {
        format!("if {}", self.value(condition))
    }

    fn definition(&mut self, name: &str, value: &Expr, changes: bool) -> String {
        format!("let {}{name} = {};", if changes { "mut " } else { "" }, self.typed(value).0)
    }

    fn index_definition(&mut self, name: &str, var: Var, index: &Index) -> String {
        format!("let {name} = {};", self.named_index(var, index))
    }

    fn array_definition(&mut self, array: &Array, dtype: DType, first: Option<Scalar>) -> String {
        let first = first.map_or(Num::Int(0), Scalar::get);
        format!("let mut {} = [{}; {}];", array.name, typed_literal(dtype, first), array.len)
    }

    fn micro(&mut self, micro: &Micro) -> String {
        format!("math::{}", self.micro_call(micro))
    }
}

fn binds_of(s: Scalar) -> Binds {
    let negative = match s.get() {
        Num::Int(i) => i < 0,
        Num::Float(x) => x.is_finite() && x.is_sign_negative(),
    };
    if negative { Binds::Prefix } else { Binds::Postfix }
}

/// What is held between which constants, if this is that: `x`, `low`, `high` of `min(max(x, low), high)` or the other way round.
fn clamp(e: &Expr) -> Option<[&Expr; 3]> {
    let Expr::Binary(outer, inside, bound) = e else { return None };
    let Expr::Binary(inner, x, other) = inside.as_ref() else { return None };
    let (low, high) = if *outer == Binary::Min { (other, bound) } else { (bound, other) };
    if !matches!((outer, inner), (Binary::Min, Binary::Max) | (Binary::Max, Binary::Min)) {
        return None;
    }
    let (Expr::Const(a), Expr::Const(b)) = (low.as_ref(), high.as_ref()) else { return None };
    (a.get().as_int() <= b.get().as_int()).then_some([x, low, high])
}

/// True when only literals say what type this is.
fn is_untyped(e: &Expr) -> bool {
    match e {
        Expr::Const(s) => s.dtype() != DType::Bool,
        Expr::Binary(op, a, b) => !op.is_comparison() && is_untyped(a) && is_untyped(b),
        Expr::Select(operands) => is_untyped(&operands[1]) && is_untyped(&operands[2]),
        Expr::Var(..) | Expr::Index(..) | Expr::InRange { .. } | Expr::Load(..) => false,
        Expr::LoadLocal(..) | Expr::Unary(..) | Expr::Cast(..) => false,
        Expr::Bits(..) | Expr::Quantize(..) => false,
    }
}
