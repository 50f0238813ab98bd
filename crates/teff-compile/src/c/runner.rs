//! A program that runs the generated code on whatever inputs it is given.

use super::expr::c_type;
use super::{ArenaOwner, Options};
use crate::program::Program;
use std::fmt::Write;

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
