//! Expressions and statements in C.

use super::data::{float_literal, literal};
use super::helper::{Helper, Helpers};
use super::micro;
use crate::printing::{Array, Binds, Language, Scope, Text, at_least, ordered, product, range_test, sum};
use crate::program::{Atom, Expr, Index, Micro, Program, Quantizer, Scalar, Var};
use teff_graph::{Binary, DType, Num, Unary};

/// The state of printing.
pub(super) struct Printer<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) helpers: Helpers,
}

pub(super) fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::I8 => "int8_t",
        DType::U8 => "uint8_t",
        DType::I16 => "int16_t",
        DType::U16 => "uint16_t",
        DType::I32 => "int32_t",
        DType::U32 => "uint32_t",
        DType::I64 => "int64_t",
        DType::U64 => "uint64_t",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}

/// Integer types that C computes in `int`.
fn is_narrow(dtype: DType) -> bool {
    matches!(dtype, DType::I8 | DType::U8 | DType::I16 | DType::U16)
}

fn cast(dtype: DType, text: Text) -> Text {
    (format!("({}){}", c_type(dtype), at_least(text, Binds::Prefix)), Binds::Prefix)
}

/// What C computes in `int`, made narrow again.
fn narrowed(dtype: DType, text: Text) -> Text {
    if is_narrow(dtype) { cast(dtype, text) } else { text }
}

impl<'a> Printer<'a> {
    pub(super) fn new(program: &'a Program) -> Printer<'a> {
        let names = program.buffers.iter().map(|b| b.name.clone()).collect();
        Printer { scope: Scope::new(program, names), helpers: Helpers::default() }
    }

    fn prefix(&mut self, sign: &str, x: &Expr) -> Text {
        (format!("{sign}{}", self.operand(x, Binds::Postfix)), Binds::Prefix)
    }

    fn call(&mut self, helper: Helper, operands: &[&Expr]) -> Text {
        let list = self.list(operands);
        (format!("{}({list})", self.helpers.need(helper)), Binds::Postfix)
    }

    /// A function of the C library, in the precision of its operands.
    fn library(&mut self, name: &str, operands: &[&Expr]) -> Text {
        self.helpers.math = true;
        let suffix = if operands[0].dtype() == DType::F32 { "f" } else { "" };
        (format!("{name}{suffix}({})", self.list(operands)), Binds::Postfix)
    }

    pub(super) fn index(&mut self, index: &Index) -> Text {
        let (added, subtracted) = ordered(index);
        let mut parts =
            |terms: Vec<&(Atom, i64)>| terms.iter().map(|(a, c)| product(c.abs(), self.atom(a))).collect();
        sum(parts(added), index.constant(), parts(subtracted))
    }

    fn atom(&mut self, atom: &Atom) -> Text {
        match atom {
            Atom::Var(v) => (self.scope.var(*v).into(), Binds::Postfix),
            Atom::Div(i, n) => (format!("{} / {n}", at_least(self.index(i), Binds::Product)), Binds::Product),
            Atom::Mod(i, n) => (format!("{} % {n}", at_least(self.index(i), Binds::Product)), Binds::Product),
            Atom::Value(e) => {
                let text = self.operand(e, Binds::Postfix);
                let is_int = matches!(**e, Expr::Index(DType::I32, _) | Expr::Var(_, DType::I32));
                (if is_int { text } else { format!("(int){text}") }, Binds::Postfix)
            }
        }
    }
}

impl<'a> Language<'a> for Printer<'a> {
    const BITS: Binds = Binds::LooseBits;
    const NAMES_ALL: bool = true;
    const FILLS: bool = false;

    fn scope(&mut self) -> &mut Scope<'a> {
        &mut self.scope
    }

    fn constant(&mut self, s: Scalar) -> Text {
        let negative = match s.get() {
            Num::Int(i) => i < 0,
            Num::Float(x) => {
                self.helpers.math |= !x.is_finite();
                x.is_sign_negative()
            }
        };
        (literal(s.dtype(), s.get()), if negative { Binds::Prefix } else { Binds::Postfix })
    }

    fn number(&mut self, dtype: DType, index: &Index) -> Text {
        let text = self.index(index);
        if dtype == DType::I32 { text } else { cast(dtype, text) }
    }

    fn in_range(&mut self, index: &Index, low: i64, high: i64) -> Text {
        let bounds = index.interval(self.scope.vars);
        let (text, unsigned) = match index.terms() {
            // An integer of the network is tested in its own type, before it becomes an int.
            [(Atom::Value(e), 1)] if index.constant() == 0 => (self.expr(e), !e.dtype().is_signed_int()),
            _ => (self.index(index), false),
        };
        let above = bounds.is_some_and(|(least, _)| least >= low) || unsigned && low <= 0;
        let below = bounds.is_some_and(|(_, most)| most < high);
        range_test(&text, [above, below], low, high).unwrap_or_else(|| {
            let text = at_least(text, Binds::Sum);
            (format!("{text} >= {low} && {text} < {high}"), Binds::And)
        })
    }

    fn element(&mut self, array: &Array, index: &Index) -> String {
        format!("{}[{}]", array.name, self.index(index).0)
    }

    fn unary(&mut self, op: Unary, x: &Expr) -> Text {
        let dtype = x.dtype();
        match op {
            Unary::Neg if dtype.is_float() => self.prefix("-", x),
            Unary::Neg if is_narrow(dtype) => cast(dtype, self.prefix("-", x)),
            Unary::Abs if dtype.is_float() => self.library("fabs", &[x]),
            Unary::Not if dtype == DType::Bool => self.prefix("!", x),
            Unary::Not => narrowed(dtype, self.prefix("~", x)),
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Sigmoid => {
                self.call(Helper::Unary(op, dtype), &[x])
            }
            Unary::Exp | Unary::Expm1 | Unary::Tanh if dtype == DType::F32 => {
                self.call(Helper::Unary(op, dtype), &[x])
            }
            Unary::Round => self.library("rint", &[x]),
            Unary::Floor
            | Unary::Ceil
            | Unary::Sqrt
            | Unary::Exp
            | Unary::Expm1
            | Unary::Log
            | Unary::Sin => self.library(op.name(), &[x]),
            Unary::Cos | Unary::Tan | Unary::Asin | Unary::Acos | Unary::Atan | Unary::Sinh | Unary::Cosh => {
                self.library(op.name(), &[x])
            }
            Unary::Tanh | Unary::Asinh | Unary::Acosh | Unary::Atanh | Unary::Erf | Unary::Erfc => {
                self.library(op.name(), &[x])
            }
            Unary::IsNan | Unary::IsInf => {
                self.helpers.math = true;
                let name = if op == Unary::IsNan { "isnan" } else { "isinf" };
                // The macro gives any non-zero int.
                (format!("{name}({}) != 0", self.value(x)), Binds::Comparison)
            }
            Unary::StopGradient => self.expr(x),
        }
    }

    fn arithmetic(&mut self, _: &Expr, op: Binary, a: &Expr, b: &Expr) -> Text {
        let dtype = a.dtype();
        let wraps = matches!(dtype, DType::I32 | DType::I64);
        match op {
            Binary::Rem if dtype.is_float() => self.library("fmod", &[a, b]),
            Binary::Pow if dtype.is_float() => self.library("pow", &[a, b]),
            Binary::Add | Binary::Sub if !wraps => narrowed(dtype, self.infix(op, a, b)),
            // The product of two uint16_t may overflow int.
            Binary::Mul if !wraps && dtype != DType::U16 => narrowed(dtype, self.infix(op, a, b)),
            Binary::And | Binary::Or | Binary::Xor => narrowed(dtype, self.infix(op, a, b)),
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                self.call(Helper::Binary(op, dtype), &[a, b])
            }
            Binary::Max | Binary::Min | Binary::Shl | Binary::Shr | Binary::MulHigh => {
                self.call(Helper::Binary(op, dtype), &[a, b])
            }
            Binary::Eq | Binary::Lt | Binary::Le => unreachable!("a comparison"),
        }
    }

    fn select(&mut self, [condition, a, b]: &[Expr; 3]) -> Text {
        let condition = self.operand(condition, Binds::Or);
        let text = format!("{condition} ? {} : {}", self.operand(a, Binds::Or), self.value(b));
        // The choice between two narrow integers is an int.
        narrowed(a.dtype(), (text, Binds::Choice))
    }

    fn converted(&mut self, to: DType, x: &Expr) -> Text {
        let from = x.dtype();
        match to {
            DType::Bool if from == DType::Bool => self.expr(x),
            DType::Bool => {
                let zero = if from.is_float() { float_literal(from, 0.0) } else { "0".into() };
                (format!("{} != {zero}", self.operand(x, Binds::Bits)), Binds::Comparison)
            }
            to if from.is_float() && to.is_int() => self.call(Helper::FromFloat(from, to), &[x]),
            to => cast(to, self.expr(x)),
        }
    }

    fn same_bits(&mut self, to: DType, x: &Expr) -> Text {
        self.call(Helper::Bits(to), &[x])
    }

    fn quantized(&mut self, to: Quantizer, x: &Expr) -> Text {
        let factor = to.factor();
        let x = match factor {
            1.0 => self.value(x),
            f => {
                let f = float_literal(DType::F32, f.into());
                format!("{} * {f}", self.operand(x, Binds::Product))
            }
        };
        let name = self.helpers.need(Helper::Quantize(to.bits()));
        (format!("({}){}", c_type(to.dtype()), super::ends::call(&name, to, factor, &x)), Binds::Prefix)
    }

    fn loop_head(&mut self, name: &str, count: usize, rolled: bool) -> Vec<String> {
        let head = format!("for (int {name} = 0; {name} < {count}; {name}++) {{");
        self.helpers.rolled |= rolled;
        if rolled { vec!["KEEP_ROLLED".into(), head] } else { vec![head] }
    }

    fn test(&mut self, condition: &Expr) -> String {
        format!("if ({})", self.value(condition))
    }

    fn definition(&mut self, name: &str, value: &Expr, changes: bool) -> String {
        let fixed = if changes { "" } else { "const " };
        format!("{fixed}{} {name} = {};", c_type(value.dtype()), self.value(value))
    }

    fn index_definition(&mut self, name: &str, _: Var, index: &Index) -> String {
        format!("const int {name} = {};", self.index(index).0)
    }

    fn array_definition(&mut self, array: &Array, dtype: DType, _: Option<Scalar>) -> String {
        format!("{} {}[{}];", c_type(dtype), array.name, array.len)
    }

    fn micro(&mut self, micro: &Micro) -> String {
        micro::call(self, micro)
    }
}
