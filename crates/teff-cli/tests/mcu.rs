//! Generated C on the simulated chip: the assembly has the bits of the evaluator, and the cycles, flash and memory are what the book says.
//! Skipped, with the reason printed, where arm-none-eabi-gcc is not installed.

mod common;

use common::Folder;
use std::path::Path;
use std::process::Command;
use teff::compile::{Budget, Options, Target, c, compile, integer};
use teff::graph::{Graph, evaluate};
use teff::{DType, Value};
use teff_rp2040::Simulator;

/// What one run took.
struct Ran {
    outputs: Value,
    /// Without waiting for flash.
    cycles: u64,
    /// Bytes of stack below `main`.
    stack: u32,
}

const STACK_TOP: u32 = 0x2004_2000;
const PAINT: [u8; 4] = [0xa5; 4];
const START: &str = "
#include <stdint.h>
#include \"net.h\"
extern uint32_t data_load, data_start, data_end, bss_start, bss_end;
const IN_TYPE input[NET_INPUT0_LEN] = {
#include \"input.h\"
};
OUT_TYPE output[NET_OUTPUT0_LEN];
void reset(void);
__attribute__((section(\".vectors\"), used)) void *const vectors[2] = {(void *)0x20042000, (void *)reset};
void reset(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) { *to++ = *from++; }
    for (uint32_t *to = &bss_start; to < &bss_end;) { *to++ = 0; }
    __asm__ volatile(\"bkpt #1\");
    net(input, output);
    __asm__ volatile(\"bkpt #2\");
    for (;;) {}
}
";

fn has_compiler() -> bool {
    let found = Command::new("arm-none-eabi-gcc").arg("--version").output().is_ok();
    if !found {
        println!("skipped: no arm-none-eabi-gcc (Debian: apt-get install gcc-arm-none-eabi)");
    }
    found
}

/// Runs the network on the chip, with one input.
fn run(graph: &Graph, name: &str, level: &str, given: &Value) -> Ran {
    let folder = Folder::new(&format!("mcu-{name}{level}"));
    let target = Target::CORTEX_M0PLUS;
    let program = compile(graph, &Options { target, ..Options::default() }).unwrap();
    let files = c::print(&program, &c::Options::default());
    let list: Vec<String> = (0..given.len()).map(|i| format!("{:?}", given.get(i).as_f64())).collect();
    folder.write("net.c", files.source);
    folder.write("net.h", files.header);
    folder.write("input.h", list.join(",\n"));
    folder.write("start.c", START);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/firmware/link.ld");
    let types = |ty: &teff::graph::Type| match ty.dtype {
        DType::I8 => "int8_t",
        DType::U8 => "uint8_t",
        DType::F32 => "float",
        other => panic!("an interface of {other}"),
    };
    let output = &program.outputs[0].ty;
    let built = Command::new("arm-none-eabi-gcc")
        .current_dir(folder.path(""))
        .args(["-mcpu=cortex-m0plus", "-mthumb", "-nostartfiles", level, "-T"])
        .arg(script)
        .args([format!("-DIN_TYPE={}", types(&given.ty())), format!("-DOUT_TYPE={}", types(output))])
        .args(["start.c", "net.c", "-lm", "-o", "net.elf"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
    let image = Simulator::read_image(&folder.path("net.elf")).unwrap();
    let mut sim = Simulator::new(teff_rp2040::Options { stop_at_bkpt: true, ..Default::default() });
    sim.load(&image).unwrap();
    let stopped = |stop: teff_rp2040::Stop, at: u8| {
        assert!(matches!(stop, teff_rp2040::Stop::Bkpt { imm, .. } if imm == at), "{name}: {stop:?}");
    };
    stopped(sim.run(1_000_000_000), 1);
    let sp = sim.register(0, 13);
    let free = image.address_of("bss_end").unwrap();
    sim.write_bytes(free, &PAINT.repeat(((sp - free) / 4) as usize));
    let now = |sim: &Simulator| sim.core_cycles(0) - sim.stalls(0).flash;
    let before = now(&sim);
    sim.skip_bkpt(0);
    stopped(sim.run(4_000_000_000), 2);
    let cycles = now(&sim) - before;
    let left = sim.read_bytes(free, (sp - free) as usize).unwrap();
    let deepest = left.chunks_exact(4).position(|word| word != PAINT).unwrap_or(left.len() / 4) as u32;
    let bytes = sim.read_bytes(image.address_of("output").unwrap(), output.bytes()).unwrap();
    assert!(sp <= STACK_TOP);
    let outputs = match output.dtype {
        DType::I8 => Value::new(output.shape.clone(), bytes.iter().map(|b| *b as i8).collect()),
        DType::U8 => Value::new(output.shape.clone(), bytes),
        _ => {
            let floats = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            Value::new(output.shape.clone(), floats.collect())
        }
    };
    Ran { outputs, cycles, stack: sp - free - 4 * deepest }
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
    if !has_compiler() {
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
        let program =
            compile(&graph, &Options { target: Target::CORTEX_M0PLUS, ..Options::default() }).unwrap();
        let budget = Budget::new(&program, &Target::CORTEX_M0PLUS);
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
    if !has_compiler() {
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
