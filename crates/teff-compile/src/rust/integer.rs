//! Integer arithmetic that Rust's operators do not do, as functions of `mod math`.

use teff_graph::DType;

/// The text of the function called `name`, such as `div_i32`, when it is one of integers.
pub(super) fn definition(name: &str) -> Option<String> {
    let (function, dtype) = name.rsplit_once('_')?;
    let d: DType = dtype.parse().ok().filter(|d: &DType| d.is_int())?;
    let bits = 8 * d.size();
    // The shift, as the type that `<<` and `>>` take of any.
    let inside = if d.is_signed_int() { format!("(0..{bits}).contains(&b)") } else { format!("b < {bits}") };
    let (note, body) = match function {
        "div" => {
            ("a / b, wrapped; 0 when b is 0.", "    if b == 0 { 0 } else { a.wrapping_div(b) }\n".into())
        }
        "rem" => (
            "The remainder of a / b; 0 when b is 0.",
            "    if b == 0 { 0 } else { a.wrapping_rem(b) }\n".into(),
        ),
        "mul_high" => ("The upper half of a product.", MUL_HIGH.into()),
        "shl" => ("a << b; 0 when nothing stays.", format!("    if {inside} {{ a << b }} else {{ 0 }}\n")),
        "shr" if d.is_signed_int() => (
            "a >> b; all sign when nothing stays.",
            format!("    if {inside} {{ a >> b }} else {{ a >> {} }}\n", bits - 1),
        ),
        "shr" => ("a >> b; 0 when nothing stays.", format!("    if {inside} {{ a >> b }} else {{ 0 }}\n")),
        "pow" => ("a to the power b, wrapped; 1 / a^-b truncated when b is negative.", power(d)),
        _ => return None,
    };
    Some(format!("/// {note}\npub(super) fn {name}(a: {d}, b: {d}) -> {d} {{\n{body}}}\n"))
}

/// Where there is only a 32-bit multiplier (ARMv6-M, which has no atomic exchange either), four products of halves are a third of the
/// work of a 64-bit one.
const MUL_HIGH: &str = "    if cfg!(all(target_arch = \"arm\", not(target_has_atomic = \"32\"))) {
        let (a0, b0) = (a as u32 & 0xffff, b as u32 & 0xffff);
        let (a1, b1) = (a >> 16, b >> 16);
        let middle = a1 * b0 as i32 + ((a0 * b0) >> 16) as i32;
        let carry = ((middle & 0xffff) + a0 as i32 * b1) >> 16;
        a1 * b1 + (middle >> 16) + carry
    } else {
        ((i64::from(a) * i64::from(b)) >> 32) as i32
    }
";

fn power(d: DType) -> String {
    let negative = if d.is_signed_int() {
        "    if b < 0 {
        return match a {
            1 => 1,
            -1 if b % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
"
    } else {
        ""
    };
    format!(
        "{negative}    let (mut power, mut square, mut left) = (1{d}, a, b);
    while left > 0 {{
        if left % 2 == 1 {{
            power = power.wrapping_mul(square);
        }}
        square = square.wrapping_mul(square);
        left /= 2;
    }}
    power
"
    )
}
