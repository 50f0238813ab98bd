//! A network as C on the simulated chip, counted by layer.
//!
//! It is built twice: as it is, for what it takes as a whole, and with each layer kept a function, for what each takes. Nothing
//! runs beside it, and code and tables are read through the flash cache as on the board.

use crate::children;
use crate::failure::{During, Failure, Result};
use crate::files::{Scratch, command_in, write};
use crate::stop::Stop;
use crate::ui::grouped;
use std::path::{Path, PathBuf};
use teff::Value;
use teff::compile::{Budget, Program, c};
use teff_rp2040::{Image, Options, Simulator, Stop as Ended};

const COMPILER: &str = "arm-none-eabi-gcc";
const RAM_BEGIN: u32 = 0x2000_0000;
const STACK_TOP: u32 = 0x2004_2000;
/// Bytes of the board's flash and the chip's RAM, and of either that code and stack need at least.
pub(super) const FLASH: usize = 2 << 20;
pub(super) const RAM: usize = 264 << 10;
pub(super) const LEFT: usize = 4 << 10;
/// More cycles than any network that is worth waiting for: an hour on the chip.
const PATIENCE: u64 = 450_000_000_000;
/// After so many the user may stop.
const SLICE: u64 = 20_000_000;

/// The whole of flash and RAM; the stack grows down from the end of RAM into what variables leave.
const SCRIPT: &str = "MEMORY
{
  FLASH (rx) : ORIGIN = 0x10000000, LENGTH = 2048K
  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 264K
}
ENTRY(reset)
SECTIONS
{
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > FLASH
  data_load = LOADADDR(.data);
  .data : { data_start = .; *(.data*) . = ALIGN(4); data_end = .; } > RAM AT> FLASH
  .bss (NOLOAD) : { bss_start = .; *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; } > RAM
}
";

/// What one run took.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) outputs: Vec<Value>,
    pub(super) whole: Took,
    /// Of each layer, where layers are apart; none of one that was not reached, whose work, if any, counts for the layer before it.
    pub(super) layers: Vec<Option<Took>>,
    /// Bytes of stack, the most of all runs so far.
    pub(super) stack: u32,
}

/// Cycles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// All.
    pub(super) cycles: u64,
    /// Those of them that wait for flash.
    pub(super) waits: u64,
}

/// A network on the chip, its start-up done.
pub(super) struct Chip<'a> {
    program: &'a Program,
    sim: Simulator,
    /// Addresses of inputs, outputs and layers; a layer of which the compiler left no function has none.
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    layers: Vec<Option<u32>>,
    /// The first byte behind all variables, and where the stack begins.
    free: u32,
    sp: u32,
    image: Image,
}

/// Whether there is a compiler for the chip; if not, what to do.
pub(super) fn compiler() -> std::result::Result<(), String> {
    if children::answers(COMPILER) {
        return Ok(());
    }
    Err(format!(
        "{COMPILER} is not installed: run scripts/setup-embedded, or install Debian's gcc-arm-none-eabi and libnewlib-arm-none-eabi"
    ))
}

/// Whether the chip has room for the network's tables and values, with something left for code and stack; if not, what it lacks.
pub(super) fn room(program: &Program, budget: &Budget) -> std::result::Result<(), String> {
    let ports = program.inputs.iter().chain(&program.outputs).map(|p| p.ty.bytes());
    let ram = budget.ram_arena + budget.ram_tables + ports.sum::<usize>();
    for (what, bytes, has) in
        [("tables", budget.flash_weights, FLASH), ("values, inputs and outputs", ram, RAM)]
    {
        if bytes + LEFT > has {
            return Err(format!(
                "its {what} take {} bytes, of {} that the chip has",
                grouped(bytes),
                grouped(has)
            ));
        }
    }
    Ok(())
}

impl<'a> Chip<'a> {
    /// Builds `program` and brings it to where it waits for inputs.
    pub(super) fn new(program: &'a Program, options: c::Options, flash_miss: u64) -> Result<Chip<'a>> {
        let scratch = Scratch::new("report")?;
        let elf = build(program, options, scratch.path())?;
        let image = Simulator::read_image(&elf)?;
        let mut sim = Simulator::new(Options {
            stop_at_bkpt: true,
            stop_at_fault: true,
            flash_miss,
            ..Options::default()
        });
        sim.load(&image)?;
        let ports = |kind: &str, count: usize| -> Result<Vec<u32>> {
            (0..count).map(|i| address(&image, &format!("{kind}{i}"))).collect()
        };
        let layers = match options.layers_apart {
            true => program.kernels.iter().map(|k| address(&image, &k.name).ok()).collect(),
            false => Vec::new(),
        };
        let mut chip = Chip {
            program,
            sim,
            inputs: ports("input", program.inputs.len())?,
            outputs: ports("output", program.outputs.len())?,
            layers,
            free: address(&image, "bss_end")?,
            sp: 0,
            image,
        };
        chip.run_to_bkpt(1, None)?;
        chip.sp = chip.sim.register(0, 13);
        Ok(chip)
    }

    /// Bytes of all functions, those of the compiler's library included, but not what runs before the network; and of those in RAM.
    pub(super) fn code(&self) -> (u32, u32) {
        let own = || self.functions().filter(|(_, name, _)| *name != "reset");
        let in_ram = own().filter(|(address, ..)| *address >= RAM_BEGIN);
        (own().map(|(.., size)| size).sum(), in_ram.map(|(.., size)| size).sum())
    }

    /// Bytes of the function of each layer.
    pub(super) fn layer_code(&self) -> Vec<u32> {
        let size = |at: &Option<u32>| {
            self.functions().find(|(addr, ..)| Some(*addr) == *at).map_or(0, |(.., size)| size)
        };
        self.layers.iter().map(size).collect()
    }

    /// Functions, each once: address, name, bytes.
    fn functions(&self) -> impl Iterator<Item = (u32, &str, u32)> {
        let mut last = None;
        let all = self.image.symbols.iter().filter(|s| s.function && s.size > 0);
        all.filter(move |s| last.replace(s.addr) != Some(s.addr)).map(|s| (s.addr, s.name.as_str(), s.size))
    }

    /// Runs the network once.
    pub(super) fn run(&mut self, given: &[Value], stop: &Stop) -> Result<Run> {
        for (value, address) in given.iter().zip(&self.inputs) {
            self.sim.write_bytes(*address, &value.to_le_bytes());
        }
        let begin = self.now();
        self.sim.skip_bkpt(0);
        for at in self.layers.iter().flatten() {
            self.sim.set_breakpoint(*at);
        }
        let mut begins: Vec<Option<Took>> = vec![None; self.layers.len()];
        while let Some(pc) = self.run_to_layer_or_bkpt(2, stop)? {
            self.sim.clear_breakpoint(pc);
            let layer = self.layers.iter().position(|at| *at == Some(pc)).expect("breakpoints are layers'");
            begins[layer] = Some(self.now());
        }
        let end = self.now();
        // What comes before the first layer is its call. A layer lasts until the next that is reached.
        let mut layers = vec![None; begins.len()];
        let mut next = end;
        for (layer, at) in begins.iter().enumerate().rev() {
            if let Some(at) = *at {
                layers[layer] = Some(next - at);
                next = at;
            }
        }
        let stack = self.sp - self.sim.stack(0).low;
        let outputs = self.read_outputs();
        self.sim.skip_bkpt(0);
        self.run_to_bkpt(1, None)?;
        Ok(Run { outputs, whole: end - begin, layers, stack })
    }

    fn now(&self) -> Took {
        Took { cycles: self.sim.core_cycles(0), waits: self.sim.stalls(0).flash }
    }

    fn read_outputs(&self) -> Vec<Value> {
        let read = |(port, at): (&teff::compile::program::Port, &u32)| {
            let bytes = self.sim.read_bytes(*at, port.ty.bytes()).expect("outputs lie in RAM");
            Value::from_le_bytes(&port.ty, &bytes).expect("as many bytes as elements take")
        };
        self.program.outputs.iter().zip(&self.outputs).map(read).collect()
    }

    fn run_to_bkpt(&mut self, number: u8, stop: Option<&Stop>) -> Result<()> {
        match self.run_to_layer_or_bkpt(number, stop.unwrap_or(&Stop::never()))? {
            None => Ok(()),
            Some(pc) => Err(Failure::new(self.went_wrong(&Ended::Breakpoint { core: 0, pc }))),
        }
    }

    /// Runs to a layer's breakpoint, whose address it gives, or to the `bkpt` of that number.
    fn run_to_layer_or_bkpt(&mut self, number: u8, stop: &Stop) -> Result<Option<u32>> {
        let until = self.sim.cycles() + PATIENCE;
        while self.sim.cycles() < until {
            match self.sim.run(self.sim.cycles() + SLICE) {
                Ended::Breakpoint { core: 0, pc } => return Ok(Some(pc)),
                Ended::Bkpt { imm, .. } if imm == number => return Ok(None),
                Ended::Deadline => {}
                other => return Err(Failure::new(self.went_wrong(&other))),
            }
            if stop.is_asked() {
                return Err(Failure::stopped("stopped; nothing was written"));
            }
        }
        Err(Failure::new("a run would take more than an hour on the chip"))
    }

    fn went_wrong(&self, ended: &Ended) -> String {
        let sp = self.sim.register(0, 13);
        if sp < self.free {
            let room = self.sp - self.free;
            return format!("the stack does not fit: variables leave {room} bytes of RAM for it");
        }
        format!("the simulated chip stopped: {ended:?}; this is a defect of teff, please report it")
    }
}

impl std::ops::Sub for Took {
    type Output = Took;
    fn sub(self, before: Took) -> Took {
        Took { cycles: self.cycles - before.cycles, waits: self.waits - before.waits }
    }
}

/// The address of a function or variable; compilers put a dot and a word behind the names of functions that they have changed.
fn address(image: &Image, name: &str) -> Result<u32> {
    let same =
        |found: &str| found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    image.symbols.iter().find(|s| same(&s.name)).map(|s| s.addr).ok_or_else(|| {
        Failure::new(format!("{COMPILER} left no symbol {name}; this is a defect of teff, please report it"))
    })
}

/// What calls the network: buffers of bytes, so that any types fit.
fn start(program: &Program) -> String {
    let mut text = "#include <stdint.h>\n#include \"net.h\"\nextern uint32_t data_load, data_start, data_end, bss_start, bss_end;\n".to_string();
    let mut arguments = Vec::new();
    for (kind, ports) in [("input", &program.inputs), ("output", &program.outputs)] {
        for (i, port) in ports.iter().enumerate() {
            let bytes = port.ty.bytes().max(1);
            text += &format!("unsigned char {kind}{i}[{bytes}] __attribute__((aligned(8)));\n");
            arguments.push(format!("(void *){kind}{i}"));
        }
    }
    text + &format!(
        "void reset(void);
__attribute__((section(\".vectors\"), used)) void *const vectors[2] = {{(void *){STACK_TOP:#x}, (void *)reset}};
void reset(void)
{{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) {{ *to++ = *from++; }}
    for (uint32_t *to = &bss_start; to < &bss_end;) {{ *to++ = 0; }}
    for (;;) {{
        __asm__ volatile(\"bkpt #1\" ::: \"memory\");
        net({});
        __asm__ volatile(\"bkpt #2\" ::: \"memory\");
    }}
}}
",
        arguments.join(", ")
    )
}

fn build(program: &Program, options: c::Options, folder: &Path) -> Result<PathBuf> {
    let files = c::print(program, &options);
    for (name, text) in [
        ("net.c", files.source),
        ("net.h", files.header),
        ("start.c", start(program)),
        ("link.ld", SCRIPT.into()),
    ] {
        write(&folder.join(name), text.as_bytes())?;
    }
    let mut gcc = command_in(COMPILER, folder);
    gcc.args(["-std=gnu99", "-O3", "-mcpu=cortex-m0plus", "-mthumb", "-nostartfiles", "-T", "link.ld"]);
    if options.layers_apart {
        // Equal layers stay two functions.
        gcc.arg("-fno-ipa-icf");
    }
    let built = children::output(gcc.args(["start.c", "net.c", "-lm", "-o", "net.elf"])).during(COMPILER)?;
    if built.status.success() {
        return Ok(folder.join("net.elf"));
    }
    let said = String::from_utf8_lossy(&built.stderr);
    let too_large = said.lines().find(|line| line.contains("overflowed") || line.contains("will not fit"));
    Err(Failure::new(match too_large {
        Some(line) => format!("it does not fit the chip: {}", line.rsplit(": ").next().unwrap_or(line)),
        None => format!("{COMPILER}: {said}"),
    }))
}
