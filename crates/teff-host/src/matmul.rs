//! Matrix products.

#![allow(unsafe_code)]

use crate::cpu::Level;
use crate::gemm::{self, Gemm, Matrix};
use crate::sparse;
use crate::view::{View, Walk};
use std::fmt;
use teff_graph::{DType, Element, Num, with_dtype};

/// Bytes of scratch memory a product needs.
pub(crate) const SCRATCH: usize =
    if sparse::SCRATCH > gemm::SCRATCH { sparse::SCRATCH } else { gemm::SCRATCH };

/// Products of matrices that lie in memory by any strides, so that transposing costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct MatMul {
    a: View,
    b: View,
    c: View,
    level: Level,
    /// The batch axes of the three.
    batch: Walk,
}

impl MatMul {
    pub(crate) fn new(level: Level, a: View, b: View, c: View) -> MatMul {
        let outer = c.shape.len() - 2;
        let order: Vec<usize> = (0..outer).collect();
        let strides = [&a.strides[..outer], &b.strides[..outer], &c.strides[..outer]];
        let batch = Walk::new(&c.shape[..outer], &order, &strides);
        MatMul { a, b, c, level, batch }
    }

    /// How many parts can be computed independently: matrices of a batch, rows or columns of one result.
    pub(crate) fn parts(&self) -> usize {
        let r = self.c.shape.len() - 2;
        match self.count() {
            1 => self.c.shape[r].max(self.c.shape[r + 1]),
            count => count,
        }
    }

    /// Parts are best split at multiples of this: the width of a vector.
    pub(crate) fn grain(&self) -> usize {
        if self.count() == 1 { 16 } else { 1 }
    }

    /// Multiplications.
    pub(crate) fn work(&self) -> usize {
        self.c.len() * self.a.shape[self.a.shape.len() - 1]
    }

    fn count(&self) -> usize {
        self.c.shape[..self.c.shape.len() - 2].iter().product()
    }

    /// Computes parts `from .. to`.
    ///
    /// # Safety
    /// `buffers` holds the address of every buffer of the schedule, `scratch` has [`SCRATCH`] bytes; nobody else touches
    /// these parts of the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], scratch: *mut u8, from: usize, to: usize) {
        let r = self.c.shape.len() - 2;
        if self.count() != 1 {
            // SAFETY: as the caller promises.
            return unsafe { self.batch(buffers, scratch, from, to) };
        }
        let mut part = self.whole();
        let (len, start) = (to - from, from as isize);
        if self.c.shape[r] >= self.c.shape[r + 1] {
            part.sizes[0] = len;
            part.offsets = [start * self.a.strides[r], 0, start * self.c.strides[r]];
        } else {
            part.sizes[1] = len;
            part.offsets = [0, start * self.b.strides[r + 1], start * self.c.strides[r + 1]];
        }
        // SAFETY: as above.
        unsafe { self.one(buffers, scratch, &part) }
    }

    fn whole(&self) -> Share {
        let r = self.c.shape.len() - 2;
        Share { sizes: [self.c.shape[r], self.c.shape[r + 1]], offsets: [0; 3] }
    }

    unsafe fn batch(&self, buffers: &[*mut u8], scratch: *mut u8, from: usize, to: usize) {
        let mut part = self.whole();
        for i in from..to {
            part.offsets = [0, 1, 2].map(|v| self.batch.offset(v, self.batch.sizes.len(), i));
            // SAFETY: as for `run`.
            unsafe { self.one(buffers, scratch, &part) }
        }
    }

    unsafe fn one(&self, buffers: &[*mut u8], scratch: *mut u8, part: &Share) {
        let size = self.c.dtype.size() as isize;
        let start = |v: &View, offset: isize| {
            // SAFETY: views were checked against their buffers when the schedule was made.
            unsafe { buffers[v.buffer.index()].offset((v.offset as isize + offset) * size) }
        };
        let [a, b, c] = [
            start(&self.a, part.offsets[0]),
            start(&self.b, part.offsets[1]),
            start(&self.c, part.offsets[2]),
        ];
        let r = self.c.shape.len() - 2;
        let ([m, n], k) = (part.sizes, self.a.shape[r + 1]);
        let pair = |v: &View| (v.strides[r], v.strides[r + 1]);
        let ((ra, ca), (rb, cb), (rc, cc)) = (pair(&self.a), pair(&self.b), pair(&self.c));
        // SAFETY: the matrices lie inside their buffers and the result is apart from both operands.
        unsafe {
            match self.c.dtype {
                DType::F32 => {
                    let a = Matrix { at: a.cast_const().cast(), row: ra, column: ca };
                    let b = Matrix { at: b.cast_const().cast(), row: rb, column: cb };
                    let c = Matrix { at: c.cast(), row: rc, column: cc };
                    let product = Gemm { m, n, k, a, b, c };
                    if !sparse::multiply(self.level, &product, scratch) {
                        gemm::multiply(self.level, product, scratch);
                    }
                }
                DType::F64 => {
                    let (a, b, c) = (a.cast(), b.cast(), c.cast());
                    matrixmultiply::dgemm(m, k, n, 1.0, a, ra, ca, b, rb, cb, 0.0, c, rc, cc);
                }
                dtype => with_dtype!(dtype, T => {
                    let a = Matrix { at: a.cast_const(), row: ra, column: ca };
                    let b = Matrix { at: b.cast_const(), row: rb, column: cb };
                    integer::<T>([m, n, k], a, b, Matrix { at: c, row: rc, column: cc });
                }),
            }
        }
    }
}

/// A part of one product: rows and columns of the result, and offsets of the three matrices in elements.
struct Share {
    sizes: [usize; 2],
    offsets: [isize; 3],
}

/// Wrapping i64 arithmetic is exact modulo 2^64, and so modulo the range of any narrower type.
unsafe fn integer<T: Element>(
    [m, n, k]: [usize; 3],
    a: Matrix<*const u8>,
    b: Matrix<*const u8>,
    c: Matrix<*mut u8>,
) {
    let element = |m: Matrix<*const u8>, i: usize, j: usize| {
        // SAFETY: the caller's matrices have these elements.
        match unsafe { *m.at.cast::<T>().offset(i as isize * m.row + j as isize * m.column) }.to_num() {
            Num::Int(x) => x as i64,
            Num::Float(_) => unreachable!("floats go through a GEMM"),
        }
    };
    for i in 0..m {
        for j in 0..n {
            let sum =
                (0..k).fold(0i64, |s, l| s.wrapping_add(element(a, i, l).wrapping_mul(element(b, l, j))));
            // SAFETY: as above.
            unsafe {
                *c.at.cast::<T>().offset(i as isize * c.row + j as isize * c.column) =
                    T::from_num(Num::Int(sum as i128))
            };
        }
    }
}

impl fmt::Display for MatMul {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let r = self.c.shape.len() - 2;
        let turned =
            |v: &View| if v.strides[r].unsigned_abs() < v.strides[r + 1].unsigned_abs() { "'" } else { "" };
        write!(
            f,
            "{:?}{} by {:?}{} to {:?}{}",
            self.a.shape,
            turned(&self.a),
            self.b.shape,
            turned(&self.b),
            self.c.shape,
            turned(&self.c)
        )
    }
}
