//! A program that runs the generated code on samples and compares.

use super::Options;
use super::data::{elements, literal};
use super::entry::takes_arena;
use super::names::Names;
use crate::Sample;
use crate::plan;
use crate::program::Program;
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
    let mut out =
        format!("//! Runs {name} on {} samples and compares with the outputs expected.\n\n", samples.len());
    // Names of networks may be of any case.
    let _ = writeln!(out, "#[allow(non_snake_case)]\nmod {name};\n");
    for (s, sample) in samples.iter().enumerate() {
        for (kind, ports, values) in
            [("INPUT", &program.inputs, &sample.inputs), ("EXPECTED", &program.outputs, &sample.outputs)]
        {
            assert_eq!(ports.len(), values.len(), "a sample has a value for every port");
            for (i, (p, v)) in ports.iter().zip(values).enumerate() {
                assert_eq!(p.ty, v.ty(), "{kind} {i} of a sample");
                let _ = writeln!(out, "static {kind}{i}_{s}: [{}; {}] = [", p.ty.dtype, v.len());
                if !v.is_empty() {
                    elements(&mut out, v, "    ");
                }
                out.push_str("];\n");
            }
        }
    }
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
        let fits = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= bound * b.abs().max(1.0);
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
        let zero = literal(p.ty.dtype, if p.ty.dtype.is_float() { Num::Float(0.0) } else { Num::Int(0) });
        let _ = writeln!(
            out,
            "    let mut output{i} = [{zero}; {name}::{}_LEN];",
            names.buffers[p.buffer.index()].to_uppercase()
        );
    }
    for s in 0..samples.len() {
        let mut list: Vec<String> = (0..program.inputs.len()).map(|i| format!("&INPUT{i}_{s}")).collect();
        list.extend((0..program.outputs.len()).map(|i| format!("&mut output{i}")));
        if takes_arena(program, options) {
            list.push("&mut arena".into());
        }
        let _ = writeln!(out, "    {name}::{name}({});", list.join(", "));
        for (i, p) in program.outputs.iter().enumerate() {
            let widened = |place: String| match p.ty.dtype {
                DType::Bool => format!("{place}.iter().map(|&x| f64::from(x))"),
                _ => format!("{place}.iter().map(|&x| x as f64)"),
            };
            // Integers differ by at least 1 unless they are beyond 2^53; then equality of floats is all that is asked.
            let bound = if p.ty.dtype.is_float() { bound.as_str() } else { "0.0" };
            let (got, expected) = (widened(format!("output{i}")), widened(format!("EXPECTED{i}_{s}")));
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
