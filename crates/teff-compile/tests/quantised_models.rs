//! Quantised models of the field, as ONNX and as TFLite: the same bits from the evaluator, C and Rust, for a host and for a small
//! machine; memory and flash as the linker counts them; plans near what any plan needs.

mod common;

use common::Rng;
use common::c::{Case, STRICT, Scratch, check, has, run};
use common::rust;
use std::path::{Path, PathBuf};
use std::process::Command;
use teff_compile::{Budget, Floats, Options, Program, Target, c, compile, integer};
use teff_graph::{DType, Graph, Num, Op, Value, evaluate};

/// All models of the front ends' tests, and of the folders that `TEFF_MODELS` names, by name.
fn all_models() -> Vec<(String, Graph)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = ["teff-onnx/tests/data/models", "teff-tflite/tests/data/models"].map(|f| data.join(f));
    let more = std::env::var("TEFF_MODELS").unwrap_or_default();
    let more = more.split(':').filter(|f| !f.is_empty()).map(PathBuf::from);
    let mut models = Vec::new();
    for folder in own.into_iter().chain(more) {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let (graph, kind) = match file.extension().and_then(|e| e.to_str()) {
                Some("onnx") => (teff_onnx::read(&bytes, &Default::default()).unwrap().graph, "onnx"),
                Some("tflite") => (teff_tflite::read(&bytes, &Default::default()).unwrap().graph, "tflite"),
                _ => continue,
            };
            models.push((
                format!("{}_{kind}", file.file_stem().unwrap().to_str().unwrap().replace('-', "_")),
                graph,
            ));
        }
    }
    models
}

/// Those that are quantised.
fn models() -> Vec<(String, Graph)> {
    let eight_bits = |op: &Op| match op {
        Op::Quantize { .. } => true,
        Op::Constant(v) => v.dtype() == DType::I8 && v.len() > 16,
        _ => false,
    };
    let quantised = |graph: &Graph| graph.nodes().iter().any(|n| eight_bits(&n.op));
    let models: Vec<_> = all_models().into_iter().filter(|(_, graph)| quantised(graph)).collect();
    assert!(models.len() >= 18, "{} quantised models", models.len());
    models
}

fn program(name: &str, graph: &Graph, target: Target) -> Program {
    // One has floats between its layers, which are to be the reference's too.
    compile(graph, &Options { name: name.into(), target, floats: Floats::Exact, ..Options::default() })
        .unwrap()
}

/// Noise over the whole range of integers, and between -1 and 1 for floats.
fn noise(graph: &Graph, rng: &mut Rng) -> Vec<Value> {
    let element = |rng: &mut Rng, dtype: DType| match dtype.int_range() {
        Some((low, high)) => Num::Int(low + rng.next() as i128 % (high - low + 1)),
        None => Num::Float((rng.next() % 2001) as f64 / 1000.0 - 1.0),
    };
    graph
        .inputs()
        .iter()
        .map(|i| {
            let ty = graph[*i].ty.clone();
            Value::from_fn(&ty, |_| element(rng, ty.dtype))
        })
        .collect()
}

fn cases(target: Target) -> Vec<Case> {
    let rng = &mut Rng(7);
    models()
        .into_iter()
        .map(|(name, graph)| {
            let inputs = noise(&graph, rng);
            let expected = evaluate(&integer(&graph).unwrap(), &inputs).unwrap();
            // What interfaces of floats compute is the same in every bit too, but for the last of a softmax.
            let tolerance = 1e-6;
            Case { program: program(&name, &graph, target), inputs, expected, tolerance, about: name }
        })
        .collect()
}

#[test]
fn c_and_rust_have_the_bits_of_the_evaluator() {
    let small = cases(Target::CORTEX_M0PLUS);
    if has("gcc") {
        check(&small, "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        check(&cases(Target::GENERIC), "gcc", &["-O1"]);
    }
    rust::check(&small, rust::CHECKED);
}

#[test]
fn memory_and_flash_are_what_the_linker_counts_and_near_the_least() {
    let linker = has("arm-none-eabi-gcc") && has("arm-none-eabi-nm");
    for (name, graph) in models() {
        let program = program(&name, &graph, Target::CORTEX_M0PLUS);
        let budget = Budget::new(&program, &Target::CORTEX_M0PLUS);
        let (bytes, bound) = (budget.ram_arena, budget.ram_lower_bound);
        assert!(bytes * 100 <= bound * 102, "{name}: an arena of {bytes} bytes where {bound} would do");
        if linker {
            assert_eq!(sections(&name, &program), (budget.flash_weights, budget.ram_arena), "{name}");
        }
    }
}

/// Bytes of read-only objects and of objects that begin as zeros, in the object file.
fn sections(name: &str, program: &Program) -> (usize, usize) {
    let scratch = Scratch::new();
    let files = c::print(program, &c::Options::default());
    scratch.write(&format!("{name}.c"), &files.source);
    scratch.write(&format!("{name}.h"), &files.header);
    let mut gcc = Command::new("arm-none-eabi-gcc");
    gcc.args(STRICT).args(["-mcpu=cortex-m0plus", "-mthumb", "-O1", "-c"]).arg(format!("{name}.c"));
    let built = run(&scratch.0, &mut gcc);
    assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
    let listed = run(&scratch.0, Command::new("arm-none-eabi-nm").args(["-S", &format!("{name}.o")]));
    let (mut flash, mut ram) = (0, 0);
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let [_, size, kind, symbol] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
        // The table of a function is counted with the code.
        if symbol.starts_with("exp_power") {
            continue;
        }
        let size = usize::from_str_radix(size, 16).unwrap();
        match kind {
            "r" | "R" => flash += size,
            "b" | "B" => ram += size,
            _ => {}
        }
    }
    (flash, ram)
}

/// The evaluator of programs looks at every byte of the arena: what lies outside, is read before it is written, or was written over.
#[test]
fn plans_of_all_models_run_without_a_fault() {
    let rng = &mut Rng(11);
    for (name, graph) in all_models() {
        let program = program(&name, &graph, Target::CORTEX_M0PLUS);
        assert!(program.arena.bytes * 100 <= program.arena.lower_bound * 102, "{name}: {:?}", program.arena);
        let outputs = teff_compile::program::evaluate(&program, &noise(&graph, rng));
        assert!(outputs.is_ok(), "{name}: {}", outputs.unwrap_err());
    }
}
