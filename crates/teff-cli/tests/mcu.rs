//! Generated C on the simulated chip: the assembly has the bits of the evaluator, and the cycles, flash and memory are what the book says.
//! Skipped, with the reason printed, where arm-none-eabi-gcc is not installed.

mod common;

use common::chip::{Chip, Language, Ran, has_c_compiler, has_rust_target};
use std::path::Path;
use teff::compile::{Budget, Options, Program, Target, c, compile, integer, place, rust};
use teff::graph::{Graph, Num, Type, evaluate};
use teff::{DType, Tensor, Value};

/// Runs the network as C on the chip, with one input.
fn run(graph: &Graph, name: &str, level: &'static str, given: &Value) -> Ran {
    let program = compiled(graph);
    Chip::new(&program, &format!("{name}{level}"), Language::C(c::Options::default(), level)).run(given)
}

fn compiled(graph: &Graph) -> Program {
    compile(graph, &Options { target: Target::CORTEX_M0PLUS, ..Options::default() }).unwrap()
}

/// Numbers that differ enough: the whole range of an integer; or, as pictures of digits have them, four in five 0, the others up to 1.
fn noise(graph: &Graph) -> Value {
    let mut state = 1u32;
    let ty = graph[graph.inputs()[0]].ty.clone();
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    match ty.dtype {
        DType::I8 => Value::new(ty.shape.clone(), (0..ty.len()).map(|_| next() as u8 as i8).collect()),
        DType::U8 => Value::new(ty.shape.clone(), (0..ty.len()).map(|_| next() as u8).collect()),
        _ => {
            let pixel = |n: u32| if n < 51 { n as f32 / 50.0 } else { 0.0 };
            Value::new(ty.shape.clone(), (0..ty.len()).map(|_| pixel(next())).collect())
        }
    }
}

fn model(name: &str) -> Graph {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models").join(name);
    teff::onnx::read(&std::fs::read(file).unwrap(), &Default::default()).unwrap().graph
}

#[test]
fn quantised_models_on_the_chip_have_the_bits_and_the_cycles() {
    if !has_c_compiler() {
        return;
    }
    println!("model                cycles a run  a MAC  weights  arena  stack");
    // Cycles for a multiply-accumulate and bytes of arena, at most.
    for (name, most_cycles, most_arena) in [
        ("cnn_qdq", 6.2, 2_200),
        ("ad01_int8", 4.6, 2_560),
        ("ic_resnet8_int8", 5.0, 53_248),
        ("kws_dscnn_int8", 6.0, 18_432),
        ("vww_mbv1_025_int8", 6.5, 61_440),
        ("person_detect_int8", 7.5, 61_440),
        ("sww_int8", 5.0, 8_192),
        ("micro_speech_quantized", 7.0, 8_192),
    ] {
        let graph = model(&format!("{name}.onnx"));
        let given = noise(&graph);
        let ran = run(&graph, name, "-O3", &given);
        let expected = evaluate(&integer(&graph).unwrap(), &[given]).unwrap();
        assert_eq!(ran.outputs, expected[0], "{name}");
        let budget = Budget::new(&compiled(&graph), &Target::CORTEX_M0PLUS);
        let macs = integer_macs(&graph);
        let a_mac = ran.cycles as f64 / macs;
        println!(
            "{name:<20} {:>12} {a_mac:>6.2} {:>8} {:>6} {:>6}",
            ran.cycles, budget.flash_weights, budget.ram_arena, ran.stack
        );
        assert!(a_mac <= most_cycles, "{name}: {a_mac:.2} cycles for a multiply-accumulate");
        assert!(budget.ram_arena <= most_arena, "{name}: an arena of {}", budget.ram_arena);
    }
}

/// Multiply-accumulates as the model has them, those that a pool throws away counted.
fn integer_macs(graph: &Graph) -> f64 {
    use teff::graph::Op;
    let of = |n: &teff::graph::Node| {
        let operand = |i: usize| &graph[n.operands[i]].ty.shape;
        match n.op {
            Op::MatMul => n.ty.len() * operand(0).last().unwrap(),
            Op::Conv(_) => n.ty.len() * operand(1)[1..].iter().product::<usize>(),
            _ => 0,
        }
    };
    graph.nodes().iter().map(of).sum::<usize>() as f64
}

#[test]
fn the_assembly_does_not_depend_on_how_the_rest_is_optimised() {
    if !has_c_compiler() {
        return;
    }
    for name in ["cnn_qdq", "kws_dscnn_int8"] {
        let graph = model(&format!("{name}.onnx"));
        let given = noise(&graph);
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        for level in ["-O0", "-O1", "-O2", "-Os"] {
            assert_eq!(run(&graph, name, level, &given).outputs, expected[0], "{name} {level}");
        }
    }
}

#[test]
fn rust_on_the_chip_has_the_bits_and_nearly_the_cycles_of_c() {
    if !has_c_compiler() || !has_rust_target() {
        return;
    }
    println!("model                cycles of C  of Rust  without assembly  stack");
    for name in ["cnn_qdq", "ad01_int8", "kws_dscnn_int8", "sww_int8"] {
        let graph = model(&format!("{name}.onnx"));
        let given = noise(&graph);
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        let program = compiled(&graph);
        let of_c = run(&graph, &format!("{name}-beside-rust"), "-O3", &given);
        let of_rust = |options| {
            let ran = Chip::new(&program, &format!("{name}-rust"), Language::Rust(options)).run(&given);
            assert_eq!(ran.outputs, expected[0], "{name} {options:?}");
            ran
        };
        let fast = of_rust(rust::Options { sram_code: true, ..Default::default() });
        let plain = of_rust(rust::Options { portable: true, ..Default::default() });
        println!("{name:<20} {:>11} {:>8} {:>17} {:>6}", of_c.cycles, fast.cycles, plain.cycles, fast.stack);
        let times = fast.cycles as f64 / of_c.cycles as f64;
        assert!(times <= 1.1, "{name}: {times:.2} of the cycles of C");
    }
}

/// Two dense layers of these sizes with weights of so many bits, of a picture.
fn dense(bits: u32, [inputs, hidden, outputs]: [usize; 3]) -> Graph {
    let scalar = |x: f32| Tensor::constant(Value::new([1, 1], vec![x]));
    let black = || Tensor::constant(Value::new([1, 1], vec![-128i8]));
    let half = 1i128 << (bits - 1);
    let weights = |shape: [usize; 2]| {
        let element = |i: usize| Num::Int((i * i * 7 + i * 5) as i128 % (2 * half - 1) - half + 1);
        let q = Tensor::constant(Value::from_fn(&Type::new(DType::I8, shape), element));
        q.dequantize(&scalar(1.0 / half as f32), &Tensor::constant(Value::new([1, 1], vec![0i8])))
    };
    let x = Tensor::input("x", DType::I8, &[1, inputs]);
    let sums = x.dequantize(&scalar(1.0 / 255.0), &black()).matmul(&weights([inputs, hidden])).relu();
    let middle = sums.quantize(&scalar(0.05), &black()).dequantize(&scalar(0.05), &black());
    let y = middle.matmul(&weights([hidden, outputs])).quantize(&scalar(0.1), &black());
    Graph::from_tensors("dense", &[x], &[("y", y)]).unwrap()
}

/// A round light spot in the middle.
fn spot(graph: &Graph) -> Value {
    let distance = |i: usize| (i as i128 / 14 * 2 - 13).pow(2) + (i as i128 % 14 * 2 - 13).pow(2);
    let pixel = |i: usize| Num::Int((127 - 3 * distance(i)).max(-128));
    Value::from_fn(&graph[graph.inputs()[0]].ty, pixel)
}

#[test]
fn what_lies_in_sram_does_not_wait_for_flash() {
    if !has_c_compiler() {
        return;
    }
    let mut languages = vec![Language::C(c::Options { sram_code: true, ..Default::default() }, "-O3")];
    if has_rust_target() {
        languages.push(Language::Rust(rust::Options { sram_code: true, ..Default::default() }));
    }
    for bits in [8, 4, 2] {
        let graph = dense(bits, [196, 64, 16]);
        let given = spot(&graph);
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        for language in &languages {
            // All of the weights in flash, a third of them in SRAM, all of them there.
            let all = compiled(&graph).constant_bytes();
            let stalls = [0, all / 3, all].map(|bytes| {
                let mut program = compiled(&graph);
                place(&mut program, bytes, &[]).unwrap();
                let ran = Chip::new(&program, &format!("placed-{bits}"), *language).run(&given);
                assert_eq!(ran.outputs, expected[0], "{bits} bits, {bytes} bytes, {language:?}");
                ran.stalls
            });
            println!("{bits} bits: {stalls:?} cycles of waiting, {language:?}");
            assert!(stalls[1] < stalls[0] * 7 / 10, "{stalls:?}");
            // What is left is the library's memset, and what jumps there.
            assert!(stalls[2] < 1500, "{stalls:?}");
        }
    }
}

/// Whose weights these are does not change what they cost: what a digit leaves black takes no products.
#[test]
fn digits_take_a_perceptron_8_ms_at_most_and_5_with_a_third_of_it_in_sram() {
    if !has_c_compiler() {
        return;
    }
    let graph = dense(8, [784, 400, 10]);
    let mnist = teff::data::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")).unwrap();
    let digit = |data: &teff::data::Dataset, n: usize| {
        let mut x = vec![0.0f32; 784];
        data.gather(&[n], &mut x);
        Value::new([1, 784], x.iter().map(|x| ((x * 255.0).round() as u8 ^ 0x80) as i8).collect())
    };
    let shown: Vec<Vec<Value>> = (0..32).map(|n| vec![digit(&mnist.train, 100 * n)]).collect();
    let reference = integer(&graph).unwrap();
    for (bytes, most) in [(0, 8.0), (64_000, 5.5), (100_000, 4.5), (130_000, 4.0)] {
        let mut program = compiled(&graph);
        place(&mut program, bytes, &shown).unwrap();
        let options = c::Options { sram_code: true, ..Default::default() };
        let mut chip = Chip::new(&program, "digits", Language::C(options, "-O3"));
        let (mut cycles, count) = (0, 20);
        for n in 0..count {
            let given = digit(&mnist.test, 50 * n);
            let ran = chip.run(&given);
            assert_eq!(ran.outputs, evaluate(&reference, &[given]).unwrap()[0], "{bytes} bytes, digit {n}");
            cycles += ran.cycles + ran.stalls;
        }
        let ms = cycles as f64 / count as f64 / 125_000.0;
        println!("{bytes:>6} bytes of tables in SRAM: {ms:.2} ms at 125 MHz");
        assert!(ms <= most, "{bytes} bytes: {ms:.2} ms");
    }
}

#[test]
fn narrow_weights_of_convolutions_have_the_bits_on_the_chip() {
    if !has_c_compiler() {
        return;
    }
    for bits in [4, 2] {
        let x = Tensor::input("x", DType::I8, &[1, 3, 8, 8]);
        let scalar = |x: f32| Tensor::constant(Value::new([1, 1, 1, 1], vec![x]));
        let zero = |x: i8| Tensor::constant(Value::new([1, 1, 1, 1], vec![x]));
        let element = |i: usize| Num::Int((i * 7 % (1 << bits)) as i128 - (1 << (bits - 1)));
        let weights = Tensor::constant(Value::from_fn(&Type::new(DType::I8, [12, 3, 3, 3]), element));
        let y = x
            .dequantize(&scalar(0.02), &zero(5))
            .conv2d(&weights.dequantize(&scalar(0.1), &zero(0)), 1, 1, 1, 1)
            .quantize(&scalar(0.2), &zero(-3));
        let graph = Graph::from_tensors("narrow", &[x], &[("y", y)]).unwrap();
        let given = noise(&graph);
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        let program = compiled(&graph);
        let called = format!("pair_sums_{bits}");
        assert!(c::print(&program, &c::Options::default()).source.contains(&called), "{bits} bits");
        let of_c = Chip::new(&program, &called, Language::C(c::Options::default(), "-O2")).run(&given);
        assert_eq!(of_c.outputs, expected[0], "{bits} bits");
        if has_rust_target() {
            let of_rust = Chip::new(&program, &called, Language::Rust(rust::Options::default())).run(&given);
            assert_eq!(of_rust.outputs, expected[0], "{bits} bits");
        }
    }
}

/// Floats that become integers of all sizes, some too large, halves among them.
fn floats(scale: f32) -> Value {
    let one = |i: usize| ((i * 389 % 1000) as f32 - 500.0) * 0.375 * scale;
    Value::new([1, 784], (0..784).map(one).collect())
}

#[test]
fn a_float_becomes_an_integer_in_90_cycles_at_most() {
    if !has_c_compiler() {
        return;
    }
    let scalar = |x: f32| Tensor::constant(Value::new([1, 1], vec![x]));
    let limits =
        [(DType::I8, Num::Int(-3), 90.0), (DType::U8, Num::Int(128), 90.0), (DType::I16, Num::Int(5), 150.0)];
    println!("type  cycles a float: before the network  in it  as Rust  back to floats");
    for (dtype, zero, most) in limits {
        let zero_of = zero.as_f64();
        let zero = Tensor::constant(Value::full(&Type::new(dtype, [1, 1]), zero));
        let x = Tensor::input("x", dtype, &[1, 784]);
        let y = x.dequantize(&scalar(0.02), &zero).relu().quantize(&scalar(0.02), &zero);
        let ends = Graph::from_tensors("ends", &[x], &[("y", y)]).unwrap();
        let x = Tensor::input("x", DType::F32, &[1, 784]);
        let y = x.quantize(&scalar(0.02), &zero);
        let inside = Graph::from_tensors("inside", &[x], &[("y", y)]).unwrap();
        let (given, program) = (floats(0.02), compiled(&ends));
        let expected = evaluate(&inside, std::slice::from_ref(&given)).unwrap().remove(0);
        let before = Chip::of_function(&program, "net_quantize_input0", [DType::F32, dtype]).run(&given);
        let back = Chip::of_function(&program, "net_dequantize_output0", [dtype, DType::F32]).run(&expected);
        let floats: Vec<f32> =
            expected.to_f64().iter().map(|q| ((q - zero_of) * f64::from(0.02f32)) as f32).collect();
        assert_eq!(back.outputs, Value::new([1, 784], floats), "{dtype}");
        let within = run(&inside, &format!("quantize-{dtype}"), "-O3", &given);
        assert_eq!([&before.outputs, &within.outputs], [&expected; 2], "{dtype}");
        let each = |ran: &Ran| ran.cycles as f64 / 784.0;
        let of_rust = has_rust_target().then(|| {
            let language = Language::Rust(rust::Options::default());
            let ran = Chip::new(&compiled(&inside), &format!("quantize-rust-{dtype}"), language).run(&given);
            assert_eq!(ran.outputs, expected, "{dtype}");
            each(&ran)
        });
        println!(
            "{dtype:<5} {:>35.1} {:>6.1} {:>8.1} {:>15.1}",
            each(&before),
            each(&within),
            of_rust.unwrap_or(f64::NAN),
            each(&back)
        );
        assert!(
            each(&back) <= if dtype.size() == 1 { 60.0 } else { 240.0 },
            "{dtype}: {:.1} cycles back",
            each(&back)
        );
        for cycles in [each(&before), each(&within)].into_iter().chain(of_rust) {
            assert!(cycles <= most, "{dtype}: {cycles:.1} cycles a float");
        }
    }
}
