//! A program that runs the generated code on samples and compares.

use super::Options;
use super::data::{elements, literal, zero};
use super::entry::takes_arena;
use super::names::Names;
use crate::plan;
use crate::program::Program;
use crate::{Extent, Sample};
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
    for (s, sample) in samples.iter().enumerate() {
        for (kind, ports, values) in
            [("INPUT", &program.inputs, &sample.inputs), ("EXPECTED", &program.outputs, &sample.outputs)]
        {
            assert_eq!(ports.len(), values.len(), "a sample has a value for every port");
            for (i, (p, v)) in ports.iter().zip(values).enumerate() {
                assert_eq!(p.ty, v.ty(), "{kind} {i} of a sample");
                let held = if kind == "INPUT" { extent.of_input(v) } else { extent.of_output(v) };
                let _ = writeln!(out, "static {kind}{i}_{s}: [{}; {}] = [", p.ty.dtype, held.len());
                if !held.is_empty() {
                    elements(out, &held, "    ");
                }
                out.push_str("];\n");
            }
        }
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
