//! The closed set of operations.

use crate::dtype::{DType, Shape, Type};
use crate::geometry::{ConvGeometry, PadAxis, SliceAxis, Window};
use crate::param::Param;
use crate::scan::Scan;
use crate::tensor::{Operand, Tensor};
use crate::value::Value;
use std::fmt;
use std::sync::Arc;

/// One operation. What each takes and gives is said here; `ops/` has its shape rule, evaluation and gradient.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A value given at run time. No operands.
    Input {
        /// The name it is given by.
        name: Arc<str>,
        /// Its type.
        ty: Type,
    },
    /// A value known now. No operands.
    Constant(Arc<Value>),
    /// A value that training replaces. No operands.
    Param(Param),
    /// Each element is its index along `axis`. No operands.
    Iota {
        /// Type of the result, not boolean.
        ty: Type,
        /// Axis that is counted along.
        axis: usize,
    },
    /// f32 uniform in [0, 1) from a counter-based generator. Operand: key, an i64 scalar; equal keys give equal numbers.
    Random {
        /// Shape of the result.
        shape: Shape,
    },
    /// A function of each element. Operand: x.
    Unary(Unary),
    /// A function of each pair of elements. Operands: a, b of one type. Comparisons give booleans.
    Binary(Binary),
    /// Operands: condition (bool), a, b, all of one shape. a where the condition holds, else b.
    Select,
    /// Converts each element. Integers wrap; float to integer truncates and saturates, NaN is 0; to boolean is `x != 0`.
    Cast(DType),
    /// The same elements in row-major order under another shape. Operand: x.
    Reshape(Shape),
    /// Axis i of the result is axis `perm[i]` of the operand.
    Permute(Vec<usize>),
    /// Repeats axes of size 1 and adds axes in front, as NumPy does. Operand: x.
    Broadcast(Shape),
    /// Some elements along each axis. Operand: x.
    Slice(Vec<SliceAxis>),
    /// Puts copies of a scalar around and between elements. Operands: x, fill (scalar of the same dtype).
    Pad(Vec<PadAxis>),
    /// Operands joined along `axis`; at least one, equal on all other axes.
    Concat {
        /// The axis along which they follow each other.
        axis: usize,
    },
    /// Combines all elements along `axes`, which stay with size 1. Operand: x.
    Reduce {
        /// What combines them.
        kind: ReduceKind,
        /// Axes combined, ascending.
        axes: Vec<usize>,
    },
    /// Index (i64) of the largest or smallest element along `axis`, which stays with size 1. Operand: x. NaN wins.
    ArgReduce {
        /// Smallest instead of largest.
        min: bool,
        /// The axis searched.
        axis: usize,
        /// Of equal elements the last instead of the first.
        last: bool,
    },
    /// Matrix product over the last two axes. Operands: a `[B.., M, K]`, b `[B.., K, N]`, equal batch axes.
    MatMul,
    /// Cross-correlation. Operands: x `[N, C, D..]`, w `[O, C/groups, K..]`. Result `[N, O, E..]`.
    Conv(ConvGeometry),
    /// The adjoint of [`Op::Conv`] in x. Operands: y `[N, O, E..]`, w `[O, C/groups, K..]`. Result `[N, C, D..]`.
    ConvTranspose {
        /// Geometry of the convolution whose adjoint this is.
        geometry: ConvGeometry,
        /// D: the spatial sizes of the result.
        spatial: Shape,
    },
    /// The adjoint of [`Op::Conv`] in w. Operands: x `[N, C, D..]`, y `[N, O, E..]`. Result `[O, C/groups, K..]`.
    ConvWeightGrad {
        /// Geometry of the convolution whose adjoint this is.
        geometry: ConvGeometry,
        /// K: the spatial sizes of the result.
        kernel: Shape,
    },
    /// Combines each window. Operand: x `[N, C, D..]`. Result `[N, C, E..]`. Padding never wins and adds nothing.
    Pool {
        /// What combines a window.
        kind: PoolKind,
        /// The windows.
        window: Window,
    },
    /// The adjoint of a [`PoolKind::Sum`] pool. Operand: y `[N, C, E..]`. Result `[N, C, D..]`.
    SumPoolGrad {
        /// The windows of the pool.
        window: Window,
        /// D: the spatial sizes of the result.
        spatial: Shape,
    },
    /// The adjoint of a [`PoolKind::Max`] pool at x. Operands: y `[N, C, E..]`, x `[N, C, D..]`. Result: as x. The first
    /// largest element of a window takes all.
    MaxPoolGrad {
        /// The windows of the pool.
        window: Window,
    },
    /// Operands: x, indices (1-D integers). Picks along `axis`; an index outside is clamped to the nearest inside.
    Gather {
        /// The axis picked from.
        axis: usize,
    },
    /// Operands: x, indices (1-D integers, K), updates (as x, but K long on `axis`). x with each update combined in at its
    /// index, in order; an index outside is dropped.
    Scatter {
        /// The axis written along.
        axis: usize,
        /// How an update meets what is there.
        kind: ScatterKind,
    },
    /// The i64 permutation that sorts along `axis`, stable; NaN is largest. Operand: x.
    ArgSort {
        /// The axis sorted along.
        axis: usize,
        /// Largest first.
        descending: bool,
    },
    /// Operands: x (float), scale (as x's dtype), zero (dtype of the result).
    /// `clamp(round_half_even(x / scale) + zero, low, high)`. Scale and zero have x's rank; each of their sizes divides x's,
    /// and one of their elements serves a block of x.
    Quantize {
        /// Type of the result.
        dtype: DType,
        /// Smallest result, to hold narrower types in `dtype`.
        low: i32,
        /// Largest result.
        high: i32,
    },
    /// Operands: q (integer), scale (float), zero (as q). `(q - zero) * scale` in the scale's dtype, the difference in i32.
    /// Shapes as for [`Op::Quantize`].
    Dequantize,
    /// A loop with a carried state; gives several values, each taken out by [`Op::Project`]. Operands: see [`Scan`].
    Scan(Scan),
    /// One result of a [`Op::Scan`]. Operand: the scan.
    Project(usize),
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident = $s:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $v,)* }

        impl $name {
            /// All of them, in declaration order.
            pub const ALL: &[$name] = &[$($name::$v,)*];

            /// Its name in the text form.
            pub fn name(self) -> &'static str {
                match self { $($name::$v => $s,)* }
            }
        }
    };
}

/// Functions of one element, each with the method of [`Tensor`] that applies it, which has the name of the text form.
macro_rules! unary_functions {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident = $method:ident,)* }) => {
        named! { $(#[$doc])* $name { $($(#[$vdoc])* $v = stringify!($method),)* } }

        impl Tensor {
            $($(#[$vdoc])* #[track_caller] pub fn $method(&self) -> Tensor {
                Tensor::apply(Op::Unary($name::$v), std::slice::from_ref(self))
            })*
        }
    };
}

/// Functions of two elements a and b, each with the method of [`Tensor`], which is a, that applies it.
macro_rules! binary_functions {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident = $s:literal $method:ident,)* }) => {
        named! { $(#[$doc])* $name { $($(#[$vdoc])* $v = $s,)* } }

        impl Tensor {
            $($(#[$vdoc])* #[track_caller] pub fn $method(&self, b: impl Operand) -> Tensor {
                self.binary($name::$v, b)
            })*
        }
    };
}

unary_functions! {
    /// Functions of one element. Those marked float take floats only; all keep the dtype unless said.
    Unary {
        /// -x, wrapping.
        Neg = neg,
        /// Absolute value, wrapping.
        Abs = abs,
        /// -1, 0 or 1.
        Sign = sign,
        /// Float: towards minus infinity.
        Floor = floor,
        /// Float: towards plus infinity.
        Ceil = ceil,
        /// Float: to nearest, halves to even.
        Round = round,
        /// Float: square root.
        Sqrt = sqrt,
        /// Float: e to the x.
        Exp = exp,
        /// Float: e to the x, less 1, with as many digits near 0 as elsewhere.
        Expm1 = expm1,
        /// Float: natural logarithm.
        Log = log,
        /// Float: sine of radians.
        Sin = sin,
        /// Float: cosine of radians.
        Cos = cos,
        /// Float: tangent of radians.
        Tan = tan,
        /// Float: inverse sine, in radians.
        Asin = asin,
        /// Float: inverse cosine, in radians.
        Acos = acos,
        /// Float: inverse tangent, in radians.
        Atan = atan,
        /// Float: hyperbolic sine.
        Sinh = sinh,
        /// Float: hyperbolic cosine.
        Cosh = cosh,
        /// Float: hyperbolic tangent.
        Tanh = tanh,
        /// Float: inverse hyperbolic sine.
        Asinh = asinh,
        /// Float: inverse hyperbolic cosine.
        Acosh = acosh,
        /// Float: inverse hyperbolic tangent.
        Atanh = atanh,
        /// Float: the error function.
        Erf = erf,
        /// Float: 1 less the error function, with as many digits where little is left.
        Erfc = erfc,
        /// Float: 1 / (1 + exp(-x)).
        Sigmoid = sigmoid,
        /// Boolean or integer: complement of every bit.
        Not = not,
        /// Float to boolean: true where not a number.
        IsNan = is_nan,
        /// Float to boolean: true where infinite.
        IsInf = is_inf,
        /// x, whose gradient is zero.
        StopGradient = stop_gradient,
    }
}

binary_functions! {
    /// Functions of two elements of one dtype. Integers wrap.
    Binary {
        /// a + b.
        Add = "add" add,
        /// a - b.
        Sub = "sub" sub,
        /// a * b.
        Mul = "mul" mul,
        /// a / b; integers truncate towards zero, and x / 0 is 0.
        Div = "div" div,
        /// Remainder with the sign of a, as C's `%` and `fmod`; integer x rem 0 is 0.
        Rem = "rem" rem,
        /// a to the b; an integer power with negative exponent truncates (0 to a negative power is 0).
        Pow = "pow" pow,
        /// The larger; NaN if either is.
        Max = "max" maximum,
        /// The smaller; NaN if either is.
        Min = "min" minimum,
        /// Boolean or integer: and of every bit.
        And = "and" and,
        /// Boolean or integer: or of every bit.
        Or = "or" or,
        /// Boolean or integer: exclusive or of every bit.
        Xor = "xor" xor,
        /// Integer: a shifted left by b bits; 0 when b is not less than the width.
        Shl = "shl" shl,
        /// Integer: a shifted right by b bits, with the sign if a has one; all sign when b is not less than the width.
        Shr = "shr" shr,
        /// 32-bit integers with a sign: the upper 32 of the 64 bits of a * b. What a product of fixed-point numbers is rounded from.
        MulHigh = "mul_high" mul_high,
        /// a = b, as boolean.
        Eq = "eq" equal,
        /// a < b, as boolean.
        Lt = "lt" less,
        /// a <= b, as boolean.
        Le = "le" less_equal,
    }
}

impl Binary {
    /// True for those whose result is boolean whatever the operands are.
    pub fn is_comparison(self) -> bool {
        matches!(self, Binary::Eq | Binary::Lt | Binary::Le)
    }
}

named! {
    /// What [`Op::Reduce`] combines with. Of no elements: 0, 1, the dtype's smallest, the dtype's largest.
    ReduceKind {
        /// Sum; floats are summed in f64 by the evaluator, in any order elsewhere.
        Sum = "sum",
        /// Product.
        Prod = "prod",
        /// Largest; NaN if any is; of booleans: any.
        Max = "max",
        /// Smallest; NaN if any is; of booleans: all.
        Min = "min",
    }
}

named! {
    /// What [`Op::Pool`] combines a window with.
    PoolKind {
        /// Largest element.
        Max = "max",
        /// Sum; an average is this divided by the number of elements.
        Sum = "sum",
        /// Position (i64) of the first largest element, counted row-major within D.
        ArgMax = "argmax",
    }
}

named! {
    /// How [`Op::Scatter`] writes.
    ScatterKind {
        /// Replaces.
        Set = "set",
        /// Adds.
        Add = "add",
        /// Multiplies.
        Mul = "mul",
        /// Keeps the larger.
        Max = "max",
        /// Keeps the smaller.
        Min = "min",
    }
}

impl Op {
    /// Its name in the text form and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input { .. } => "input",
            Op::Constant(_) => "constant",
            Op::Param(_) => "param",
            Op::Iota { .. } => "iota",
            Op::Random { .. } => "random",
            Op::Unary(u) => u.name(),
            Op::Binary(b) => b.name(),
            Op::Select => "select",
            Op::Cast(_) => "cast",
            Op::Reshape(_) => "reshape",
            Op::Permute(_) => "permute",
            Op::Broadcast(_) => "broadcast",
            Op::Slice(_) => "slice",
            Op::Pad(_) => "pad",
            Op::Concat { .. } => "concat",
            Op::Reduce { kind: ReduceKind::Sum, .. } => "reduce_sum",
            Op::Reduce { kind: ReduceKind::Prod, .. } => "reduce_prod",
            Op::Reduce { kind: ReduceKind::Max, .. } => "reduce_max",
            Op::Reduce { kind: ReduceKind::Min, .. } => "reduce_min",
            Op::ArgReduce { min: false, .. } => "arg_max",
            Op::ArgReduce { min: true, .. } => "arg_min",
            Op::MatMul => "matmul",
            Op::Conv(_) => "conv",
            Op::ConvTranspose { .. } => "conv_transpose",
            Op::ConvWeightGrad { .. } => "conv_weight_grad",
            Op::Pool { kind: PoolKind::Max, .. } => "pool_max",
            Op::Pool { kind: PoolKind::Sum, .. } => "pool_sum",
            Op::Pool { kind: PoolKind::ArgMax, .. } => "pool_argmax",
            Op::SumPoolGrad { .. } => "pool_sum_grad",
            Op::MaxPoolGrad { .. } => "pool_max_grad",
            Op::Gather { .. } => "gather",
            Op::Scatter { kind: ScatterKind::Set, .. } => "scatter_set",
            Op::Scatter { kind: ScatterKind::Add, .. } => "scatter_add",
            Op::Scatter { kind: ScatterKind::Mul, .. } => "scatter_mul",
            Op::Scatter { kind: ScatterKind::Max, .. } => "scatter_max",
            Op::Scatter { kind: ScatterKind::Min, .. } => "scatter_min",
            Op::ArgSort { .. } => "argsort",
            Op::Quantize { .. } => "quantize",
            Op::Dequantize => "dequantize",
            Op::Scan(_) => "scan",
            Op::Project(_) => "project",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
