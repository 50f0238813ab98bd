//! Compiling and running generated C.

use super::batch::{Compiler, Net, outputs};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use teff_compile::{Program, c};
use teff_graph::{DType, Num, Value};

/// Flags that generated code promises to pass under.
pub const STRICT: &[&str] =
    &["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// A network with inputs and the outputs they must give.
pub struct Case {
    pub program: Program,
    pub inputs: Vec<Value>,
    pub expected: Vec<Value>,
    /// Relative to the largest magnitude expected; 0 asks for equality.
    pub tolerance: f64,
    /// Printed when it fails.
    pub about: String,
}

/// A directory that goes away with it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("teff-compile-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether a tool is there; says so when it is not.
pub fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

pub fn run(dir: &Path, command: &mut Command) -> Output {
    command.current_dir(dir).output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Compiles all cases with `compiler` and `flags`, runs them, and panics with what differed.
///
/// Programs must have different names. Half of them get the caller's arena.
pub fn check(cases: &[Case], compiler: &str, flags: &[&str]) {
    for (first, arena) in [c::ArenaOwner::Static, c::ArenaOwner::Caller].into_iter().enumerate() {
        let half: Vec<&Case> = cases.iter().skip(first).step_by(2).collect();
        if half.is_empty() {
            continue;
        }
        let net = |c: &&Case| Net { program: c.program.clone(), inputs: c.inputs.clone() };
        let nets: Vec<Net> = half.iter().map(net).collect();
        let results = outputs(&nets, Compiler { name: compiler, flags, arena });
        for (case, result) in half.into_iter().zip(results) {
            let wrong = match &result {
                Ok(got) => got.iter().zip(&case.expected).find_map(|(g, e)| difference(g, e, case.tolerance)),
                Err(said) => Some(said.clone()),
            };
            if let Some(wrong) = wrong {
                let source = c::print(&case.program, &c::Options { arena, ..Default::default() }).source;
                panic!("{compiler} {flags:?}: {}: {wrong}\n{}\n{source}", case.program.name, case.about);
            }
        }
    }
}

/// Why `got` is not within `tolerance` times the largest magnitude of `expected`, or, for integers, not equal to it.
fn difference(got: &Value, expected: &Value, tolerance: f64) -> Option<String> {
    let largest = expected.to_f64().iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(1.0, f64::max);
    let is_close = |i: usize| match (got.get(i), expected.get(i)) {
        (Num::Float(a), Num::Float(b)) => {
            a == b || (a - b).abs() <= tolerance * largest || a.is_nan() && b.is_nan()
        }
        (a, b) => a == b,
    };
    let i = (0..expected.len()).find(|&i| !is_close(i))?;
    Some(format!("element {i} is {:?}, expected {:?}", got.get(i), expected.get(i)))
}

pub fn c_type(d: DType) -> &'static str {
    match d {
        DType::Bool => "bool",
        DType::I8 => "int8_t",
        DType::U8 => "uint8_t",
        DType::I16 => "int16_t",
        DType::U16 => "uint16_t",
        DType::I32 => "int32_t",
        DType::U32 => "uint32_t",
        DType::I64 => "int64_t",
        DType::U64 => "uint64_t",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}
