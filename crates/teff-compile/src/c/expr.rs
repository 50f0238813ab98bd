//! Expressions in C, with no more parentheses than a reader needs.

use super::helper::{Helper, Helpers};
use crate::printing::at_least;
use crate::program::{Atom, BufferId, Expr, Index, Program, Scalar, Var, VarInfo};
use std::collections::HashMap;
use teff_graph::{Binary, DType, Num, Unary};

/// How tightly an operator binds (C99 6.5); larger is tighter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binds {
    Choice,
    Or,
    And,
    Bits,
    Equality,
    Order,
    Sum,
    Product,
    Prefix,
    Postfix,
}

/// Text and how tightly its outermost operator binds.
pub(super) type Text = (String, Binds);

/// The state of printing one kernel.
pub(super) struct Printer<'a> {
    pub(super) program: &'a Program,
    pub(super) helpers: Helpers,
    pub(super) vars: &'a [VarInfo],
    pub(super) var_names: Vec<String>,
    pub(super) array_names: Vec<String>,
    pub(super) buffer_names: HashMap<BufferId, String>,
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

impl<'a> Printer<'a> {
    pub(super) fn new(program: &'a Program) -> Printer<'a> {
        Printer {
            program,
            helpers: Helpers::default(),
            vars: &[],
            var_names: Vec::new(),
            array_names: Vec::new(),
            buffer_names: HashMap::new(),
        }
    }

    fn var(&self, v: Var) -> &str {
        &self.var_names[v.0 as usize]
    }

    pub(super) fn buffer(&self, id: BufferId) -> &str {
        self.buffer_names.get(&id).unwrap_or(&self.program.buffer(id).name)
    }

    /// An expression as text on its own.
    pub(super) fn value(&mut self, e: &Expr) -> String {
        self.expr(e).0
    }

    fn operand(&mut self, e: &Expr, least: Binds) -> String {
        at_least(self.expr(e), least)
    }

    fn infix(&mut self, a: &Expr, op: &str, b: &Expr, binds: Binds) -> Text {
        // The right operand of a left-associative operator needs parentheses at the same level.
        let (a, b) = (self.operand(a, binds), self.expr(b));
        let b = if b.1 <= binds { format!("({})", b.0) } else { b.0 };
        (format!("{a} {op} {b}"), binds)
    }

    fn cast(&self, dtype: DType, text: Text) -> Text {
        (format!("({}){}", c_type(dtype), at_least(text, Binds::Prefix)), Binds::Prefix)
    }

    fn call(&mut self, helper: Helper, operands: &[&Expr]) -> Text {
        let list: Vec<String> = operands.iter().map(|e| self.value(e)).collect();
        (format!("{}({})", self.helpers.need(helper), list.join(", ")), Binds::Postfix)
    }

    /// A function of the C library, in the precision of its operands.
    fn library(&mut self, name: &str, operands: &[&Expr]) -> Text {
        self.helpers.need_math();
        let suffix = if operands[0].dtype() == DType::F32 { "f" } else { "" };
        let list: Vec<String> = operands.iter().map(|e| self.value(e)).collect();
        (format!("{name}{suffix}({})", list.join(", ")), Binds::Postfix)
    }

    pub(super) fn expr(&mut self, e: &Expr) -> Text {
        match e {
            Expr::Const(s) => self.constant(*s),
            Expr::Var(v, _) => (self.var(*v).into(), Binds::Postfix),
            Expr::Index(DType::I32, i) => self.index(i),
            Expr::Index(dtype, i) => {
                let text = self.index(i);
                self.cast(*dtype, text)
            }
            Expr::InRange { index, low, high } => self.in_range(index, *low, *high),
            Expr::Load(id, _, i) => {
                let i = self.index(i).0;
                (format!("{}[{i}]", self.buffer(*id)), Binds::Postfix)
            }
            Expr::LoadLocal(id, _, i) => {
                let i = self.index(i).0;
                (format!("{}[{i}]", self.array_names[id.0 as usize]), Binds::Postfix)
            }
            Expr::Unary(op, x) => self.unary(*op, x),
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                let condition = self.operand(condition, Binds::Or);
                let (a, b) = (self.operand(a, Binds::Or), self.operand(b, Binds::Choice));
                // The choice between two narrow integers is an int.
                let text = (format!("{condition} ? {a} : {b}"), Binds::Choice);
                if is_narrow(e.dtype()) { self.cast(e.dtype(), text) } else { text }
            }
            Expr::Cast(dtype, x) => self.converted(*dtype, x),
            Expr::Bits(dtype, x) => self.call(Helper::Bits(*dtype), &[x]),
        }
    }

    pub(super) fn constant(&mut self, s: Scalar) -> Text {
        let sign = |negative: bool| if negative { Binds::Prefix } else { Binds::Postfix };
        match s.get() {
            Num::Int(i) => (super::data::int_literal(s.dtype(), i), sign(i < 0)),
            Num::Float(x) => {
                if !x.is_finite() {
                    self.helpers.need_math();
                }
                (super::data::float_literal(s.dtype(), x), sign(x.is_sign_negative()))
            }
        }
    }

    fn unary(&mut self, op: Unary, x: &Expr) -> Text {
        let dtype = x.dtype();
        let prefix =
            |p: &mut Self, sign: &str| (format!("{sign}{}", p.operand(x, Binds::Postfix)), Binds::Prefix);
        match op {
            Unary::Neg if dtype.is_float() => prefix(self, "-"),
            Unary::Neg if is_narrow(dtype) => {
                let text = prefix(self, "-");
                self.cast(dtype, text)
            }
            Unary::Neg => self.call(Helper::Neg(dtype), &[x]),
            Unary::Abs if dtype.is_float() => self.library("fabs", &[x]),
            Unary::Abs => self.call(Helper::Abs(dtype), &[x]),
            Unary::Sign => self.call(Helper::Sign(dtype), &[x]),
            Unary::Not if dtype == DType::Bool => prefix(self, "!"),
            Unary::Not => {
                let text = prefix(self, "~");
                if is_narrow(dtype) { self.cast(dtype, text) } else { text }
            }
            Unary::Floor => self.library("floor", &[x]),
            Unary::Ceil => self.library("ceil", &[x]),
            Unary::Round => self.library("rint", &[x]),
            Unary::Sqrt => self.library("sqrt", &[x]),
            Unary::Exp if dtype == DType::F32 => self.call(Helper::Exp, &[x]),
            Unary::Exp => self.library("exp", &[x]),
            Unary::Expm1 if dtype == DType::F32 => self.call(Helper::Expm1, &[x]),
            Unary::Expm1 => self.library("expm1", &[x]),
            Unary::Log => self.library("log", &[x]),
            Unary::Sin => self.library("sin", &[x]),
            Unary::Cos => self.library("cos", &[x]),
            Unary::Tan => self.library("tan", &[x]),
            Unary::Asin => self.library("asin", &[x]),
            Unary::Acos => self.library("acos", &[x]),
            Unary::Atan => self.library("atan", &[x]),
            Unary::Sinh => self.library("sinh", &[x]),
            Unary::Cosh => self.library("cosh", &[x]),
            Unary::Tanh if dtype == DType::F32 => self.call(Helper::Tanh, &[x]),
            Unary::Tanh => self.library("tanh", &[x]),
            Unary::Asinh => self.library("asinh", &[x]),
            Unary::Acosh => self.library("acosh", &[x]),
            Unary::Atanh => self.library("atanh", &[x]),
            Unary::Erf => self.library("erf", &[x]),
            Unary::Erfc => self.library("erfc", &[x]),
            Unary::Sigmoid => self.call(Helper::Sigmoid(dtype), &[x]),
            Unary::IsNan | Unary::IsInf => {
                self.helpers.need_math();
                let name = if op == Unary::IsNan { "isnan" } else { "isinf" };
                // The macro gives any non-zero int.
                (format!("{name}({}) != 0", self.value(x)), Binds::Equality)
            }
            Unary::StopGradient => self.expr(x),
        }
    }

    fn binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        match a.dtype() {
            DType::Bool => self.bool_binary(op, a, b),
            d if d.is_float() => self.float_binary(op, a, b),
            _ => self.int_binary(op, a, b),
        }
    }

    fn bool_binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        match op {
            Binary::And | Binary::Min => self.infix(a, "&&", b, Binds::And),
            Binary::Or | Binary::Max => {
                // Compilers ask for parentheses around && inside ||.
                let (a, b) = (self.operand(a, Binds::Bits), self.operand(b, Binds::Bits));
                (format!("{a} || {b}"), Binds::Or)
            }
            Binary::Eq => self.infix(a, "==", b, Binds::Equality),
            // gcc asks for parentheses around a comparison beside another.
            Binary::Xor => {
                let (a, b) = (self.operand(a, Binds::Prefix), self.operand(b, Binds::Prefix));
                (format!("{a} != {b}"), Binds::Equality)
            }
            Binary::Lt | Binary::Le => {
                let sign = if op == Binary::Lt { "&&" } else { "||" };
                let (a, b) = (self.operand(a, Binds::Postfix), self.operand(b, Binds::Bits));
                (format!("!{a} {sign} {b}"), if op == Binary::Lt { Binds::And } else { Binds::Or })
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
            Binary::Rem => self.library("fmod", &[a, b]),
            Binary::Pow => self.library("pow", &[a, b]),
            Binary::Max => self.call(Helper::Max(a.dtype()), &[a, b]),
            Binary::Min => self.call(Helper::Min(a.dtype()), &[a, b]),
            Binary::Eq => self.infix(a, "==", b, Binds::Equality),
            Binary::Lt => self.infix(a, "<", b, Binds::Order),
            Binary::Le => self.infix(a, "<=", b, Binds::Order),
            Binary::And | Binary::Or | Binary::Xor => unreachable!("no integers"),
            Binary::Shl | Binary::Shr | Binary::MulHigh => unreachable!("no integers"),
        }
    }

    fn int_binary(&mut self, op: Binary, a: &Expr, b: &Expr) -> Text {
        let dtype = a.dtype();
        let plain = match op {
            Binary::Add => Some(("+", Binds::Sum)),
            Binary::Sub => Some(("-", Binds::Sum)),
            // The product of two uint16_t may overflow int.
            Binary::Mul if dtype != DType::U16 => Some(("*", Binds::Product)),
            Binary::And => Some(("&", Binds::Bits)),
            Binary::Or => Some(("|", Binds::Bits)),
            Binary::Xor => Some(("^", Binds::Bits)),
            _ => None,
        };
        let wraps =
            matches!(op, Binary::Add | Binary::Sub | Binary::Mul) && matches!(dtype, DType::I32 | DType::I64);
        if let Some((sign, binds)) = plain.filter(|_| !wraps) {
            let text = if binds == Binds::Bits {
                (
                    format!("{} {sign} {}", self.operand(a, Binds::Prefix), self.operand(b, Binds::Prefix)),
                    binds,
                )
            } else {
                self.infix(a, sign, b, binds)
            };
            return if is_narrow(dtype) { self.cast(dtype, text) } else { text };
        }
        match op {
            Binary::Eq => self.infix(a, "==", b, Binds::Equality),
            Binary::Lt => self.infix(a, "<", b, Binds::Order),
            Binary::Le => self.infix(a, "<=", b, Binds::Order),
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                self.call(Helper::Int(op, dtype), &[a, b])
            }
            Binary::Shl | Binary::Shr | Binary::MulHigh => self.call(Helper::Int(op, dtype), &[a, b]),
            Binary::Max => self.call(Helper::Max(dtype), &[a, b]),
            Binary::Min => self.call(Helper::Min(dtype), &[a, b]),
            Binary::And | Binary::Or | Binary::Xor => unreachable!("printed above"),
        }
    }

    fn converted(&mut self, to: DType, x: &Expr) -> Text {
        let from = x.dtype();
        match to {
            DType::Bool if from == DType::Bool => self.expr(x),
            DType::Bool => {
                let zero = if from.is_float() { super::data::float_literal(from, 0.0) } else { "0".into() };
                (format!("{} != {zero}", self.operand(x, Binds::Order)), Binds::Equality)
            }
            _ if from.is_float() && to.is_int() => self.call(Helper::FromFloat(from, to), &[x]),
            _ => {
                let text = self.expr(x);
                self.cast(to, text)
            }
        }
    }

    fn in_range(&mut self, index: &Index, low: i64, high: i64) -> Text {
        let bounds = index.interval(self.vars);
        let (text, unsigned) = match index.terms() {
            // An integer of the network is tested in its own type, before it becomes an int.
            [(Atom::Value(e), 1)] if index.constant() == 0 => {
                (self.operand(e, Binds::Sum), !e.dtype().is_signed_int())
            }
            _ => (at_least(self.index(index), Binds::Sum), false),
        };
        let above = bounds.is_some_and(|(least, _)| least >= low) || unsigned && low <= 0;
        let below = bounds.is_some_and(|(_, most)| most < high);
        match (above, below) {
            (true, true) => ("true".into(), Binds::Postfix),
            (true, false) if high == low + 1 => (format!("{text} == {low}"), Binds::Equality),
            (true, false) => (format!("{text} < {high}"), Binds::Order),
            (false, true) => (format!("{text} >= {low}"), Binds::Order),
            (false, false) => (format!("{text} >= {low} && {text} < {high}"), Binds::And),
        }
    }

    pub(super) fn index(&mut self, index: &Index) -> Text {
        let mut text = String::new();
        let mut count = 0;
        let mut binds = Binds::Postfix;
        // Larger strides first, positive terms before negative, as one writes it.
        let mut terms: Vec<&(Atom, i64)> = index.terms().iter().collect();
        terms.sort_by_key(|(_, c)| std::cmp::Reverse(*c));
        for (atom, c) in terms {
            let (factor, part) = match atom {
                Atom::Var(v) => (c.abs(), self.var(*v).to_string()),
                Atom::Div(i, n) => (c.abs(), format!("{} / {n}", at_least(self.index(i), Binds::Product))),
                Atom::Mod(i, n) => (c.abs(), format!("{} % {n}", at_least(self.index(i), Binds::Product))),
                Atom::Value(e) => (c.abs(), self.as_int(e)),
            };
            let composite = matches!(atom, Atom::Div(..) | Atom::Mod(..));
            let (part, part_binds) = match (factor, composite) {
                (1, true) => (part, Binds::Product),
                (1, false) => (part, Binds::Postfix),
                (f, true) => (format!("{f} * ({part})"), Binds::Product),
                (f, false) => (format!("{f} * {part}"), Binds::Product),
            };
            match (count, *c < 0) {
                (0, false) => (text, binds) = (part, part_binds),
                (0, true) => (text, binds) = (format!("-{part}"), Binds::Product),
                (_, negative) => {
                    text += if negative { " - " } else { " + " };
                    text += &part;
                    binds = Binds::Sum;
                }
            }
            count += 1;
        }
        match (count, index.constant()) {
            (0, c) => (c.to_string(), if c < 0 { Binds::Prefix } else { Binds::Postfix }),
            (_, 0) => (text, binds),
            (_, c) if c < 0 => (format!("{text} - {}", -c), Binds::Sum),
            (_, c) => (format!("{text} + {c}"), Binds::Sum),
        }
    }

    fn as_int(&mut self, e: &Expr) -> String {
        match e {
            Expr::Index(DType::I32, _) | Expr::Var(_, DType::I32) => self.operand(e, Binds::Postfix),
            e => format!("(int){}", self.operand(e, Binds::Postfix)),
        }
    }
}
