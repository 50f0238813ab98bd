//! The Program: *how* a network is computed on its target.
//!
//! # Contract
//!
//! - A [`Program`] is a list of [`Buffer`]s and a list of [`Kernel`]s that run once each, in order. A kernel is statements over
//!   buffers: loops, named scalars, small local arrays, loads and stores. It is data: printers, evaluator, validator and cost counter
//!   all read the same statements, and none of them knows a kernel by name.
//! - Two kinds of number are kept apart. An [`Index`] counts elements and loops: a signed whole number that never overflows and is
//!   proved to stay inside the buffer it addresses. An [`Expr`] is a value of the network with a dtype.
//! - Values mean what they mean in the graph: integers wrap, integer `x / 0` is 0, float to integer truncates and saturates (NaN is
//!   0), maximum and minimum are NaN if an operand is, rounding is half to even. [`Expr::Select`] evaluates only the operand chosen;
//!   `&`, `|` on booleans evaluate both.
//! - Float arithmetic is done as written, in the written order. A printer may not reassociate; reordering is the lowering's choice.
//! - Names of variables are hints. A variable is defined once, by a loop or a `let`, before its uses and in scope of them; only
//!   [`Stmt::Mutable`] makes one that [`Stmt::Set`] may change. Local arrays hold nothing until written.
//! - Every buffer is written before it is read, and two buffers share bytes of the arena only when one is dead. Buffers with element
//!   types that C's aliasing rule keeps apart (6.5p7) share no bytes at all, dead or not.
//! - [`validate`] checks all of this but liveness, which [`evaluate`](evaluate()) checks byte by byte while it runs.

mod bounds;
mod cost;
mod evaluate;
mod index;
mod micro;
mod quantizer;
#[cfg(test)]
mod tests;
mod text;
mod validate;
mod walk;

pub(crate) use bounds::{Facts, unwrapped};
pub use cost::{Cost, cost, kernel_cost};
pub(crate) use evaluate::rows_used;
pub use evaluate::{Fault, Wrong, evaluate};
pub use index::{Atom, Index};
pub(crate) use index::{ravel, unravel};
pub use micro::{Micro, PairSums, RowSums, WindowSums};
pub(crate) use micro::{bits_of, pack_bits};
pub use quantizer::Quantizer;
pub use validate::{Invalid, validate};
pub(crate) use walk::{
    divisions, each_expr, each_expr_in, each_expr_of, each_stmt, each_stmt_mut, map_exprs, map_exprs_of,
    mentions, parts, parts_mut, replace_stmts,
};

use std::fmt;
use std::sync::Arc;
use teff_graph::facts::Quantization;
use teff_graph::{Binary, DType, Element, Num, Type, Unary, Value, with_dtype};

/// A network ready to be printed for a target. See the contract of this module.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name of the function, and prefix of all that is visible outside.
    pub name: String,
    /// All buffers; a [`BufferId`] is a position here.
    pub buffers: Vec<Buffer>,
    /// What runs, in order.
    pub kernels: Vec<Kernel>,
    /// What the caller gives.
    pub inputs: Vec<Port>,
    /// What the caller gets.
    pub outputs: Vec<Port>,
    /// The memory that intermediate values share.
    pub arena: Arena,
    /// How far the products that are mantissas took outputs off, the worst as a share of its range, on the inputs that were tried
    /// when it was compiled: see [`Products::Mantissas`]. `None` when there are none, or the network was too large to try.
    pub off: Option<f64>,
    /// The classes' names, as many as the only output has elements, or none.
    pub labels: Vec<String>,
}

/// An input or output of the network.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in the model.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Its buffer.
    pub buffer: BufferId,
    /// What its integers stand for, of a quantised network.
    pub quantization: Option<Quantization>,
}

/// Size of the memory that intermediate values share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arena {
    /// Bytes.
    pub bytes: usize,
    /// Alignment, in bytes, of its start.
    pub align: usize,
    /// The largest sum of bytes that are live at once: no plan needs less.
    pub lower_bound: usize,
}

/// Position of a buffer in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

impl BufferId {
    /// The position as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Consecutive elements of one type.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// A name that no other buffer of the program has, made of letters, digits and underscores.
    pub name: String,
    /// Element type, and the shape the elements have in the graph, row-major.
    pub ty: Type,
    /// Alignment of the first element, in bytes; at least the element size.
    pub align: usize,
    /// Where it lives.
    pub place: Place,
    /// Of a constant: whether it is copied to RAM at start and read there.
    pub in_sram: bool,
}

impl Buffer {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.ty.len()
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a buffer lives.
#[derive(Clone, Debug)]
pub enum Place {
    /// The caller's input of this number; read only.
    Input(usize),
    /// The caller's output of this number.
    Output(usize),
    /// The arena, from this byte on.
    Arena(usize),
    /// Read-only memory with this content.
    Constant(Arc<Value>),
}

/// One function of the generated code.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// A name that no other kernel has, made of letters, digits and underscores.
    pub name: String,
    /// The layer or node of the model it came from.
    pub label: Option<Arc<str>>,
    /// Its layers and functions in the field's words, from first to last: `dense 784 -> 400`, `relu`.
    pub words: Vec<String>,
    /// The operations it computes, from first to last.
    pub ops: Vec<&'static str>,
    /// Type of what it computes.
    pub result: Type,
    /// Multiply-accumulates of its matrix product or convolution, those with padding counted.
    pub macs: u64,
    /// How they are computed.
    pub products: Products,
    /// All variables; a [`Var`] is a position here.
    pub vars: Vec<VarInfo>,
    /// All local arrays; an [`ArrayId`] is a position here.
    pub arrays: Vec<ArrayInfo>,
    /// What it does.
    pub body: Vec<Stmt>,
}

/// How the products of a matrix product or convolution are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Products {
    /// In the type of its operands.
    #[default]
    AsWritten,
    /// Floats as integers with an exponent for each tensor, or for each channel of the network's inputs, on a machine without a float unit.
    Mantissas {
        /// Bits of a weight, sign included.
        weight_bits: u32,
        /// Bits of an input, sign included.
        input_bits: u32,
        /// The largest error of a result, as a share of what results can reach for inputs no larger than those given.
        error: f64,
    },
    /// By software floats, though integers would be faster.
    Software {
        /// Why: what completes "because".
        reason: &'static str,
    },
}

/// Position of a variable in its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

/// What is known of a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct VarInfo {
    /// What to call it; need not be unique.
    pub name: String,
    /// What it holds.
    pub kind: VarKind,
}

/// What a variable holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VarKind {
    /// An index between `low` and `high`, both included.
    Index {
        /// Smallest.
        low: i64,
        /// Largest.
        high: i64,
    },
    /// A value.
    Scalar(DType),
}

/// Position of a local array in its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayId(pub u32);

/// A local array: partial sums, a register tile.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayInfo {
    /// What to call it; need not be unique.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Number of elements.
    pub len: usize,
}

/// A constant of some dtype.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scalar {
    dtype: DType,
    /// The value's bytes, little-endian, in the lower bytes; so that equality is equality of bits.
    bits: u64,
}

impl Scalar {
    /// `n` narrowed to `dtype`.
    pub fn new(dtype: DType, n: Num) -> Scalar {
        let bits = match (dtype, with_dtype!(dtype, T => T::from_num(n).to_num())) {
            (DType::F32, f) => (f.as_f64() as f32).to_bits() as u64,
            (DType::F64, f) => f.as_f64().to_bits(),
            (_, i) => i.as_int() as u64,
        };
        Scalar { dtype, bits }
    }

    /// Element type.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The value, widened.
    pub fn get(self) -> Num {
        match self.dtype {
            DType::F32 => Num::Float(f32::from_bits(self.bits as u32) as f64),
            DType::F64 => Num::Float(f64::from_bits(self.bits)),
            dtype => with_dtype!(dtype, T => T::from_num(Num::Int(self.bits as i128)).to_num()),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.get() {
            Num::Int(i) => write!(f, "{}({i})", self.dtype),
            Num::Float(x) => write!(f, "{}({x:?})", self.dtype),
        }
    }
}

/// A value computed from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expr {
    /// A constant.
    Const(Scalar),
    /// A variable, with its dtype.
    Var(Var, DType),
    /// An index as a value of this integer type, wrapped.
    Index(DType, Index),
    /// True when `low <= index < high`.
    InRange {
        /// What is tested.
        index: Index,
        /// Smallest inside.
        low: i64,
        /// Smallest above.
        high: i64,
    },
    /// An element of a buffer, with its dtype.
    Load(BufferId, DType, Index),
    /// An element of a local array, with its dtype.
    LoadLocal(ArrayId, DType, Index),
    /// A function of one value.
    Unary(Unary, Box<Expr>),
    /// A function of two values of one dtype.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// Condition, value where it holds, value where it does not. Only the chosen value is evaluated.
    Select(Box<[Expr; 3]>),
    /// Conversion, as the graph's cast.
    Cast(DType, Box<Expr>),
    /// The same 32 bits as another type: an f32 as i32, or an i32 as f32 (IEEE 754 binary32, the sign in the highest bit).
    Bits(DType, Box<Expr>),
    /// An f32 as the integer that stands for it, which a [`Quantizer`] defines.
    Quantize(Quantizer, Box<Expr>),
}

impl Expr {
    /// `n` as a constant of `dtype`.
    pub fn constant(dtype: DType, n: Num) -> Expr {
        Expr::Const(Scalar::new(dtype, n))
    }

    /// A whole number as a constant of `dtype`.
    pub fn int(dtype: DType, n: i64) -> Expr {
        Expr::constant(dtype, Num::Int(n as i128))
    }

    /// A function of one value.
    pub fn unary(op: Unary, x: Expr) -> Expr {
        Expr::Unary(op, Box::new(x))
    }

    /// A function of two values.
    pub fn binary(op: Binary, a: Expr, b: Expr) -> Expr {
        Expr::Binary(op, Box::new(a), Box::new(b))
    }

    /// `a` where `condition` holds, else `b`.
    pub fn select(condition: Expr, a: Expr, b: Expr) -> Expr {
        Expr::Select(Box::new([condition, a, b]))
    }

    /// The value as `dtype`.
    pub fn cast(self, dtype: DType) -> Expr {
        if self.dtype() == dtype { self } else { Expr::Cast(dtype, Box::new(self)) }
    }

    /// The same bits as `dtype`; see [`Expr::Bits`].
    pub fn bits(self, dtype: DType) -> Expr {
        Expr::Bits(dtype, Box::new(self))
    }

    /// Both conditions; `None` stands for one that always holds.
    pub fn and(a: Option<Expr>, b: Expr) -> Option<Expr> {
        Some(match a {
            None => b,
            Some(a) => Expr::binary(Binary::And, a, b),
        })
    }

    /// Type of the value.
    pub fn dtype(&self) -> DType {
        match self {
            Expr::Const(s) => s.dtype(),
            Expr::Var(_, d) | Expr::Index(d, _) | Expr::Load(_, d, _) | Expr::LoadLocal(_, d, _) => *d,
            Expr::InRange { .. } => DType::Bool,
            Expr::Unary(Unary::IsNan | Unary::IsInf, _) => DType::Bool,
            Expr::Unary(_, x) => x.dtype(),
            Expr::Binary(op, a, _) => {
                if op.is_comparison() {
                    DType::Bool
                } else {
                    a.dtype()
                }
            }
            Expr::Select(operands) => operands[1].dtype(),
            Expr::Cast(d, _) | Expr::Bits(d, _) => *d,
            Expr::Quantize(to, _) => to.dtype(),
        }
    }
}

/// A step of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// The body for each value of `var` from 0 up to, not including, `count`.
    For {
        /// The index that counts.
        var: Var,
        /// How often, at least 1.
        count: usize,
        /// The loop is short and must stay one: unrolled before the loops beside it are vectorised, it spoils them.
        rolled: bool,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// Names a value.
    Let(Var, Expr),
    /// Names an index.
    LetIndex(Var, Index),
    /// A variable that may change, and what it holds first.
    Mutable(Var, Expr),
    /// Changes a variable.
    Set(Var, Expr),
    /// Makes a local array, its elements not set.
    Array(ArrayId),
    /// Writes an element of a local array.
    StoreLocal(ArrayId, Index, Expr),
    /// Writes an element of a buffer.
    Store(BufferId, Index, Expr),
    /// One of two bodies.
    If {
        /// Which.
        condition: Expr,
        /// Where it holds.
        then: Vec<Stmt>,
        /// Where it does not.
        otherwise: Vec<Stmt>,
    },
    /// An inner loop that is written out for the machine.
    Micro(Micro),
}

impl Kernel {
    /// Buffers it reads and buffers it writes, each in the order of first use.
    pub fn accesses(&self) -> (Vec<BufferId>, Vec<BufferId>) {
        walk::accesses(&self.body)
    }
}

impl Program {
    /// The buffer `id` names.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.index()]
    }

    /// The inputs, then the outputs: of each which it is, in words, and its number.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&'static str, usize, &Port)> {
        let all = [("input", &self.inputs), ("output", &self.outputs)];
        all.into_iter().flat_map(|(kind, ports)| ports.iter().enumerate().map(move |(i, p)| (kind, i, p)))
    }

    /// The bounds of all layers whose floats are mantissas, added up: see [`Products::Mantissas`]. 0 when there are none.
    pub fn mantissa_error(&self) -> f64 {
        let of = |k: &Kernel| match k.products {
            Products::Mantissas { error, .. } => error,
            Products::AsWritten | Products::Software { .. } => 0.0,
        };
        self.kernels.iter().map(of).sum()
    }

    /// Bytes of the constants that are copied to RAM.
    pub fn sram_bytes(&self) -> usize {
        self.buffers.iter().filter(|b| b.in_sram).map(|b| b.ty.bytes()).sum()
    }

    /// Bytes of all constants, those copied to RAM included: flash keeps what they are copied from.
    pub fn constant_bytes(&self) -> usize {
        let bytes = |b: &Buffer| if matches!(b.place, Place::Constant(_)) { b.ty.bytes() } else { 0 };
        self.buffers.iter().map(bytes).sum()
    }
}
