//! The product of f32 matrices.
//!
//! Panels of 16 columns of B are packed into a few kilobytes that stay in the first-level cache, and every row of A meets them
//! there; A is read where it is, whatever its strides. Compared with a general GEMM this packs less, needs no memory of its own
//! but one panel, and does not suffer from few columns or rows.

#![allow(unsafe_code)]

use crate::cpu::{Level, leveled};

/// Columns of a panel, and rows computed at a time: 12 vector registers of partial sums with AVX2.
pub(crate) const COLUMNS: usize = 16;
pub(crate) const ROWS: usize = 6;
/// Longest panel: half of a first-level cache of 32 KiB, with some room left for A.
pub(crate) const DEPTH: usize = 288;
/// Bytes of A that are to stay in the second-level cache while panel after panel comes.
const SECOND_LEVEL: usize = 256 << 10;

/// Bytes of scratch memory a product needs: one panel.
pub(crate) const SCRATCH: usize = DEPTH * COLUMNS * size_of::<f32>();

/// A matrix: the address of its first element and the distances, in elements, of rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<P> {
    pub(crate) at: P,
    pub(crate) row: isize,
    pub(crate) column: isize,
}

/// A product c = a b of m x k and k x n.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemm {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Matrix<*const f32>,
    pub(crate) b: Matrix<*const f32>,
    pub(crate) c: Matrix<*mut f32>,
}

impl Gemm {
    /// The same as the transposed product of the transposed matrices.
    fn transposed(self) -> Gemm {
        let turn = |m: Matrix<*const f32>| Matrix { at: m.at, row: m.column, column: m.row };
        let c = Matrix { at: self.c.at, row: self.c.column, column: self.c.row };
        Gemm { m: self.n, n: self.m, k: self.k, a: turn(self.b), b: turn(self.a), c }
    }

    /// What packing B, storing C in columns, and panels that are not full cost, in elements moved.
    fn overhead(&self) -> usize {
        let packing = if self.b.column == 1 { self.k * self.n / 4 } else { self.k * self.n };
        let storing = if self.c.column == 1 { 0 } else { self.m * self.n * self.k.div_ceil(DEPTH) };
        let wasted = (self.n.next_multiple_of(COLUMNS) - self.n) * self.k * self.m / 16;
        packing + storing + wasted
    }
}

/// Computes a product.
///
/// # Safety
/// The matrices have all their elements, C lies apart from A and B, and `scratch` has [`SCRATCH`] bytes, aligned for f32.
pub(crate) unsafe fn multiply(level: Level, product: Gemm, scratch: *mut u8) {
    let turned = product.transposed();
    let product = if turned.overhead() < product.overhead() { turned } else { product };
    // SAFETY: as the caller promises.
    unsafe { blocks(level)(&product, scratch.cast()) }
}

#[inline(always)]
unsafe fn blocks_body<const FMA: bool>(p: &Gemm, panel: *mut f32) {
    // Blocks of equal depth, so that none is short.
    let parts = p.k.div_ceil(DEPTH).max(1);
    let depth = p.k.div_ceil(parts);
    let rows = (SECOND_LEVEL / size_of::<f32>() / depth.max(1)).next_multiple_of(ROWS);
    for row in (0..p.m).step_by(rows) {
        let m = rows.min(p.m - row);
        for part in 0..parts {
            let first = part * depth;
            let k = depth.min(p.k.saturating_sub(first));
            for column in (0..p.n).step_by(COLUMNS) {
                let n = COLUMNS.min(p.n - column);
                // SAFETY: rows, columns and depth are inside the matrices; the panel has room for DEPTH rows.
                unsafe {
                    let b = p.b.at.offset(first as isize * p.b.row + column as isize * p.b.column);
                    pack(panel, b, p.b.row, p.b.column, k, n);
                    let a = p.a.at.offset(row as isize * p.a.row + first as isize * p.a.column);
                    let c = p.c.at.offset(row as isize * p.c.row + column as isize * p.c.column);
                    let tiles =
                        Tiles { a: Matrix { at: a, ..p.a }, c: Matrix { at: c, ..p.c }, k, n, add: part > 0 };
                    tiles.rows::<FMA>(m, panel);
                }
            }
        }
    }
}
leveled! { fn blocks [] [] (p: &Gemm, panel: *mut f32) = blocks_body; }

/// Copies k x n of B into the panel, row by row, and fills up with zeros to 16 columns.
#[inline(always)]
unsafe fn pack(panel: *mut f32, b: *const f32, row: isize, column: isize, k: usize, n: usize) {
    /// Rows copied together when columns are what lies side by side.
    const STRIP: usize = 16;
    // SAFETY: the caller has these elements and room for them.
    unsafe {
        if n < COLUMNS {
            std::slice::from_raw_parts_mut(panel, k * COLUMNS).fill(0.0);
        }
        if column == 1 && n == COLUMNS {
            for i in 0..k {
                let from = b.offset(i as isize * row).cast::<[f32; COLUMNS]>();
                panel.add(i * COLUMNS).cast::<[f32; COLUMNS]>().write_unaligned(from.read_unaligned());
            }
            return;
        }
        for strip in (0..k).step_by(STRIP) {
            for j in 0..n {
                for i in strip..k.min(strip + STRIP) {
                    *panel.add(i * COLUMNS + j) = *b.offset(i as isize * row + j as isize * column);
                }
            }
        }
    }
}

/// All rows of A against one panel.
pub(crate) struct Tiles {
    pub(crate) a: Matrix<*const f32>,
    pub(crate) c: Matrix<*mut f32>,
    pub(crate) k: usize,
    /// Columns of the panel that C has.
    pub(crate) n: usize,
    /// Adds to C instead of setting it.
    pub(crate) add: bool,
}

impl Tiles {
    /// The first `m` rows.
    ///
    /// # Safety
    /// A and C have these rows, the panel `k` of its own.
    #[inline(always)]
    pub(crate) unsafe fn rows<const FMA: bool>(&self, m: usize, panel: *const f32) {
        // SAFETY: rows are inside the matrices.
        unsafe {
            for i in 0..m / ROWS {
                self.tile::<FMA, ROWS>(i * ROWS, panel);
            }
            let first = m / ROWS * ROWS;
            match m - first {
                1 => self.tile::<FMA, 1>(first, panel),
                2 => self.tile::<FMA, 2>(first, panel),
                3 => self.tile::<FMA, 3>(first, panel),
                4 => self.tile::<FMA, 4>(first, panel),
                5 => self.tile::<FMA, 5>(first, panel),
                _ => {}
            }
        }
    }

    /// The first `m` rows with few columns, each of which lies in one piece, `pitch` elements apart; vectors go along `k`.
    ///
    /// # Safety
    /// A, whose rows are in one piece too, and C have these rows, each of the `n` columns has `k` elements.
    #[inline(always)]
    pub(crate) unsafe fn dots<const FMA: bool>(&self, m: usize, columns: *const f32, pitch: usize) {
        // SAFETY: rows and columns are inside the matrices.
        unsafe {
            for row in 0..m {
                for column in (0..self.n).step_by(4) {
                    let b = columns.add(column * pitch);
                    match self.n - column {
                        1 => self.dot::<FMA, 1>(row, column, b, pitch),
                        2 => self.dot::<FMA, 2>(row, column, b, pitch),
                        3 => self.dot::<FMA, 3>(row, column, b, pitch),
                        _ => self.dot::<FMA, 4>(row, column, b, pitch),
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn dot<const FMA: bool, const N: usize>(
        &self,
        row: usize,
        column: usize,
        b: *const f32,
        pitch: usize,
    ) {
        let mut sums = [[0.0f32; COLUMNS]; N];
        let fma = |a: f32, b: f32, sum: f32| if FMA { a.mul_add(b, sum) } else { a * b + sum };
        // SAFETY: as the caller promises.
        unsafe {
            let a = self.a.at.offset(row as isize * self.a.row);
            let whole = self.k / COLUMNS * COLUMNS;
            for i in (0..whole).step_by(COLUMNS) {
                let x = a.add(i).cast::<[f32; COLUMNS]>().read_unaligned();
                for j in 0..N {
                    let y = b.add(j * pitch + i).cast::<[f32; COLUMNS]>().read_unaligned();
                    for l in 0..COLUMNS {
                        sums[j][l] = fma(x[l], y[l], sums[j][l]);
                    }
                }
            }
            for j in 0..N {
                let rest = (whole..self.k).fold(0.0, |sum, i| fma(*a.add(i), *b.add(j * pitch + i), sum));
                let mut half = COLUMNS / 2;
                while half > 0 {
                    (0..half).for_each(|l| sums[j][l] += sums[j][l + half]);
                    half /= 2;
                }
                let to = self.c.at.offset(row as isize * self.c.row + (column + j) as isize * self.c.column);
                let sum = sums[j][0] + rest;
                *to = if self.add { *to + sum } else { sum };
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<const FMA: bool, const R: usize>(&self, row: usize, panel: *const f32) {
        let mut sums = [[0.0f32; COLUMNS]; R];
        // SAFETY: rows `row .. row + R` exist, the panel has `k` rows, C has `n` columns here.
        unsafe {
            let mut a = self.a.at.offset(row as isize * self.a.row);
            let mut b = panel;
            for _ in 0..self.k {
                let line = b.cast::<[f32; COLUMNS]>().read_unaligned();
                for i in 0..R {
                    let x = *a.offset(i as isize * self.a.row);
                    for j in 0..COLUMNS {
                        sums[i][j] =
                            if FMA { x.mul_add(line[j], sums[i][j]) } else { x * line[j] + sums[i][j] };
                    }
                }
                a = a.wrapping_offset(self.a.column);
                b = b.add(COLUMNS);
            }
            let c = self.c.at.offset(row as isize * self.c.row);
            if self.n == COLUMNS && self.c.column == 1 {
                for i in 0..R {
                    let to = c.offset(i as isize * self.c.row).cast::<[f32; COLUMNS]>();
                    if self.add {
                        let before = to.read_unaligned();
                        for j in 0..COLUMNS {
                            sums[i][j] += before[j];
                        }
                    }
                    to.write_unaligned(sums[i]);
                }
                return;
            }
            // A copy is handed on: what others may point to would lie in memory, also while it is computed.
            let copy = sums;
            self.scatter(c, &copy);
        }
    }

    /// Writes sums to where C does not lie row by row, or has fewer columns.
    #[inline(never)]
    unsafe fn scatter(&self, c: *mut f32, sums: &[[f32; COLUMNS]]) {
        for j in 0..self.n {
            for (i, row) in sums.iter().enumerate() {
                // SAFETY: C has these elements.
                unsafe {
                    let to = c.offset(i as isize * self.c.row + j as isize * self.c.column);
                    *to = if self.add { *to + row[j] } else { row[j] };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;
    use proptest::prelude::*;

    fn check(m: usize, n: usize, k: usize, turned: [bool; 3], level: Level) {
        let at = |i: usize, salt: usize| ((i * 7 + salt) % 9) as f32 - 4.0;
        let a: Vec<f32> = (0..m * k).map(|i| at(i, 1)).collect();
        let b: Vec<f32> = (0..k * n).map(|i| at(i, 5)).collect();
        let mut c = vec![f32::NAN; m * n];
        let strides = |rows: usize, columns: usize, turned: bool| {
            if turned { (1, rows as isize) } else { (columns as isize, 1) }
        };
        let (ar, ac) = strides(m, k, turned[0]);
        let (br, bc) = strides(k, n, turned[1]);
        let (cr, cc) = strides(m, n, turned[2]);
        let mut scratch = vec![0.0f32; SCRATCH / 4];
        let product = Gemm {
            m,
            n,
            k,
            a: Matrix { at: a.as_ptr(), row: ar, column: ac },
            b: Matrix { at: b.as_ptr(), row: br, column: bc },
            c: Matrix { at: c.as_mut_ptr(), row: cr, column: cc },
        };
        // SAFETY: the vectors hold the matrices.
        unsafe { multiply(level, product, scratch.as_mut_ptr().cast()) };
        for i in 0..m {
            for j in 0..n {
                let of = |v: &[f32], i: usize, j: usize, s: (isize, isize)| {
                    v[(i as isize * s.0 + j as isize * s.1) as usize]
                };
                let sum: f32 = (0..k).map(|l| of(&a, i, l, (ar, ac)) * of(&b, l, j, (br, bc))).sum();
                assert_eq!(of(&c, i, j, (cr, cc)), sum, "{m} x {k} x {n} {turned:?} at {i}, {j}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn products_of_integers_are_exact(m in 0usize..40, n in 0usize..70, k in 0usize..20, turned in any::<[bool; 3]>()) {
            check(m, n, k, turned, cpu::level());
            check(m, n, k, turned, Level::Portable);
        }

        #[test]
        fn long_sums_are_taken_in_parts(m in 1usize..9, n in 1usize..20, k in 280usize..900, turned in any::<[bool; 3]>()) {
            check(m, n, k, turned, cpu::level());
        }
    }
}
