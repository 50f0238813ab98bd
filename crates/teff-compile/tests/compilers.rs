//! The same answer from every compiler and every flag.
//!
//! gcc 12.2 at `-O2` without inlining drops calls of functions whose stores it overlooks; what is generated must not let it.

mod common;

use common::Rng;
use common::batch::{Compiler, Net, outputs};
use common::c::has;
use std::path::{Path, PathBuf};
use teff_compile::c::ArenaOwner;
use teff_compile::program::{BufferId, Expr, Place, Stmt};
use teff_compile::{Options, Target, compile, integer};
use teff_graph::{DType, Graph, Num, Op, Value, evaluate};

/// The models of a folder of the ONNX reader's tests, by name.
fn models(folder: &str) -> Vec<(String, Graph)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "onnx"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().replace('-', "_");
        (name, teff_onnx::read(&std::fs::read(file).unwrap(), &Default::default()).unwrap().graph)
    };
    files.iter().map(read).collect()
}

/// A network, and what it must give.
fn case(name: String, graph: &Graph) -> (Net, Vec<Value>, f64) {
    let rng = &mut Rng(name.bytes().map(u64::from).sum());
    let element = |rng: &mut Rng, dtype: DType| match dtype.int_range() {
        Some((low, high)) => Num::Int(low + rng.next() as i128 % (high - low + 1)),
        None => Num::Float((rng.next() % 2001) as f64 / 1000.0 - 1.0),
    };
    let input = |i: &teff_graph::NodeId| {
        let ty = graph[*i].ty.clone();
        Value::from_fn(&ty, |_| element(rng, ty.dtype))
    };
    let inputs: Vec<Value> = graph.inputs().iter().map(input).collect();
    let expected = evaluate(&integer(graph).unwrap(), &inputs).unwrap();
    let program = compile(graph, &Options { name, target: Target::GENERIC, ..Options::default() }).unwrap();
    // A step of an integer that a last bit of a float before it decides makes that much.
    let quantised = graph.nodes().iter().any(|n| matches!(n.op, Op::Quantize { .. }));
    (Net { program, inputs }, expected, if quantised { 0.02 } else { 1e-4 })
}

/// Builds and runs all of `networks` with every one of `builds`: near the evaluator, and the same bits as the first.
fn check(networks: Vec<(String, Graph)>, builds: &[(&str, &[&str])]) {
    let (nets, expected): (Vec<Net>, Vec<(Vec<Value>, f64)>) = networks
        .iter()
        .map(|(name, graph)| {
            let (net, expected, tolerance) = case(name.clone(), graph);
            (net, (expected, tolerance))
        })
        .unzip();
    let mut first: Option<Vec<Vec<Value>>> = None;
    for (name, flags) in builds.iter().filter(|(name, _)| has(name)) {
        let results = outputs(&nets, Compiler { name, flags, arena: ArenaOwner::Static });
        let mut all = Vec::new();
        for ((net, (expected, tolerance)), result) in nets.iter().zip(&expected).zip(results) {
            let about = format!("{} with {name} {flags:?}", net.program.name);
            let found = result.unwrap_or_else(|said| panic!("{about}: {said}"));
            for (f, e) in found.iter().zip(expected) {
                let (f, e) = (f.to_f64(), e.to_f64());
                let range = e.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
                let apart = f.iter().zip(&e).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
                assert!(apart <= tolerance * range, "{about}: off by {apart} of {range}");
            }
            all.push(found);
        }
        println!("{name} {flags:?}: {} networks", all.len());
        for ((net, found), before) in nets.iter().zip(&all).zip(first.iter().flatten()) {
            assert_eq!(found, before, "{} with {name} {flags:?} has other bits", net.program.name);
        }
        first.get_or_insert(all);
    }
}

/// Those that were seen to go wrong, with the flags that did it.
#[test]
fn calls_are_not_dropped() {
    let fell = ["deepsets", "bcresnet8", "mixer8", "lstm_ae"];
    let networks = models("nets").into_iter().filter(|(name, _)| fell.contains(&name.as_str())).collect();
    check(networks, &[("gcc", &["-O0"]), ("gcc", &["-O2", "-fno-inline"])]);
}

/// Takes minutes: `cargo test --release -p teff-compile --test compilers -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn forty_networks_give_the_same_with_every_flag() {
    let networks: Vec<_> = ["nets", "models", "../../../../examples"].into_iter().flat_map(models).collect();
    assert!(networks.len() >= 40, "{} networks", networks.len());
    let mut builds: Vec<(&str, Vec<&str>)> = Vec::new();
    for level in ["-O0", "-O1", "-O2", "-O3", "-Os"] {
        builds.extend([&[][..], &["-fno-inline"], &["-flto"]].map(|more| ("gcc", [&[level], more].concat())));
    }
    builds.push(("clang", vec!["-O2"]));
    let builds: Vec<(&str, &[&str])> = builds.iter().map(|(name, flags)| (*name, &flags[..])).collect();
    check(networks, &builds);
}

/// What is computed is read: no kernel copies a buffer whole, and none writes what is neither an output nor read again.
#[test]
fn no_kernel_works_for_nobody() {
    for (name, graph) in models("nets") {
        let program = compile(&graph, &Options { name: name.clone(), ..Options::default() }).unwrap();
        let accesses: Vec<_> = program.kernels.iter().map(|k| k.accesses()).collect();
        for (k, (kernel, (_, writes))) in program.kernels.iter().zip(&accesses).enumerate() {
            let is_read = |id: &BufferId| {
                program.outputs.iter().any(|p| p.buffer == *id)
                    || accesses[k + 1..].iter().any(|(reads, _)| reads.contains(id))
            };
            assert!(writes.iter().any(is_read), "{name}: nobody reads {}\n{program}", kernel.name);
            let mut body = &kernel.body;
            while let [Stmt::For { body: inner, .. }] = &body[..] {
                body = inner;
            }
            let to_arena = |id: &BufferId| matches!(program.buffer(*id).place, Place::Arena(_));
            let copies = matches!(&body[..], [Stmt::Store(to, at, Expr::Load(_, _, from))] if at == from && to_arena(to));
            assert!(!copies, "{name}: {} copies\n{program}", kernel.name);
        }
    }
}
