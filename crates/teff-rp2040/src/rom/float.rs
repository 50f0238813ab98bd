//! The floating-point functions of the ROM's two tables (datasheet 2.8.3.2).
//!
//! Values: computed by the host in IEEE arithmetic, with what the ROM documents differently: subnormals count as
//! zero on both sides, and a NaN is taken as an infinity of its sign. Transcendental functions are the host's,
//! so their last bits may differ from the ROM's. Costs: the average cycles that the datasheet's tables of
//! version 2 give for each entry.

use crate::cpu::Core;
use crate::error::Fault;

/// Average cycles of the single-precision table, by offset / 4; 0 where there is no function.
const SINGLE: [u64; 32] = [
    71, 74, 58, 71, 25, 25, 63, 40, 39, 39, 38, 55, 53, 54, 52, 587, 577, 653, 577, 524, 789, 25, 667, 62,
    60, 58, 57, 54, 53, 42, 41, 15,
];

/// The same of the double-precision table.
const DOUBLE: [u64; 32] = [
    91, 95, 155, 183, 39, 39, 169, 75, 74, 63, 62, 69, 68, 64, 62, 1617, 1618, 1891, 1618, 804, 428, 39,
    2168, 55, 54, 53, 52, 64, 63, 53, 52, 23,
];

/// Offsets / 4 of the tables' entries.
mod entry {
    pub(super) const ADD: usize = 0;
    pub(super) const SUB: usize = 1;
    pub(super) const MUL: usize = 2;
    pub(super) const DIV: usize = 3;
    pub(super) const CMP_FAST: usize = 4;
    pub(super) const CMP_FLAGS: usize = 5;
    pub(super) const SQRT: usize = 6;
    pub(super) const TO_INT: usize = 7;
    pub(super) const TO_FIX: usize = 8;
    pub(super) const TO_UINT: usize = 9;
    pub(super) const TO_UFIX: usize = 10;
    pub(super) const FROM_INT: usize = 11;
    pub(super) const FROM_FIX: usize = 12;
    pub(super) const FROM_UINT: usize = 13;
    pub(super) const FROM_UFIX: usize = 14;
    pub(super) const COS: usize = 15;
    pub(super) const SIN: usize = 16;
    pub(super) const TAN: usize = 17;
    pub(super) const SINCOS: usize = 18;
    pub(super) const EXP: usize = 19;
    pub(super) const LN: usize = 20;
    pub(super) const CMP: usize = 21;
    pub(super) const ATAN2: usize = 22;
    pub(super) const FROM_INT64: usize = 23;
    pub(super) const FROM_FIX64: usize = 24;
    pub(super) const FROM_UINT64: usize = 25;
    pub(super) const FROM_UFIX64: usize = 26;
    pub(super) const TO_INT64: usize = 27;
    pub(super) const TO_FIX64: usize = 28;
    pub(super) const TO_UINT64: usize = 29;
    pub(super) const TO_UFIX64: usize = 30;
    pub(super) const TO_OTHER: usize = 31;
}

fn single_in(bits: u32) -> f32 {
    match bits >> 23 & 0xff {
        0 => f32::from_bits(bits & 0x8000_0000),
        0xff => f32::from_bits(bits & 0xff80_0000),
        _ => f32::from_bits(bits),
    }
}

fn single_out(value: f32) -> u32 {
    if value.is_nan() {
        return f32::INFINITY.to_bits();
    }
    let bits = value.to_bits();
    if value.is_subnormal() { bits & 0x8000_0000 } else { bits }
}

fn double_in(low: u32, high: u32) -> f64 {
    match high >> 20 & 0x7ff {
        0 => f64::from_bits(u64::from(high & 0x8000_0000) << 32),
        0x7ff => f64::from_bits(u64::from(high & 0xfff0_0000) << 32),
        _ => f64::from_bits(u64::from(high) << 32 | u64::from(low)),
    }
}

fn double_out(value: f64) -> u64 {
    if value.is_nan() {
        return f64::INFINITY.to_bits();
    }
    let bits = value.to_bits();
    if value.is_subnormal() { bits & 1 << 63 } else { bits }
}

fn pair(core: &Core, i: usize) -> u64 {
    u64::from(core.regs[i + 1]) << 32 | u64::from(core.regs[i])
}

fn put_pair(core: &mut Core, i: usize, value: u64) {
    core.regs[i] = value as u32;
    core.regs[i + 1] = (value >> 32) as u32;
}

/// Floating-point operand `i` of a call: a register, or a pair of them when `wide`.
fn operand(core: &Core, i: usize, wide: bool) -> f64 {
    if wide { double_in(core.regs[2 * i], core.regs[2 * i + 1]) } else { f64::from(single_in(core.regs[i])) }
}

/// Leaves `value` as result `i`, rounded to single precision unless `wide`. Sums, products, quotients and roots of single
/// precision are right after the two roundings, as double precision has more than twice the digits.
fn put(core: &mut Core, i: usize, wide: bool, value: f64) {
    if wide {
        put_pair(core, 2 * i, double_out(value));
    } else {
        core.regs[i] = single_out(value as f32);
    }
}

fn compare(core: &mut Core, a: f64, b: f64, entry: usize) {
    let order = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal) as i32;
    if entry == entry::CMP_FLAGS {
        // Z when equal, C when not less, as an integer comparison leaves them.
        core.set_nz(order as u32);
        core.c = u32::from(order >= 0);
        core.v = 0;
    } else {
        core.regs[0] = order as u32;
    }
}

/// A value scaled by 2^places; exact for all that fits.
fn scaled(value: f64, places: u32) -> f64 {
    value * 2f64.powi((places as i32).clamp(-1022, 1022))
}

/// Entry `entry` of the single-precision table, or of the double-precision one when `wide`.
pub(super) fn call(core: &mut Core, entry: usize, wide: bool) -> Result<(), Fault> {
    core.cycle += if wide { DOUBLE[entry] } else { SINGLE[entry] };
    let (a, b) = (operand(core, 0, wide), operand(core, 1, wide));
    let (word, long) = (core.regs[0], pair(core, 0));
    // 64 bits are rounded once.
    let signed = if wide { long as i64 as f64 } else { f64::from(long as i64 as f32) };
    let unsigned = if wide { long as f64 } else { f64::from(long as f32) };
    let result = match entry {
        entry::ADD => a + b,
        entry::SUB => a - b,
        entry::MUL => a * b,
        entry::DIV => a / b,
        entry::SQRT if a < 0.0 => f64::NEG_INFINITY,
        entry::SQRT => a.sqrt(),
        entry::CMP_FAST | entry::CMP_FLAGS | entry::CMP => {
            compare(core, a, b, entry);
            return Ok(());
        }
        entry::COS | entry::SIN | entry::SINCOS => {
            let (first, second) = if entry == entry::COS { (a.cos(), a.sin()) } else { (a.sin(), a.cos()) };
            put(core, 1, wide, second);
            first
        }
        entry::TAN => a.tan(),
        entry::EXP => a.exp(),
        entry::LN if a <= 0.0 => f64::NEG_INFINITY,
        entry::LN => a.ln(),
        entry::ATAN2 => a.atan2(b),
        entry::FROM_INT => f64::from(word as i32),
        entry::FROM_UINT => f64::from(word),
        entry::FROM_FIX => scaled(f64::from(word as i32), core.regs[1].wrapping_neg()),
        entry::FROM_UFIX => scaled(f64::from(word), core.regs[1].wrapping_neg()),
        entry::FROM_INT64 => signed,
        entry::FROM_UINT64 => unsigned,
        entry::FROM_FIX64 => scaled(signed, core.regs[2].wrapping_neg()),
        entry::FROM_UFIX64 => scaled(unsigned, core.regs[2].wrapping_neg()),
        entry::TO_OTHER => {
            put(core, 0, !wide, a);
            return Ok(());
        }
        _ => return to_integer(core, a, entry, core.regs[if wide { 2 } else { 1 }]),
    };
    put(core, 0, wide, result);
    Ok(())
}

/// The conversions to integers and fixed point, which round towards minus infinity and saturate, as the casts do;
/// float2int rounds towards zero since version 3 of the ROM.
fn to_integer(core: &mut Core, value: f64, entry: usize, places: u32) -> Result<(), Fault> {
    let fixed = scaled(value, places).floor();
    match entry {
        entry::TO_INT => core.regs[0] = value as i32 as u32,
        entry::TO_UINT => core.regs[0] = value as u32,
        entry::TO_FIX => core.regs[0] = fixed as i32 as u32,
        entry::TO_UFIX => core.regs[0] = fixed as u32,
        entry::TO_INT64 => put_pair(core, 0, value as i64 as u64),
        entry::TO_UINT64 => put_pair(core, 0, value as u64),
        entry::TO_FIX64 => put_pair(core, 0, fixed as i64 as u64),
        entry::TO_UFIX64 => put_pair(core, 0, fixed as u64),
        _ => return Err(Fault::Undefined),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(entry: usize, args: &[u32]) -> u32 {
        let mut core = Core::new(0);
        core.regs[..args.len()].copy_from_slice(args);
        call(&mut core, entry, false).unwrap();
        core.regs[0]
    }

    fn double(entry: usize, args: &[f64]) -> u64 {
        let mut core = Core::new(0);
        args.iter().enumerate().for_each(|(i, v)| put_pair(&mut core, 2 * i, v.to_bits()));
        call(&mut core, entry, true).unwrap();
        pair(&core, 0)
    }

    #[test]
    fn single_precision_is_that_of_the_host_though_computed_in_double() {
        let mut state = 0x2545_f491u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for _ in 0..100_000 {
            let (x, y) = (random(), random());
            let (a, b) = (single_in(x), single_in(y));
            for (entry, wanted) in
                [(entry::ADD, a + b), (entry::SUB, a - b), (entry::MUL, a * b), (entry::DIV, a / b)]
            {
                assert_eq!(single(entry, &[x, y]), single_out(wanted), "{entry}: {a:e} {b:e}");
            }
            assert_eq!(single(entry::SQRT, &[x & 0x7fff_ffff]), single_out(a.abs().sqrt()));
            let long = u64::from(y) << 32 | u64::from(x);
            assert_eq!(single(entry::FROM_INT64, &[x, y]), (long as i64 as f32).to_bits());
            assert_eq!(single(entry::FROM_UINT64, &[x, y]), (long as f32).to_bits());
        }
    }

    #[test]
    fn conversions_round_down_and_saturate_and_what_is_not_a_number_is_infinite() {
        let f = f32::to_bits;
        assert_eq!(single(entry::TO_INT, &[f(-1.9)]) as i32, -1, "towards zero");
        assert_eq!(single(entry::TO_FIX, &[f(-1.26), 2]) as i32, -6, "down");
        assert_eq!(single(entry::TO_FIX, &[f(1e20), 0]), i32::MAX as u32);
        assert_eq!(single(entry::TO_UINT, &[f(-5.0)]), 0);
        assert_eq!(single(entry::FROM_FIX, &[-6i32 as u32, 2]), f(-1.5));
        assert_eq!(single(entry::LN, &[0]), f(f32::NEG_INFINITY));
        assert_eq!(single(entry::SQRT, &[f(-1.0)]), f(f32::NEG_INFINITY));
        assert_eq!(single(entry::ADD, &[f(f32::NAN), f(1.0)]), f(f32::INFINITY));
        assert_eq!(single(entry::ADD, &[1, f(0.0)]), 0, "subnormal in");
        assert_eq!(single(entry::MUL, &[f(1e-30), f(1e-10)]), 0, "subnormal out");
        assert_eq!(single(entry::CMP, &[f(2.0), f(1.0)]) as i32, 1);
        assert_eq!(single(entry::CMP, &[f(-0.0), f(0.0)]), 0);
        assert_eq!(double(entry::DIV, &[1.0, 3.0]), (1.0f64 / 3.0).to_bits());
        assert_eq!(double(entry::TO_OTHER, &[1.5]) as u32, f(1.5));
    }
}
