//! The product of f32 matrices of which the left one is mostly zeros, as pictures of digits and rectified layers are.
//!
//! The elements of A that are not zero are listed, row by row; each row of C is then the sum of the rows of B that its list names.
//! Columns are taken 64 at a time, so that the sums stay in registers and that part of B in the second-level cache.

#![allow(unsafe_code)]

use crate::cpu::{Level, leveled};
use crate::gemm::Product;

/// Columns of C summed at a time: eight vector registers with AVX2.
const COLUMNS: usize = 64;
/// Elements of A that can be listed. More rows than fit are done in blocks.
const LISTED: usize = 32 << 10;
/// Rows of a block at most.
const ROWS: usize = 1024;

/// Bytes of scratch memory a product needs.
pub(crate) const SCRATCH: usize = LISTED * size_of::<Entry>() + (ROWS + 1) * size_of::<u32>();

/// An element of A that is not zero.
#[derive(Clone, Copy)]
struct Entry {
    /// Its column.
    at: u32,
    value: f32,
}

/// Computes the product if that pays: A has few elements that are not zero, B and C lie row by row, and there is enough to do.
/// False, and C not to be used, otherwise. A zero times an infinite or NaN element is NaN, so B must be finite for zeros to be skipped.
///
/// # Safety
/// As [`crate::gemm::multiply`]; `scratch` has [`SCRATCH`] bytes.
pub(crate) unsafe fn multiply(level: Level, p: &Product, scratch: *mut u8) -> bool {
    let pays = p.b.column == 1 && p.c.column == 1 && p.n >= 32 && p.m * p.k >= 1 << 14 && p.k <= LISTED / 8;
    let mut done = false;
    // SAFETY: as the caller promises.
    unsafe {
        if pays && is_sparse(p) && is_finite(p) {
            blocks(level)(p, scratch, &mut done);
        }
    }
    done
}

/// Looks at every 61st element: at most a fifth may be other than zero.
unsafe fn is_sparse(p: &Product) -> bool {
    let (all, mut seen, mut found) = (p.m * p.k, 0, 0);
    for i in (0..all).step_by(61) {
        // SAFETY: inside A.
        let x = unsafe { *p.a.at.offset((i / p.k) as isize * p.a.row + (i % p.k) as isize * p.a.column) };
        seen += 1;
        found += usize::from(x != 0.0);
    }
    found * 5 <= seen
}

/// True when no element of B is infinite or NaN: none has all bits of the exponent set.
unsafe fn is_finite(p: &Product) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    (0..p.k).all(|row| {
        // SAFETY: a row of B, whose elements lie side by side.
        let line = unsafe { std::slice::from_raw_parts(p.b.at.offset(row as isize * p.b.row), p.n) };
        !line.iter().fold(false, |bad, x| bad | (x.to_bits() & EXPONENT == EXPONENT))
    })
}

#[inline(always)]
unsafe fn blocks_body<const FMA: bool>(p: &Product, scratch: *mut u8, done: &mut bool) {
    // SAFETY: scratch has room for both.
    let (entries, starts) = unsafe {
        let starts = scratch.add(LISTED * size_of::<Entry>()).cast::<u32>();
        (scratch.cast::<Entry>(), std::slice::from_raw_parts_mut(starts, ROWS + 1))
    };
    // A block is counted before it is listed; no block has more rows than would fit if a quarter of all elements were listed.
    let rows = (LISTED * 4 / p.k.max(1)).clamp(1, ROWS);
    for first in (0..p.m).step_by(rows) {
        let m = rows.min(p.m - first);
        // SAFETY: rows are inside A and C; the list is filled only when it has room.
        unsafe {
            let block = Product {
                m,
                a: crate::gemm::Matrix { at: p.a.at.offset(first as isize * p.a.row), ..p.a },
                c: crate::gemm::Matrix { at: p.c.at.offset(first as isize * p.c.row), ..p.c },
                ..*p
            };
            if !list(&block, entries, &mut starts[..m + 1]) {
                // Denser than it looked: blocks done so far are done again by the caller.
                return;
            }
            for column in (0..p.n).step_by(COLUMNS) {
                match p.n - column {
                    left if left >= COLUMNS => columns::<FMA, COLUMNS>(&block, entries, starts, column),
                    left => {
                        let mut at = column;
                        for _ in 0..left / 16 {
                            columns::<FMA, 16>(&block, entries, starts, at);
                            at += 16;
                        }
                        for at in at..p.n {
                            columns::<FMA, 1>(&block, entries, starts, at);
                        }
                    }
                }
            }
        }
    }
    *done = true;
}
leveled! { fn blocks [] [] (p: &Product, scratch: *mut u8, done: &mut bool) = blocks_body; }

/// Lists the elements of A that are not zero, row after row; false when there are too many.
#[inline(always)]
unsafe fn list(p: &Product, entries: *mut Entry, starts: &mut [u32]) -> bool {
    let (m, k) = (p.m, p.k);
    // SAFETY: all positions are inside A.
    let element =
        |i: usize, j: usize| unsafe { *p.a.at.offset(i as isize * p.a.row + j as isize * p.a.column) };
    starts.fill(0);
    // Neighbours in memory one after another.
    let by_rows = p.a.column.unsigned_abs() <= p.a.row.unsigned_abs();
    if by_rows {
        for i in 0..m {
            starts[i + 1] = (0..k).map(|j| u32::from(element(i, j) != 0.0)).sum();
        }
    } else {
        for j in 0..k {
            for i in 0..m {
                starts[i + 1] += u32::from(element(i, j) != 0.0);
            }
        }
    }
    for i in 0..m {
        starts[i + 1] += starts[i];
    }
    // One entry is written behind the last, to be written over or left.
    if starts[m] as usize >= LISTED {
        return false;
    }
    // `starts[i]` counts up to where row i ends, which is where row i + 1 started, and is moved back afterwards.
    if by_rows {
        for i in 0..m {
            let mut at = starts[i];
            for j in 0..k {
                let value = element(i, j);
                // Without a branch, which would be guessed wrong too often: what is written for a zero is written over by the
                // next, or by the next row.
                // SAFETY: at most one entry behind the last, and there is room for that.
                unsafe { *entries.add(at as usize) = Entry { at: j as u32, value } };
                at += u32::from(value != 0.0);
            }
            starts[i] = at;
        }
    } else {
        for j in 0..k {
            for i in 0..m {
                let value = element(i, j);
                if value != 0.0 {
                    // SAFETY: below the number of entries counted.
                    unsafe { *entries.add(starts[i] as usize) = Entry { at: j as u32, value } };
                    starts[i] += 1;
                }
            }
        }
    }
    for i in (0..m).rev() {
        starts[i + 1] = starts[i];
    }
    starts[0] = 0;
    true
}

/// N columns of C, from `column` on.
#[inline(always)]
unsafe fn columns<const FMA: bool, const N: usize>(
    p: &Product,
    entries: *const Entry,
    starts: &[u32],
    column: usize,
) {
    for i in 0..p.m {
        let mut sums = [0.0f32; N];
        for e in starts[i] as usize..starts[i + 1] as usize {
            // SAFETY: listed entries; their columns are rows of B, which has N columns here.
            unsafe {
                let Entry { at, value } = *entries.add(e);
                let line =
                    p.b.at
                        .offset(at as isize * p.b.row + column as isize)
                        .cast::<[f32; N]>()
                        .read_unaligned();
                for j in 0..N {
                    sums[j] = if FMA { value.mul_add(line[j], sums[j]) } else { value * line[j] + sums[j] };
                }
            }
        }
        // SAFETY: C has this row and these columns.
        unsafe {
            p.c.at.offset(i as isize * p.c.row + column as isize).cast::<[f32; N]>().write_unaligned(sums)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;
    use crate::gemm::Matrix;

    /// A product of small integers, which is exact, with one element in `every` not zero.
    fn check(m: usize, n: usize, k: usize, turned: bool, every: usize) -> bool {
        check_with(m, n, k, turned, every, 0.0)
    }

    /// As [`check`], the last element of B being `last`.
    fn check_with(m: usize, n: usize, k: usize, turned: bool, every: usize, last: f32) -> bool {
        let (row, column) = if turned { (1, m as isize) } else { (k as isize, 1) };
        let place = |i: usize, j: usize| (i as isize * row + j as isize * column) as usize;
        let mut a = vec![0.0f32; m * k];
        for x in (0..m * k).step_by(every) {
            a[x] = (x % 7) as f32 - 3.0;
        }
        let mut b: Vec<f32> = (0..k * n).map(|i| (i % 9) as f32 - 4.0).collect();
        *b.last_mut().unwrap() = last;
        let mut c = vec![f32::NAN; m * n];
        let mut scratch = vec![0u64; SCRATCH.div_ceil(8)];
        let p = Product {
            m,
            n,
            k,
            a: Matrix { at: a.as_ptr(), row, column },
            b: Matrix { at: b.as_ptr(), row: n as isize, column: 1 },
            c: Matrix { at: c.as_mut_ptr(), row: n as isize, column: 1 },
        };
        // SAFETY: the vectors hold the matrices.
        let done = unsafe { multiply(cpu::level(), &p, scratch.as_mut_ptr().cast()) };
        if done {
            for i in 0..m {
                for j in 0..n {
                    let sum: f32 = (0..k).map(|l| a[place(i, l)] * b[l * n + j]).sum();
                    assert_eq!(c[i * n + j], sum, "{m} x {k} x {n} {turned} at {i}, {j}");
                }
            }
        }
        done
    }

    #[test]
    fn products_of_integers_are_exact() {
        for turned in [false, true] {
            for (m, n, k) in
                [(128, 400, 784), (784, 400, 128), (400, 33, 128), (2500, 32, 70), (130, 145, 300)]
            {
                assert!(check(m, n, k, turned, 7), "{m} x {k} x {n} was not done");
            }
        }
    }

    #[test]
    fn dense_and_small_ones_are_left_to_others() {
        assert!(!check(128, 400, 784, false, 2));
        assert!(!check(16, 400, 16, false, 7));
        assert!(!check(128, 10, 784, false, 7));
    }

    #[test]
    fn zeros_are_not_skipped_where_they_would_give_nan() {
        for last in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!check_with(128, 400, 784, false, 7, last));
        }
        assert!(check_with(128, 400, 784, false, 7, f32::MAX));
    }
}
