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

/// A value scaled by 2^-places; exact for all that fits.
fn scaled(value: f64, places: i32) -> f64 {
    value * 2f64.powi(places.clamp(-1022, 1022))
}

/// Rounds `value` * 2^places towards minus infinity and clamps it (the casts saturate).
fn fixed(value: f64, places: u32) -> f64 {
    scaled(value, places as i32).floor()
}

/// Entry `entry` of the single-precision table.
pub(super) fn single(core: &mut Core, entry: usize) -> Result<(), Fault> {
    core.cycle += SINGLE[entry];
    let (a, b) = (single_in(core.regs[0]), single_in(core.regs[1]));
    let (a64, places) = (f64::from(a), core.regs[1]);
    let result = match entry {
        entry::ADD => a + b,
        entry::SUB => a - b,
        entry::MUL => a * b,
        entry::DIV => a / b,
        entry::SQRT => {
            if a < 0.0 {
                f32::NEG_INFINITY
            } else {
                a.sqrt()
            }
        }
        entry::CMP_FAST | entry::CMP_FLAGS | entry::CMP => {
            compare(core, a64, f64::from(b), entry);
            return Ok(());
        }
        entry::COS | entry::SIN | entry::SINCOS => {
            let (sin, cos) = (a64.sin() as f32, a64.cos() as f32);
            let (first, second) = if entry == entry::COS { (cos, sin) } else { (sin, cos) };
            core.regs[1] = single_out(second);
            first
        }
        entry::TAN => a64.tan() as f32,
        entry::EXP => a64.exp() as f32,
        entry::LN if a <= 0.0 => f32::NEG_INFINITY,
        entry::LN => a64.ln() as f32,
        entry::ATAN2 => a64.atan2(f64::from(b)) as f32,
        entry::FROM_INT => core.regs[0] as i32 as f32,
        entry::FROM_UINT => core.regs[0] as f32,
        entry::FROM_FIX => scaled(f64::from(core.regs[0] as i32), -(places as i32)) as f32,
        entry::FROM_UFIX => scaled(f64::from(core.regs[0]), -(places as i32)) as f32,
        entry::FROM_INT64 => pair(core, 0) as i64 as f32,
        entry::FROM_UINT64 => pair(core, 0) as f32,
        entry::FROM_FIX64 => scaled(pair(core, 0) as i64 as f64, -(core.regs[2] as i32)) as f32,
        entry::FROM_UFIX64 => scaled(pair(core, 0) as f64, -(core.regs[2] as i32)) as f32,
        entry::TO_OTHER => {
            put_pair(core, 0, double_out(a64));
            return Ok(());
        }
        _ => return to_integer(core, a64, entry, places),
    };
    core.regs[0] = single_out(result);
    Ok(())
}

/// Entry `entry` of the double-precision table.
pub(super) fn double(core: &mut Core, entry: usize) -> Result<(), Fault> {
    core.cycle += DOUBLE[entry];
    let a = double_in(core.regs[0], core.regs[1]);
    let b = double_in(core.regs[2], core.regs[3]);
    let result = match entry {
        entry::ADD => a + b,
        entry::SUB => a - b,
        entry::MUL => a * b,
        entry::DIV => a / b,
        entry::SQRT => {
            if a < 0.0 {
                f64::NEG_INFINITY
            } else {
                a.sqrt()
            }
        }
        entry::CMP_FAST | entry::CMP_FLAGS | entry::CMP => {
            compare(core, a, b, entry);
            return Ok(());
        }
        entry::COS | entry::SIN | entry::SINCOS => {
            let (first, second) = if entry == entry::COS { (a.cos(), a.sin()) } else { (a.sin(), a.cos()) };
            put_pair(core, 2, double_out(second));
            first
        }
        entry::TAN => a.tan(),
        entry::EXP => a.exp(),
        entry::LN if a <= 0.0 => f64::NEG_INFINITY,
        entry::LN => a.ln(),
        entry::ATAN2 => a.atan2(b),
        entry::FROM_INT => f64::from(core.regs[0] as i32),
        entry::FROM_UINT => f64::from(core.regs[0]),
        entry::FROM_FIX => scaled(f64::from(core.regs[0] as i32), -(core.regs[1] as i32)),
        entry::FROM_UFIX => scaled(f64::from(core.regs[0]), -(core.regs[1] as i32)),
        entry::FROM_INT64 => pair(core, 0) as i64 as f64,
        entry::FROM_UINT64 => pair(core, 0) as f64,
        entry::FROM_FIX64 => scaled(pair(core, 0) as i64 as f64, -(core.regs[2] as i32)),
        entry::FROM_UFIX64 => scaled(pair(core, 0) as f64, -(core.regs[2] as i32)),
        entry::TO_OTHER => {
            core.regs[0] = single_out(a as f32);
            return Ok(());
        }
        _ => return to_integer(core, a, entry, core.regs[2]),
    };
    put_pair(core, 0, double_out(result));
    Ok(())
}

/// The conversions to integers and fixed point, which round towards minus infinity and saturate; float2int
/// rounds towards zero since version 3 of the ROM.
fn to_integer(core: &mut Core, value: f64, entry: usize, places: u32) -> Result<(), Fault> {
    match entry {
        entry::TO_INT => core.regs[0] = value as i32 as u32,
        entry::TO_UINT => core.regs[0] = value as u32,
        entry::TO_FIX => core.regs[0] = fixed(value, places) as i32 as u32,
        entry::TO_UFIX => core.regs[0] = fixed(value, places) as u32,
        entry::TO_INT64 => put_pair(core, 0, value as i64 as u64),
        entry::TO_UINT64 => put_pair(core, 0, value as u64),
        entry::TO_FIX64 => put_pair(core, 0, fixed(value, places) as i64 as u64),
        entry::TO_UFIX64 => put_pair(core, 0, fixed(value, places) as u64),
        _ => return Err(Fault::Undefined),
    }
    Ok(())
}
