// Floats to integers of 8 and 16 bits by the bits of the floats: why this is exact stands in `program/quantizer.rs`.

/// clamp(round_half_even(x / scale) + zero, low, high) as floats have it, by integers; NaN gives zero.
pub(super) fn quantize_8(x: f32, scale: u32, reciprocal: u32, zero: i32, low: i32, high: i32) -> i32 {
    let bits = x.to_bits();
    let up = (bits << 1 >> 24).wrapping_sub(scale >> 23).wrapping_add(1);
    let (m, s) = (bits & 0x7f_ffff | 0x80_0000, scale & 0x7f_ffff | 0x80_0000);
    let q = if up <= 9 {
        let t = ((m >> 8) * (reciprocal >> 16)) >> (31 - up);
        let d = (m << up).wrapping_sub(s.wrapping_mul(t | 1)) as i32;
        let (k, within) = (t >> 1, (s >> (24 - up + u32::from(m < s))) as i32);
        k as i32 + i32::from(d > within ^ -((k & 1) as i32))
    } else if up as i32 > 0 && bits << 1 <= 0xff00_0000 {
        512
    } else {
        0
    };
    ((if (bits as i32) < 0 { -q } else { q }) + zero).clamp(low, high)
}

/// The same for integers of 16 bits.
pub(super) fn quantize_16(x: f32, scale: u32, reciprocal: u32, zero: i32, low: i32, high: i32) -> i32 {
    let bits = x.to_bits();
    let up = (bits << 1 >> 24).wrapping_sub(scale >> 23).wrapping_add(1);
    let (m, s) = (bits & 0x7f_ffff | 0x80_0000, scale & 0x7f_ffff | 0x80_0000);
    let q = if up <= 17 {
        let t = ((u64::from(m << 8) * u64::from(reciprocal)) >> 32) as u32 >> (31 - up);
        let d = (m << up).wrapping_sub(s.wrapping_mul(t | 1)) as i32;
        let (k, within) = (t >> 1, (s >> (24 - up + u32::from(m < s))) as i32);
        k as i32 + i32::from(d > within ^ -((k & 1) as i32))
    } else if up as i32 > 0 && bits << 1 <= 0xff00_0000 {
        1 << 17
    } else {
        0
    };
    ((if (bits as i32) < 0 { -q } else { q }) + zero).clamp(low, high)
}

/// d * scale, |d| below 256 and the scale from 2^-100 to 2^100: by integers on ARMv6-M, which has no float unit.
pub(super) fn dequantize_8(d: i32, scale: f32) -> f32 {
    if cfg!(all(target_arch = "arm", not(target_has_atomic = "32"))) {
        scaled_8(d, scale)
    } else {
        d as f32 * scale
    }
}

/// The same by integers: the product of 24 bits and 8, rounded to 24 bits, halves to even.
pub(super) fn scaled_8(d: i32, scale: f32) -> f32 {
    let (size, bits) = (d.unsigned_abs(), scale.to_bits());
    let p = size * (bits & 0x7f_ffff | 0x80_0000);
    let n = 32 - (p >> 24).leading_zeros();
    let m = if n == 0 { p } else { (p + (1 << (n - 1)) - 1 + (p >> n & 1)) >> n };
    let sign = if d < 0 { 0x8000_0000 } else { 0 };
    if size == 0 { 0.0 } else { f32::from_bits((((bits >> 23) - 1 + n) << 23) + m + sign) }
}
