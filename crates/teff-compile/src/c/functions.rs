//! Functions of floats that C libraries compute by doubles, which takes thousands of cycles without a float unit: here by integers.

/// e to the power x, off by less than a unit in the last place. With t = x log2 e = n + i / 32 + r / 2^32, it is
/// 2^n 2^(i / 32) e^(r ln 2 / 2^32); the last factor is a series of three terms. As in Rust: `exp_f32` of `rust/math/exponential.rs`.
pub(super) const EXP: &str = r#"/* e to the power x: by integers where there is no float unit, in a tenth of the time. */
#if defined(__SOFTFP__)
/* The upper half of a product. */
static inline uint32_t high_u32(uint32_t a, uint32_t b)
{
    const uint32_t a0 = (uint16_t)a, a1 = a >> 16, b0 = (uint16_t)b, b1 = b >> 16;
    const uint32_t middle = a1 * b0 + (a0 * b0 >> 16);
    return a1 * b1 + (middle >> 16) + (((uint16_t)middle + a0 * b1) >> 16);
}

static float exp_f32(float x)
{
    /* 2^(i / 32) in units of 2^-31. */
    static const uint32_t exp_power[32] = {
        0x80000000u, 0x82cd8699u, 0x85aac368u, 0x88980e81u, 0x8b95c1e4u, 0x8ea4398bu, 0x91c3d374u, 0x94f4efa9u,
        0x9837f052u, 0x9b8d39bau, 0x9ef53261u, 0xa2704303u, 0xa5fed6aau, 0xa9a15ab5u, 0xad583eeau, 0xb123f582u,
        0xb504f334u, 0xb8fbaf47u, 0xbd08a39fu, 0xc12c4ccau, 0xc5672a11u, 0xc9b9bd86u, 0xce248c15u, 0xd2a81d92u,
        0xd744fccbu, 0xdbfbb798u, 0xe0ccdeecu, 0xe5b906e7u, 0xeac0c6e8u, 0xefe4b99cu, 0xf5257d15u, 0xfa83b2dbu
    };
    const uint32_t bits = (uint32_t)bits_i32(x);
    const uint32_t exponent = bits >> 23 & 0xff;
    if (exponent < 101) {
        return 1.0f;
    }
    if (exponent >= 134) {
        return x != x ? x : bits >> 31 != 0 ? 0.0f : INFINITY;
    }
    const uint32_t mantissa = (bits | 0x800000u) << 8;
    const uint32_t high = high_u32(mantissa, 0xb8aa3b29u);
    const uint32_t shift = 157 - exponent;
    int32_t n = shift < 32 ? (int32_t)(high >> shift) : 0;
    uint32_t t = shift < 32 ? (high << (32 - shift)) | (mantissa * 0xb8aa3b29u >> shift) : high >> (shift - 32);
    if (bits >> 31 != 0) {
        n = -n - (t != 0);
        t = 0u - t;
    }
    const uint32_t y = high_u32(t & 0x7ffffffu, 0xb17217f8u);
    const uint32_t s = y >> 11;
    const uint32_t square = s * s, cube = (square >> 16) * s;
    const uint32_t series = y + (square >> 11) + ((cube >> 15) * 10923u >> 16);
    const uint32_t whole = exp_power[t >> 27] + high_u32(exp_power[t >> 27], series);
    if (n > 127) {
        return INFINITY;
    }
    if (n >= -126) {
        return bits_f32((int32_t)(((uint32_t)(n + 126) << 23) + (((whole >> 7) + 1) >> 1)));
    }
    return n < -150 ? 0.0f : bits_f32((int32_t)(((whole >> (-119 - n)) + 1) >> 1));
}
#else
static inline float exp_f32(float x)
{
    return expf(x);
}
#endif
"#;

/// Near zero, where the difference would leave few digits, the series.
pub(super) const EXPM1: &str = r#"static float expm1_f32(float x)
{
#if defined(__SOFTFP__)
    if (x > -0.125f && x < 0.125f) {
        return x + x * x * (0.5f + x * (0.166666667f + x * (0.0416666667f + x * 0.00833333333f)));
    }
    return exp_f32(x) - 1.0f;
#else
    return expm1f(x);
#endif
}
"#;

/// By e to the power -2|x|; near zero, where that leaves few digits, by the series.
pub(super) const TANH: &str = r#"static float tanh_f32(float x)
{
#if defined(__SOFTFP__)
    const float size = x < 0.0f ? -x : x;
    if (size < 0.03125f) {
        return x - x * x * x * (0.333333333f - x * x * 0.133333333f);
    }
    const float power = exp_f32(-2.0f * size);
    const float y = (1.0f - power) / (1.0f + power);
    return x < 0.0f ? -y : y;
#else
    return tanhf(x);
#endif
}
"#;
