//! Integer arithmetic that Rust's operators do not do, as functions of `mod math`.

use teff_graph::DType;

/// [`crate::program::PairSums`].
const PAIR_SUMS: &str = "/// Sums of products for two places at once: each input is `a + 65536 b` with a and b of 8 bits; rows of weights go two by two, four
/// weights to a word. Twice 8 bits times 8 bits stay in 16: the products of two inputs are added up before they are taken apart.
pub(super) fn pair_sums(inputs: &[i32], weights: &[i8], sums: &mut [i32]) {
    let (taps, outputs) = (inputs.len(), sums.len() / 2);
    for (o, sums) in sums.chunks_exact_mut(2).enumerate() {
        let alone = o + 1 == outputs && outputs % 2 == 1;
        let (first, step) = if alone { (o * taps, 2) } else { (o / 2 * 2 * taps + o % 2 * 2, 4) };
        let (mut both, mut high) = (0i32, 0i32);
        for (x, w) in inputs.chunks_exact(2).zip(weights[first..].chunks(step)) {
            let sum = i32::from(w[0]).wrapping_mul(x[0]).wrapping_add(i32::from(w[1]).wrapping_mul(x[1]));
            both = both.wrapping_add(sum);
            high = high.wrapping_add(sum.wrapping_add(0x8000) >> 16);
        }
        sums[0] = both.wrapping_sub(high << 16);
        sums[1] = high;
    }
}
";

/// [`crate::program::WindowSums`].
const WINDOW_SUMS: &str = "/// Sums over a window for two places at once: each input is `a + 65536 b` with a and b of 8 bits. The steps lead from row to row of
/// the inputs, from row to row of the results in those, and from column to column.
pub(super) fn window_sums<'a>(
    words: &[i32],
    [pitch, row_step, column_step]: [usize; 3],
    weights: impl Iterator<Item = &'a [i8]> + Clone,
    columns: usize,
    sums: &mut [i32],
) {
    for (row, sums) in sums.chunks_exact_mut(2 * columns).enumerate() {
        for (column, sums) in sums.chunks_exact_mut(2).enumerate() {
            let first = row * row_step * pitch + column * column_step;
            let (mut both, mut high) = (0i32, 0i32);
            for (weights, words) in weights.clone().zip(words[first..].chunks(pitch)) {
                for (w, x) in weights.iter().zip(words) {
                    let product = i32::from(*w).wrapping_mul(*x);
                    both = both.wrapping_add(product);
                    high = high.wrapping_add(product.wrapping_add(0x8000) >> 16);
                }
            }
            sums[0] = both.wrapping_sub(high << 16);
            sums[1] = high;
        }
    }
}
";

/// The text of the function called `name`, such as `div_i32`, when it is one of integers.
pub(super) fn definition(name: &str) -> Option<String> {
    match name {
        "pair_sums" => return Some(PAIR_SUMS.into()),
        "window_sums" => return Some(WINDOW_SUMS.into()),
        _ => {}
    }
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
        "mul_high" => (
            "The upper half of a product; b is not negative.",
            "    ((i64::from(a) * i64::from(b)) >> 32) as i32\n".into(),
        ),
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
