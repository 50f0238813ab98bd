//! What a kernel costs, counted from its statements.

use super::{Atom, Expr, Index, Kernel, Micro, Program, Stmt};
use crate::target::{Cycles, Target};
use std::ops::AddAssign;
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

impl AddAssign for Cost {
    fn add_assign(&mut self, o: Cost) {
        self.loads += o.loads;
        self.stores += o.stores;
        self.float_ops += o.float_ops;
        self.int_ops += o.int_ops;
        self.cycles += o.cycles;
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
}

/// The cost of a whole program on `target`.
pub fn cost(program: &Program, target: &Target) -> Cost {
    let mut total = Cost::default();
    program.kernels.iter().for_each(|k| total += kernel_cost(k, target));
    total
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
        let mut total = Cost::default();
        body.iter().for_each(|s| total += self.stmt(s));
        total
    }

    fn stmt(&self, stmt: &Stmt) -> Cost {
        match stmt {
            Stmt::For { count, body, .. } => {
                let mut turn = self.body(body);
                turn.cycles += self.cycles.turn;
                turn.times(*count as u64)
            }
            Stmt::Let(_, e) | Stmt::Mutable(_, e) | Stmt::Set(_, e) => self.expr(e),
            Stmt::LetIndex(_, i) => self.index(i),
            Stmt::Array(_) => Cost::default(),
            // A local array stands for registers.
            Stmt::StoreLocal(_, _, e) => self.expr(e),
            Stmt::Store(_, i, e) => {
                let mut total = self.expr(e);
                total += self.index(i);
                total += Cost { stores: 1, cycles: self.cycles.store, ..Cost::default() };
                total
            }
            Stmt::If { condition, then, otherwise } => {
                let mut total = self.expr(condition);
                let (then, otherwise) = (self.body(then), self.body(otherwise));
                total += if then.cycles >= otherwise.cycles { then } else { otherwise };
                total
            }
            Stmt::Micro(m) => {
                let mut total = self.index(m.at());
                total += self.micro(m);
                total
            }
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
                Cost { loads: 3 * words, int_ops: 20 * words, cycles, ..Cost::default() }
            }
            Micro::Rows(r) => {
                // As if no input were the least: for eight columns, two words of weights and 28 operations.
                let macs = (r.rows * r.outputs) as u64;
                let cycles = macs as f64 / 8.0 * (3.0 * load + 33.0 * int + self.cycles.turn / 2.0);
                Cost { loads: macs / 4, int_ops: 4 * macs, cycles, ..Cost::default() }
            }
            Micro::Window(w) => {
                // For two products: an input and a weight are loaded, one multiplication, a half of taking them apart.
                let (macs, places) = (w.macs() as u64, (w.rows * w.columns) as u64);
                let cycles = macs as f64 / 2.0 * (1.67 * load + 4.0 * int) + places as f64 * 25.0 * int;
                Cost { loads: macs, int_ops: 2 * macs, cycles, ..Cost::default() }
            }
        }
    }

    /// Divisions, and what is computed from the network's integers; sums of strides are what compilers strength-reduce.
    fn index(&self, index: &Index) -> Cost {
        let mut total = Cost::default();
        for (atom, _) in index.terms() {
            match atom {
                Atom::Var(_) => {}
                Atom::Div(i, _) | Atom::Mod(i, _) => {
                    total += self.index(i);
                    total.cycles += self.cycles.int_divide;
                }
                Atom::Value(e) => total += self.expr(e),
            }
        }
        total
    }

    fn expr(&self, e: &Expr) -> Cost {
        let mut total = Cost::default();
        let operation = |dtype: DType, cycles: f64| Cost {
            float_ops: dtype.is_float() as u64,
            int_ops: !dtype.is_float() as u64,
            cycles,
            ..Cost::default()
        };
        match e {
            Expr::Const(_) | Expr::Var(..) | Expr::LoadLocal(..) => {}
            Expr::Index(_, i) => total += self.index(i),
            Expr::InRange { index, .. } => {
                total += self.index(index);
                total += operation(DType::I32, 2.0 * self.cycles.int);
            }
            Expr::Load(_, _, i) => {
                total += self.index(i);
                total += Cost { loads: 1, cycles: self.cycles.load, ..Cost::default() };
            }
            Expr::Unary(op, x) => {
                total += self.expr(x);
                total += operation(x.dtype(), self.unary(*op, x.dtype()));
            }
            Expr::Binary(op, a, b) => {
                total += self.expr(a);
                total += self.expr(b);
                total += operation(a.dtype(), self.binary(*op, a.dtype()));
            }
            Expr::Select(operands) => {
                let [condition, a, b] = operands.as_ref();
                total += self.expr(condition);
                let (a, b) = (self.expr(a), self.expr(b));
                total += if a.cycles >= b.cycles { a } else { b };
                total.cycles += self.cycles.int;
            }
            Expr::Bits(_, x) => total += self.expr(x),
            Expr::Quantize(_, x) => {
                total += self.expr(x);
                total += Cost { int_ops: 40, cycles: 60.0 * self.cycles.int, ..Cost::default() };
            }
            Expr::Cast(to, x) => {
                total += self.expr(x);
                let converts = to.is_float() || x.dtype().is_float();
                total += operation(*to, if converts { self.cycles.float_add } else { self.cycles.int });
            }
        }
        total
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
