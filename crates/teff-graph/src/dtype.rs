//! Element types and tensor types.

use std::fmt;
use std::str::FromStr;

/// An enum with these variants, each with the Rust type that it is and its name in the text form.
macro_rules! element_types {
    ($($(#[$doc:meta])* $v:ident = $t:ty, $name:literal;)*) => {
        /// The element type of a tensor.
        ///
        /// Integers are two's complement and wrap; floats are IEEE 754. A boolean is one byte, 0 or 1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DType { $($(#[$doc])* $v,)* }

        impl DType {
            /// Every element type, in declaration order.
            pub const ALL: [DType; 11] = [$(DType::$v,)*];

            /// Bytes one element takes.
            pub fn size(self) -> usize {
                match self { $(DType::$v => size_of::<$t>(),)* }
            }

            /// The name used in the text form: `bool`, `i8` ... `f64`.
            pub fn name(self) -> &'static str {
                match self { $(DType::$v => $name,)* }
            }
        }
    };
}

element_types! {
    /// Truth value.
    Bool = bool, "bool";
    /// Signed 8-bit integer.
    I8 = i8, "i8";
    /// Unsigned 8-bit integer.
    U8 = u8, "u8";
    /// Signed 16-bit integer.
    I16 = i16, "i16";
    /// Unsigned 16-bit integer.
    U16 = u16, "u16";
    /// Signed 32-bit integer.
    I32 = i32, "i32";
    /// Unsigned 32-bit integer.
    U32 = u32, "u32";
    /// Signed 64-bit integer.
    I64 = i64, "i64";
    /// Unsigned 64-bit integer.
    U64 = u64, "u64";
    /// IEEE 754 binary32.
    F32 = f32, "f32";
    /// IEEE 754 binary64.
    F64 = f64, "f64";
}

impl DType {
    /// True for F32 and F64.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// True for the eight integer types; false for booleans and floats.
    pub fn is_int(self) -> bool {
        !self.is_float() && self != DType::Bool
    }

    /// True for integers that can be negative.
    pub fn is_signed_int(self) -> bool {
        matches!(self, DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// Smallest and largest value of an integer type; (0, 1) for booleans, `None` for floats.
    pub fn int_range(self) -> Option<(i128, i128)> {
        let bits = 8 * self.size();
        match self {
            DType::Bool => Some((0, 1)),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                Some((-1 << (bits - 1), (1 << (bits - 1)) - 1))
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Some((0, (1 << bits) - 1)),
            DType::F32 | DType::F64 => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        DType::ALL.into_iter().find(|d| d.name() == s).ok_or(())
    }
}

/// Sizes of a tensor's axes, outermost first. The empty shape is a scalar.
pub type Shape = Vec<usize>;

/// Element type and shape: all that is known of a value before it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Element type.
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Shape,
}

impl Type {
    /// The type of a tensor of `dtype` with axes `shape`.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Type {
        Type { dtype, shape: shape.into() }
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements; the largest number there is for a type that no memory holds, which no shape rule lets pass.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d))
    }

    /// True when some axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.len().saturating_mul(self.dtype.size())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, d) in self.shape.iter().enumerate() {
            write!(f, "{}{d}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}

/// Row-major strides, in elements, of `shape`.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        out[i - 1] = out[i] * shape[i];
    }
    out
}

/// The shape that `a` and `b` broadcast to, aligned at the last axis (NumPy's rule), or `None`.
pub fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let size = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    (0..rank)
        .map(|i| match (size(a, i), size(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Visits every index of `shape` in row-major order.
pub(crate) fn for_each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Position of `index` in a row-major array with these `strides`.
pub(crate) fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}
