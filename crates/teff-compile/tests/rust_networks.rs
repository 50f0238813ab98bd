//! Whole networks in Rust: that they compute the same, that their self-test tells right from wrong, that they are modules and
//! crates in every edition, and what they take of a Cortex-M0+.

mod common;

use common::Rng;
use common::c::{Case, Scratch, has, run, text};
use common::nets::{all, cnn, conv, graph, mlp, uniform};
use common::rust::{CHECKED, check};
use std::path::Path;
use std::process::Command;
use teff_compile::{Options, Program, Sample, Target, compile, plan, program, rust};
use teff_graph::{DType, Graph, Num, Tensor, Value, evaluate};

fn compiled(name: &str, graph: &Graph, target: Target) -> Program {
    compile(graph, &Options { name: name.into(), target, ..Options::default() }).unwrap()
}

fn case(name: &str, graph: &Graph, target: Target, rng: &mut Rng) -> Case {
    let inputs: Vec<Value> = graph.inputs().iter().map(|&i| uniform(rng, &graph[i].ty.shape, 1.0)).collect();
    Case {
        program: compiled(name, graph, target),
        expected: evaluate(graph, &inputs).unwrap(),
        inputs,
        tolerance: if target.float_unit { 1e-5 } else { 1e-4 },
        about: teff_graph::print_brief(graph),
    }
}

#[test]
fn networks_compute_the_same_in_rust() {
    let rng = &mut Rng(5);
    let mut cases = Vec::new();
    for (i, target) in [Target::GENERIC, Target::CORTEX_M0PLUS].into_iter().enumerate() {
        for (name, (x, y)) in all(rng) {
            cases.push(case(&format!("{name}{i}"), &graph(&x, &y), target, rng));
        }
    }
    check(&cases, CHECKED);
}

/// Builds `main` with these flags and runs it; its exit status and what it said.
fn run_program(scratch: &Scratch, main: &str, flags: &[&str]) -> (bool, String) {
    let mut rustc = Command::new("rustc");
    let built = run(&scratch.0, rustc.args(["-D", "warnings", "-o", "run", main]).args(flags));
    assert!(built.status.success(), "{}", text(&built));
    let ran = run(&scratch.0, &mut Command::new("./run"));
    (ran.status.success(), text(&ran))
}

#[test]
fn the_selftest_tells_right_from_wrong() {
    let rng = &mut Rng(7);
    let (x, y) = cnn(rng);
    let made = case("net", &graph(&x, &y), Target::GENERIC, rng);
    let right = Sample { inputs: made.inputs, outputs: made.expected };
    let off_by = |by: f64| {
        let mut wrong = right.clone();
        wrong.outputs[0] = Value::from_fn(&right.outputs[0].ty(), |i| {
            let off = if i == 3 { by } else { 0.0 };
            Num::Float(right.outputs[0].get(i).as_f64() + off)
        });
        wrong
    };
    for (arena, by) in [(rust::ArenaOwner::Caller, 0.5), (rust::ArenaOwner::Stack, f64::INFINITY)] {
        let wrong = off_by(by);
        let options = rust::Options { arena, ..Default::default() };
        let scratch = Scratch::new();
        let source = rust::print(&made.program, &options);
        assert_eq!(source, rust::print(&made.program, &options), "equal programs give equal text");
        scratch.write("net.rs", &source);
        let selftest = |samples: &[Sample]| {
            scratch.write("net_selftest.rs", &rust::selftest(&made.program, &options, samples, 1e-4));
            run_program(&scratch, "net_selftest.rs", &["-O", "--edition", "2021"])
        };
        let (passed, said) = selftest(std::slice::from_ref(&right));
        assert!(passed && said.starts_with("net: 1 samples, largest difference "), "{said}");
        assert!(said.ends_with(", 0 wrong\n"), "{said}");
        let (passed, said) = selftest(&[right.clone(), wrong.clone()]);
        assert!(!passed && said.starts_with("sample 1, output0[3]: "), "{said}");
        assert!(said.ends_with(", 1 wrong\n"), "{said}");
    }
}

/// Names that mean something in Rust, or that it wants in another case, and several element types in the arena.
fn awkward() -> Graph {
    let x = Tensor::input("type", DType::F32, &[3, 7]);
    let weights =
        Tensor::constant(Value::from_fn(&x.ty(), |i| Num::Float(i as f64))).named("Match.INPUT_LEN");
    let order = (&x * &weights).named("Self").argsort(1, false).named("Fn");
    let sorted = x.take_along(&order, 1).named("In");
    let flags = sorted.less(&x).cast(DType::I16).sum(&[0]).named("math");
    let y = (sorted.sum(&[0]) * flags.cast(DType::F32)).named("ARENA");
    Graph::from_tensors("net", &[x], &[("crate", y), ("Loop", order)]).unwrap()
}

#[test]
fn a_module_and_a_crate_of_every_edition() {
    let scratch = Scratch::new();
    let program = compiled("Net", &awkward(), Target::GENERIC);
    scratch.write("net.rs", &rust::print(&program, &rust::Options::default()));
    scratch.write("crate.rs", "#![no_std]\n#![forbid(unsafe_code)]\n#![warn(missing_docs)]\n//! A network.\ninclude!(\"net.rs\");\n");
    // Nothing of the module but the function is used.
    scratch.write(
        "main.rs",
        "mod net;\nfn main() {\n    let (mut a, mut b) = ([0.0; 7], [0; 21]);\n    net::Net(&[1.0; 21], &mut a, &mut b, &mut net::Arena::new());\n}\n",
    );
    for edition in ["2018", "2021", "2024"] {
        let (passed, said) = run_program(&scratch, "main.rs", &["--edition", edition]);
        assert!(passed, "{said}");
        let library =
            ["-D", "warnings", "--edition", edition, "--crate-type", "lib", "--emit", "metadata", "crate.rs"];
        let built = run(&scratch.0, Command::new("rustc").args(library));
        assert!(built.status.success(), "{}", text(&built));
    }
}

/// Each element type has memory of its own, one after another without a gap, and the program computes as before.
#[test]
fn types_lie_apart_in_the_arena() {
    let graph = awkward();
    let shared = compiled("net", &graph, Target::GENERIC);
    let apart = plan::by_type(&shared);
    program::validate(&apart).unwrap();
    let input = [uniform(&mut Rng(3), &[3, 7], 1.0)];
    assert_eq!(program::evaluate(&apart, &input).unwrap(), program::evaluate(&shared, &input).unwrap());
    assert_eq!(plan::by_type(&apart).arena, apart.arena);
    let text = rust::print(&shared, &rust::Options::default());
    assert!(text.contains(&format!("ARENA_BYTES: usize = {};", apart.arena.bytes)), "{text}");
}

/// Convolutions whose outputs are as large as their inputs, so that indices are tested.
fn same(rng: &mut Rng) -> (Tensor, Tensor) {
    let x = Tensor::input("image", DType::F32, &[1, 2, 10, 10]);
    let h = conv(rng, &x, 4, 3, 1, "conv1").relu();
    (x, conv(rng, &h, 3, 5, 2, "conv2").relu())
}

/// What is put on a Cortex-M0+: tables as long as promised, nothing to initialise, and no code that could panic.
#[test]
fn no_check_is_left_on_a_cortex_m0plus() {
    const TRIPLE: &str = "thumbv6m-none-eabi";
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TRIPLE]).output().unwrap();
    let folder = String::from_utf8(asked.stdout).unwrap();
    if !Path::new(folder.trim()).exists() {
        println!("skipped: no core for {TRIPLE} (rustup target add {TRIPLE})");
        return;
    }
    let rng = &mut Rng(1);
    for (name, (x, y)) in [("mlp", mlp(rng)), ("cnn", cnn(rng)), ("same", same(rng))] {
        let program = compiled(name, &graph(&x, &y), Target::CORTEX_M0PLUS);
        let scratch = Scratch::new();
        scratch.write("net.rs", &rust::print(&program, &rust::Options::default()));
        scratch.write("lib.rs", "#![no_std]\npub mod net;\n");
        for level in ["s", "3"] {
            let level = format!("opt-level={level}");
            let flags = [
                "-D",
                "warnings",
                "--edition",
                "2021",
                "--crate-type",
                "lib",
                "--emit",
                "obj",
                "--target",
                TRIPLE,
            ];
            let more = ["-C", &level, "-C", "codegen-units=1", "-o", "net.o", "lib.rs"];
            let built = run(&scratch.0, Command::new("rustc").args(flags).args(more));
            assert!(built.status.success(), "{}", text(&built));
            if !has("arm-none-eabi-nm") {
                return;
            }
            let listed = text(&run(&scratch.0, Command::new("arm-none-eabi-nm").args(["-S", "net.o"])));
            assert!(!listed.contains("panic"), "{name}, {level}: a check is left\n{listed}");
            let (mut tables, mut code) = (0, 0);
            for line in listed.lines() {
                if let [_, size, kind, symbol] = line.split_whitespace().collect::<Vec<_>>()[..] {
                    let size = usize::from_str_radix(size, 16).unwrap();
                    match kind {
                        "r" | "R" => tables += size,
                        "t" | "T" => code += size,
                        _ => panic!("{symbol} is memory that holds something: {kind}"),
                    }
                }
            }
            // Optimised for speed, short tables become part of the code.
            let promised = program.constant_bytes();
            assert!(tables <= promised && (level != "opt-level=s" || tables == promised), "{name}, {level}");
            println!("{name}, {level}: {tables} bytes of tables, {code} bytes of code");
        }
    }
}
