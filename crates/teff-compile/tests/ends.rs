//! What generated code has for the integers of a quantised network: scales, zero points, conversions, classes. Integers are compared with
//! whole-number arithmetic written from the text of ONNX, floats with 64 bits.

mod common;
#[path = "common/quantize_linear.rs"]
mod quantize_linear;

use common::c::{STRICT, Scratch, has, run, text};
use quantize_linear::{float, noise, quantize_linear, scales};
use std::process::Command;
use teff_compile::{Options, Program, c, compile, rust};
use teff_graph::{DType, Graph, Num, Tensor, Type, Value};

/// Elements of each input, and runs.
const LEN: usize = 200;
const RUNS: usize = 6_000;

/// An input: its scales, as many as elements or one, and zero points.
struct Input {
    dtype: DType,
    range: (i64, i64),
    scales: Vec<f32>,
    zeros: Vec<i64>,
}

/// Scales of their own for bytes and for 16 bits, a subnormal scale for all, a huge one for all.
fn inputs() -> Vec<Input> {
    let mut next = noise(7);
    let mut all = Vec::new();
    for (dtype, range, count, exponents) in [
        (DType::I8, (-128, 127), LEN, 40..220),
        (DType::I16, (-32768, 32767), LEN, 40..220),
        (DType::U8, (0, 255), 1, 0..1),
        (DType::U16, (0, 65535), 1, 253..254),
    ] {
        let scales = scales(count, &mut next, exponents);
        let zeros = (0..count).map(|_| range.0 + i64::from(next()) % (range.1 - range.0 + 1)).collect();
        all.push(Input { dtype, range, scales, zeros });
    }
    all
}

/// Ten outputs of one scale, all inputs added up in front of them.
fn network(inputs: &[Input]) -> Graph {
    let constant = |dtype: DType, n: usize, of: &dyn Fn(usize) -> Num| {
        Tensor::constant(Value::from_fn(&Type::new(dtype, [1, n]), of))
    };
    let (mut given, mut sum) = (Vec::new(), Tensor::constant(Value::new([1, LEN], vec![0f32; LEN])));
    for (i, input) in inputs.iter().enumerate() {
        let x = Tensor::input(&format!("x{i}"), input.dtype, &[1, LEN]);
        let n = input.scales.len();
        let scale = constant(DType::F32, n, &|j| Num::Float(input.scales[j].into()));
        let zero = constant(input.dtype, n, &|j| Num::Int(input.zeros[j].into()));
        sum = sum + x.dequantize(&scale, &zero) * 1e-30;
        given.push(x);
    }
    let weights = constant(DType::F32, LEN * 10, &|i| Num::Float((i % 7) as f64 - 3.0)).reshape(&[LEN, 10]);
    let (scale, zero) =
        (constant(DType::F32, 1, &|_| Num::Float(0.1)), constant(DType::I8, 1, &|_| Num::Int(-5)));
    let y = sum.matmul(&weights).quantize(&scale, &zero);
    Graph::from_tensors("ends", &given, &[("y", y)]).unwrap()
}

fn program(inputs: &[Input]) -> Program {
    let labels =
        ["zero", "e\u{301}\"\\", "??/", "3", "4", "5", "6", "7", "8", "9"].map(String::from).to_vec();
    compile(&network(inputs), &Options { labels, ..Options::default() }).unwrap()
}

/// The floats for every run and input, and the integers that they become.
fn cases(inputs: &[Input]) -> (Vec<u8>, Vec<i64>) {
    let (mut next, mut given, mut expected) = (noise(11), Vec::new(), Vec::new());
    for run in 0..RUNS {
        for input in inputs {
            let widest = if input.dtype.size() == 1 { 300.0 } else { 70_000.0 };
            for j in 0..LEN {
                let at = j % input.scales.len();
                let (scale, zero) = (input.scales[at], input.zeros[at]);
                let x = match (run, j % 5) {
                    (0, 0) => f32::NAN,
                    (0, 1) => f32::INFINITY,
                    (0, 2) => f32::NEG_INFINITY,
                    (0, 3) => -0.0,
                    _ => float(run + j, scale, widest, &mut next),
                };
                given.extend(x.to_le_bytes());
                expected.push(quantize_linear(x, scale, zero, input.range.0, input.range.1));
            }
        }
    }
    (given, expected)
}

/// What the program wrote: integers of every run, the floats of every byte, the classes said.
fn check(said: &[u8], inputs: &[Input], expected: &[i64]) {
    let mut at = 0;
    let mut take = |dtype: DType| {
        let value = Value::from_le_bytes(&Type::new(dtype, []), &said[at..at + dtype.size()]).unwrap();
        at += dtype.size();
        value.get(0)
    };
    for (i, expected) in expected.iter().enumerate() {
        let input = &inputs[i / LEN % inputs.len()];
        let scale = input.scales[i % LEN % input.scales.len()];
        assert_eq!(take(input.dtype).as_int(), i128::from(*expected), "element {i}, scale {scale:e}");
    }
    for q in -128..128 {
        let expected = (f64::from(q + 5) * f64::from(0.1f32)) as f32;
        assert_eq!(take(DType::F32).as_f64() as f32, expected, "{q}");
    }
    assert_eq!([take(DType::U8).as_int(), take(DType::U8).as_int()], [3, 0]);
    assert_eq!(String::from_utf8_lossy(&said[at..]), "e\u{301}\"\\??/");
}

const C_MAIN: &str = r#"#include "net.h"
#include <stdio.h>
static float x[200], y[10];
static int8_t q0[200], q[10], equal[10];
static int16_t q1[200];
static uint8_t q2[200];
static uint16_t q3[200];
int main(void)
{
    for (int run = 0; run < 6000; run++) {
        if (fread(x, 4, 200, stdin) != 200) return 1;
        net_quantize_input0(x, q0);
        fwrite(q0, 1, 200, stdout);
        if (fread(x, 4, 200, stdin) != 200) return 1;
        net_quantize_input1(x, q1);
        fwrite(q1, 2, 200, stdout);
        if (fread(x, 4, 200, stdin) != 200) return 1;
        net_quantize_input2(x, q2);
        fwrite(q2, 1, 200, stdout);
        if (fread(x, 4, 200, stdin) != 200) return 1;
        net_quantize_input3(x, q3);
        fwrite(q3, 2, 200, stdout);
    }
    for (int i = 0; i < 256; i++) {
        q[i % 10] = (int8_t)(i - 128);
        net_dequantize_output0(q, y);
        fwrite(&y[i % 10], 4, 1, stdout);
    }
    for (int i = 0; i < 10; i++) q[i] = (int8_t)(i % 4 - 2);
    putchar(net_argmax(q));
    putchar(net_argmax(equal));
    fputs(net_labels[1], stdout);
    fputs(net_labels[2], stdout);
    return NET_OUTPUT0_ZERO == -5 && NET_OUTPUT0_SCALE == 0.1f && NET_INPUT0_ZERO[3] == net_input0_zero[3] ? 0 : 1;
}
"#;

const RUST_MAIN: &str = r#"#![deny(warnings)]
mod net;
use std::io::{Read, Write, stdin, stdout};
fn main() {
    let (mut bytes, mut x, mut out) = ([0; 800], [0f32; 200], Vec::new());
    let (mut q0, mut q1, mut q2, mut q3) = ([0i8; 200], [0i16; 200], [0u8; 200], [0u16; 200]);
    for _ in 0..6000 {
        for input in 0..4 {
            stdin().read_exact(&mut bytes).unwrap();
            for (x, b) in x.iter_mut().zip(bytes.chunks_exact(4)) { *x = f32::from_le_bytes(b.try_into().unwrap()); }
            match input {
                0 => { net::quantize_input0(&x, &mut q0); out.extend(q0.iter().flat_map(|q| q.to_le_bytes())) }
                1 => { net::quantize_input1(&x, &mut q1); out.extend(q1.iter().flat_map(|q| q.to_le_bytes())) }
                2 => { net::quantize_input2(&x, &mut q2); out.extend(q2.iter().flat_map(|q| q.to_le_bytes())) }
                _ => { net::quantize_input3(&x, &mut q3); out.extend(q3.iter().flat_map(|q| q.to_le_bytes())) }
            }
        }
    }
    let (mut q, mut y) = ([0i8; 10], [0f32; 10]);
    for i in 0..256 {
        q[i % 10] = (i as i32 - 128) as i8;
        net::dequantize_output(&q, &mut y);
        out.extend(y[i % 10].to_le_bytes());
    }
    for i in 0..10 { q[i] = (i % 4) as i8 - 2; }
    out.push(net::argmax(&q) as u8);
    out.push(net::argmax(&[0; 10]) as u8);
    out.extend(net::LABELS[1].bytes());
    out.extend(net::LABELS[2].bytes());
    assert!(net::OUTPUT_ZERO == -5 && net::OUTPUT_SCALE == 0.1 && net::INPUT0_SCALE.len() == 200);
    let _ = net::net;
    stdout().write_all(&out).unwrap();
}
"#;

#[test]
fn floats_become_integers_in_c_and_rust_as_onnx_says() {
    let inputs = inputs();
    let program = program(&inputs);
    let (given, expected) = cases(&inputs);
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join("given"), given).unwrap();
    let files = c::print(&program, &c::Options::default());
    scratch.write("net.c", &files.source);
    scratch.write("net.h", &files.header);
    scratch.write("main.c", C_MAIN);
    scratch.write("net.rs", &rust::print(&program, &rust::Options::default()));
    scratch.write("main.rs", RUST_MAIN);
    let rustc = ["--edition", "2024", "-O", "main.rs", "-o", "program"];
    let c = [STRICT, &["-O2", "main.c", "net.c", "-lm", "-o", "program"]].concat();
    for (compiler, flags) in [("gcc", &c[..]), ("clang", &c), ("rustc", &rustc)] {
        if !has(compiler) {
            continue;
        }
        let built = run(&scratch.0, Command::new(compiler).args(flags));
        assert!(built.status.success(), "{compiler}: {}", text(&built));
        let given = std::fs::File::open(scratch.0.join("given")).unwrap();
        let ran = run(&scratch.0, Command::new(scratch.0.join("program")).stdin(given));
        assert!(ran.status.success(), "{compiler}: {}", String::from_utf8_lossy(&ran.stderr));
        check(&ran.stdout, &inputs, &expected);
    }
}

#[test]
fn what_nobody_calls_takes_no_flash_and_cpp_may_include_the_header() {
    let program = program(&inputs());
    let scratch = Scratch::new();
    let files = c::print(&program, &c::Options::default());
    scratch.write("net.c", &files.source);
    scratch.write("net.h", &files.header);
    scratch.write("main.c", "#include \"net.h\"\nstatic int8_t a[200], y[10];\nstatic int16_t b[200];\nstatic uint8_t c[200];\nstatic uint16_t d[200];\nint main(void)\n{\n    net(a, b, c, d, y);\n    return y[0];\n}\n");
    scratch.write("main.cpp", "#include \"net.h\"\nint main() { return net_argmax(nullptr) + net_labels[0][0] + NET_INPUT0_ZERO[0]; }\n");
    if has("gcc") {
        let sections = [
            "-O2",
            "-ffunction-sections",
            "-fdata-sections",
            "-Wl,--gc-sections",
            "main.c",
            "net.c",
            "-lm",
            "-o",
            "program",
        ];
        let built = run(&scratch.0, Command::new("gcc").args(STRICT).args(sections));
        assert!(built.status.success(), "{}", text(&built));
        let symbols = text(&run(&scratch.0, Command::new("nm").arg("program")));
        // Compilers may take a table for another of the same numbers, which the network needs.
        let ours = ["quantize_", "argmax", "labels", "steps"];
        let kept: Vec<&str> =
            symbols.split_whitespace().filter(|s| ours.iter().any(|our| s.contains(our))).collect();
        assert!(kept.is_empty() && symbols.contains(" net\n"), "{symbols}");
    }
    if has("g++") {
        let built = run(
            &scratch.0,
            Command::new("g++").args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "main.cpp"]),
        );
        assert!(built.status.success(), "{}", text(&built));
    }
}

/// Networks of floats, of wider integers and with outputs for no classes have nothing of it.
#[test]
fn ends_that_stand_for_nothing_have_no_conversions() {
    let x = Tensor::input("x", DType::F32, &[1, 4]);
    let pairs = x.reshape(&[2, 2]);
    let graph = Graph::from_tensors("plain", &[x], &[("y", pairs)]).unwrap();
    let labels = vec!["a".to_string(), "b".to_string()];
    let program = compile(&graph, &Options { labels, ..Options::default() }).unwrap();
    let files = c::print(&program, &c::Options::default());
    let module = rust::print(&program, &rust::Options::default());
    for text in [files.header, files.source, module] {
        let lower = text.to_lowercase();
        assert!(
            ["quantize", "_scale", "argmax", "labels"].iter().all(|word| !lower.contains(word)),
            "{text}"
        );
    }
}
