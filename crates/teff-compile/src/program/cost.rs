//! What a kernel costs, counted from its statements.

use super::{Atom, Expr, Index, Kernel, Micro, Program, Stmt};
use crate::target::{Cycles, Target};
use std::iter::Sum;
use std::ops::Add;
use teff_graph::{Binary, DType, Unary};

/// Counts of one run of a kernel; what stands under a condition is counted as if it held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Elements read from buffers.
    pub loads: u64,
    /// Elements written to buffers.
    pub stores: u64,
    /// Operations on floats.
    pub float_ops: u64,
    /// Operations on integers and booleans, index arithmetic left out.
    pub int_ops: u64,
    /// Estimated cycles on a target.
    pub cycles: f64,
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, o: Cost) -> Cost {
        Cost {
            loads: self.loads + o.loads,
            stores: self.stores + o.stores,
            float_ops: self.float_ops + o.float_ops,
            int_ops: self.int_ops + o.int_ops,
            cycles: self.cycles + o.cycles,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(all: I) -> Cost {
        all.fold(Cost::default(), Add::add)
    }
}

impl Cost {
    fn times(self, n: u64) -> Cost {
        Cost {
            loads: self.loads * n,
            stores: self.stores * n,
            float_ops: self.float_ops * n,
            int_ops: self.int_ops * n,
            cycles: self.cycles * n as f64,
        }
    }

    /// Cycles and nothing that is counted.
    fn of(cycles: f64) -> Cost {
        Cost { cycles, ..Cost::default() }
    }

    /// Of two ways the one that takes longer.
    fn longer(self, o: Cost) -> Cost {
        if self.cycles >= o.cycles { self } else { o }
    }
}

/// The cost of a whole program on `target`.
pub fn cost(program: &Program, target: &Target) -> Cost {
    program.kernels.iter().map(|k| kernel_cost(k, target)).sum()
}

/// The cost of one kernel on `target`.
pub fn kernel_cost(kernel: &Kernel, target: &Target) -> Cost {
    Counter { cycles: &target.cycles }.body(&kernel.body)
}

struct Counter<'a> {
    cycles: &'a Cycles,
}

impl Counter<'_> {
    fn body(&self, body: &[Stmt]) -> Cost {
        body.iter().map(|s| self.stmt(s)).sum()
    }

    fn stmt(&self, stmt: &Stmt) -> Cost {
        match stmt {
            Stmt::For { count, body, .. } => {
                (self.body(body) + Cost::of(self.cycles.turn)).times(*count as u64)
            }
            Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) => self.expr(e),
            Stmt::LetIndex(_, i) => self.index(i),
            Stmt::Array(_) => Cost::default(),
            // A local array stands for registers.
            Stmt::StoreLocal(_, _, e) => self.expr(e),
            Stmt::Store(_, i, e) => {
                self.expr(e) + self.index(i) + Cost { stores: 1, ..Cost::of(self.cycles.store) }
            }
            Stmt::If { condition, then, otherwise } => {
                self.expr(condition) + self.body(then).longer(self.body(otherwise))
            }
            Stmt::Micro(m) => self.index(m.at()) + self.micro(m),
        }
    }

    /// As the assembly for ARMv6-M has it.
    fn micro(&self, m: &Micro) -> Cost {
        let (load, int) = (self.cycles.load, self.cycles.int);
        match m {
            Micro::Pairs(p) => {
                // For a word of weights: itself and two inputs are loaded; 20 operations make eight products and take them apart.
                let words = (p.outputs * p.taps) as u64 / 4;
                let row = 12.0 * int + 4.0 * self.cycles.store;
                let cycles = words as f64 * (2.5 * load + 20.0 * int + self.cycles.turn / 2.0);
                let cycles = cycles + p.outputs as f64 * row;
                Cost { loads: 3 * words, int_ops: 20 * words, ..Cost::of(cycles) }
            }
            Micro::Rows(r) => {
                // As if no input were the least: for eight columns, two words of weights and 28 operations.
                let macs = (r.rows * r.outputs) as u64;
                let cycles = macs as f64 / 8.0 * (3.0 * load + 33.0 * int + self.cycles.turn / 2.0);
                Cost { loads: macs / 4, int_ops: 4 * macs, ..Cost::of(cycles) }
            }
            Micro::Window(w) => {
                // For two products: an input and a weight are loaded, one multiplication, a half of taking them apart.
                let (macs, places) = (w.macs() as u64, (w.rows * w.columns) as u64);
                let cycles = macs as f64 / 2.0 * (1.67 * load + 4.0 * int) + places as f64 * 25.0 * int;
                Cost { loads: macs, int_ops: 2 * macs, ..Cost::of(cycles) }
            }
        }
    }

    /// Divisions, and what is computed from the network's integers; sums of strides are what compilers strength-reduce.
    fn index(&self, index: &Index) -> Cost {
        let of = |(atom, _): &(Atom, i64)| match atom {
            Atom::Var(_) => Cost::default(),
            Atom::Div(i, _) | Atom::Mod(i, _) => self.index(i) + Cost::of(self.cycles.int_divide),
            Atom::Value(e) => self.expr(e),
        };
        index.terms().iter().map(of).sum()
    }

    fn expr(&self, e: &Expr) -> Cost {
        let operation = |dtype: DType, cycles: f64| Cost {
            float_ops: dtype.is_float() as u64,
            int_ops: !dtype.is_float() as u64,
            ..Cost::of(cycles)
        };
        match e {
            Expr::Const(_) | Expr::Var(..) | Expr::LoadLocal(..) => Cost::default(),
            Expr::Index(_, i) => self.index(i),
            Expr::InRange { index, .. } => self.index(index) + operation(DType::I32, 2.0 * self.cycles.int),
            Expr::Load(_, _, i) => self.index(i) + Cost { loads: 1, ..Cost::of(self.cycles.load) },
            Expr::Unary(op, x) => self.expr(x) + operation(x.dtype(), self.unary(*op, x.dtype())),
            Expr::Binary(op, a, b) => {
                self.expr(a) + self.expr(b) + operation(a.dtype(), self.binary(*op, a.dtype()))
            }
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                self.expr(condition) + self.expr(a).longer(self.expr(b)) + Cost::of(self.cycles.int)
            }
            Expr::Bits(_, x) => self.expr(x),
            Expr::Quantize(_, x) => self.expr(x) + Cost { int_ops: 40, ..Cost::of(60.0 * self.cycles.int) },
            Expr::Cast(to, x) => {
                let converts = to.is_float() || x.dtype().is_float();
                let cycles = if converts { self.cycles.float_add } else { self.cycles.int };
                self.expr(x) + operation(*to, cycles)
            }
        }
    }

    fn unary(&self, op: Unary, dtype: DType) -> f64 {
        let c = self.cycles;
        match op {
            Unary::Neg
            | Unary::Abs
            | Unary::Sign
            | Unary::Not
            | Unary::IsNan
            | Unary::IsInf
            | Unary::StopGradient => c.int,
            Unary::Floor | Unary::Ceil | Unary::Round => c.float_add,
            Unary::Sqrt => c.float_divide,
            Unary::Exp | Unary::Log | Unary::Sin | Unary::Cos | Unary::Tan | Unary::Asin | Unary::Acos => {
                c.function
            }
            Unary::Atan | Unary::Sinh | Unary::Cosh | Unary::Tanh | Unary::Asinh | Unary::Acosh => c.function,
            Unary::Atanh | Unary::Erf | Unary::Erfc | Unary::Expm1 => c.function,
            Unary::Sigmoid => c.function + c.float_add + if dtype.is_float() { c.float_divide } else { 0.0 },
        }
    }

    fn binary(&self, op: Binary, dtype: DType) -> f64 {
        let c = self.cycles;
        match op {
            Binary::Mul if dtype.is_float() => c.float_multiply,
            Binary::Div | Binary::Rem if dtype.is_float() => c.float_divide,
            Binary::Div | Binary::Rem => c.int_divide,
            Binary::Pow if dtype.is_float() => 2.0 * c.function,
            Binary::Pow => 32.0 * c.int,
            Binary::MulHigh => c.mul_high,
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Max
            | Binary::Min
            | Binary::And
            | Binary::Or
            | Binary::Xor
            | Binary::Shl
            | Binary::Shr
            | Binary::Eq
            | Binary::Lt
            | Binary::Le => match dtype {
                DType::F32 | DType::F64 => c.float_add,
                // Twice as many registers.
                DType::I64 | DType::U64 => 3.0 * c.int,
                DType::Bool | DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32 | DType::U32 => {
                    c.int
                }
            },
        }
    }
}
