//! Fourier transforms along the last axis.
//!
//! A transform of n = a b elements is b transforms of a elements, factors, and a transforms of b elements (Cooley and Tukey, "An
//! Algorithm for the Machine Calculation of Complex Fourier Series", 1965). Small ones and those of a prime length are products with
//! matrices of sines and cosines. One of 512 real samples takes 35 000 multiplications and 8 kB of tables, as a matrix 263 000 and 1 MB.

use super::Tensor;
use crate::dtype::{DType, Type};
use crate::value::{Num, Value};
use std::ops::Range;

/// Transforms up to this length are products with a matrix.
const SMALL: usize = 20;

/// A complex signal; without imaginary part where that is zero.
#[derive(Clone)]
struct Signal {
    real: Tensor,
    imaginary: Option<Tensor>,
}

impl Signal {
    fn complex(real: Tensor, imaginary: Tensor) -> Signal {
        Signal { real, imaginary: Some(imaginary) }
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Signal {
        Signal { real: f(&self.real), imaginary: self.imaginary.as_ref().map(f) }
    }

    /// The product with `cosine - j sine`, made by `f` of a part and one of the two.
    fn turned(&self, cosine: &Tensor, sine: &Tensor, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Signal {
        let (real, imaginary) = (f(&self.real, cosine), -f(&self.real, sine));
        match &self.imaginary {
            None => Signal::complex(real, imaginary),
            Some(i) => Signal::complex(real + f(i, sine), imaginary + f(i, cosine)),
        }
    }

    fn parts(self) -> (Tensor, Tensor) {
        let zero = || self.real.full_like(0.0);
        let imaginary = self.imaginary.clone().unwrap_or_else(zero);
        (self.real, imaginary)
    }
}

/// `cos` and `sign * sin` of `2 pi r c / length` for these rows r and so many columns c.
fn turns(dtype: DType, rows: Range<usize>, columns: usize, length: usize, sign: f64) -> (Tensor, Tensor) {
    let of = |factor: f64, f: fn(f64) -> f64| {
        Tensor::constant(Value::from_fn(&Type::new(dtype, [rows.len(), columns]), |i| {
            // The product is reduced modulo the period while it is a whole number.
            let turn = (rows.start + i / columns) * (i % columns) % length;
            Num::Float(factor * f(std::f64::consts::TAU * turn as f64 / length as f64))
        }))
    };
    (of(1.0, f64::cos), of(sign, f64::sin))
}

/// The largest divisor of `n` that is not above its root.
fn divisor(n: usize) -> usize {
    (1..=n.isqrt()).rev().find(|a| n.is_multiple_of(*a)).unwrap_or(1)
}

/// The sum over m of `x[m] e^(-sign 2 pi j m k / n)` for all k.
fn transform(x: &Signal, sign: f64) -> Signal {
    let shape = x.real.shape();
    let (&n, dtype) = (shape.last().unwrap_or(&1), x.real.dtype());
    let a = if n > SMALL { divisor(n) } else { 1 };
    if a == 1 {
        let (cosine, sine) = turns(dtype, 0..n, n, n, sign);
        return x.turned(&cosine, &sine, Tensor::matmul);
    }
    // m = b p + q and k = r + a s: over p for each q and r, a factor for each q and r, then over q.
    let b = n / a;
    let lead = &shape[..shape.len() - 1];
    let split = x.map(|t| t.reshape(&[lead, &[a, b]].concat()).swap_axes(-1, -2));
    let (cosine, sine) = turns(dtype, 0..b, a, n, sign);
    let turned = transform(&split, sign).turned(&cosine, &sine, |part, table| part * table);
    let whole = transform(&turned.map(|t| t.swap_axes(-1, -2)), sign);
    whole.map(|t| t.swap_axes(-1, -2).reshape(shape))
}

impl Tensor {
    /// The discrete Fourier transform along the last axis of the complex numbers whose real parts these are, and whose imaginary parts are
    /// `imaginary`, or zero: real and imaginary parts of the sums over m of `x[m] e^(-2 pi j m k / n)`. The inverse has the other sign and
    /// is divided by n.
    #[track_caller]
    pub fn dft(&self, imaginary: Option<&Tensor>, inverse: bool) -> (Tensor, Tensor) {
        let signal = Signal { real: self.clone(), imaginary: imaginary.cloned() };
        if !inverse {
            return transform(&signal, 1.0).parts();
        }
        let scale = 1.0 / self.shape().last().map_or(1.0, |&n| n as f64);
        // Before the sums, which may overflow without it.
        transform(&signal.map(|t| t * scale), -1.0).parts()
    }

    /// The first n / 2 + 1 elements of the transform of these n real numbers; the others are their mirror images.
    #[track_caller]
    pub fn real_dft(&self) -> (Tensor, Tensor) {
        let Some(&n) = self.shape().last() else { return self.dft(None, false) };
        let (axis, half) = (self.rank() - 1, n / 2);
        let first = |t: &Tensor| t.narrow(axis, 0, half + 1);
        if n <= 2 * SMALL || n % 2 == 1 && divisor(n) == 1 {
            let (cosine, sine) = turns(self.dtype(), 0..n, half + 1, n, 1.0);
            return (self.matmul(&cosine), -self.matmul(&sine));
        }
        if n % 2 == 1 {
            let (real, imaginary) = self.dft(None, false);
            return (first(&real), first(&imaginary));
        }
        // Even and odd elements as real and imaginary parts of half as many numbers, and their transforms told apart by symmetry.
        let lead = &self.shape()[..axis];
        let pairs = self.reshape(&[lead, &[half, 2]].concat());
        let (real, imaginary) = pairs.pick(axis + 1, 0).dft(Some(&pairs.pick(axis + 1, 1)), false);
        let around = |t: &Tensor| Tensor::concat(&[t.clone(), t.narrow(axis, 0, 1)], axis);
        let (real, imaginary) = (around(&real), around(&imaginary));
        let (back_real, back_imaginary) = (real.flip(axis), imaginary.flip(axis));
        let odd = Signal::complex((&imaginary + &back_imaginary) * 0.5, (&back_real - &real) * 0.5);
        // The factor of each element: the row of m = 1.
        let (cosine, sine) = turns(self.dtype(), 1..2, half + 1, n, 1.0);
        let odd = odd.turned(&cosine, &sine, |part, table| part * table);
        let (odd_real, odd_imaginary) = odd.parts();
        ((real + back_real) * 0.5 + odd_real, (imaginary - back_imaginary) * 0.5 + odd_imaginary)
    }

    /// The n real numbers whose transform begins with these n / 2 + 1 elements.
    #[track_caller]
    pub fn inverse_real_dft(&self, imaginary: &Tensor, n: usize) -> Tensor {
        let Some(axis) = self.rank().checked_sub(1).filter(|&a| self.shape()[a] == n / 2 + 1) else {
            let reason = format!("{n} numbers have {} in their transform", n / 2 + 1);
            return Tensor::invalid("dft", &[self], reason);
        };
        // The mirror images of all but the first, and of an even length the last.
        let mirrored = n - (n / 2 + 1);
        let back = |t: &Tensor| t.narrow(axis, 1, mirrored).flip(axis);
        let real = Tensor::concat(&[self.clone(), back(self)], axis);
        let imaginary = Tensor::concat(&[imaginary.clone(), -back(imaginary)], axis);
        real.dft(Some(&imaginary), true).0
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Graph, Tensor, Type, Value, evaluate};

    /// The sums as they are written.
    fn plain(real: &[f64], imaginary: &[f64]) -> Vec<[f64; 2]> {
        let n = real.len();
        let one = |k: usize| {
            (0..n).fold([0.0, 0.0], |[re, im], m| {
                let (s, c) = (std::f64::consts::TAU * (m * k % n) as f64 / n as f64).sin_cos();
                [re + real[m] * c + imaginary[m] * s, im + imaginary[m] * c - real[m] * s]
            })
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn transforms_of_every_length() {
        for n in (1..=44).chain([60, 97, 100, 127, 128, 400, 441, 512]) {
            let [x, y] = ["x", "y"].map(|name| Tensor::input(name, DType::F64, &[2, n]));
            let (a, b) = x.dft(Some(&y), false);
            let (c, d) = x.real_dft();
            let back = a.dft(Some(&b), true);
            let outputs = [&a, &b, &c, &d, &back.0, &back.1, &c.inverse_real_dft(&d, n)];
            let named: Vec<(&str, Tensor)> = outputs.iter().map(|t| ("", (*t).clone())).collect();
            let graph = Graph::from_tensors("dft", &[x.clone(), y], &named).unwrap();
            let values = [3usize, 5].map(|seed| {
                Value::from_fn(&Type::new(DType::F64, [2, n]), |i| {
                    crate::Num::Float(((i * i * seed + i * 7 + seed) % 101) as f64 / 50.0 - 1.0)
                })
            });
            let got: Vec<Vec<f64>> = evaluate(&graph, &values).unwrap().iter().map(Value::to_f64).collect();
            let (real, imaginary) = (values[0].to_f64(), values[1].to_f64());
            let near = |a: f64, b: f64, what: &str| {
                assert!((a - b).abs() < 1e-10 * n as f64, "{what} of {n}: {a}, {b}")
            };
            for row in 0..2 {
                let own = |list: &[f64]| list[row * n..][..n].to_vec();
                let all = plain(&own(&real), &own(&imaginary));
                let alone = plain(&own(&real), &vec![0.0; n]);
                for k in 0..n {
                    let at = row * n + k;
                    near(got[0][at], all[k][0], "real part");
                    near(got[1][at], all[k][1], "imaginary part");
                    near(got[4][at], real[at], "there and back");
                    near(got[5][at], imaginary[at], "there and back");
                    near(got[6][at], real[at], "real, there and back");
                }
                for k in 0..n / 2 + 1 {
                    let at = row * (n / 2 + 1) + k;
                    near(got[2][at], alone[k][0], "real part of real numbers");
                    near(got[3][at], alone[k][1], "imaginary part of real numbers");
                }
            }
        }
    }
}
