//! A program that runs the generated code on samples and compares.

use super::data::{elements, float_literal};
use super::expr::c_type;
use super::{ArenaOwner, Options};
use crate::Sample;
use crate::program::Program;
use std::fmt::Write;
use teff_graph::DType;

/// `NAME_selftest.c`: a `main` that runs every sample, prints the largest difference, and returns 0 when all outputs fit: integers
/// equal, floats within `tolerance * max(1, |expected|)`, NaN where NaN is expected.
///
/// # Panics
/// When a sample's types are not those of the program.
pub fn selftest(program: &Program, options: &Options, samples: &[Sample], tolerance: f64) -> String {
    let name = &program.name;
    let mut out =
        format!("/* Runs {name} on {} samples and compares with the outputs expected. */\n", samples.len());
    let _ = writeln!(out, "#include \"{name}.h\"\n\n#include <math.h>\n#include <stdio.h>\n");
    for (s, sample) in samples.iter().enumerate() {
        for (kind, ports, values) in
            [("input", &program.inputs, &sample.inputs), ("output", &program.outputs, &sample.outputs)]
        {
            assert_eq!(ports.len(), values.len(), "a sample has a value for every {kind}");
            for (i, (p, v)) in ports.iter().zip(values).enumerate() {
                assert_eq!(p.ty, v.ty(), "{kind} {i} of a sample");
                let expected = if kind == "input" { "input" } else { "expected" };
                if v.is_empty() {
                    let _ =
                        writeln!(out, "static const {} {expected}{i}_{s}[1] = {{0}};", c_type(p.ty.dtype));
                    continue;
                }
                let _ =
                    writeln!(out, "static const {} {expected}{i}_{s}[{}] = {{", c_type(p.ty.dtype), v.len());
                elements(&mut out, v, "    ");
                out.push_str("};\n");
            }
        }
    }
    for (i, p) in program.outputs.iter().enumerate() {
        let _ = writeln!(out, "static {} output{i}[{}];", c_type(p.ty.dtype), p.ty.len().max(1));
    }
    if options.arena == ArenaOwner::Caller {
        // Units of 8 bytes: aligned for every type.
        let _ = writeln!(out, "static uint64_t arena[{}];", program.arena.bytes.div_ceil(8).max(1));
    }
    out.push('\n');
    out += "static double largest;\nstatic int failures;\n\n";
    let mut kinds: Vec<DType> = program.outputs.iter().map(|p| p.ty.dtype).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.iter().for_each(|&d| out += &comparison(d, tolerance));
    out += "int main(void)\n{\n";
    for s in 0..samples.len() {
        let mut list: Vec<String> = (0..program.inputs.len()).map(|i| format!("input{i}_{s}")).collect();
        list.extend((0..program.outputs.len()).map(|i| format!("output{i}")));
        if options.arena == ArenaOwner::Caller {
            list.push("arena".into());
        }
        let _ = writeln!(out, "    {name}({});", list.join(", "));
        for (i, p) in program.outputs.iter().enumerate() {
            let _ = writeln!(
                out,
                "    compare_{}(\"sample {s}, output{i}\", output{i}, expected{i}_{s}, {});",
                p.ty.dtype,
                p.ty.len()
            );
        }
    }
    let _ = writeln!(
        out,
        "    printf(\"{name}: {} samples, largest difference %g, %d wrong\\n\", largest, failures);",
        samples.len()
    );
    out += "    return failures == 0 ? 0 : 1;\n}\n";
    out
}

fn comparison(d: DType, tolerance: f64) -> String {
    let t = c_type(d);
    let wrong = if d.is_float() {
        let bound = float_literal(DType::F64, tolerance);
        format!("isnan(a) != isnan(b) || (a != b && fabs(a - b) > {bound} * fmax(1.0, fabs(b)))")
    } else {
        "got[i] != expected[i]".into()
    };
    format!(
        "static void compare_{d}(const char *what, const {t} *got, const {t} *expected, int n)\n{{\n    for (int i = 0; i < n; i++) {{\n        const double a = (double)got[i], b = (double)expected[i];\n        if (fabs(a - b) > largest) {{\n            largest = fabs(a - b);\n        }}\n        if ({wrong}) {{\n            printf(\"%s[%d]: %.9g, expected %.9g\\n\", what, i, a, b);\n            failures++;\n        }}\n    }}\n}}\n\n"
    )
}
