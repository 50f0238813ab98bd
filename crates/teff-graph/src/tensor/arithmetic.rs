//! Functions of each element, and operators.

use super::Tensor;
use crate::dtype::{DType, broadcast_shape};
use crate::op::{Binary, Op};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What can stand beside a tensor in a formula: a tensor, or a number, which takes the tensor's type.
pub trait Operand: Sized {
    /// The tensor, or else the number.
    fn given(self) -> std::result::Result<Tensor, f64>;

    /// The operand as a tensor that broadcasts against `other`.
    fn beside(self, other: &Tensor) -> Tensor {
        self.given().unwrap_or_else(|x| other.full_like(x))
    }
}

macro_rules! operand {
    ($($t:ty: |$x:ident| $given:expr;)*) => { $(
        impl Operand for $t {
            fn given(self) -> std::result::Result<Tensor, f64> {
                let $x = self;
                $given
            }
        }
    )* };
}

operand! {
    &Tensor: |x| Ok(x.clone());
    &&Tensor: |x| Ok((*x).clone());
    Tensor: |x| Ok(x);
    f64: |x| Err(x);
    f32: |x| Err(x.into());
    i32: |x| Err(x.into());
}

impl Tensor {
    /// `op` of this and another tensor, both broadcast to their common shape.
    #[track_caller]
    pub fn binary(&self, op: Binary, other: impl Operand) -> Tensor {
        let other = other.beside(self);
        if other.check().is_ok() && self.check().is_ok() && self.shape() != other.shape() {
            return match broadcast_shape(self.shape(), other.shape()) {
                Some(shape) => {
                    Tensor::apply(Op::Binary(op), &[self.broadcast_to(&shape), other.broadcast_to(&shape)])
                }
                None => {
                    let reason = "the shapes do not broadcast to a common one";
                    Tensor::invalid(op.name(), &[self, &other], reason)
                }
            };
        }
        Tensor::apply(Op::Binary(op), &[self.clone(), other])
    }
}

impl Tensor {
    /// The square of each element.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        self * self
    }

    /// 1 / x.
    #[track_caller]
    pub fn recip(&self) -> Tensor {
        1.0 / self
    }

    /// The quotient rounded towards minus infinity.
    #[track_caller]
    pub fn floor_div(&self, divisor: &Tensor) -> Tensor {
        let quotient = self / divisor;
        if quotient.dtype().is_float() {
            return quotient.floor();
        }
        self.rem(divisor).opposes(divisor).select(&(&quotient - 1.0), &quotient)
    }

    /// The remainder that has the sign of the divisor.
    #[track_caller]
    pub fn floor_mod(&self, divisor: &Tensor) -> Tensor {
        let remainder = self.rem(divisor);
        if !remainder.dtype().is_float() && !remainder.dtype().is_signed_int() {
            return remainder;
        }
        remainder.opposes(divisor).select(&(&remainder + divisor), &remainder)
    }

    /// Where this remainder is not 0 and has not the sign of the divisor.
    fn opposes(&self, divisor: &Tensor) -> Tensor {
        divisor.broadcast_to(self.shape()).less(0.0).select(self.greater(0.0), self.less(0.0))
    }

    /// Not below `low` and not above `high`.
    #[track_caller]
    pub fn clip(&self, low: f64, high: f64) -> Tensor {
        self.maximum(low).minimum(high)
    }

    /// True where greater.
    #[track_caller]
    pub fn greater(&self, other: impl Operand) -> Tensor {
        other.beside(self).less(self)
    }

    /// True where greater or equal.
    #[track_caller]
    pub fn greater_equal(&self, other: impl Operand) -> Tensor {
        other.beside(self).less_equal(self)
    }

    /// Where this condition holds `a`, elsewhere `b`; all three broadcast. One of both may be a number.
    #[track_caller]
    pub fn select(&self, a: impl Operand, b: impl Operand) -> Tensor {
        let (a, b) = (a.given(), b.given());
        let like = a.as_ref().or(b.as_ref()).unwrap_or(self).clone();
        let [a, b] = [a, b].map(|operand| operand.unwrap_or_else(|x| like.full_like(x)));
        let common = broadcast_shape(a.shape(), b.shape()).and_then(|s| broadcast_shape(&s, self.shape()));
        match common {
            Some(s) => {
                Tensor::apply(Op::Select, &[self.broadcast_to(&s), a.broadcast_to(&s), b.broadcast_to(&s)])
            }
            None => Tensor::invalid("select", &[self, &a, &b], "the shapes do not broadcast to a common one"),
        }
    }

    /// Each element converted to `dtype`; see [`Op::Cast`].
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        if self.dtype() == dtype {
            self.clone()
        } else {
            Tensor::apply(Op::Cast(dtype), std::slice::from_ref(self))
        }
    }

    /// Integers for these floats; see [`Op::Quantize`]. The range of results is that of `zero`'s dtype.
    #[track_caller]
    pub fn quantize(&self, scale: &Tensor, zero: &Tensor) -> Tensor {
        let (low, high) = zero.dtype().int_range().unwrap_or((0, 0));
        let clamp = |x: i128| x.clamp(i32::MIN as i128, i32::MAX as i128) as i32;
        let op = Op::Quantize { dtype: zero.dtype(), low: clamp(low), high: clamp(high) };
        Tensor::apply(op, &[self.clone(), scale.clone(), zero.clone()])
    }

    /// Floats for these integers; see [`Op::Dequantize`].
    #[track_caller]
    pub fn dequantize(&self, scale: &Tensor, zero: &Tensor) -> Tensor {
        Tensor::apply(Op::Dequantize, &[self.clone(), scale.clone(), zero.clone()])
    }

    /// Rounded to the nearest integer, halves to even, with the gradient of x itself: the straight-through estimator (Bengio, Leonard
    /// and Courville, "Estimating or propagating gradients through stochastic neurons", 2013).
    #[track_caller]
    pub fn round_straight_through(&self) -> Tensor {
        // x - x is exactly 0, so the value is that of the rounding.
        self.round() + (self - self.stop_gradient())
    }

    /// What [`Tensor::quantize`] and [`Tensor::dequantize`] to integers from `low` to `high` leave of a float, bit for bit:
    /// `round(clip(x / scale, low - zero, high - zero)) * scale`. `scale` broadcasts against x.
    ///
    /// The gradient passes straight through the rounding. In x it is 1 where x is in range and 0 outside; in the scale it is
    /// `round(x / scale) - x / scale` in range and the bound outside, which is that of learned step size quantisation (Esser et al.,
    /// ICLR 2020, equation 3).
    #[track_caller]
    pub fn fake_quantize(&self, scale: &Tensor, zero: i32, low: i32, high: i32) -> Tensor {
        let (low, high) = (f64::from(low) - f64::from(zero), f64::from(high) - f64::from(zero));
        (self / scale).clip(low, high).round_straight_through() * scale
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident;)*) => { $(
        impl<R: Operand> $trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                self.binary(Binary::$op, other)
            }
        }

        impl<R: Operand> $trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                self.binary(Binary::$op, other)
            }
        }

        impl $trait<&Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                self.beside(other).binary(Binary::$op, other)
            }
        }

        impl $trait<Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                self.beside(&other).binary(Binary::$op, other)
            }
        }
    )* };
}

operators! {
    Add add Add;
    Sub sub Sub;
    Mul mul Mul;
    Div div Div;
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}
