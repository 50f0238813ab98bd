//! Matrix products.

#![allow(unsafe_code)]

use crate::view::{View, Walk};
use std::fmt;
use teff_graph::{DType, Element, Num, with_dtype};

/// Products of matrices that lie in memory by any strides, so that transposing costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct MatMul {
    a: View,
    b: View,
    c: View,
    /// The batch axes of the three.
    batch: Walk,
}

impl MatMul {
    pub(crate) fn new(a: View, b: View, c: View) -> MatMul {
        let outer = c.shape.len() - 2;
        let order: Vec<usize> = (0..outer).collect();
        let strides = [&a.strides[..outer], &b.strides[..outer], &c.strides[..outer]];
        let batch = Walk::new(&c.shape[..outer], &order, &strides);
        MatMul { a, b, c, batch }
    }

    /// # Safety
    /// `buffers` holds the address of every buffer of the program; nobody else touches the result.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8]) {
        let size = self.c.dtype.size();
        let count: usize = self.c.shape[..self.c.shape.len() - 2].iter().product();
        let start = |v: &View, offset: isize| {
            // SAFETY: views were checked against their buffers when the program was made.
            unsafe { buffers[v.buffer.index()].offset((v.offset as isize + offset) * size as isize) }
        };
        for i in 0..count {
            let (mut rest, mut at) = (i, [0; 3]);
            for axis in (0..self.batch.sizes.len()).rev() {
                let index = (rest % self.batch.sizes[axis]) as isize;
                rest /= self.batch.sizes[axis];
                (0..3).for_each(|v| at[v] += index * self.batch.strides[v][axis]);
            }
            // SAFETY: as above.
            unsafe { self.one(start(&self.a, at[0]), start(&self.b, at[1]), start(&self.c, at[2])) }
        }
    }

    unsafe fn one(&self, a: *const u8, b: *const u8, c: *mut u8) {
        let r = self.c.shape.len() - 2;
        let (m, n, k) = (self.c.shape[r], self.c.shape[r + 1], self.a.shape[r + 1]);
        let pair = |v: &View| (v.strides[r], v.strides[r + 1]);
        let ((ra, ca), (rb, cb), (rc, cc)) = (pair(&self.a), pair(&self.b), pair(&self.c));
        // SAFETY: the matrices lie inside their buffers and the result is apart from both operands.
        unsafe {
            match self.c.dtype {
                DType::F32 => {
                    let (a, b, c) = (a.cast(), b.cast(), c.cast());
                    matrixmultiply::sgemm(m, k, n, 1.0, a, ra, ca, b, rb, cb, 0.0, c, rc, cc);
                }
                DType::F64 => {
                    let (a, b, c) = (a.cast(), b.cast(), c.cast());
                    matrixmultiply::dgemm(m, k, n, 1.0, a, ra, ca, b, rb, cb, 0.0, c, rc, cc);
                }
                dtype => with_dtype!(dtype, T => {
                    integer::<T>([m, n, k], (a, ra, ca), (b, rb, cb), (c, rc, cc));
                }),
            }
        }
    }
}

/// An address and the strides of rows and columns.
type Matrix<P> = (P, isize, isize);

/// Wrapping i64 arithmetic is exact modulo 2^64, and so modulo the range of any narrower type.
unsafe fn integer<T: Element>([m, n, k]: [usize; 3], a: Matrix<*const u8>, b: Matrix<*const u8>, c: Matrix<*mut u8>) {
    let element = |(p, row, column): Matrix<*const u8>, i: usize, j: usize| {
        // SAFETY: the caller's matrices have these elements.
        match unsafe { *p.cast::<T>().offset(i as isize * row + j as isize * column) }.to_num() {
            Num::Int(x) => x as i64,
            Num::Float(_) => unreachable!("floats go through a GEMM"),
        }
    };
    for i in 0..m {
        for j in 0..n {
            let sum = (0..k).fold(0i64, |s, l| s.wrapping_add(element(a, i, l).wrapping_mul(element(b, l, j))));
            // SAFETY: as above.
            unsafe { *c.0.cast::<T>().offset(i as isize * c.1 + j as isize * c.2) = T::from_num(Num::Int(sum as i128)) };
        }
    }
}

impl fmt::Display for MatMul {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let r = self.c.shape.len() - 2;
        let turned = |v: &View| if v.strides[r].unsigned_abs() < v.strides[r + 1].unsigned_abs() { "'" } else { "" };
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
