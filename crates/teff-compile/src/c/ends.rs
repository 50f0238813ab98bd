//! What callers need beside the network: from floats to its integers and back, the class it says.

use super::data::float_literal;
use super::expr::c_type;
use super::helper::{Helper, Helpers};
use crate::printing::{End, classes, ends};
use crate::program::{Port, Program, Quantizer};
use std::fmt::Write;
use teff_graph::DType;

/// [`Quantizer`] for integers of so many bits.
pub(super) fn quantize(bits: usize) -> String {
    let (most, past, product) = match bits {
        8 => (8, 512, "(m >> 8) * (reciprocal >> 16) >> (30 - e)"),
        _ => (16, 1 << 17, "(uint32_t)((uint64_t)(m << 8) * reciprocal >> 32) >> (30 - e)"),
    };
    format!(
        "/* clamp(round_half_even(x / scale) + zero, low, high) as floats have it, by integers; NaN gives zero. */
static inline int32_t quantize_{bits}(float x, uint32_t scale, uint32_t reciprocal, int32_t zero, int32_t low, int32_t high)
{{
    const uint32_t bits = (uint32_t)bits_i32(x);
    const int32_t e = (int32_t)(bits << 1 >> 24) - (int32_t)(scale >> 23);
    const uint32_t m = (bits & 0x7fffffu) | 0x800000u, s = (scale & 0x7fffffu) | 0x800000u;
    int32_t q = 0;
    if (e >= -1 && e <= {most}) {{
        const uint32_t t = {product}, k = t >> 1;
        const int32_t d = (int32_t)((m << (e + 1)) - s * (t | 1u));
        const uint32_t within = s >> (23 - e + (m < s));
        q = (int32_t)k + (d > (int32_t)(within ^ (0u - (k & 1u))));
    }} else if (e > 0 && bits << 1 <= 0xff000000u) {{
        q = {past};
    }}
    q = ((int32_t)bits < 0 ? -q : q) + zero;
    return q < low ? low : q > high ? high : q;
}}
"
    )
}

/// An integer times a scale where [`End::has_short_products`]: the product of 24 bits and 8, rounded to 24 bits, halves to even.
pub(super) const SCALED: &str = r#"/* d * scale, |d| below 256 and the scale from 2^-100 to 2^100: by integers where there is no float unit. */
static inline float dequantize_8(int32_t d, float scale)
{
#if defined(__SOFTFP__)
    const uint32_t size = (uint32_t)(d < 0 ? -d : d), bits = (uint32_t)bits_i32(scale);
    const uint32_t p = size * ((bits & 0x7fffffu) | 0x800000u);
    uint32_t top = p >> 24, n = 0;
    if (top >= 16u) {
        n = 4;
        top >>= 4;
    }
    if (top >= 4u) {
        n += 2u;
        top >>= 2;
    }
    n += top < 2u ? top : 2u;
    const uint32_t m = n == 0 ? p : (p + (1u << (n - 1u)) - 1u + (p >> n & 1u)) >> n;
    return size == 0 ? 0.0f : bits_f32((int32_t)((((bits >> 23) - 1u + n) << 23) + m + (d < 0 ? 0x80000000u : 0u)));
#else
    return (float)d * scale;
#endif
}
"#;

/// The call of `name`, what [`quantize`] defines.
pub(super) fn call(name: &str, to: Quantizer, factor: f32, x: &str) -> String {
    let (low, high) = to.range();
    let (scale, reciprocal) = (to.scale_bits(factor), to.reciprocal(factor));
    format!("{name}({x}, {scale:#x}u, {reciprocal}u, {}, {low}, {high})", to.zero())
}

/// The name of an end: `net_input0`.
fn name(program: &Program, kind: &str, i: usize) -> String {
    format!("{}_{kind}{i}", program.name)
}

/// What the header says of a port's integers; nothing where they stand for nothing.
pub(super) fn macros(name: &str, port: &Port) -> String {
    let Some(end) = End::of(port) else { return String::new() };
    let upper = name.to_uppercase();
    let mut out = format!("/* Element q stands for (q - {upper}_ZERO) * {upper}_SCALE");
    let Some(one) = end.single() else {
        let n = end.quantizers.len();
        let _ = match end.inner {
            1 => writeln!(out, ", element j of each for elements j, j + {n}, ... */"),
            inner => writeln!(out, ", element (i / {inner}) % {n} of each for element i. */"),
        };
        let _ = writeln!(out, "#define {upper}_SCALE {name}_scale\n#define {upper}_ZERO {name}_zero");
        return out;
    };
    let zero = if one.zero() < 0 { format!("({})", one.zero()) } else { one.zero().to_string() };
    let scale = float_literal(DType::F32, one.scale().into());
    let _ = writeln!(out, ". */\n#define {upper}_SCALE {scale}\n#define {upper}_ZERO {zero}");
    out
}

/// The prototypes of everything that [`definitions`] defines.
pub(super) fn prototypes(program: &Program) -> String {
    let mut out = String::new();
    for (kind, i, port, end) in ends(program) {
        if end.single().is_none() {
            let (name, n, dtype) = (name(program, kind, i), end.quantizers.len(), c_type(port.ty.dtype));
            let _ = writeln!(
                out,
                "extern const float {name}_scale[{n}];\nextern const {dtype} {name}_zero[{n}];"
            );
        }
        out += match kind {
            "input" => {
                "/* Integers for floats, rounded as ONNX QuantizeLinear does: to nearest, halves to even. NaN is as 0. */\n"
            }
            _ => "/* The floats that integers stand for. */\n",
        };
        let _ = writeln!(out, "{};", head(program, kind, i, port));
    }
    if classes(program).is_some() {
        let _ = writeln!(
            out,
            "/* The place of the largest output, of several the first. */\n{};",
            argmax_head(program)
        );
    }
    if !program.labels.is_empty() {
        let (name, n) = (&program.name, program.labels.len());
        let _ =
            writeln!(out, "/* What the outputs are for. */\nextern const char *const {name}_labels[{n}];");
    }
    if out.is_empty() { out } else { out + "\n" }
}

fn head(program: &Program, kind: &str, i: usize, port: &Port) -> String {
    let (name, dtype) = (&program.name, c_type(port.ty.dtype));
    match kind {
        "input" => format!("void {name}_quantize_input{i}(const float *x, {dtype} *q)"),
        _ => format!("void {name}_dequantize_output{i}(const {dtype} *q, float *y)"),
    }
}

fn argmax_head(program: &Program) -> String {
    format!("int {}_argmax(const {} *output0)", program.name, c_type(program.outputs[0].ty.dtype))
}

/// The functions and tables, which call `helpers`. They are in no section of their own: what nobody uses the linker leaves out.
pub(super) fn definitions(program: &Program, helpers: &mut Helpers) -> String {
    let mut out = String::new();
    for (kind, i, port, end) in ends(program) {
        let name = name(program, kind, i);
        tables(&mut out, &name, kind, port, &end);
        let line = match kind {
            "input" => quantizing(&name, port, &end, helpers),
            _ => dequantizing(&name, &end, helpers),
        };
        let _ = writeln!(out, "\n{}\n{{\n{}}}", head(program, kind, i, port), loops(&end, &line));
    }
    if let Some(n) = classes(program) {
        let _ = writeln!(
            out,
            "\n{}\n{{\n    int best = 0;\n    for (int i = 1; i < {n}; i++) {{\n        if (output0[i] > output0[best]) {{\n            best = i;\n        }}\n    }}\n    return best;\n}}",
            argmax_head(program)
        );
    }
    if !program.labels.is_empty() {
        let all: Vec<String> = program.labels.iter().map(|l| format!("    {}", string(l))).collect();
        let _ = writeln!(
            out,
            "\nconst char *const {}_labels[{}] = {{\n{}\n}};",
            program.name,
            all.len(),
            all.join(",\n")
        );
    }
    out
}

/// Scales and zero points that differ.
fn tables(out: &mut String, name: &str, kind: &str, port: &Port, end: &End) {
    if end.single().is_some() {
        return;
    }
    let n = end.quantizers.len();
    let list =
        |of: &dyn Fn(&Quantizer) -> String| end.quantizers.iter().map(of).collect::<Vec<_>>().join(", ");
    let scales = list(&|q| float_literal(DType::F32, q.scale().into()));
    let zeros = list(&|q| q.zero().to_string());
    let _ = writeln!(out, "\nconst float {name}_scale[{n}] = {{{scales}}};");
    let _ = writeln!(out, "const {} {name}_zero[{n}] = {{{zeros}}};", c_type(port.ty.dtype));
    if kind == "input" {
        let (f, steps) = (end.factor, |q: &Quantizer| {
            format!("{{{:#x}u, {}u}}", q.scale_bits(end.factor), q.reciprocal(end.factor))
        });
        let note = if f == 1.0 { String::new() } else { format!(" times {f:e}") };
        let _ = writeln!(out, "/* The bits of the scales{note}, and their reciprocals. */");
        let _ = writeln!(out, "static const uint32_t {name}_steps[{n}][2] = {{{}}};", list(&steps));
    }
}

/// The statement that makes an integer of a float.
fn quantizing(name: &str, port: &Port, end: &End, helpers: &mut Helpers) -> String {
    let first = end.quantizers[0];
    let x = match end.factor {
        1.0 => "x[i]".to_string(),
        f => format!("x[i] * {}", float_literal(DType::F32, f.into())),
    };
    let function = helpers.need(Helper::Quantize(first.bits()));
    let value = match end.single() {
        Some(one) => call(&function, one, end.factor, &x),
        None => {
            let (low, high) = first.range();
            format!("{function}({x}, {name}_steps[j][0], {name}_steps[j][1], {name}_zero[j], {low}, {high})")
        }
    };
    format!("q[i] = ({}){value};", c_type(port.ty.dtype))
}

/// The statement that makes a float of an integer.
fn dequantizing(name: &str, end: &End, helpers: &mut Helpers) -> String {
    let (steps, scale) = match end.single() {
        Some(one) => {
            let steps = match one.zero() {
                0 => "q[i]".into(),
                zero @ ..0 => format!("q[i] + {}", -zero),
                zero => format!("q[i] - {zero}"),
            };
            (steps, float_literal(DType::F32, one.scale().into()))
        }
        None => (format!("q[i] - {name}_zero[j]"), format!("{name}_scale[j]")),
    };
    if end.has_short_products() {
        return format!("y[i] = {}({steps}, {scale});", helpers.need(Helper::Scaled));
    }
    let steps = if steps.contains(' ') { format!("({steps})") } else { steps };
    format!("y[i] = (float){steps} * {scale};")
}

/// The statement for every element `i`, `j` being the place of its scale.
fn loops(end: &End, line: &str) -> String {
    let n = end.quantizers.len();
    if n == 1 {
        return format!("    for (int i = 0; i < {}; i++) {{\n        {line}\n    }}\n", end.inner);
    }
    format!(
        "    int i = 0;
    for (int o = 0; o < {}; o++) {{
        for (int j = 0; j < {n}; j++) {{
            for (int k = 0; k < {}; k++, i++) {{
                {line}
            }}
        }}
    }}
",
        end.outer, end.inner
    )
}

/// A string literal: bytes outside of ASCII in octal digits, and no trigraphs.
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        let _ = match byte {
            b'"' | b'\\' | b'?' => write!(out, "\\{}", byte as char),
            b' '..=b'~' => write!(out, "{}", byte as char),
            _ => write!(out, "\\{byte:03o}"),
        };
    }
    out + "\""
}
