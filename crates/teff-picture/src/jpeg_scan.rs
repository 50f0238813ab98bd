//! JPEG's entropy coding: Huffman codes, and the coefficients that they stand for (ITU T.81, annexes F and
//! G).
//!
//! No table is built: codes are looked up in the lists that the file has of them (DHT), length by length. A
//! coefficient has 16 bits and lies in `job.bytes`, those of a block in zigzag order. A sequential scan is
//! read as one of a progressive picture that brings all coefficients with all of their bits.

use super::job::Job;

/// Bytes of a block: 64 coefficients of 16 bits; later the first half of them are its 64 samples.
pub(super) const BLOCK: usize = 128;

/// One of the colours that a picture is made of.
#[derive(Clone, Copy, Default)]
pub(super) struct Component {
    pub(super) id: u32,
    /// Blocks in a unit (MCU), across and down: the sampling factors.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The number of its quantization table.
    pub(super) selector: usize,
    /// Where in the file that table is, and whether its numbers have 16 bits.
    pub(super) quant: usize,
    pub(super) wide: bool,
    /// Pixels that a sample stands for, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks with samples of the picture in them.
    pub(super) blocks_across: usize,
    pub(super) blocks_down: usize,
    /// Where in `job.bytes` the blocks of a row of units are: `v` rows of `slots` blocks.
    pub(super) at: usize,
    pub(super) slots: usize,
    /// Where in `job.bytes` the row of samples above them is.
    pub(super) above: usize,
}

/// What is known of the picture as a whole.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    /// The components are red, green and blue, not luma and chroma.
    pub(super) rgb: bool,
    /// JFIF's parts of chroma in colours, times 2^16: of Cr in red, of Cb and of Cr in green, of Cb in blue. Not
    /// constants, of which compilers make sums of shifts, slower than a product.
    pub(super) mix: [i32; 4],
    pub(super) count: usize,
    pub(super) components: [Component; 3],
    /// Rows of pixels in a unit.
    pub(super) rows: usize,
    pub(super) units_across: usize,
    pub(super) units_down: usize,
    /// Where in `job.bytes` a row of pixels is put together: the values of each component.
    pub(super) line: usize,
}

/// A pass over some components, and how far it is read.
#[derive(Clone, Copy)]
pub(super) struct Scan {
    pub(super) count: usize,
    pub(super) component: [usize; 3],
    /// Where in the file their lists of codes are.
    pub(super) dc: [usize; 3],
    pub(super) ac: [usize; 3],
    /// The coefficients it brings: Ss and Se.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Their bits from `low` on are known behind it; those from `high` on were before, if it is not 0: Ah and
    /// Al.
    pub(super) high: u32,
    pub(super) low: u32,
    /// Units between restarts, 0 without restarts; and those left to the next one.
    pub(super) interval: u32,
    pub(super) left: u32,
    /// The next byte; those before it, of which the last `held` bits are still to come; and how many bits were
    /// made up where there were no more bytes.
    pub(super) at: usize,
    pub(super) bits: u32,
    pub(super) held: u32,
    pub(super) invented: u32,
    /// The DC coefficient before this one, of each component.
    pub(super) previous: [i32; 3],
    /// How many more blocks have nothing new (EOBRUN).
    pub(super) run: u32,
    pub(super) damaged: bool,
}

/// The place of the next marker's 0xff from `at` on, or the end of the file.
pub(super) fn marker(job: &Job, at: usize) -> usize {
    let mut at = at;
    while at < job.file.len() {
        let kind = job.byte(at + 1);
        if job.byte(at) == 0xff && kind != 0 && kind != 0xff {
            break;
        }
        at += 1;
    }
    at
}

/// Makes the bits held 25 at least. 0xff is followed by 0 in the data; anything else is a marker, where zeros
/// are held instead.
fn fill(scan: &mut Scan, job: &Job) {
    while scan.held < 25 {
        let mut next = job.byte(scan.at);
        if scan.at >= job.file.len() || (next == 0xff && job.byte(scan.at + 1) != 0) {
            next = 0;
            scan.invented += 8;
        } else {
            scan.at += if next == 0xff { 2 } else { 1 };
        }
        scan.bits = scan.bits << 8 | next;
        scan.held += 8;
    }
}

/// The next `count` bits as a number; at most 16.
fn bits(scan: &mut Scan, job: &Job, count: u32) -> u32 {
    if scan.held < count {
        fill(scan, job);
    }
    scan.held -= count;
    scan.bits >> scan.held & ((1 << count) - 1)
}

/// A number of `size` bits, of which the half that begins with 0 is negative (F.2.2.1).
fn number(scan: &mut Scan, job: &Job, size: u32) -> i32 {
    let value = bits(scan, job, size) as i32;
    if size > 0 && value < 1 << (size - 1) { value + 1 - (1 << size) } else { value }
}

/// What the next Huffman code stands for. At `table` is how many codes there are of each length, then what
/// they stand for in the order of the codes; codes of a length are consecutive numbers (C.2).
fn symbol(scan: &mut Scan, job: &Job, table: usize) -> u32 {
    let ahead = bits(scan, job, 16);
    let mut first = 0;
    let mut at = table + 16;
    for left in (0..16).rev() {
        let count = job.file[table + 15 - left] as u32;
        let code = (ahead >> left) - first;
        if code < count {
            scan.held += left as u32;
            return job.file[at + code as usize] as u32;
        }
        at += count as usize;
        first = (first + count) << 1;
    }
    scan.damaged = true;
    0
}

/// The coefficient number `k` of the block at `block`.
pub(super) fn coefficient(job: &Job, block: usize, k: usize) -> i32 {
    let value = (job.bytes[block + 2 * k] as u32) | (job.bytes[block + 2 * k + 1] as u32) << 8;
    value as i32 - if value >= 0x8000 { 0x10000 } else { 0 }
}

fn set_coefficient(job: &mut Job, block: usize, k: usize, value: i32) {
    job.bytes[block + 2 * k] = value as u8;
    job.bytes[block + 2 * k + 1] = (value as u32 >> 8) as u8;
}

/// The DC coefficient, told by its difference from the one before, or one more bit of it (G.1.2.1).
fn dc(scan: &mut Scan, job: &mut Job, i: usize, block: usize) {
    if scan.high > 0 {
        let more = (bits(scan, job, 1) << scan.low) as i32;
        set_coefficient(job, block, 0, coefficient(job, block, 0) | more);
        return;
    }
    let size = symbol(scan, job, scan.dc[i]);
    if size > 15 {
        scan.damaged = true;
        return;
    }
    let value = scan.previous[i] + number(scan, job, size);
    scan.previous[i] = value as i16 as i32;
    set_coefficient(job, block, 0, scan.previous[i] * (1 << scan.low));
}

/// The AC coefficients that are not 0, each with how many zeros are before it (F.2.2.2, G.1.2.2).
fn ac(scan: &mut Scan, job: &mut Job, table: usize, block: usize) {
    if scan.run > 0 {
        scan.run -= 1;
        return;
    }
    let mut k = if scan.first > 0 { scan.first } else { 1 };
    while k <= scan.last {
        let code = symbol(scan, job, table);
        let (zeros, size) = (code >> 4, code & 15);
        if size == 0 && zeros < 15 {
            scan.run = (1 << zeros) - 1 + bits(scan, job, zeros);
            return;
        }
        k += zeros as usize;
        if size > 0 && k > scan.last {
            scan.damaged = true;
            return;
        }
        if size > 0 {
            let value = number(scan, job, size);
            set_coefficient(job, block, k, value * (1 << scan.low));
        }
        k += 1;
    }
}

/// Goes over `zeros` coefficients that are 0 up to the next such one, from number `k` on. Those that are not
/// 0 get one more bit. Gives where it is.
fn refine(scan: &mut Scan, job: &mut Job, block: usize, k: usize, zeros: u32) -> usize {
    let mut zeros = zeros;
    let mut k = k;
    while k <= scan.last {
        let value = coefficient(job, block, k);
        if value == 0 && zeros == 0 {
            break;
        }
        if value == 0 {
            zeros -= 1;
        } else if bits(scan, job, 1) == 1 {
            let step = 1 << scan.low;
            set_coefficient(job, block, k, if value > 0 { value + step } else { value - step });
        }
        k += 1;
    }
    k
}

/// One more bit of the AC coefficients (G.1.2.3). Those that are not 0 from here on are 1 or -1.
fn ac_again(scan: &mut Scan, job: &mut Job, table: usize, block: usize) {
    let mut k = scan.first;
    while scan.run == 0 && k <= scan.last {
        let code = symbol(scan, job, table);
        let (zeros, size) = (code >> 4, code & 15);
        if size == 0 && zeros < 15 {
            scan.run = (1 << zeros) + bits(scan, job, zeros);
            break;
        }
        let sign = if size == 0 { 0 } else { 2 * bits(scan, job, 1) as i32 - 1 };
        k = refine(scan, job, block, k, zeros);
        if sign != 0 && k > scan.last {
            scan.damaged = true;
            return;
        }
        if sign != 0 {
            set_coefficient(job, block, k, sign * (1 << scan.low));
        }
        k += 1;
    }
    if scan.run > 0 {
        scan.run -= 1;
        refine(scan, job, block, k, 64);
    }
}

/// What the scan says of the block at `block`, of its component number `i`.
fn read_block(scan: &mut Scan, job: &mut Job, i: usize, block: usize) {
    if scan.first == 0 {
        dc(scan, job, i, block);
    }
    if scan.last > 0 && scan.high == 0 {
        ac(scan, job, scan.ac[i], block);
    }
    if scan.last > 0 && scan.high > 0 {
        ac_again(scan, job, scan.ac[i], block);
    }
}

/// Before a unit: where it is time for it there is a restart marker, behind which all begins anew
/// (F.2.1.3.1).
fn unit(scan: &mut Scan, job: &Job) {
    if scan.interval == 0 {
        return;
    }
    if scan.left == 0 {
        let at = marker(job, scan.at);
        if job.byte(at + 1) & 0xf8 != 0xd0 || scan.invented > scan.held {
            scan.damaged = true;
        }
        scan.at = at + 2;
        scan.held = 0;
        scan.invented = 0;
        scan.run = 0;
        scan.previous = [0; 3];
        scan.left = scan.interval;
    }
    scan.left -= 1;
}

/// Rows of the component's blocks in the row number `row` of units that have samples of the picture in them.
pub(super) fn rows(c: &Component, row: usize) -> usize {
    c.v.min(c.blocks_down - row * c.v)
}

/// Reads what the scan says of the row number `row` of units. With one component a unit is a block, and there
/// are only those with samples of the picture; with several it has blocks of all of them (A.2).
pub(super) fn read_row(scan: &mut Scan, job: &mut Job, frame: &Frame, row: usize) -> Option<()> {
    if scan.count == 1 {
        let c = &frame.components[scan.component[0]];
        for v in 0..rows(c, row) {
            for h in 0..c.blocks_across {
                unit(scan, job);
                read_block(scan, job, 0, c.at + BLOCK * (v * c.slots + h));
            }
        }
    } else {
        for n in 0..frame.units_across {
            unit(scan, job);
            for i in 0..scan.count {
                let c = &frame.components[scan.component[i]];
                for v in 0..c.v {
                    for h in 0..c.h {
                        read_block(scan, job, i, c.at + BLOCK * (v * c.slots + n * c.h + h));
                    }
                }
            }
        }
    }
    if scan.damaged || scan.invented > scan.held { None } else { Some(()) }
}
