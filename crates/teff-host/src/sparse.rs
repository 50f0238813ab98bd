//! The product of f32 matrices of which the left one is mostly zeros, as pictures of digits and rectified layers are.
//!
//! The elements of A that are not zero are listed, row by row; each row of C is then the sum of the rows of B that its list names.
//! B is taken in tiles that stay in the first-level cache, and a row of a tile of C in registers.

#![allow(unsafe_code)]

use crate::cpu::{Level, leveled};
use crate::gemm::{Gemm, Matrix};
use std::ops::Range;

/// Columns of C summed at a time: eight vector registers with AVX2.
const COLUMNS: usize = 64;
/// Rows of a tile of B: with [`COLUMNS`] no more than a first-level cache of 32 KiB.
const DEPTH: usize = 128;
/// Elements of A that can be listed, and elements among which they are found: more rows than that are done in blocks.
const LISTED: usize = 48 << 10;
const SEARCHED: usize = 128 << 10;
/// Rows of a block at most.
const ROWS: usize = 1024;
/// Places in the list where a row meets the next tile of B.
const BOUNDS: usize = SEARCHED / DEPTH + 2 * ROWS;

/// Bytes of a tile of B.
const PANEL: usize = DEPTH * COLUMNS * size_of::<f32>();

/// Bytes of scratch memory a product needs.
pub(crate) const SCRATCH: usize = PANEL + 2 * LISTED * size_of::<Entry>() + BOUNDS * size_of::<u32>();

/// Computes the product if that pays: A has few elements that are not zero, B and C lie row by row, and there is enough to do.
/// False, and C not to be used, otherwise. A zero times an infinite or NaN element is NaN, so B must be finite for zeros to be skipped.
///
/// # Safety
/// As for [`crate::gemm::multiply`]; `scratch` has [`SCRATCH`] bytes.
pub(crate) unsafe fn multiply(level: Level, p: &Gemm, scratch: *mut u8) -> bool {
    let pays =
        p.b.column == 1 && p.c.column == 1 && p.n >= 32 && p.m * p.k >= 1 << 14 && p.k <= SEARCHED / 32;
    let mut done = false;
    // SAFETY: as the caller promises.
    unsafe {
        if pays && is_sparse(p) {
            blocks(level)(p, scratch, &mut done);
        }
    }
    done
}

/// Looks at every 61st element: at most a quarter may be other than zero.
unsafe fn is_sparse(p: &Gemm) -> bool {
    let (all, mut seen, mut found) = (p.m * p.k, 0, 0);
    for i in (0..all).step_by(61) {
        // SAFETY: inside A.
        let x = unsafe { *p.a.at.offset((i / p.k) as isize * p.a.row + (i % p.k) as isize * p.a.column) };
        seen += 1;
        found += usize::from(x != 0.0);
    }
    found * 4 <= seen
}

#[inline(always)]
unsafe fn blocks_body<const FMA: bool>(p: &Gemm, scratch: *mut u8, done: &mut bool) {
    let rows = (SEARCHED / p.k.max(1)).clamp(1, ROWS);
    let (panel, scratch) = (scratch.cast::<f32>(), scratch.wrapping_add(PANEL));
    for first in (0..p.m).step_by(rows) {
        // SAFETY: these rows are inside A and C, and the scratch memory is there for one list.
        unsafe {
            let block = Gemm {
                m: rows.min(p.m - first),
                a: Matrix { at: p.a.at.offset(first as isize * p.a.row), ..p.a },
                c: Matrix { at: p.c.at.offset(first as isize * p.c.row), ..p.c },
                ..*p
            };
            // Denser than it looked, or not finite: the caller does all of it again.
            let Some(list) = List::of(&block, scratch) else { return };
            let mut column = 0;
            while column < p.n {
                let width = match p.n - column {
                    COLUMNS.. => COLUMNS,
                    16.. => 16,
                    _ => 1,
                };
                for tile in 0..p.k.div_ceil(DEPTH) {
                    let finite = match width {
                        COLUMNS => list.multiply::<FMA, COLUMNS>(&block, tile, column, panel),
                        16 => list.multiply::<FMA, 16>(&block, tile, column, panel),
                        _ => list.multiply::<FMA, 1>(&block, tile, column, panel),
                    };
                    if !finite {
                        return;
                    }
                }
                column += width;
            }
        }
    }
    *done = true;
}
leveled! { fn blocks [] [] (p: &Gemm, scratch: *mut u8, done: &mut bool) = blocks_body; }

/// Rows of B in a tile.
fn rows_of(tile: usize, k: usize) -> Range<usize> {
    tile * DEPTH..k.min((tile + 1) * DEPTH)
}

/// Copies N columns of a tile of B, from `column` on, so that they lie together; false when an element is infinite or NaN, which is
/// to say has all bits of the exponent set.
#[inline(always)]
unsafe fn pack<const N: usize>(p: &Gemm, rows: Range<usize>, column: usize, panel: *mut f32) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let mut largest = [0u32; N];
    for (i, row) in rows.enumerate() {
        // SAFETY: a row of B, whose elements lie side by side; the panel has room for a tile.
        unsafe {
            let line =
                p.b.at.offset(row as isize * p.b.row + column as isize).cast::<[f32; N]>().read_unaligned();
            for j in 0..N {
                largest[j] = largest[j].max(line[j].to_bits() & EXPONENT);
            }
            panel.add(i * N).cast::<[f32; N]>().write_unaligned(line);
        }
    }
    largest.iter().all(|&exponent| exponent < EXPONENT)
}

/// An element of A that is not zero: its bits above its column, or above its row while it is not yet sorted by rows.
type Entry = u64;

fn position(entry: Entry) -> usize {
    entry as u32 as usize
}

/// The elements of A that are not zero, row after row.
struct List {
    entries: *const Entry,
    /// For each tile of B and each row, where the row's entries for that tile begin; once more for where the last end.
    bounds: *const u32,
}

impl List {
    /// None when there are too many.
    #[inline(always)]
    unsafe fn of(p: &Gemm, scratch: *mut u8) -> Option<List> {
        let (m, k, tiles) = (p.m, p.k, p.k.div_ceil(DEPTH));
        let (first, second) = (scratch.cast::<Entry>(), scratch.cast::<Entry>().wrapping_add(LISTED));
        let bounds = second.wrapping_add(LISTED).cast::<u32>();
        // SAFETY: all positions are inside A, and the scratch memory has room for two lists and the bounds.
        unsafe {
            let bounds = std::slice::from_raw_parts_mut(bounds, m * (tiles + 1));
            if p.a.column.unsigned_abs() <= p.a.row.unsigned_abs() {
                let mut end = 0;
                for i in 0..m {
                    bounds[i] = end as u32;
                    for tile in 0..tiles {
                        end = list_line(
                            p.a.at.offset(i as isize * p.a.row),
                            p.a.column,
                            rows_of(tile, k),
                            first,
                            end,
                        )?;
                        bounds[(tile + 1) * m + i] = end as u32;
                    }
                }
                return Some(List { entries: first, bounds: bounds.as_ptr() });
            }
            // Columns are what lies together: they are listed, and their entries dealt out to the rows.
            let mut ends = [0u32; SEARCHED / 32 + 1];
            let mut end = 0;
            for j in 0..k {
                end = list_line(p.a.at.offset(j as isize * p.a.column), p.a.row, 0..m, first, end)?;
                ends[j + 1] = end as u32;
            }
            bounds[..m].fill(0);
            for e in 0..end {
                *bounds.get_unchecked_mut(position(*first.add(e))) += 1;
            }
            let mut start = 0;
            for bound in &mut bounds[..m] {
                start += std::mem::replace(bound, start);
            }
            for tile in 0..tiles {
                bounds.copy_within(tile * m..(tile + 1) * m, (tile + 1) * m);
                let next = &mut bounds[(tile + 1) * m..];
                for j in rows_of(tile, k) {
                    for e in ends[j]..ends[j + 1] {
                        let entry = *first.add(e as usize);
                        let place = next.get_unchecked_mut(position(entry));
                        *second.add(*place as usize) = entry >> 32 << 32 | j as u64;
                        *place += 1;
                    }
                }
            }
            Some(List { entries: second, bounds: bounds.as_ptr() })
        }
    }

    /// Adds to N columns of C, from `column` on, what one tile of B gives; false, and C not to be used, when that is not finite.
    #[inline(always)]
    unsafe fn multiply<const FMA: bool, const N: usize>(
        &self,
        p: &Gemm,
        tile: usize,
        column: usize,
        panel: *mut f32,
    ) -> bool {
        let rows = rows_of(tile, p.k);
        // Listed columns of A count from the first row of B.
        let origin = panel.wrapping_sub(rows.start * N);
        // SAFETY: the tile is inside B.
        if !unsafe { pack::<N>(p, rows, column, panel) } {
            return false;
        }
        for i in 0..p.m {
            // SAFETY: C has this row and these columns; listed entries name rows of the tile.
            unsafe {
                let c = p.c.at.offset(i as isize * p.c.row + column as isize).cast::<[f32; N]>();
                let bound = self.bounds.add(tile * p.m + i);
                let (from, to) = (*bound as usize, *bound.add(p.m) as usize);
                let mut sums = if tile == 0 { [0.0f32; N] } else { c.read_unaligned() };
                for e in from..to {
                    let entry = *self.entries.add(e);
                    let value = f32::from_bits((entry >> 32) as u32);
                    let line = origin.wrapping_add(position(entry) * N).cast::<[f32; N]>().read_unaligned();
                    for j in 0..N {
                        sums[j] =
                            if FMA { value.mul_add(line[j], sums[j]) } else { value * line[j] + sums[j] };
                    }
                }
                c.write_unaligned(sums);
            }
        }
        true
    }
}

/// Adds those of the elements at `line`, `stride` apart, that are not zero to the `end` entries there are; gives their new number,
/// or none when there might not be room.
#[inline(always)]
unsafe fn list_line(
    line: *const f32,
    stride: isize,
    positions: Range<usize>,
    entries: *mut Entry,
    mut end: usize,
) -> Option<usize> {
    if end + positions.len() >= LISTED {
        return None;
    }
    for at in positions {
        // SAFETY: inside A, and there is room.
        unsafe {
            let bits = (*line.offset(at as isize * stride)).to_bits();
            // Without a branch, which would be guessed wrong too often: what is written for a zero is written over by the next.
            *entries.add(end) = u64::from(bits) << 32 | at as u64;
            end += usize::from(bits << 1 != 0);
        }
    }
    Some(end)
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
        let p = Gemm {
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
