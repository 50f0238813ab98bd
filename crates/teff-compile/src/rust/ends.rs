//! What callers need beside the network: from floats to its integers and back, the class it says.

use super::data::literal;
use super::names::Names;
use crate::printing::{End, classes, ends};
use crate::program::{Port, Program, Quantizer};
use std::collections::BTreeSet;
use std::fmt::Write;
use teff_graph::{DType, Num};

const UNUSED: &str = "#[allow(dead_code)]\n";

/// A call of a function of `mod math` that does as a [`Quantizer`] says, which is noted.
pub(super) fn call(math: &mut BTreeSet<String>, to: Quantizer, factor: f32, x: &str) -> String {
    let (low, high) = to.range();
    let (scale, reciprocal) = (to.scale_bits(factor), to.reciprocal(factor));
    format!("{}({x}, {scale:#x}, {reciprocal}, {}, {low}, {high})", function(math, to), to.zero())
}

fn function(math: &mut BTreeSet<String>, to: Quantizer) -> String {
    let name = format!("quantize_{}", to.bits());
    math.insert(name.clone());
    name
}

/// Constants and functions; the functions of `mod math` that they call are noted.
pub(super) fn definitions(program: &Program, names: &Names, math: &mut BTreeSet<String>) -> String {
    let mut out = String::new();
    for (kind, _, port, end) in ends(program) {
        let name = &names.buffers[port.buffer.index()];
        constants(&mut out, name, port, &end);
        if kind == "input" {
            quantizing(&mut out, name, port, &end, math)
        } else {
            dequantizing(&mut out, name, port, &end, math)
        }
    }
    if let (Some(n), [output]) = (classes(program), &program.outputs[..]) {
        let (name, dtype) = (&names.buffers[output.buffer.index()], output.ty.dtype);
        let _ = writeln!(
            out,
            "/// The place of the largest output, of several the first.\n{UNUSED}pub fn argmax({name}: &[{dtype}; {}_LEN]) -> usize {{\n    (1..{n}).fold(0, |best, i| if {name}[i] > {name}[best] {{ i }} else {{ best }})\n}}\n",
            name.to_uppercase()
        );
    }
    if !program.labels.is_empty() {
        let all: Vec<String> = program.labels.iter().map(|l| format!("    {l:?},\n")).collect();
        let _ = writeln!(
            out,
            "/// What the outputs are for.\n{UNUSED}pub const LABELS: [&str; {}] = [\n{}];\n",
            all.len(),
            all.concat()
        );
    }
    out
}

fn constants(out: &mut String, name: &str, port: &Port, end: &End) {
    let (upper, dtype) = (name.to_uppercase(), port.ty.dtype);
    let scale = |q: &Quantizer| literal(DType::F32, Num::Float(q.scale().into()));
    let zero = |q: &Quantizer| q.zero().to_string();
    let list = |of: &dyn Fn(&Quantizer) -> String| {
        let all: Vec<String> = end.quantizers.iter().map(of).collect();
        if all.len() == 1 { all[0].clone() } else { format!("[{}]", all.join(", ")) }
    };
    let n = end.quantizers.len();
    let of = |t: &str| if n == 1 { t.to_string() } else { format!("[{t}; {n}]") };
    let which = match (n, end.inner) {
        (1, _) => String::new(),
        (_, 1) => format!(", element `i % {n}` of each for element `i`"),
        (_, inner) => format!(", element `i / {inner} % {n}` of each for element `i`"),
    };
    let _ = writeln!(
        out,
        "/// Element q of {name} stands for (q - [`{upper}_ZERO`]) * [`{upper}_SCALE`]{which}.\n#[allow(dead_code, clippy::approx_constant)]\npub const {upper}_SCALE: {} = {};\n/// The integer that stands for 0.\n{UNUSED}pub const {upper}_ZERO: {} = {};\n",
        of("f32"),
        list(&scale),
        of(dtype.name()),
        list(&zero)
    );
}

fn quantizing(out: &mut String, name: &str, port: &Port, end: &End, math: &mut BTreeSet<String>) {
    let (upper, dtype, first) = (name.to_uppercase(), port.ty.dtype, end.quantizers[0]);
    let x = match end.factor {
        1.0 => "x".to_string(),
        f => format!("x * {}", literal(DType::F32, Num::Float(f.into()))),
    };
    let (steps, value) = match end.single() {
        Some(one) => (String::new(), call(math, one, end.factor, &x)),
        None => {
            let step =
                |q: &Quantizer| format!("({:#x}, {})", q.scale_bits(end.factor), q.reciprocal(end.factor));
            let all: Vec<String> = end.quantizers.iter().map(step).collect();
            let (low, high) = first.range();
            (
                format!(
                    "    // The bits of the scales, and their reciprocals.\n    const STEPS: [(u32, u32); {}] = [{}];\n",
                    all.len(),
                    all.join(", ")
                ),
                format!(
                    "{}({x}, STEPS[j].0, STEPS[j].1, {upper}_ZERO[j].into(), {low}, {high})",
                    function(math, first)
                ),
            )
        }
    };
    let _ = writeln!(
        out,
        "/// Integers for floats, rounded as ONNX QuantizeLinear does: to nearest, halves to even. NaN is as 0.\n{UNUSED}pub fn quantize_{name}(x: &[f32; {upper}_LEN], q: &mut [{dtype}; {upper}_LEN]) {{\n{steps}{}}}\n",
        loops(end, ["q", "x"], &format!("*q = math::{value} as {dtype};"))
    );
}

fn dequantizing(out: &mut String, name: &str, port: &Port, end: &End, math: &mut BTreeSet<String>) {
    let (upper, dtype) = (name.to_uppercase(), port.ty.dtype);
    let at = if end.single().is_some() { "" } else { "[j]" };
    let (steps, scale) =
        (format!("i32::from(q) - i32::from({upper}_ZERO{at})"), format!("{upper}_SCALE{at}"));
    let line = if end.has_short_products() {
        math.insert("dequantize_8".into());
        format!("*y = math::dequantize_8({steps}, {scale});")
    } else {
        format!("*y = ({steps}) as f32 * {scale};")
    };
    let _ = writeln!(
        out,
        "/// The floats that integers stand for.\n{UNUSED}pub fn dequantize_{name}(q: &[{dtype}; {upper}_LEN], y: &mut [f32; {upper}_LEN]) {{\n{}}}\n",
        loops(end, ["y", "q"], &line)
    );
}

/// The statement for every element `to`, a reference, and `from`; `j` is the place of its scale.
fn loops(end: &End, [to, from]: [&str; 2], line: &str) -> String {
    let n = end.quantizers.len();
    if n == 1 {
        return format!(
            "    for ({to}, &{from}) in {to}.iter_mut().zip({from}) {{\n        {line}\n    }}\n"
        );
    }
    let (all, inner) = (n * end.inner, end.inner);
    let pairs = |count: usize| format!("{to}.chunks_exact_mut({count}).zip({from}.chunks_exact({count}))");
    format!(
        "    for ({to}, {from}) in {} {{
        for (j, ({to}, {from})) in {}.enumerate() {{
            for ({to}, &{from}) in {to}.iter_mut().zip({from}) {{
                {line}
            }}
        }}
    }}
",
        pairs(all),
        pairs(inner)
    )
}
