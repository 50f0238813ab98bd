//! Compiling and running generated C: many networks in one program, every buffer between guard bytes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use teff_compile::{Program, c};
use teff_graph::{DType, Value};

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
    let scratch = Scratch::new();
    let mut main = String::from(HARNESS);
    let mut calls = String::new();
    let mut command = Command::new(compiler);
    command.args(STRICT).args(flags).args(["-o", "run", "main.c"]);
    for (i, case) in cases.iter().enumerate() {
        let arena = if i % 2 == 0 { c::ArenaOwner::Static } else { c::ArenaOwner::Caller };
        let options = c::Options { arena };
        let files = c::print(&case.program, &options);
        let name = &case.program.name;
        scratch.write(&format!("{name}.c"), &files.source);
        scratch.write(&format!("{name}.h"), &files.header);
        command.arg(format!("{name}.c"));
        let _ = writeln!(main, "#include \"{name}.h\"");
        calls += &call(case, i, arena);
    }
    main += &calls;
    main += "int main(void)\n{\n    (void)compare_bytes;\n    (void)compare_f32;\n    (void)compare_f64;\n";
    (0..cases.len()).for_each(|i| main += &format!("    case{i}();\n"));
    main += "    return failures != 0;\n}\n";
    scratch.write("main.c", &main);
    let built = run(&scratch.0, command.arg("-lm"));
    assert!(built.status.success(), "{command:?}\n{}", text(&built));
    let ran = run(&scratch.0, &mut Command::new("./run"));
    if !ran.status.success() {
        let said = text(&ran);
        let first =
            said.split_whitespace().next().and_then(|w| w.strip_prefix("case")?.parse::<usize>().ok());
        let about = first.map(|i| {
            format!("{}\n{}", cases[i].about, c::print(&cases[i].program, &c::Options::default()).source)
        });
        panic!("{compiler} {flags:?}: {:?}\n{said}\n{}", ran.status, about.unwrap_or_default());
    }
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

/// The bytes of a value as a C array, so that every bit arrives.
fn bytes(name: &str, v: &Value) -> String {
    let list: Vec<String> = v.to_le_bytes().iter().map(u8::to_string).collect();
    format!(
        "static const unsigned char {name}[] = {{ {} }};\n",
        if list.is_empty() { "0".into() } else { list.join(",") }
    )
}

fn call(case: &Case, i: usize, arena: c::ArenaOwner) -> String {
    let mut out = String::new();
    for (k, v) in case.inputs.iter().enumerate() {
        out += &bytes(&format!("given{i}_{k}"), v);
    }
    for (k, v) in case.expected.iter().enumerate() {
        out += &bytes(&format!("expected{i}_{k}"), v);
    }
    let _ = writeln!(out, "static void case{i}(void)\n{{");
    let mut arguments = Vec::new();
    for (k, v) in case.inputs.iter().enumerate() {
        let _ =
            writeln!(out, "    {} *in{k} = guarded({}, given{i}_{k});", c_type(v.dtype()), v.ty().bytes());
        arguments.push(format!("in{k}"));
    }
    for (k, v) in case.expected.iter().enumerate() {
        let _ = writeln!(out, "    {} *out{k} = guarded({}, NULL);", c_type(v.dtype()), v.ty().bytes());
        arguments.push(format!("out{k}"));
    }
    if arena == c::ArenaOwner::Caller {
        let _ = writeln!(
            out,
            "    void *arena = guarded({}_ARENA_BYTES, NULL);",
            case.program.name.to_uppercase()
        );
        arguments.push("arena".into());
    }
    let _ = writeln!(out, "    {}({});", case.program.name, arguments.join(", "));
    for (k, v) in case.expected.iter().enumerate() {
        let d = v.dtype();
        let compare = if d.is_float() { d.name() } else { "bytes" };
        let largest = v.to_f64().iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(1.0, f64::max);
        let bound = case.tolerance * largest;
        let _ = writeln!(
            out,
            "    compare_{compare}(\"case{i} output {k}\", out{k}, expected{i}_{k}, {}, {bound:?});",
            v.ty().bytes()
        );
    }
    for a in &arguments {
        let size = match a.split_at(a.find(|c: char| c.is_ascii_digit()).unwrap_or(a.len())) {
            ("in", k) => case.inputs[k.parse::<usize>().unwrap()].ty().bytes(),
            ("out", k) => case.expected[k.parse::<usize>().unwrap()].ty().bytes(),
            _ => case.program.arena.bytes,
        };
        let _ = writeln!(out, "    unguard(\"case{i} {a}\", {a}, {size});");
    }
    out + "}\n"
}

const HARNESS: &str = r#"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64 };
static int failures;

static void *guarded(size_t size, const unsigned char *content)
{
    unsigned char *all = malloc(size + 2 * GUARD);
    if (all == NULL) {
        abort();
    }
    memset(all, 0xa5, size + 2 * GUARD);
    if (content != NULL) {
        memcpy(all + GUARD, content, size);
    }
    return all + GUARD;
}

static void unguard(const char *what, void *at, size_t size)
{
    unsigned char *all = (unsigned char *)at - GUARD;
    for (size_t i = 0; i < GUARD; i++) {
        if (all[i] != 0xa5 || all[GUARD + size + i] != 0xa5) {
            printf("%s: written outside\n", what);
            failures++;
            break;
        }
    }
    free(all);
}

static void differs(const char *what, int i, double got, double expected)
{
    if (failures++ < 20) {
        printf("%s[%d]: %.9g, expected %.9g\n", what, i, got, expected);
    }
}

static void compare_bytes(const char *what, const void *got, const void *expected, int size, double bound)
{
    (void)bound;
    if (memcmp(got, expected, (size_t)size) != 0) {
        int at = 0;
        while (((const unsigned char *)got)[at] == ((const unsigned char *)expected)[at]) {
            at++;
        }
        differs(what, at, ((const unsigned char *)got)[at], ((const unsigned char *)expected)[at]);
    }
}

static void compare_f32(const char *what, const float *got, const void *expected, int size, double bound)
{
    for (int i = 0; i < size / 4; i++) {
        float e;
        memcpy(&e, (const char *)expected + 4 * i, 4);
        if (!(got[i] == e || fabs((double)got[i] - (double)e) <= bound || (isnan(got[i]) && isnan(e)))) {
            differs(what, i, (double)got[i], (double)e);
        }
    }
}

static void compare_f64(const char *what, const double *got, const void *expected, int size, double bound)
{
    for (int i = 0; i < size / 8; i++) {
        double e;
        memcpy(&e, (const char *)expected + 8 * i, 8);
        if (!(got[i] == e || fabs(got[i] - e) <= bound || (isnan(got[i]) && isnan(e)))) {
            differs(what, i, got[i], e);
        }
    }
}

"#;
