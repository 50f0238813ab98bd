//! Compiling and running generated Rust: many networks in one `no_std` library without `unsafe`, and a program that calls them.

use super::c::{Case, Scratch, has, run, text};
use std::fmt::Write;
use std::process::Command;
use teff_compile::{Program, rust};
use teff_graph::{DType, Num, Value};

/// A network and the inputs it runs on.
pub struct Net<'a> {
    /// Its name is that of no other network in the batch.
    pub program: &'a Program,
    pub inputs: &'a [Value],
}

/// How rustc is called when time counts: every check, no optimisation.
pub const UNOPTIMISED: &[&str] = &[];

/// How rustc is called: overflow and every index outside end the program.
pub const CHECKED: &[&str] = &["-O", "-C", "debug-assertions=on"];

/// The options that network `i` of a batch is printed with: without `unsafe`, unless it asks for a section anyway.
fn options(program: &Program, i: usize) -> rust::Options {
    let portable = program.sram_bytes() == 0;
    let arena = if i.is_multiple_of(2) { rust::ArenaOwner::Caller } else { rust::ArenaOwner::Stack };
    rust::Options { arena, portable, sram_code: !portable }
}

/// Writes the networks as `nets.rs`, a library that may use nothing but `core`, and no `unsafe` but where a file allows it itself.
pub fn write_library<'a>(scratch: &Scratch, programs: impl Iterator<Item = &'a Program> + Clone) {
    let level = if programs.clone().all(|p| options(p, 0).portable) { "forbid" } else { "deny" };
    let mut library = format!("#![no_std]\n#![{level}(unsafe_code)]\n");
    for (i, program) in programs.enumerate() {
        scratch.write(&format!("{}.rs", program.name), &rust::print(program, &options(program, i)));
        let _ = writeln!(library, "pub mod {};", program.name);
    }
    scratch.write("nets.rs", &library);
}

/// What each network gives, or what went wrong: a warning, a panic.
pub fn outputs(nets: &[Net], flags: &[&str]) -> Vec<Result<Vec<Value>, String>> {
    let scratch = Scratch::new();
    write_library(&scratch, nets.iter().map(|n| n.program));
    let mut main = String::from(HARNESS);
    let mut calls = String::new();
    let mut inputs = Vec::new();
    for (i, net) in nets.iter().enumerate() {
        main += &call(net.program, i);
        let _ = writeln!(calls, "    run(call{i}, &mut given, &mut outputs);");
        net.inputs.iter().for_each(|v| inputs.extend(v.to_le_bytes()));
    }
    let _ = write!(
        main,
        "fn main() {{\n    let inputs = std::fs::read(\"inputs\").unwrap();\n    let mut given = &inputs[..];\n    let mut outputs = Vec::new();\n{calls}    std::fs::write(\"outputs\", outputs).unwrap();\n}}\n"
    );
    scratch.write("main.rs", &main);
    std::fs::write(scratch.0.join("inputs"), inputs).unwrap();
    if let Err(said) = build(&scratch, flags) {
        return match nets {
            [_] => vec![Err(said)],
            // The others of the batch are none the worse for it.
            _ => nets.chunks(nets.len().div_ceil(2)).flat_map(|half| outputs(half, flags)).collect(),
        };
    }
    let ran = run(&scratch.0, &mut Command::new("./run"));
    assert!(ran.status.success(), "{:?}\n{}", ran.status, text(&ran));
    let bytes = std::fs::read(scratch.0.join("outputs")).unwrap();
    let mut rest = &bytes[..];
    let said = text(&ran);
    nets.iter().map(|net| result(net.program, &mut rest).ok_or_else(|| said.clone())).collect()
}

/// The library without a warning, then the program.
fn build(scratch: &Scratch, flags: &[&str]) -> Result<(), String> {
    let library = ["--crate-type", "lib", "nets.rs"];
    let program = ["--extern", "nets=libnets.rlib", "-o", "run", "main.rs"];
    for arguments in [&library[..], &program] {
        let mut command = Command::new("rustc");
        command.args(["--edition", "2021", "-D", "warnings"]).args(flags).args(arguments);
        let built = run(&scratch.0, &mut command);
        if !built.status.success() {
            return Err(text(&built));
        }
    }
    Ok(())
}

/// The next network's outputs, behind a byte that is 1 if there are any.
fn result(program: &Program, rest: &mut &[u8]) -> Option<Vec<Value>> {
    let (&status, mut at) = rest.split_first().expect("a byte for each network");
    if status == 0 {
        *rest = at;
        return None;
    }
    let mut values = Vec::new();
    for port in &program.outputs {
        let (bytes, after) = at.split_at(port.ty.bytes());
        at = after;
        values.push(Value::from_le_bytes(&port.ty, bytes).expect("as many bytes as elements take"));
    }
    *rest = at;
    Some(values)
}

/// A function that reads the inputs, calls the network and writes the outputs.
fn call(program: &Program, i: usize) -> String {
    let name = &program.name;
    let mut out = format!("fn call{i}(_given: &mut &[u8], _outputs: &mut Vec<u8>) {{\n");
    let mut list = Vec::new();
    for (k, p) in program.inputs.iter().enumerate() {
        let _ = writeln!(out, "    let in{k} = array(_given, {});", reader(p.ty.dtype));
        list.push(format!("&in{k}"));
    }
    for (k, p) in program.outputs.iter().enumerate() {
        // What is not written stays what no network computes from these inputs by chance.
        let first = match p.ty.dtype {
            DType::Bool => "true".into(),
            d if d.is_float() => format!("1.0e33{d}"),
            d => format!("0x5b{d}"),
        };
        let _ = writeln!(out, "    let mut out{k} = Box::new([{first}; {}]);", p.ty.len());
        list.push(format!("&mut out{k}"));
    }
    if rust::print(program, &options(program, i)).contains("arena: &mut Arena") {
        let _ = writeln!(out, "    let mut arena = Box::new(nets::{name}::Arena::new());");
        list.push("&mut arena".into());
    }
    let _ = writeln!(out, "    nets::{name}::{name}({});", list.join(", "));
    for (k, p) in program.outputs.iter().enumerate() {
        let bytes = if p.ty.dtype == DType::Bool { "[*x as u8]" } else { "x.to_le_bytes()" };
        let _ = writeln!(out, "    _outputs.extend(out{k}.iter().flat_map(|x| {bytes}));");
    }
    out + "}\n\n"
}

fn reader(dtype: DType) -> String {
    match dtype {
        DType::Bool => "|b: [u8; 1]| b[0] != 0".into(),
        d => format!("{d}::from_le_bytes"),
    }
}

const HARNESS: &str = r#"
#[allow(dead_code)]
fn array<T: std::fmt::Debug, const B: usize, const N: usize>(from: &mut &[u8], read: fn([u8; B]) -> T) -> Box<[T; N]> {
    let (bytes, rest) = from.split_at(N * B);
    *from = rest;
    let all: Vec<T> = bytes.chunks_exact(B).map(|b| read(b.try_into().unwrap())).collect();
    all.into_boxed_slice().try_into().unwrap()
}

fn run(call: fn(&mut &[u8], &mut Vec<u8>), given: &mut &[u8], outputs: &mut Vec<u8>) {
    let before = outputs.len();
    outputs.push(1);
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(given, outputs))).is_err() {
        outputs.truncate(before);
        outputs.push(0);
    }
}

"#;

/// Runs all cases and panics with what differs: floats by more than the case's tolerance, integers at all.
pub fn check(cases: &[Case], flags: &[&str]) {
    let nets: Vec<Net> = cases.iter().map(|c| Net { program: &c.program, inputs: &c.inputs }).collect();
    for (i, (case, result)) in cases.iter().zip(outputs(&nets, flags)).enumerate() {
        let source = || format!("{}\n{}", case.about, rust::print(&case.program, &options(&case.program, i)));
        let got = result.unwrap_or_else(|said| panic!("{}: {said}\n{}", case.program.name, source()));
        for (k, (got, expected)) in got.iter().zip(&case.expected).enumerate() {
            if let Some(difference) = difference(got, expected, case.tolerance) {
                panic!("{} output {k}: {difference}\n{}", case.program.name, source());
            }
        }
    }
}

/// The first element that is too far from what is expected, relative to the largest expected.
fn difference(got: &Value, expected: &Value, tolerance: f64) -> Option<String> {
    let magnitudes = expected.to_f64().into_iter().map(f64::abs).filter(|x| x.is_finite());
    let bound = tolerance * magnitudes.fold(1.0, f64::max);
    let fits = |i: &usize| match (got.get(*i), expected.get(*i)) {
        (Num::Float(a), Num::Float(b)) => a == b || (a - b).abs() <= bound || a.is_nan() && b.is_nan(),
        (a, b) => a == b,
    };
    let i = (0..expected.len()).find(|i| !fits(i))?;
    Some(format!("[{i}] is {:?}, expected {:?}", got.get(i), expected.get(i)))
}

/// Checks that clippy, as it is by default, has nothing to say of the networks, nor that they use what Rust 1.77 does not have.
pub fn lint(programs: &[&Program]) {
    if !has("clippy-driver") {
        return;
    }
    let scratch = Scratch::new();
    write_library(&scratch, programs.iter().copied());
    let newest = if programs.iter().all(|p| options(p, 0).portable) { "1.77" } else { "1.88" };
    scratch.write("clippy.toml", &format!("msrv = \"{newest}\"\n"));
    let mut clippy = Command::new("clippy-driver");
    clippy.env("CLIPPY_CONF_DIR", &scratch.0);
    clippy.args([
        "--edition",
        "2021",
        "-D",
        "warnings",
        "--crate-type",
        "lib",
        "--emit",
        "metadata",
        "nets.rs",
    ]);
    let said = run(&scratch.0, &mut clippy);
    assert!(said.status.success(), "{}", text(&said));
}
