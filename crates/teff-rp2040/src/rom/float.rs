//! The floating-point functions of the ROM's two tables (datasheet 2.8.3.2).
//!
//! Values: computed by the host in IEEE arithmetic, with what the ROM documents differently: subnormals count as
//! zero on both sides, and a NaN is taken as an infinity of its sign. Transcendental functions are the host's,
//! so their last bits may differ from the ROM's. Costs: the average cycles that the datasheet's tables of
//! version 2 give for each entry.

use crate::cpu::Core;

/// Declares the entries of the tables in their order, each with its average cycles in single and in double precision.
macro_rules! entries {
    ($($name:ident $single:literal $double:literal),*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        enum Entry { $($name),* }

        const ENTRIES: [(Entry, u64, u64); super::TABLE_ENTRIES] = [$((Entry::$name, $single, $double)),*];
    };
}

entries![
    Add 71 91, Sub 74 95, Mul 58 155, Div 71 183, CmpFast 25 39, CmpFlags 25 39, Sqrt 63 169,
    ToInt 40 75, ToFix 39 74, ToUInt 39 63, ToUFix 38 62, FromInt 55 69, FromFix 53 68, FromUInt 54 64,
    FromUFix 52 62, Cos 587 1617, Sin 577 1618, Tan 653 1891, SinCos 577 1618, Exp 524 804, Ln 789 428,
    Cmp 25 39, Atan2 667 2168, FromInt64 62 55, FromFix64 60 54, FromUInt64 58 53, FromUFix64 57 52,
    ToInt64 54 64, ToFix64 53 63, ToUInt64 42 53, ToUFix64 41 52, ToOther 15 23
];

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

fn compare(core: &mut Core, a: f64, b: f64, entry: Entry) {
    let order = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal) as i32;
    if entry == Entry::CmpFlags {
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

/// Entry `index` of the single-precision table, or of the double-precision one when `wide`.
pub(super) fn call(core: &mut Core, index: usize, wide: bool) {
    let (entry, single, double) = ENTRIES[index];
    core.cycle += if wide { double } else { single };
    let (a, b) = (operand(core, 0, wide), operand(core, 1, wide));
    let (word, long) = (core.regs[0], pair(core, 0));
    // 64 bits are rounded once.
    let signed = if wide { long as i64 as f64 } else { f64::from(long as i64 as f32) };
    let unsigned = if wide { long as f64 } else { f64::from(long as f32) };
    let result = match entry {
        Entry::Add => a + b,
        Entry::Sub => a - b,
        Entry::Mul => a * b,
        Entry::Div => a / b,
        Entry::Sqrt if a < 0.0 => f64::NEG_INFINITY,
        Entry::Sqrt => a.sqrt(),
        Entry::CmpFast | Entry::CmpFlags | Entry::Cmp => {
            compare(core, a, b, entry);
            return;
        }
        Entry::Cos | Entry::Sin | Entry::SinCos => {
            let (first, second) = if entry == Entry::Cos { (a.cos(), a.sin()) } else { (a.sin(), a.cos()) };
            put(core, 1, wide, second);
            first
        }
        Entry::Tan => a.tan(),
        Entry::Exp => a.exp(),
        Entry::Ln if a <= 0.0 => f64::NEG_INFINITY,
        Entry::Ln => a.ln(),
        Entry::Atan2 => a.atan2(b),
        Entry::FromInt => f64::from(word as i32),
        Entry::FromUInt => f64::from(word),
        Entry::FromFix => scaled(f64::from(word as i32), core.regs[1].wrapping_neg()),
        Entry::FromUFix => scaled(f64::from(word), core.regs[1].wrapping_neg()),
        Entry::FromInt64 => signed,
        Entry::FromUInt64 => unsigned,
        Entry::FromFix64 => scaled(signed, core.regs[2].wrapping_neg()),
        Entry::FromUFix64 => scaled(unsigned, core.regs[2].wrapping_neg()),
        Entry::ToOther => {
            put(core, 0, !wide, a);
            return;
        }
        // All others are of one kind.
        _ => return to_integer(core, a, entry, core.regs[if wide { 2 } else { 1 }]),
    };
    put(core, 0, wide, result);
}

/// The conversions to integers and fixed point, which round towards minus infinity and saturate, as the casts do;
/// float2int rounds towards zero since version 3 of the ROM.
fn to_integer(core: &mut Core, value: f64, entry: Entry, places: u32) {
    let fixed = scaled(value, places).floor();
    match entry {
        Entry::ToInt => core.regs[0] = value as i32 as u32,
        Entry::ToUInt => core.regs[0] = value as u32,
        Entry::ToFix => core.regs[0] = fixed as i32 as u32,
        Entry::ToUFix => core.regs[0] = fixed as u32,
        Entry::ToInt64 => put_pair(core, 0, value as i64 as u64),
        Entry::ToUInt64 => put_pair(core, 0, value as u64),
        Entry::ToFix64 => put_pair(core, 0, fixed as i64 as u64),
        Entry::ToUFix64 => put_pair(core, 0, fixed as u64),
        _ => unreachable!("the caller does the rest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(entry: Entry, args: &[u32]) -> u32 {
        let mut core = Core::new(0);
        core.regs[..args.len()].copy_from_slice(args);
        call(&mut core, entry as usize, false);
        core.regs[0]
    }

    fn double(entry: Entry, args: &[f64]) -> u64 {
        let mut core = Core::new(0);
        args.iter().enumerate().for_each(|(i, v)| put_pair(&mut core, 2 * i, v.to_bits()));
        call(&mut core, entry as usize, true);
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
                [(Entry::Add, a + b), (Entry::Sub, a - b), (Entry::Mul, a * b), (Entry::Div, a / b)]
            {
                assert_eq!(single(entry, &[x, y]), single_out(wanted), "{entry:?}: {a:e} {b:e}");
            }
            assert_eq!(single(Entry::Sqrt, &[x & 0x7fff_ffff]), single_out(a.abs().sqrt()));
            let long = u64::from(y) << 32 | u64::from(x);
            assert_eq!(single(Entry::FromInt64, &[x, y]), (long as i64 as f32).to_bits());
            assert_eq!(single(Entry::FromUInt64, &[x, y]), (long as f32).to_bits());
        }
    }

    #[test]
    fn conversions_round_down_and_saturate_and_what_is_not_a_number_is_infinite() {
        let f = f32::to_bits;
        assert_eq!(single(Entry::ToInt, &[f(-1.9)]) as i32, -1, "towards zero");
        assert_eq!(single(Entry::ToFix, &[f(-1.26), 2]) as i32, -6, "down");
        assert_eq!(single(Entry::ToFix, &[f(1e20), 0]), i32::MAX as u32);
        assert_eq!(single(Entry::ToUInt, &[f(-5.0)]), 0);
        assert_eq!(single(Entry::FromFix, &[-6i32 as u32, 2]), f(-1.5));
        assert_eq!(single(Entry::Ln, &[0]), f(f32::NEG_INFINITY));
        assert_eq!(single(Entry::Sqrt, &[f(-1.0)]), f(f32::NEG_INFINITY));
        assert_eq!(single(Entry::Add, &[f(f32::NAN), f(1.0)]), f(f32::INFINITY));
        assert_eq!(single(Entry::Add, &[1, f(0.0)]), 0, "subnormal in");
        assert_eq!(single(Entry::Mul, &[f(1e-30), f(1e-10)]), 0, "subnormal out");
        assert_eq!(single(Entry::Cmp, &[f(2.0), f(1.0)]) as i32, 1);
        assert_eq!(single(Entry::Cmp, &[f(-0.0), f(0.0)]), 0);
        assert_eq!(double(Entry::Div, &[1.0, 3.0]), (1.0f64 / 3.0).to_bits());
        assert_eq!(double(Entry::ToOther, &[1.5]) as u32, f(1.5));
    }
}
