//! Generated networks on the simulated chip, as C or Rust: bits, cycles, stack.

use super::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;
use teff::compile::{Program, c, rust};
use teff::{DType, Value};
use teff_rp2040::{Simulator, Stop};

/// What a network is printed as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    /// With the level of optimisation.
    C(c::Options, &'static str),
    Rust(rust::Options),
}

/// What one run took.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The first output.
    pub(crate) outputs: Value,
    /// The others, of networks in C.
    pub(crate) others: Vec<Value>,
    /// Without waiting for flash.
    pub(crate) cycles: u64,
    /// Cycles of waiting for flash.
    pub(crate) stalls: u64,
    /// Bytes of stack below `main`.
    pub(crate) stack: u32,
}

/// A network on the chip, ready to run.
pub(crate) struct Chip {
    sim: Simulator,
    name: String,
    output: teff::graph::Type,
    /// The other outputs, and where they are.
    others: Vec<(teff::graph::Type, u32)>,
    /// Addresses of the input, the output, and the first byte behind all variables.
    places: [u32; 3],
    sp: u32,
    pub(crate) elf: PathBuf,
    _folder: Folder,
}

const STACK_TOP: u32 = 0x2004_2000;
const PAINT: [u8; 4] = [0xa5; 4];

const C_START: &str = "
#include <stdint.h>
#include \"net.h\"
extern uint32_t data_load, data_start, data_end, bss_start, bss_end;
IN_TYPE input[NET_INPUT0_LEN] __attribute__((aligned(4)));
OUT_TYPE output[NET_OUTPUT0_LEN] __attribute__((aligned(4)));
OTHERS
void reset(void);
__attribute__((section(\".vectors\"), used)) void *const vectors[2] = {(void *)0x20042000, (void *)reset};
void reset(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) { *to++ = *from++; }
    for (uint32_t *to = &bss_start; to < &bss_end;) { *to++ = 0; }
    for (;;) {
        __asm__ volatile(\"bkpt #1\" ::: \"memory\");
        net(input, outputARGUMENTS);
        __asm__ volatile(\"bkpt #2\" ::: \"memory\");
    }
}
";

const RUST_START: &str = r#"#![no_std]
#![no_main]
mod net;
use core::arch::asm;
use core::ptr::addr_of_mut;

unsafe extern "C" {
    static mut data_load: u32;
    static mut data_start: u32;
    static mut data_end: u32;
    static mut bss_start: u32;
    static mut bss_end: u32;
}

#[repr(C, align(4))]
struct Aligned<T>(T);
#[unsafe(no_mangle)]
static mut input: Aligned<[IN_TYPE; net::INPUT_LEN]> = Aligned([IN_ZERO; net::INPUT_LEN]);
#[unsafe(no_mangle)]
static mut output: Aligned<[OUT_TYPE; net::OUTPUT_LEN]> = Aligned([OUT_ZERO; net::OUTPUT_LEN]);
ARENA
#[repr(C)]
pub struct Vectors(u32, unsafe extern "C" fn() -> !);
#[unsafe(link_section = ".vectors")]
#[unsafe(no_mangle)]
#[used]
pub static VECTORS: Vectors = Vectors(0x2004_2000, reset);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn reset() -> ! {
    unsafe {
        // In assembly, as there is no memory of Rust's before.
        asm!(
            "1:", "cmp r1, r2", "bhs 2f", "ldmia r0!, {{r3}}", "stmia r1!, {{r3}}", "b 1b", "2:",
            inout("r0") addr_of_mut!(data_load) => _, inout("r1") addr_of_mut!(data_start) => _,
            in("r2") addr_of_mut!(data_end), out("r3") _,
        );
        asm!(
            "1:", "cmp r1, r2", "bhs 2f", "stmia r1!, {{r3}}", "b 1b", "2:",
            inout("r1") addr_of_mut!(bss_start) => _, in("r2") addr_of_mut!(bss_end), in("r3") 0,
        );
        loop {
            asm!("bkpt #1");
            call();
            asm!("bkpt #2");
        }
    }
}

/// Not part of `reset`, whose stack is not counted.
#[inline(never)]
unsafe fn call() {
    unsafe { net::net(&*addr_of_mut!(input.0), &mut *addr_of_mut!(output.0)ARGUMENT) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
"#;

pub(crate) fn has_c_compiler() -> bool {
    let found = Command::new("arm-none-eabi-gcc").arg("--version").output().is_ok();
    if !found {
        println!("skipped: no arm-none-eabi-gcc (Debian: apt-get install gcc-arm-none-eabi)");
    }
    found
}

/// How cargo builds for the chip: with rustup's core library, or from the source that Debian packages.
fn cargo() -> Option<Command> {
    let target = ["--target", "thumbv6m-none-eabi"];
    let printed = Command::new("rustc").args(["--print", "target-libdir"]).args(target).output().ok()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--offline", "--quiet"]).args(target);
    if Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir() {
        return Some(cargo);
    }
    let source = Path::new("/usr/lib/rustlib/src/rust/library/core").is_dir();
    cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
    source.then_some(cargo)
}

pub(crate) fn has_rust_target() -> bool {
    let found = cargo().is_some();
    if !found {
        println!("skipped: no core library for thumbv6m-none-eabi (rustup target add thumbv6m-none-eabi)");
    }
    found
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../teff-rp2040/tests/firmware/link.ld")
        .canonicalize()
        .unwrap()
}

fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "int8_t",
        DType::U8 => "uint8_t",
        DType::I16 => "int16_t",
        DType::I64 => "int64_t",
        DType::F32 => "float",
        other => panic!("an interface of {other}"),
    }
}

/// `function` takes an input of the first type and gives an output of the second.
fn build_c(
    program: &Program,
    options: &c::Options,
    level: &str,
    (function, types): (&str, [DType; 2]),
    folder: &Folder,
) -> PathBuf {
    let files = c::print(program, options);
    folder.write("net.c", files.source);
    folder.write("net.h", files.header);
    let (mut others, mut arguments) = (String::new(), String::new());
    for (i, port) in program.outputs.iter().enumerate().skip(1) {
        let (t, len) = (c_type(port.ty.dtype), port.ty.len());
        others += &format!("{t} output{i}[{len}] __attribute__((aligned(8)));\n");
        arguments += &format!(", output{i}");
    }
    let start = C_START.replace("OTHERS\n", &others).replace("ARGUMENTS", &arguments);
    folder.write("start.c", start.replace("net(input", &format!("{function}(input")));
    let mut gcc = Command::new("arm-none-eabi-gcc");
    gcc.current_dir(folder.path("")).args(["-mcpu=cortex-m0plus", "-mthumb", "-nostartfiles", "-Wall"]);
    gcc.args([level, "-T"]).arg(script());
    gcc.args([0, 1].map(|i| format!("-D{}_TYPE={}", ["IN", "OUT"][i], c_type(types[i]))));
    let built = gcc.args(["start.c", "net.c", "-lm", "-o", "net.elf"]).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && !said.contains("warning"), "{said}");
    folder.path("net.elf")
}

fn build_rust(program: &Program, options: &rust::Options, folder: &Folder) -> PathBuf {
    let module = rust::print(program, options);
    std::fs::create_dir_all(folder.path("src")).unwrap();
    let takes_arena = module.contains("arena: &mut Arena");
    let mut start = RUST_START.to_string();
    for (which, port) in [("IN", &program.inputs[0]), ("OUT", &program.outputs[0])] {
        let dtype = port.ty.dtype;
        let zero = if dtype.is_float() { "0.0" } else { "0" };
        start = start.replace(&format!("{which}_TYPE"), dtype.name()).replace(&format!("{which}_ZERO"), zero);
    }
    let arena = "static mut arena: net::Arena = net::Arena::new();\n";
    start = start.replace("ARENA\n", if takes_arena { arena } else { "" });
    start = start.replace("ARGUMENT", if takes_arena { ", &mut *addr_of_mut!(arena)" } else { "" });
    folder.write("src/main.rs", start);
    folder.write("src/net.rs", module);
    folder.write(
        "Cargo.toml",
        "[package]\nname = \"net\"\nedition = \"2024\"\n[profile.release]\nopt-level = 3\ncodegen-units = 1\npanic = \"abort\"\n[workspace]\n",
    );
    let flags =
        format!("-C link-arg=-T{} -C link-arg=--nmagic -A non_upper_case_globals", script().display());
    let mut cargo = cargo().unwrap();
    cargo.current_dir(folder.path("")).env("CARGO_TARGET_DIR", folder.path("target"));
    let built = cargo.env("RUSTFLAGS", flags).output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && !said.contains("warning"), "{said}");
    folder.path("target/thumbv6m-none-eabi/release/net")
}

impl Chip {
    /// The network `program`, called `net`, on the chip, its start-up done.
    pub(crate) fn new(program: &Program, name: &str, language: Language) -> Chip {
        let folder = Folder::new(&format!("mcu-{name}"));
        let elf = match language {
            Language::C(options, level) => {
                let types = [program.inputs[0].ty.dtype, program.outputs[0].ty.dtype];
                build_c(program, &options, level, ("net", types), &folder)
            }
            Language::Rust(options) => build_rust(program, &options, &folder),
        };
        Chip::loaded(program, name, matches!(language, Language::C(..)), elf, folder)
    }

    /// A function that comes with `program`, of as many elements, instead of the network.
    pub(crate) fn of_function(program: &Program, function: &str, types: [DType; 2]) -> Chip {
        let folder = Folder::new(&format!("mcu-{function}"));
        let elf = build_c(program, &c::Options::default(), "-O3", (function, types), &folder);
        let mut chip = Chip::loaded(program, function, true, elf, folder);
        chip.output.dtype = types[1];
        chip
    }

    fn loaded(program: &Program, name: &str, is_c: bool, elf: PathBuf, folder: Folder) -> Chip {
        let image = Simulator::read_image(&elf).unwrap();
        let mut sim = Simulator::new(teff_rp2040::Options { stop_at_bkpt: true, ..Default::default() });
        sim.load(&image).unwrap();
        let address = |symbol: &str| image.address_of(symbol).unwrap_or_else(|| panic!("no {symbol}"));
        let places = ["input", "output", "bss_end"].map(address);
        let mut chip = Chip {
            sim,
            name: name.into(),
            output: program.outputs[0].ty.clone(),
            others: if is_c {
                let others = program.outputs.iter().enumerate().skip(1);
                others.map(|(i, port)| (port.ty.clone(), address(&format!("output{i}")))).collect()
            } else {
                Vec::new()
            },
            places,
            sp: 0,
            elf,
            _folder: folder,
        };
        chip.run_to(1);
        chip.sp = chip.sim.register(0, 13);
        assert!(chip.sp <= STACK_TOP);
        chip
    }

    fn run_to(&mut self, bkpt: u8) {
        let until = self.sim.cycles() + 4_000_000_000;
        let stop = self.sim.run(until);
        assert!(matches!(stop, Stop::Bkpt { imm, .. } if imm == bkpt), "{}: {stop:?}", self.name);
    }

    /// Runs the network on one input.
    pub(crate) fn run(&mut self, given: &Value) -> Ran {
        let [input, output, free] = self.places;
        self.sim.write_bytes(input, &given.to_le_bytes());
        self.sim.write_bytes(free, &PAINT.repeat(((self.sp - free) / 4) as usize));
        let now = |sim: &Simulator| (sim.core_cycles(0), sim.stalls(0).flash);
        let before = now(&self.sim);
        self.sim.skip_bkpt(0);
        self.run_to(2);
        let after = now(&self.sim);
        let left = self.sim.read_bytes(free, (self.sp - free) as usize).unwrap();
        let deepest = left.chunks_exact(4).position(|word| word != PAINT).unwrap_or(left.len() / 4) as u32;
        let read = |ty: &teff::graph::Type, at: u32| {
            Value::from_le_bytes(ty, &self.sim.read_bytes(at, ty.bytes()).unwrap()).unwrap()
        };
        let outputs = read(&self.output, output);
        let others = self.others.iter().map(|(ty, at)| read(ty, *at)).collect();
        self.sim.skip_bkpt(0);
        self.run_to(1);
        let stalls = after.1 - before.1;
        Ran {
            outputs,
            others,
            cycles: after.0 - before.0 - stalls,
            stalls,
            stack: self.sp - free - 4 * deepest,
        }
    }
}
