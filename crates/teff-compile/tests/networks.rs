//! Whole networks: what is fused and folded, what memory that takes, and that the C computes the same.

mod common;

use common::Rng;
use common::c::{Case, STRICT, Scratch, check, has, run};
use common::nets::{all, cnn, conv, graph, mlp, uniform, weights};
use std::process::Command;
use teff_compile::{Budget, Options, Program, Sample, Target, c, compile, program};
use teff_graph::{DType, Graph, Tensor, Value, evaluate};

fn compiled(name: &str, graph: &Graph, target: Target) -> Program {
    compile(graph, &Options { name: name.into(), target, ..Options::default() }).unwrap()
}

/// What floats may be off, relative to the largest output: mantissas may be more.
fn tolerance(target: Target) -> f64 {
    if target.float_unit { 1e-5 } else { 1e-4 }
}

/// The program on random inputs beside the reference; as a case for the C compilers.
fn case(name: &str, graph: &Graph, target: Target, rng: &mut Rng) -> Case {
    let program = compiled(name, graph, target);
    let inputs: Vec<Value> = graph.inputs().iter().map(|&i| uniform(rng, &graph[i].ty.shape, 1.0)).collect();
    let expected = evaluate(graph, &inputs).unwrap();
    let found = program::evaluate(&program, &inputs).unwrap_or_else(|e| panic!("{name}: {e}\n{program}"));
    for (e, f) in expected.iter().zip(&found) {
        let difference = e.to_f64().iter().zip(f.to_f64()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let largest = e.to_f64().iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        assert!(difference < tolerance(target) * largest, "{name}: differs by {difference}\n{program}");
    }
    Case { program, inputs, expected, tolerance: tolerance(target), about: teff_graph::print_brief(graph) }
}

fn kernels(p: &Program) -> Vec<&str> {
    p.kernels.iter().map(|k| k.name.as_str()).collect()
}

#[test]
fn a_cnn_keeps_only_what_its_pools_keep() {
    let (x, y) = cnn(&mut Rng(1));
    let p = compiled("net", &graph(&x, &y), Target::GENERIC);
    assert_eq!(kernels(&p), ["conv1", "conv2", "dense"]);
    // 8x13x13 and 16x5x5 floats; the unpooled planes would take 21.6 kB and 7.7 kB.
    assert_eq!((p.arena.bytes, p.arena.lower_bound), (4 * (8 * 169 + 16 * 25), 4 * (8 * 169 + 16 * 25)));
    let budget = Budget::new(&p, &Target::GENERIC);
    assert_eq!(budget.flash_weights, 4 * (72 + 8 + 1152 + 16 + 4000 + 10));
    // Of conv2's 11x11 places the pool keeps 10x10.
    assert_eq!(budget.macs, 8 * 26 * 26 * 9 + 16 * 10 * 10 * 72 + 4000);
    assert_eq!(budget.kernels.iter().map(|k| k.weight_bytes).sum::<usize>(), budget.flash_weights);
}

#[test]
fn a_batch_norm_becomes_part_of_the_convolution() {
    let rng = &mut Rng(2);
    let x = Tensor::input("x", DType::F32, &[1, 3, 8, 8]);
    let positive = |rng: &mut Rng| Tensor::constant(uniform(rng, &[4], 0.4)) + 1.0;
    let (mean, variance, scale) = (weights(rng, "mean", &[4]), positive(rng), positive(rng));
    let shift = weights(rng, "shift", &[4]);
    let y = conv(rng, &x, 4, 3, 1, "conv").batch_norm(&mean, &variance, &scale, &shift, 1e-5).relu();
    let g = graph(&x, &y);
    let made = case("net", &g, Target::GENERIC, rng);
    assert_eq!(made.program.kernels.len(), 1);
    assert_eq!(made.program.constant_bytes(), 4 * (4 * 27 + 4));
    let budget = Budget::new(&made.program, &Target::CORTEX_M0PLUS);
    assert_eq!(budget.ram_arena, 0);
}

#[test]
fn a_residual_is_added_where_the_convolution_ends() {
    let rng = &mut Rng(3);
    let x = Tensor::input("x", DType::F32, &[1, 4, 6, 6]);
    let h = conv(rng, &x, 4, 3, 1, "a").relu();
    let y = (conv(rng, &h, 4, 3, 1, "b") + &h).relu();
    let made = case("net", &graph(&x, &y), Target::GENERIC, rng);
    assert_eq!(made.program.kernels.len(), 2);
    assert_eq!(made.program.arena.bytes, 4 * 4 * 36);
}

#[test]
fn a_chain_of_functions_works_in_place() {
    let rng = &mut Rng(4);
    let x = Tensor::input("x", DType::F32, &[64]);
    // Read twice, so it gets memory; what is made of it takes the same place.
    let a = x.exp();
    let b = (&a * &a.sum(&[])).exp();
    let y = &b + &b.sum(&[]);
    let p = case("net", &graph(&x, &y), Target::GENERIC, rng).program;
    assert_eq!(p.arena.bytes, 4 * 64 + 4, "{p}");
}

#[test]
fn networks_compute_the_same_in_c() {
    let rng = &mut Rng(5);
    let mut cases = Vec::new();
    for (i, target) in [Target::GENERIC, Target::CORTEX_M0PLUS].into_iter().enumerate() {
        for (name, (x, y)) in all(rng) {
            cases.push(case(&format!("{name}{i}"), &graph(&x, &y), target, rng));
        }
    }
    if has("gcc") {
        check(&cases, "gcc", &["-O3"]);
    }
    // Tables of a megabyte take sanitizers long and show nothing new.
    cases.retain(|c| c.program.constant_bytes() < 100_000);
    if has("gcc") {
        check(&cases, "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    if has("clang") {
        check(&cases, "clang", &["-O2"]);
    }
}

#[test]
fn the_function_cannot_be_called_what_c_cannot_call_it() {
    let (x, y) = mlp(&mut Rng(6));
    let g = graph(&x, &y);
    for name in ["", "1st", "my-net", "_net", "double", "expf", "main"] {
        let e = compile(&g, &Options { name: name.into(), ..Options::default() }).unwrap_err();
        assert!(e.to_string().starts_with(&format!("{name:?} cannot name the function")), "{e}");
    }
}

#[test]
fn random_numbers_are_refused_by_name() {
    let x = Tensor::input("x", DType::F32, &[3]);
    let y = &x + Tensor::random(&Tensor::scalar(1i64), &[3]).named("noise");
    // A constant key would be folded; a key that is an input cannot be.
    let key = Tensor::input("key", DType::I64, &[]);
    let z = &y + Tensor::random(&key, &[3]).named("dropout");
    let g = Graph::from_tensors("net", &[x, key], &[("y", z)]).unwrap();
    let e = compile(&g, &Options::default()).unwrap_err().to_string();
    assert!(e.starts_with("dropout: random (node %") && e.contains("cannot be compiled"), "{e}");
}

#[test]
fn what_an_index_cannot_count_is_refused_by_name() {
    let x = Tensor::input("x", DType::I8, &[1 << 16]);
    let pairs = x.reshape(&[1 << 16, 1]).broadcast_to(&[1 << 16, 1 << 16]);
    let y = (&pairs + &x).named("outer").sum(&[1]);
    let g = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
    let e = compile(&g, &Options::default()).unwrap_err().to_string();
    assert!(e.contains("i8[65536,65536] has more elements than a 32-bit index counts"), "{e}");
}

/// A value used twice by the next, and that again: as many paths as the number of values doubles. And a chain that is only long.
#[test]
fn many_paths_and_long_chains_compile_at_once() {
    let x = Tensor::input("x", DType::I32, &[3]);
    let paths = (0..100).fold(x.clone(), |y, _| &y + (&y * 2.0).maximum(&x));
    let chain = (0..5000).fold(x.clone(), |y, i| if i % 2 == 0 { y + 1.0 } else { -y });
    let image = paths.reshape(&[1, 1, 1, 3]);
    let pooled = image.max_pool2d(1, 1);
    let padded = image.pad(&[(0, 0), (0, 0), (1, 0), (0, 2)], 0.0);
    for y in [paths, chain, pooled, padded] {
        let g = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", y)]).unwrap();
        let start = std::time::Instant::now();
        let compiled = compile(&g, &Options::default()).unwrap();
        assert!(start.elapsed().as_secs() < 10, "compiling takes {:?}", start.elapsed());
        let inputs = [Value::new([3], vec![1i32, -7, 1000])];
        assert_eq!(program::evaluate(&compiled, &inputs).unwrap(), evaluate(&g, &inputs).unwrap());
    }
}

/// Compiles and runs the self-test beside the network; its exit status and what it said.
fn run_selftest(p: &Program, arena: c::ArenaOwner, samples: &[Sample]) -> (bool, String) {
    let options = c::Options { arena, ..Default::default() };
    let files = c::print(p, &options);
    assert_eq!(files, c::print(p, &options), "equal programs give equal text");
    let scratch = Scratch::new();
    scratch.write("net.c", &files.source);
    scratch.write("net.h", &files.header);
    scratch.write("net_selftest.c", &c::selftest(p, &options, samples, 1e-4));
    let mut gcc = Command::new("gcc");
    let built =
        run(&scratch.0, gcc.args(STRICT).args(["-O1", "-o", "test", "net.c", "net_selftest.c", "-lm"]));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = run(&scratch.0, &mut Command::new("./test"));
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn the_selftest_tells_right_from_wrong() {
    if !has("gcc") {
        return;
    }
    let rng = &mut Rng(7);
    let (x, y) = cnn(rng);
    let made = case("net", &graph(&x, &y), Target::GENERIC, rng);
    let right = Sample { inputs: made.inputs, outputs: made.expected };
    let off_by = |by: f64| {
        let mut wrong = right.clone();
        wrong.outputs[0] = Value::from_fn(&right.outputs[0].ty(), |i| {
            let off = if i == 3 { by } else { 0.0 };
            teff_graph::Num::Float(right.outputs[0].get(i).as_f64() + off)
        });
        wrong
    };
    for (arena, by) in [(c::ArenaOwner::Static, 0.5), (c::ArenaOwner::Caller, f64::NEG_INFINITY)] {
        let wrong = off_by(by);
        let (passed, said) = run_selftest(&made.program, arena, std::slice::from_ref(&right));
        assert!(
            passed
                && said.starts_with("net: 1 samples, largest difference ")
                && said.ends_with(", 0 wrong\n")
        );
        let (passed, said) = run_selftest(&made.program, arena, &[right.clone(), wrong.clone()]);
        assert!(
            !passed && said.starts_with("sample 1, output0[3]: ") && said.ends_with(", 1 wrong\n"),
            "{said}"
        );
    }
}

/// Layers called as functions, types and macros of the generated C, which it defines or includes itself.
#[test]
fn a_layer_may_have_any_name() {
    let names = [
        "max_f32",
        "wrap_add_i32",
        "u8_from_f32",
        "pair_sums",
        "row_sums_4",
        "mul_high",
        "picture_decode",
        "uint8_t",
        "INT_MAX",
        "NULL",
        "memset",
        "KEEP_ROLLED",
        "expf",
        "arena",
        "main",
        "math",
        "weights",
        "layers",
        "picture",
        "Arena",
        "run",
    ];
    let rng = &mut Rng(11);
    let x = Tensor::input("x", DType::F32, &[1, 4]);
    let mut y = x.clone();
    for name in names {
        let sums = y.matmul(&Tensor::constant(uniform(rng, &[4, 4], 0.5)));
        let bytes = sums.cast(DType::U8).cast(DType::F32);
        y = (sums.maximum(sums.full_like(0.25)).exp() + bytes).sigmoid().named(name);
    }
    let made = case("any_name", &graph(&x, &y), Target::GENERIC, rng);
    assert_eq!(made.program.kernels.len(), names.len());
    if has("gcc") {
        check(std::slice::from_ref(&made), "gcc", &["-O1"]);
    }
    common::rust::check(&[made], common::rust::UNOPTIMISED);
}

/// Doubles until the sum is above a limit: what follows the last trip is left out, and the result is that of all trips.
#[test]
fn a_loop_that_has_ended_computes_no_more() {
    let looped = |keeps: bool| {
        let x = Tensor::input("x", DType::F32, &[1, 3]);
        let running = Tensor::constant(Value::new([1, 1], vec![true]));
        let trips = Tensor::arange(0.0, 1.0, 50);
        let (last, _) = Tensor::scan(&[x.clone(), running], &[trips], false, |s, _| {
            let small = s[0].abs().sum_keep(&[1]).less(Tensor::scalar(40f32).broadcast_to(&[1, 1]));
            let running = s[1].and(&small);
            let next = &s[0] * 2.0;
            (vec![if keeps { running.select(&next, &s[0]) } else { next * 0.5 }, running], vec![])
        });
        graph(&x, &last[0])
    };
    let rng = &mut Rng(3);
    let ends = case("ends", &looped(true), Target::CORTEX_M0PLUS, rng);
    assert!(ends.program.to_string().contains("if state"), "{}", ends.program);
    let never = case("never", &looped(false), Target::CORTEX_M0PLUS, rng);
    assert!(!never.program.to_string().contains("if state"), "{}", never.program);
    if has("gcc") {
        check(&[ends, never], "gcc", &["-O1", "-fsanitize=address,undefined"]);
    }
}

/// Networks whose tables and constants hold infinities, or what is not a number.
fn beyond_numbers(target: Target) -> Vec<Case> {
    let inf = f32::INFINITY;
    let x = Tensor::input("x", DType::F32, &[1, 4]);
    let c = Tensor::input("c", DType::Bool, &[1, 4]);
    let table = Tensor::constant(Value::new([1, 4], vec![0.0f32, -inf, inf, f32::NAN]));
    let wide = Tensor::constant(Value::new([1, 4], vec![f64::INFINITY, 0.5, f64::NEG_INFINITY, 1.0]));
    let matrix = Tensor::constant(Value::new([4, 2], vec![1.0f32, 0.5, -2.0, -inf, 0.25, 1.0, 3.0, 1.0]));
    let nets = [
        ("in_a_table", vec![x.clone()], &x + &table),
        ("in_where", vec![x.clone(), c.clone()], c.select(&x, x.full_like(-f64::INFINITY))),
        ("no_number", vec![x.clone(), c.clone()], c.select(x.full_like(f64::NAN), &x)),
        ("in_doubles", vec![x.clone()], x.cast(DType::F64) + wide),
        ("in_weights", vec![x.clone()], x.matmul(&matrix)),
        ("in_bounds", vec![x.clone()], x.clip(-f64::INFINITY, 0.5)),
        ("in_padding", vec![x.clone()], x.pad(&[(0, 0), (1, 2)], -f64::INFINITY)),
    ];
    let case = |(name, inputs, y): (&str, Vec<Tensor>, Tensor)| {
        let graph = Graph::from_tensors(name, &inputs, &[("y", y)]).unwrap();
        let values = [
            Value::new([1, 4], vec![1.0f32, -0.5, 0.25, 2.0]),
            Value::new([1, 4], vec![true, false, true, false]),
        ];
        let inputs = values[..inputs.len()].to_vec();
        let program = compiled(name, &graph, target);
        let expected = evaluate(&graph, &inputs).unwrap();
        Case { program, inputs, expected, tolerance: 1e-4, about: teff_graph::print_brief(&graph) }
    };
    nets.into_iter().map(case).collect()
}

/// Each file by itself: another's `math.h` would hide that it lacks its own.
#[test]
fn what_is_no_number_compiles_for_every_target() {
    for target in Target::ALL {
        let scratch = Scratch::new();
        let cases = beyond_numbers(target);
        let mut files = Vec::new();
        for case in &cases {
            let printed = c::print(&case.program, &c::Options::default());
            scratch.write(&format!("{}.h", case.program.name), &printed.header);
            scratch.write(&format!("{}.c", case.program.name), &printed.source);
            files.push(format!("{}.c", case.program.name));
        }
        let generic = target == Target::GENERIC;
        let levels: &[&str] = if generic { &["-O0", "-O1", "-O2", "-O3"] } else { &["-fsyntax-only"] };
        for (compiler, level) in levels.iter().map(|l| ("gcc", *l)).chain([("clang", "-fsyntax-only")]) {
            if has(compiler) {
                let built =
                    run(&scratch.0, Command::new(compiler).args(STRICT).args([level, "-c"]).args(&files));
                assert!(built.status.success(), "{compiler} {level} for {}: {built:?}", target.name);
            }
        }
        if generic && has("gcc") {
            check(&cases, "gcc", &["-O2"]);
            common::rust::check(&cases, common::rust::UNOPTIMISED);
        }
    }
}

/// 30 000 elements and twice as many: no table, twice the time, and memory for what is given.
#[test]
fn running_sums_and_products_are_linear() {
    let of = |n: usize| {
        let x = Tensor::input("x", DType::F32, &[n]);
        let y = x.cumsum(0, false, false) + (&x * 0.0 + 1.0).cumprod(-1, true, true);
        case(&format!("sums{n}"), &graph(&x, &y), Target::GENERIC, &mut Rng(3))
    };
    let (once, twice) = (of(30_000), of(60_000));
    let cycles = |c: &Case| program::cost(&c.program, &Target::GENERIC).cycles;
    let ratio = cycles(&twice) / cycles(&once);
    assert!((1.99..2.01).contains(&ratio), "{ratio} times the time for twice the length");
    for (c, n) in [(&once, 30_000), (&twice, 60_000)] {
        assert!(c.program.constant_bytes() < 64, "{} bytes of tables", c.program.constant_bytes());
        assert!(c.program.arena.bytes <= 3 * 4 * n + 64, "an arena of {} bytes", c.program.arena.bytes);
    }
    if has("gcc") {
        check(&[once], "gcc", &["-O2"]);
    }
}
