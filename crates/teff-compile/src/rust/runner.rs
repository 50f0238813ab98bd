//! A program that runs the generated code on whatever inputs it is given.

use super::Options;
use super::data::zero;
use super::entry::takes_arena;
use super::names::Names;
use crate::plan;
use crate::program::Program;
use std::fmt::Write;
use teff_graph::DType;

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
    for (kind, ports) in [("input", &program.inputs), ("output", &program.outputs)] {
        for (i, p) in ports.iter().enumerate() {
            let zero = zero(p.ty.dtype);
            let _ = writeln!(out, "    let mut {kind}{i} = Box::new([{zero}; {}]);", len(p.buffer));
            arguments.push(if kind == "input" { format!("&input{i}") } else { format!("&mut output{i}") });
        }
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
