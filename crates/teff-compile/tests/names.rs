//! Names that C's library, its headers or its compilers own: no network takes one, and no layer's function keeps one. What they own is
//! asked of a compiler.

mod common;

use common::c::{STRICT, Scratch, has, run, text};
use std::collections::BTreeSet;
use std::process::Command;
use teff_compile::{Options, c, compile};
use teff_graph::{DType, Graph, Tensor, Value};

const HEADERS: [&str; 24] = [
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math",
    "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath",
    "time", "wchar", "wctype",
];

/// The name that a text begins with, if it is one that programs could have: those of the library itself begin with an underscore.
fn name(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    Some(text[..end].to_string()).filter(|n| n.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// What the compiler makes of C's headers in `-std=c99`: with `-E` the text, with `-dM` the macros.
fn preprocessed(flags: &[&str], headers: &[&str]) -> String {
    let scratch = Scratch::new();
    let source: String = headers.iter().map(|h| format!("#include <{h}.h>\n")).collect();
    scratch.write("all.c", &source);
    let mut gcc = Command::new("gcc");
    text(&run(&scratch.0, gcc.args(flags).args(["-E", "all.c"])))
}

/// Functions and macros of C's library, and macros that compilers have of themselves.
fn owned() -> BTreeSet<String> {
    let declared = preprocessed(&["-std=c99", "-P"], &HEADERS);
    let called = |declaration: &str| {
        let before = declaration.split('(').next().unwrap_or_default().trim_end();
        name(before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?)
    };
    let functions =
        declared.split(';').filter(|d| d.contains("extern") && d.contains('(')).filter_map(called);
    let defined = |text: String| -> Vec<String> {
        text.lines().filter_map(|l| l.strip_prefix("#define ")).filter_map(name).collect()
    };
    let macros = defined(preprocessed(&["-std=c99", "-dM"], &HEADERS));
    let own = defined(preprocessed(&["-std=gnu99", "-dM"], &[]));
    functions.chain(macros).chain(own).collect()
}

fn graph(name: &str) -> Graph {
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let y = (&x + &x).named(name);
    Graph::from_tensors("names", &[x], &[("y", y)]).unwrap()
}

#[test]
fn no_network_takes_a_name_that_is_owned() {
    if !has("gcc") {
        return;
    }
    let owned = owned();
    assert!(
        owned.len() > 500 && owned.contains("printf") && owned.contains("linux"),
        "{} names",
        owned.len()
    );
    let g = graph("layer");
    let taken =
        |name: &&String| compile(&g, &Options { name: (*name).clone(), ..Options::default() }).is_ok();
    let all: Vec<&String> = owned.iter().filter(taken).collect();
    assert!(all.is_empty(), "{all:?}");
    for name in HEADERS.iter().chain(&["class", "template", "fn", "read", "socket", "sinl", "I"]) {
        assert!(!taken(&&name.to_string()), "{name}");
    }
    for name in ["net", "mnist", "digits", "person_detect", "Net2"] {
        assert!(taken(&&name.to_string()), "{name}");
    }
    assert!(!taken(&&"n".repeat(64)) && taken(&&"n".repeat(63)));
}

/// A layer for each of them: two compilers, told that the file is any GNU C, say nothing.
#[test]
fn layers_with_names_that_are_owned() {
    if !has("gcc") {
        return;
    }
    let mut names: Vec<String> = owned().into_iter().collect();
    names.extend(
        ["gamma", "index", "y0", "j1f", "exp10", "stpcpy", "bzero", "time", "read", "class"]
            .map(String::from),
    );
    let weight = Tensor::constant(Value::new([2, 2], vec![0.5f32, 0.25, -0.5, 1.0]));
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let y = names.iter().fold(x.clone(), |y, name| y.matmul(&weight).named(name));
    let graph = Graph::from_tensors("names", &[x], &[("printf", y)]).unwrap();
    let program = compile(&graph, &Options::default()).unwrap();
    assert!(program.kernels.len() >= names.len());
    let files = c::print(&program, &c::Options::default());
    let scratch = Scratch::new();
    scratch.write("net.h", &files.header);
    scratch.write("net.c", &files.source);
    for compiler in ["gcc", "clang"] {
        if has(compiler) {
            let mut build = Command::new(compiler);
            let built = run(&scratch.0, build.args(STRICT).args(["-std=gnu99", "-fsyntax-only", "net.c"]));
            assert!(built.status.success(), "{compiler}: {}", text(&built));
        }
    }
}
