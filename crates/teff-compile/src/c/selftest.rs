//! Programs around the generated code: one runs it on samples and compares, one on whatever inputs it is given.

use super::data::{elements, float_literal};
use super::expr::c_type;
use super::{ArenaOwner, Options};
use crate::program::Program;
use crate::{Extent, Sample};
use std::fmt::Write;
use teff_graph::DType;

/// `NAME_selftest.c`: a `main` that runs every sample, prints the largest difference, and returns 0 when all outputs fit: integers
/// equal, floats within `tolerance * max(1, |expected|)`, NaN where NaN is expected.
///
/// # Panics
/// When a sample's types are not those of the program.
pub fn selftest(program: &Program, options: &Options, samples: &[Sample], tolerance: f64) -> String {
    let name = &program.name;
    let extent = Extent::new(program, samples.len());
    let mut out = format!(
        "/* Runs {name} on {} samples and compares with the outputs expected.{} */\n",
        samples.len(),
        extent.about()
    );
    let _ = writeln!(out, "#include \"{name}.h\"\n\n#include <math.h>\n#include <stdio.h>\n");
    let fill = tables(&mut out, program, &extent, samples);
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
    kinds.iter().for_each(|&d| out += &comparison(d, tolerance, extent.step()));
    let _ = write!(out, "int main(void)\n{{\n{fill}");
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
                p.ty.len().div_ceil(extent.step())
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

/// The inputs and expected outputs of all samples; statements that put inputs together of which the first elements are held.
fn tables(out: &mut String, program: &Program, extent: &Extent, samples: &[Sample]) -> String {
    let mut fill = String::new();
    for (s, kind, i, v, held) in extent.held(program, samples) {
        let (c_type, is_input) = (c_type(v.dtype()), kind == "input");
        let own = if is_input { "input" } else { "expected" };
        if v.is_empty() {
            let _ = writeln!(out, "static const {c_type} {own}{i}_{s}[1] = {{0}};");
            continue;
        }
        let name = if is_input && held.len() < v.len() {
            let _ = writeln!(out, "static {c_type} {own}{i}_{s}[{}];", v.len());
            fill += &format!(
                "    for (int k = 0; k < {}; k++) {{\n        {own}{i}_{s}[k] = first{i}_{s}[k % {}];\n    }}\n",
                v.len(),
                held.len()
            );
            "first"
        } else {
            own
        };
        let _ = writeln!(out, "static const {c_type} {name}{i}_{s}[{}] = {{", held.len());
        elements(out, &held, "    ");
        out.push_str("};\n");
    }
    fill
}

/// Of every `step` elements the first is compared.
fn comparison(d: DType, tolerance: f64, step: usize) -> String {
    let t = c_type(d);
    let (got, index) = match step {
        1 => ("got[i]".to_string(), "i".to_string()),
        _ => (format!("got[i * {step}]"), format!("i * {step}")),
    };
    let wrong = if d.is_float() {
        let bound = float_literal(DType::F64, tolerance);
        // No number is near an infinity.
        format!(
            "isnan(a) != isnan(b) || (a != b && !isnan(a) && (isinf(b) || fabs(a - b) > {bound} * fmax(1.0, fabs(b))))"
        )
    } else {
        format!("{got} != expected[i]")
    };
    format!(
        "static void compare_{d}(const char *what, const {t} *got, const {t} *expected, int n)\n{{\n    for (int i = 0; i < n; i++) {{\n        const double a = (double){got}, b = (double)expected[i];\n        if (fabs(a - b) > largest) {{\n            largest = fabs(a - b);\n        }}\n        if ({wrong}) {{\n            printf(\"%s[%d]: %.9g, expected %.9g\\n\", what, {index}, a, b);\n            failures++;\n        }}\n    }}\n}}\n\n"
    )
}

/// `NAME_run.c`: a `main` whose one argument says how many times to run. Each time it reads all inputs from standard input and writes
/// all outputs to standard output, as they lie in memory, one behind the other; in the end it writes the seconds spent in the network,
/// a `double`. It returns 0 when everything could be read and written.
pub fn runner(program: &Program, options: &Options) -> String {
    let name = &program.name;
    let mut out = format!("/* Runs {name} on what comes in on standard input. */\n#include \"{name}.h\"\n\n");
    out += "#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>\n\n";
    let ports = |kind: &'static str, ports: &[crate::program::Port]| -> Vec<(String, &'static str, usize)> {
        ports
            .iter()
            .enumerate()
            .map(|(i, p)| (format!("{kind}{i}"), c_type(p.ty.dtype), p.ty.len()))
            .collect()
    };
    let inputs = ports("input", &program.inputs);
    let outputs = ports("output", &program.outputs);
    for (port, c_type, len) in inputs.iter().chain(&outputs) {
        let _ = writeln!(out, "static {c_type} {port}[{}];", (*len).max(1));
    }
    let mut arguments: Vec<&str> = inputs.iter().chain(&outputs).map(|(port, ..)| &**port).collect();
    if options.arena == ArenaOwner::Caller {
        // Units of 8 bytes: aligned for every type.
        let _ = writeln!(out, "static uint64_t arena[{}];", program.arena.bytes.div_ceil(8).max(1));
        arguments.push("arena");
    }
    out += "\nint main(int argc, char **argv)\n{\n    const long times = argc > 1 ? strtol(argv[1], NULL, 10) : 1;\n";
    out += "    double seconds = 0;\n    for (long i = 0; i < times; i++) {\n";
    let transfer = |out: &mut String, f: &str, stream: &str, ports: &[(String, &str, usize)]| {
        for (port, _, len) in ports {
            let _ = writeln!(
                out,
                "        if ({f}({port}, sizeof {port}[0], {len}, {stream}) != {len}) {{\n            return 1;\n        }}"
            );
        }
    };
    transfer(&mut out, "fread", "stdin", &inputs);
    let _ = write!(
        out,
        "        const clock_t start = clock();\n        {name}({});\n        seconds += (double)(clock() - start) / CLOCKS_PER_SEC;\n",
        arguments.join(", ")
    );
    transfer(&mut out, "fwrite", "stdout", &outputs);
    out += "    }\n    return fwrite(&seconds, sizeof seconds, 1, stdout) == 1 ? 0 : 1;\n}\n";
    out
}
