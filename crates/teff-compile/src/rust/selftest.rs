//! Programs around the generated code: one runs it on samples and compares, one on whatever inputs it is given.

use super::Options;
use super::data::{elements, literal, zero};
use super::entry::takes_arena;
use super::names::Names;
use crate::program::Program;
use crate::{Extent, Sample, plan};
use std::fmt::Write;
use teff_graph::{DType, Num};

/// `NAME_selftest.rs`: a program for the host, beside `NAME.rs`. It runs every sample, prints the largest difference, and returns 0
/// when all outputs fit: integers equal, floats within `tolerance * max(1, |expected|)`, NaN where NaN is expected.
///
/// # Panics
/// When a sample's types are not those of the program.
pub fn selftest(program: &Program, options: &Options, samples: &[Sample], tolerance: f64) -> String {
    let program = &plan::by_type(program);
    let names = Names::new(program);
    let name = &program.name;
    let extent = Extent::new(program, samples.len());
    let mut out = format!(
        "//! Runs {name} on {} samples and compares with the outputs expected.{}\n\n",
        samples.len(),
        extent.about()
    );
    // Names of networks may be of any case.
    let _ = writeln!(out, "#[allow(non_snake_case)]\nmod {name};\n");
    tables(&mut out, program, &extent, samples);
    let bound = literal(DType::F64, Num::Float(tolerance));
    let _ =
        writeln!(out, "\n/// Prints the elements that do not fit; their number, and the largest difference.");
    let _ = writeln!(
        out,
        "fn compare(what: &str, got: impl Iterator<Item = f64>, expected: impl Iterator<Item = f64>, bound: f64) -> (usize, f64) {{"
    );
    out += "    let (mut wrong, mut largest) = (0, 0.0f64);
    for (i, (a, b)) in got.zip(expected).enumerate() {
        largest = largest.max((a - b).abs());
        let fits = a == b || a.is_nan() && b.is_nan() || b.is_finite() && (a - b).abs() <= bound * b.abs().max(1.0);
        if !fits {
            println!(\"{what}[{i}]: {a}, expected {b}\");
            wrong += 1;
        }
    }
    (wrong, largest)
}

";
    out += "fn main() -> std::process::ExitCode {\n    let mut results = Vec::new();\n";
    if takes_arena(program, options) {
        let _ = writeln!(out, "    let mut arena = Box::new({name}::Arena::new());");
    }
    for (i, p) in program.outputs.iter().enumerate() {
        let zero = zero(p.ty.dtype);
        let _ = writeln!(
            out,
            "    let mut output{i} = [{zero}; {name}::{}_LEN];",
            names.buffers[p.buffer.index()].to_uppercase()
        );
    }
    for s in 0..samples.len() {
        let mut list = inputs(&mut out, program, &extent, s, &samples[s]);
        list.extend((0..program.outputs.len()).map(|i| format!("&mut output{i}")));
        if takes_arena(program, options) {
            list.push("&mut arena".into());
        }
        let _ = writeln!(out, "    {name}::{name}({});", list.join(", "));
        for (i, p) in program.outputs.iter().enumerate() {
            let widened = |place: String| match p.ty.dtype {
                DType::Bool => format!("{place}.map(|&x| f64::from(x))"),
                _ => format!("{place}.map(|&x| x as f64)"),
            };
            // Integers differ by at least 1 unless they are beyond 2^53; then equality of floats is all that is asked.
            let bound = if p.ty.dtype.is_float() { bound.as_str() } else { "0.0" };
            let compared = match extent.step() {
                1 => format!("output{i}.iter()"),
                step => format!("output{i}.iter().step_by({step})"),
            };
            let (got, expected) = (widened(compared), widened(format!("EXPECTED{i}_{s}.iter()")));
            let _ = writeln!(
                out,
                "    results.push(compare(\"sample {s}, output{i}\", {got}, {expected}, {bound}));"
            );
        }
    }
    let _ = writeln!(
        out,
        "    let wrong: usize = results.iter().map(|r| r.0).sum();
    let largest = results.iter().fold(0.0f64, |m, r| m.max(r.1));
    println!(\"{name}: {} samples, largest difference {{largest}}, {{wrong}} wrong\");
    std::process::ExitCode::from((wrong > 0) as u8)\n}}",
        samples.len()
    );
    out
}

/// The inputs and expected outputs of all samples.
fn tables(out: &mut String, program: &Program, extent: &Extent, samples: &[Sample]) {
    for (s, kind, i, v, held) in extent.held(program, samples) {
        let name = if kind == "input" { "INPUT" } else { "EXPECTED" };
        let _ = writeln!(out, "static {name}{i}_{s}: [{}; {}] = [", v.dtype(), held.len());
        if !held.is_empty() {
            elements(out, &held, "    ");
        }
        out.push_str("];\n");
    }
}

/// What the network is given of sample `s`, after statements that put inputs together of which the first elements are held.
fn inputs(out: &mut String, program: &Program, extent: &Extent, s: usize, sample: &Sample) -> Vec<String> {
    let mut list = Vec::new();
    for (i, (p, v)) in program.inputs.iter().zip(&sample.inputs).enumerate() {
        let held = extent.of_input(v).len();
        if held == v.len() {
            list.push(format!("&INPUT{i}_{s}"));
            continue;
        }
        // It repeats what is held.
        let _ = writeln!(
            out,
            "    let input{i}: Vec<{}> = (0..{}).map(|k| INPUT{i}_{s}[k % {held}]).collect();",
            p.ty.dtype,
            v.len()
        );
        list.push(format!("input{i}[..].try_into().expect(\"as long as the input\")"));
    }
    list
}

/// `NAME_run.rs`, beside `NAME.rs`: a program whose one argument says how many times to run. Each time it reads all inputs from
/// standard input and writes all outputs to standard output, little-endian, one behind the other; in the end it writes the seconds
/// spent in the network, an `f64`.
pub fn runner(program: &Program, options: &Options) -> String {
    let program = &plan::by_type(program);
    let names = Names::new(program);
    let name = &program.name;
    let mut out = format!("//! Runs {name} on what comes in on standard input.\n\n");
    // Names of networks may be of any case.
    let _ = writeln!(out, "#[allow(non_snake_case)]\nmod {name};\n\nuse std::io::{{Read, Write}};\n");
    let len = |buffer: crate::program::BufferId| {
        format!("{name}::{}_LEN", names.buffers[buffer.index()].to_uppercase())
    };
    out += "fn main() -> std::io::Result<()> {\n    let times = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1);\n";
    out += "    let mut from = std::io::stdin().lock();\n    let mut to = std::io::BufWriter::new(std::io::stdout().lock());\n    let mut seconds = 0.0f64;\n";
    if takes_arena(program, options) {
        let _ = writeln!(out, "    let mut arena = Box::new({name}::Arena::new());");
    }
    let mut arguments = Vec::new();
    for (kind, i, p) in program.ports() {
        let zero = zero(p.ty.dtype);
        let _ = writeln!(out, "    let mut {kind}{i} = Box::new([{zero}; {}]);", len(p.buffer));
        arguments.push(if kind == "input" { format!("&input{i}") } else { format!("&mut output{i}") });
    }
    if takes_arena(program, options) {
        arguments.push("&mut arena".into());
    }
    out += "    for _ in 0..times {\n";
    for (i, p) in program.inputs.iter().enumerate() {
        let value = match p.ty.dtype {
            DType::Bool => "bytes[0] != 0".into(),
            d => format!("{d}::from_le_bytes(bytes)"),
        };
        let _ = writeln!(
            out,
            "        for x in input{i}.iter_mut() {{\n            let mut bytes = [0; {}];\n            from.read_exact(&mut bytes)?;\n            *x = {value};\n        }}",
            p.ty.dtype.size()
        );
    }
    let _ = write!(
        out,
        "        let start = std::time::Instant::now();\n        {name}::{name}({});\n        seconds += start.elapsed().as_secs_f64();\n",
        arguments.join(", ")
    );
    for (i, p) in program.outputs.iter().enumerate() {
        let bytes = if p.ty.dtype == DType::Bool { "&[u8::from(*x)]" } else { "&x.to_le_bytes()" };
        let _ = writeln!(
            out,
            "        for x in output{i}.iter() {{\n            to.write_all({bytes})?;\n        }}"
        );
    }
    out += "    }\n    to.write_all(&seconds.to_le_bytes())?;\n    to.flush()\n}\n";
    out
}
