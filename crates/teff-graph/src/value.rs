//! Values: arrays in host memory, as constants hold them and the evaluator computes them.

use crate::dtype::{DType, Shape, Type};
use std::cmp::Ordering;
use std::fmt;

/// The elements of a [`Value`], row-major.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I16(Vec<i16>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// One element, widened so that arithmetic on it is plain: integers and booleans to `i128`, floats to `f64`.
///
/// For f32, `+ - * /` and the square root computed in f64 and rounded once give the same bits as f32 arithmetic, because
/// 53 >= 2 * 24 + 2 (Figueroa, "When is double rounding innocuous?", 1995).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Num {
    /// An integer or boolean.
    Int(i128),
    /// A float.
    Float(f64),
}

impl Num {
    /// `x` as the kind of number that elements of `dtype` are.
    pub fn of(x: f64, dtype: DType) -> Num {
        if dtype.is_float() { Num::Float(x) } else { Num::Int(x as i128) }
    }

    /// The number as a float.
    pub fn as_f64(self) -> f64 {
        match self {
            Num::Int(i) => i as f64,
            Num::Float(f) => f,
        }
    }

    /// The number as an integer; a float is truncated towards zero, saturating, and NaN is 0.
    pub fn as_int(self) -> i128 {
        match self {
            Num::Int(i) => i,
            Num::Float(f) => f as i128,
        }
    }

    /// The order in which numbers are sorted: both zeros are one, and so is every NaN, behind all numbers.
    pub fn compare(self, other: Num) -> Ordering {
        if let (Num::Int(a), Num::Int(b)) = (self, other) {
            return a.cmp(&b);
        }
        let (a, b) = (self.as_f64(), other.as_f64());
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }
}

/// A Rust type that is the element of some [`DType`].
pub trait Element: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The element type this is.
    const DTYPE: DType;
    /// Wraps elements as [`Data`].
    fn wrap(v: Vec<Self>) -> Data;
    /// The elements, if `data` has this type.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// The elements for writing, if `data` has this type.
    fn slice_mut(data: &mut Data) -> Option<&mut [Self]>;
    /// Widens.
    fn to_num(self) -> Num;
    /// Narrows: integers wrap, floats round to nearest even; a float stored as an integer truncates and saturates.
    fn from_num(n: Num) -> Self;
    /// Little-endian bytes; a boolean is one byte.
    fn bytes(self) -> impl Iterator<Item = u8>;
    /// The inverse of `bytes`, of as many bytes as the type has.
    fn of_bytes(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($t:ty, $v:ident, $to:expr, $from:expr, $word:ty, $of_word:expr) => {
        impl Element for $t {
            const DTYPE: DType = DType::$v;
            fn wrap(v: Vec<Self>) -> Data {
                Data::$v(v)
            }
            fn slice(data: &Data) -> Option<&[Self]> {
                if let Data::$v(v) = data { Some(v) } else { None }
            }
            fn slice_mut(data: &mut Data) -> Option<&mut [Self]> {
                if let Data::$v(v) = data { Some(v) } else { None }
            }
            fn to_num(self) -> Num {
                $to(self)
            }
            fn from_num(n: Num) -> Self {
                $from(n)
            }
            fn bytes(self) -> impl Iterator<Item = u8> {
                (self as $word).to_le_bytes().into_iter()
            }
            fn of_bytes(bytes: &[u8]) -> Self {
                $of_word(<$word>::from_le_bytes(bytes.try_into().expect("as many bytes as the type has")))
            }
        }
    };
    (int $t:ty, $v:ident) => {
        element!(
            $t,
            $v,
            |x| Num::Int(x as i128),
            |n| match n {
                Num::Int(i) => i as $t,
                Num::Float(f) => f as $t,
            },
            $t,
            |word| word
        );
    };
}
element!(bool, Bool, |x| Num::Int(x as i128), |n: Num| n.as_f64() != 0.0, u8, |byte| byte != 0);
element!(int i8, I8);
element!(int u8, U8);
element!(int i16, I16);
element!(int u16, U16);
element!(int i32, I32);
element!(int u32, U32);
element!(int i64, I64);
element!(int u64, U64);
element!(f32, F32, |x| Num::Float(x as f64), |n: Num| n.as_f64() as f32, f32, |word| word);
element!(f64, F64, Num::Float, |n: Num| n.as_f64(), f64, |word| word);

/// Runs `$body` with `$v` bound to the typed vector inside a [`Data`].
#[macro_export]
macro_rules! with_data {
    ($data:expr, $v:ident => $body:expr) => {
        $crate::with_data!($data, $v => $body; Bool I8 U8 I16 U16 I32 U32 I64 U64 F32 F64)
    };
    ($data:expr, $v:ident => $body:expr; $($variant:ident)*) => {
        match $data {
            $($crate::Data::$variant($v) => $body,)*
        }
    };
}

/// Runs `$body` with `$t` naming the Rust type of a [`DType`].
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        $crate::with_dtype!($dtype, $t => $body; Bool bool I8 i8 U8 u8 I16 i16 U16 u16 I32 i32 U32 u32 I64 i64 U64 u64 F32 f32 F64 f64)
    };
    ($dtype:expr, $t:ident => $body:expr; $($v:ident $rust:ty)*) => {
        match $dtype {
            $($crate::DType::$v => {
                type $t = $rust;
                $body
            })*
        }
    };
}

/// An array: a shape and its elements, row-major.
#[derive(Clone, PartialEq)]
pub struct Value {
    shape: Shape,
    data: Data,
}

impl Value {
    /// An array of `shape` with these elements.
    ///
    /// # Panics
    /// When the number of elements is not the product of `shape`.
    pub fn new<T: Element>(shape: impl Into<Shape>, elements: Vec<T>) -> Value {
        Value::from_data(shape, T::wrap(elements))
    }

    /// As [`Value::new`], from elements whose type is known only at run time.
    ///
    /// # Panics
    /// When the number of elements is not the product of `shape`.
    pub fn from_data(shape: impl Into<Shape>, data: Data) -> Value {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "elements do not fill the shape {shape:?}");
        Value { shape, data }
    }

    /// A scalar: rank 0, one element.
    pub fn scalar<T: Element>(x: T) -> Value {
        Value::new([], vec![x])
    }

    /// All elements equal to `x`, narrowed to the type's element.
    pub fn full(ty: &Type, x: Num) -> Value {
        let n = ty.len();
        Value { shape: ty.shape.clone(), data: with_dtype!(ty.dtype, T => T::wrap(vec![T::from_num(x); n])) }
    }

    /// All elements zero (false).
    pub fn zeros(ty: &Type) -> Value {
        Value::full(ty, Num::Int(0))
    }

    /// Narrows `f(i)` for each element `i` in row-major order.
    pub fn from_fn(ty: &Type, f: impl FnMut(usize) -> Num) -> Value {
        let n = ty.len();
        let data = with_dtype!(ty.dtype, T => T::wrap((0..n).map(f).map(T::from_num).collect()));
        Value { shape: ty.shape.clone(), data }
    }

    /// Element type and shape.
    pub fn ty(&self) -> Type {
        Type { dtype: self.dtype(), shape: self.shape.clone() }
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements for writing.
    pub fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// The elements, if they are of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(&self.data)
    }

    /// The element that all elements are, if they are equal and there are any.
    pub fn uniform(&self) -> Option<Num> {
        let first = (!self.is_empty()).then(|| self.get(0))?;
        (1..self.len()).all(|i| self.get(i) == first).then_some(first)
    }

    /// Element `i` in row-major order, widened.
    pub fn get(&self, i: usize) -> Num {
        with_data!(&self.data, v => v[i].to_num())
    }

    /// All elements widened to f64.
    pub fn to_f64(&self) -> Vec<f64> {
        with_data!(&self.data, v => v.iter().map(|x| x.to_num().as_f64()).collect())
    }

    /// All elements as i64: exact but for u64 above `i64::MAX`, which wraps, and floats, which truncate.
    pub fn to_i64(&self) -> Vec<i64> {
        with_data!(&self.data, v => v.iter().map(|x| x.to_num().as_int() as i64).collect())
    }

    /// The same elements under another shape of as many elements.
    ///
    /// # Panics
    /// When the number of elements differs.
    pub fn reshape(self, shape: impl Into<Shape>) -> Value {
        Value::from_data(shape, self.data)
    }

    /// The elements at these positions, as a value of `shape`.
    pub(crate) fn take(&self, shape: Shape, at: &[usize]) -> Value {
        fn pick<T: Element>(v: &[T], at: &[usize]) -> Data {
            T::wrap(at.iter().map(|&i| v[i]).collect())
        }
        Value::from_data(shape, with_data!(&self.data, v => pick(v, at)))
    }

    /// The elements as little-endian bytes; booleans are one byte.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        with_data!(&self.data, v => v.iter().flat_map(|x| x.bytes()).collect())
    }

    /// The inverse of [`Value::to_le_bytes`]; `None` when `bytes` is not exactly as long as `ty` says.
    pub fn from_le_bytes(ty: &Type, bytes: &[u8]) -> Option<Value> {
        if ty.shape.iter().try_fold(ty.dtype.size(), |n, &d| n.checked_mul(d)) != Some(bytes.len()) {
            return None;
        }
        let data = with_dtype!(ty.dtype, T => {
            T::wrap(bytes.chunks_exact(ty.dtype.size()).map(T::of_bytes).collect())
        });
        Some(Value { shape: ty.shape.clone(), data })
    }

    /// The same bits in every element; unlike `==`, a NaN equals itself and 0.0 differs from -0.0.
    pub fn same_bits(&self, other: &Value) -> bool {
        self.ty() == other.ty() && self.to_le_bytes() == other.to_le_bytes()
    }
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        with_data!(self, v => v.len())
    }

    /// True when there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        with_data!(self, v => of(v))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ", self.ty())?;
        with_data!(&self.data, v => f.debug_list().entries(v.iter().take(32)).finish())?;
        if self.len() > 32 { write!(f, " (first 32 of {})", self.len()) } else { Ok(()) }
    }
}
