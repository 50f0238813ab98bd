//! Inner loops of pointwise operations over one chunk.
//!
//! A loop reads a block of elements whole before it writes it, so that the result may lie where an operand lies.

#![allow(unsafe_code)]

use super::math;
use crate::cpu::{Level, leveled};
use std::sync::atomic::{Ordering, compiler_fence};
use teff_graph::{Binary, DType, Element, Num, Unary, eval_binary, eval_unary, with_dtype};

/// A loop over `n` elements: addresses of the result and of up to four operands.
///
/// # Safety
/// The result has room for `n` elements of its dtype, each operand has as many (one, where the kernel was asked for a scalar
/// there), and where result and operand overlap they start at one address.
pub(crate) type Kernel = unsafe fn(&[*mut u8; 5], usize);

/// Elements read before any is written.
pub(super) const BLOCK: usize = 32;

#[inline(always)]
pub(super) unsafe fn read<T: Copy, const SCALAR: bool>(from: *const T, n: usize) -> [T; BLOCK] {
    // SAFETY: the caller has `n` elements, or one.
    unsafe {
        if SCALAR {
            return [*from; BLOCK];
        }
        if n == BLOCK {
            return from.cast::<[T; BLOCK]>().read_unaligned();
        }
        let mut out = [*from; BLOCK];
        for i in 0..n {
            out[i] = *from.add(i);
        }
        out
    }
}

#[inline(always)]
pub(super) unsafe fn write<T: Copy>(to: *mut T, block: [T; BLOCK], n: usize) {
    // SAFETY: the caller has room for `n` elements.
    unsafe {
        if n == BLOCK {
            return to.cast::<[T; BLOCK]>().write_unaligned(block);
        }
        for i in 0..n {
            *to.add(i) = block[i];
        }
    }
}

/// Runs `$body` for each whole block, then for the elements left, written out twice: a closure called from two places would not
/// be inlined, and so would not be compiled for the processor its caller is compiled for.
macro_rules! in_blocks {
    ($n:expr, |$at:ident, $len:ident| $body:block) => {
        for i in 0..$n / BLOCK {
            let ($at, $len) = (i * BLOCK, BLOCK);
            $body
            // A block is vector code already. Without this the compiler makes vectors of elements of different blocks as well,
            // which takes more shuffling than computing.
            compiler_fence(Ordering::SeqCst);
        }
        if !$n.is_multiple_of(BLOCK) {
            let ($at, $len) = ($n / BLOCK * BLOCK, $n % BLOCK);
            $body
        }
    };
}

pub(super) use in_blocks;

/// A function of one element, known at compile time.
pub(super) trait Map1<A, R>: 'static {
    fn apply(a: A) -> R;
}

/// A function of two elements, known at compile time.
pub(super) trait Map2<A, R>: 'static {
    fn apply(a: A, b: A) -> R;
}

#[inline(always)]
unsafe fn map1_body<const FMA: bool, A: Copy, R: Copy + Default, F: Map1<A, R>>(p: &[*mut u8; 5], n: usize) {
    in_blocks!(n, |at, len| {
        // SAFETY: the contract of `Kernel`.
        unsafe {
            let a = read::<A, false>(p[1].cast::<A>().add(at), len);
            let mut r = [R::default(); BLOCK];
            for i in 0..BLOCK {
                r[i] = F::apply(a[i]);
            }
            write(p[0].cast::<R>().add(at), r, len);
        }
    });
}
leveled! { fn map1 [A: Copy, R: Copy + Default, F: Map1<A, R>] [A, R, F] (p: &[*mut u8; 5], n: usize) = map1_body; }

#[inline(always)]
unsafe fn map2_body<
    const FMA: bool,
    A: Copy,
    R: Copy + Default,
    F: Map2<A, R>,
    const SA: bool,
    const SB: bool,
>(
    p: &[*mut u8; 5],
    n: usize,
) {
    in_blocks!(n, |at, len| {
        // SAFETY: the contract of `Kernel`.
        unsafe {
            let a = read::<A, SA>(p[1].cast::<A>().add(if SA { 0 } else { at }), len);
            let b = read::<A, SB>(p[2].cast::<A>().add(if SB { 0 } else { at }), len);
            let mut r = [R::default(); BLOCK];
            for i in 0..BLOCK {
                r[i] = F::apply(a[i], b[i]);
            }
            write(p[0].cast::<R>().add(at), r, len);
        }
    });
}
leveled! { fn map2 [A: Copy, R: Copy + Default, F: Map2<A, R>, const SA: bool, const SB: bool] [A, R, F, SA, SB] (p: &[*mut u8; 5], n: usize) = map2_body; }

#[inline(always)]
unsafe fn select_body<const FMA: bool, A: Copy + Default, const SA: bool, const SB: bool>(
    p: &[*mut u8; 5],
    n: usize,
) {
    in_blocks!(n, |at, len| {
        // SAFETY: the contract of `Kernel`.
        unsafe {
            let c = read::<u8, false>(p[1].add(at), len);
            let a = read::<A, SA>(p[2].cast::<A>().add(if SA { 0 } else { at }), len);
            let b = read::<A, SB>(p[3].cast::<A>().add(if SB { 0 } else { at }), len);
            let mut r = [A::default(); BLOCK];
            for i in 0..BLOCK {
                r[i] = if c[i] != 0 { a[i] } else { b[i] };
            }
            write(p[0].cast::<A>().add(at), r, len);
        }
    });
}
leveled! { fn select_loop [A: Copy + Default, const SA: bool, const SB: bool] [A, SA, SB] (p: &[*mut u8; 5], n: usize) = select_body; }

macro_rules! map1 {
    ($level:expr, $a:ty => $r:ty, |$x:ident| $e:expr) => {{
        struct F;
        impl Map1<$a, $r> for F {
            #[inline(always)]
            fn apply($x: $a) -> $r {
                $e
            }
        }
        map1::<$a, $r, F>($level)
    }};
}

macro_rules! map2 {
    ($level:expr, $scalars:expr, $a:ty => $r:ty, |$x:ident, $y:ident| $e:expr) => {{
        struct F;
        impl Map2<$a, $r> for F {
            #[inline(always)]
            fn apply($x: $a, $y: $a) -> $r {
                $e
            }
        }
        match $scalars {
            [true, _] => map2::<$a, $r, F, true, false>($level),
            [_, true] => map2::<$a, $r, F, false, true>($level),
            [false, false] => map2::<$a, $r, F, false, false>($level),
        }
    }};
}

/// Copies elements of this dtype.
pub(crate) fn copy(dtype: DType) -> Kernel {
    match dtype.size() {
        1 => map1!(Level::Portable, u8 => u8, |x| x),
        2 => map1!(Level::Portable, u16 => u16, |x| x),
        4 => map1!(Level::Portable, u32 => u32, |x| x),
        _ => map1!(Level::Portable, u64 => u64, |x| x),
    }
}

/// The loop of a unary operation on elements of `dtype`.
pub(crate) fn unary(level: Level, u: Unary, dtype: DType) -> Kernel {
    if u == Unary::StopGradient {
        return copy(dtype);
    }
    if dtype == DType::F32 {
        return unary_f32(level, u);
    }
    let is_test = matches!(u, Unary::IsNan | Unary::IsInf);
    with_dtype!(dtype, T => if is_test { slow_unary::<T, bool>(u) } else { slow_unary::<T, T>(u) })
}

fn unary_f32(level: Level, u: Unary) -> Kernel {
    match u {
        Unary::Neg => map1!(level, f32 => f32, |x| -x),
        Unary::Abs => map1!(level, f32 => f32, |x| x.abs()),
        Unary::Sign => map1!(level, f32 => f32, |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x }),
        Unary::Floor => map1!(level, f32 => f32, |x| x.floor()),
        Unary::Ceil => map1!(level, f32 => f32, |x| x.ceil()),
        Unary::Round => map1!(level, f32 => f32, |x| x.round_ties_even()),
        Unary::Sqrt => map1!(level, f32 => f32, |x| x.sqrt()),
        Unary::Exp => map1!(level, f32 => f32, |x| math::exp(x)),
        Unary::Expm1 => map1!(level, f32 => f32, |x| math::expm1(x)),
        Unary::Log => map1!(level, f32 => f32, |x| math::log(x)),
        Unary::Tanh => map1!(level, f32 => f32, |x| math::tanh(x)),
        Unary::Sigmoid => map1!(level, f32 => f32, |x| math::sigmoid(x)),
        Unary::IsNan => map1!(level, f32 => u8, |x| x.is_nan() as u8),
        Unary::IsInf => map1!(level, f32 => u8, |x| x.is_infinite() as u8),
        Unary::StopGradient => copy(DType::F32),
        Unary::Sin | Unary::Cos | Unary::Tan | Unary::Asin | Unary::Acos | Unary::Atan => {
            slow_unary::<f32, f32>(u)
        }
        Unary::Sinh | Unary::Cosh | Unary::Asinh | Unary::Acosh | Unary::Atanh | Unary::Erf | Unary::Erfc => {
            slow_unary::<f32, f32>(u)
        }
        Unary::Not => slow_unary::<f32, f32>(u),
    }
}

/// One instance for each operation, through the evaluator's own arithmetic.
fn slow_unary<A: Element, R: Element>(u: Unary) -> Kernel {
    macro_rules! pick {
        ($($name:ident)*) => { match u { $(Unary::$name => {
            unsafe fn run<A: Element, R: Element>(p: &[*mut u8; 5], n: usize) {
                for i in 0..n {
                    // SAFETY: the contract of `Kernel`.
                    unsafe {
                        let x = *p[1].cast::<A>().add(i);
                        *p[0].cast::<R>().add(i) = R::from_num(eval_unary(Unary::$name, x.to_num(), A::DTYPE));
                    }
                }
            }
            run::<A, R>
        })* } };
    }
    pick!(Neg Abs Sign Floor Ceil Round Sqrt Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Erf
        Erfc Expm1 Sigmoid Not IsNan IsInf StopGradient)
}

/// The loop of a binary operation on operands of `dtype`, the first or the second a scalar if `scalars` says so.
pub(crate) fn binary(level: Level, b: Binary, dtype: DType, scalars: [bool; 2]) -> Kernel {
    macro_rules! int {
        ($t:ty) => {
            match b {
                Binary::Add => map2!(Level::Portable, scalars, $t => $t, |x, y| x.wrapping_add(y)),
                Binary::Sub => map2!(Level::Portable, scalars, $t => $t, |x, y| x.wrapping_sub(y)),
                Binary::Mul => map2!(Level::Portable, scalars, $t => $t, |x, y| x.wrapping_mul(y)),
                Binary::Eq => map2!(Level::Portable, scalars, $t => u8, |x, y| (x == y) as u8),
                Binary::Lt => map2!(Level::Portable, scalars, $t => u8, |x, y| (x < y) as u8),
                Binary::Le => map2!(Level::Portable, scalars, $t => u8, |x, y| (x <= y) as u8),
                // These are rare in integers.
                Binary::Div | Binary::Rem | Binary::Pow | Binary::Max | Binary::Min => slow_binary::<$t>(b),
                Binary::And | Binary::Or | Binary::Xor => slow_binary::<$t>(b),
                Binary::Shl | Binary::Shr | Binary::MulHigh => slow_binary::<$t>(b),
            }
        };
    }
    match dtype {
        DType::F32 => binary_f32(level, b, scalars),
        DType::I32 => int!(i32),
        DType::I64 => int!(i64),
        DType::Bool
        | DType::I8
        | DType::U8
        | DType::I16
        | DType::U16
        | DType::U32
        | DType::U64
        | DType::F64 => {
            with_dtype!(dtype, T => slow_binary::<T>(b))
        }
    }
}

fn binary_f32(level: Level, b: Binary, scalars: [bool; 2]) -> Kernel {
    match b {
        Binary::Add => map2!(level, scalars, f32 => f32, |x, y| x + y),
        Binary::Sub => map2!(level, scalars, f32 => f32, |x, y| x - y),
        Binary::Mul => map2!(level, scalars, f32 => f32, |x, y| x * y),
        Binary::Div => map2!(level, scalars, f32 => f32, |x, y| x / y),
        Binary::Max => map2!(level, scalars, f32 => f32, |x, y| math::max(x, y)),
        Binary::Min => map2!(level, scalars, f32 => f32, |x, y| math::min(x, y)),
        Binary::Eq => map2!(level, scalars, f32 => u8, |x, y| (x == y) as u8),
        Binary::Lt => map2!(level, scalars, f32 => u8, |x, y| (x < y) as u8),
        Binary::Le => map2!(level, scalars, f32 => u8, |x, y| (x <= y) as u8),
        Binary::Pow => map2!(Level::Portable, scalars, f32 => f32, |x, y| (x as f64).powf(y as f64) as f32),
        Binary::Rem => map2!(Level::Portable, scalars, f32 => f32, |x, y| x % y),
        Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr | Binary::MulHigh => {
            unreachable!("the shape rule lets no float through")
        }
    }
}

/// One instance for each operation, through the evaluator's own arithmetic.
fn slow_binary<A: Element>(b: Binary) -> Kernel {
    macro_rules! pick {
        ($($name:ident)*) => { match b { $(Binary::$name => {
            unsafe fn run<A: Element>(p: &[*mut u8; 5], n: usize) {
                for i in 0..n {
                    // SAFETY: the contract of `Kernel`.
                    unsafe {
                        let (x, y) = (*p[1].cast::<A>().add(i), *p[2].cast::<A>().add(i));
                        let r = eval_binary(Binary::$name, x.to_num(), y.to_num(), A::DTYPE);
                        match Binary::$name.is_comparison() {
                            true => *p[0].cast::<bool>().add(i) = r != Num::Int(0),
                            false => *p[0].cast::<A>().add(i) = A::from_num(r),
                        }
                    }
                }
            }
            run::<A>
        })* } };
    }
    pick!(Add Sub Mul Div Rem Pow Max Min And Or Xor Shl Shr MulHigh Eq Lt Le)
}

/// The loop of a select between elements of `dtype`.
pub(crate) fn select(level: Level, dtype: DType, scalars: [bool; 2]) -> Kernel {
    match (dtype.size(), scalars) {
        (1, _) => select_loop::<u8, false, false>(level),
        (2, _) => select_loop::<u16, false, false>(level),
        (8, _) => select_loop::<u64, false, false>(level),
        (_, [true, true]) => select_loop::<u32, true, true>(level),
        (_, [true, false]) => select_loop::<u32, true, false>(level),
        (_, [false, true]) => select_loop::<u32, false, true>(level),
        (_, [false, false]) => select_loop::<u32, false, false>(level),
    }
}

/// The loop of a cast.
pub(crate) fn cast(level: Level, from: DType, to: DType) -> Kernel {
    macro_rules! to {
        ($f:ty) => {
            match to {
                DType::Bool => map1!(Level::Portable, $f => u8, |x| (x != 0 as $f) as u8),
                DType::I8 => map1!(Level::Portable, $f => i8, |x| x as i8),
                DType::U8 => map1!(Level::Portable, $f => u8, |x| x as u8),
                DType::I16 => map1!(Level::Portable, $f => i16, |x| x as i16),
                DType::U16 => map1!(Level::Portable, $f => u16, |x| x as u16),
                DType::I32 => map1!(level, $f => i32, |x| x as i32),
                DType::U32 => map1!(Level::Portable, $f => u32, |x| x as u32),
                DType::I64 => map1!(Level::Portable, $f => i64, |x| x as i64),
                DType::U64 => map1!(Level::Portable, $f => u64, |x| x as u64),
                // Rounded to f64 first, as the evaluator does.
                DType::F32 if size_of::<$f>() == 8 => map1!(Level::Portable, $f => f32, |x| x as f64 as f32),
                DType::F32 => map1!(level, $f => f32, |x| x as f32),
                DType::F64 => map1!(Level::Portable, $f => f64, |x| x as f64),
            }
        };
    }
    match from {
        // A boolean is a byte, 0 or 1.
        DType::Bool | DType::U8 => to!(u8),
        DType::I8 => to!(i8),
        DType::I16 => to!(i16),
        DType::U16 => to!(u16),
        DType::I32 => to!(i32),
        DType::U32 => to!(u32),
        DType::I64 => to!(i64),
        DType::U64 => to!(u64),
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
    }
}
