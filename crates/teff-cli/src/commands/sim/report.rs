//! How a run has ended, for people and for scripts.

use super::session::Ending;
use crate::ui::{duration, grouped, path_text};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use teff_rp2040::{Image, Simulator};

/// The first address behind the boot ROM.
const ROM_END: u32 = 0x4000;
/// Functions of a backtrace that are shown.
const DEPTH: usize = 8;

/// What the report is made of.
pub(crate) struct Report<'a> {
    pub(crate) sim: &'a mut Simulator,
    pub(crate) symbols: &'a Image,
    pub(crate) ending: &'a Ending,
    /// The text that was waited for.
    pub(crate) until: Option<&'a str>,
    /// The time to stop at was given.
    pub(crate) timed: bool,
    pub(crate) texts: [String; 4],
    pub(crate) files: &'a [PathBuf],
    pub(crate) elapsed: Duration,
}

impl Report<'_> {
    /// The exit status of the command.
    pub(crate) fn status(&self) -> u8 {
        match self.ending {
            Ending::Exit(status) => u8::try_from(*status).unwrap_or(u8::MAX),
            Ending::Printed | Ending::Killed => 0,
            Ending::Time | Ending::BootLoader => u8::from(self.until.is_some()),
            // A program for one core that has come to rest before its time is over has done its work.
            Ending::Stuck => u8::from(self.until.is_some() || !self.timed || self.both_cores_run()),
            Ending::Fault { .. } => 1,
            Ending::Stopped => crate::stop::status(),
        }
    }

    /// Whether the program has started core 1.
    fn both_cores_run(&self) -> bool {
        self.sim.register(1, 15) >= ROM_END
    }

    /// In one word, for scripts.
    fn word(&self) -> &'static str {
        match self.ending {
            Ending::Exit(_) => "exit",
            Ending::Printed => "printed",
            Ending::Time => "time",
            Ending::Stuck => "stuck",
            Ending::Fault { locked: false, .. } => "fault",
            Ending::Fault { locked: true, .. } => "lockup",
            Ending::BootLoader => "boot loader",
            Ending::Stopped => "stopped",
            Ending::Killed => "killed",
        }
    }

    /// What has happened, and for an end that was not asked for where each core stands.
    pub(crate) fn message(&self) -> String {
        let after = format!("after {:.6} s", self.sim.nanoseconds() as f64 / 1e9);
        let mut text = match self.ending {
            Ending::Exit(status) => return format!("the program has ended with status {status} {after}"),
            Ending::Printed => return format!("{:?} was printed {after}", self.until.unwrap_or_default()),
            Ending::Stopped => return format!("stopped {after}"),
            Ending::Killed => return format!("ended by GDB {after}"),
            Ending::Time => format!("the time is over {after}"),
            Ending::BootLoader => format!("the program went to the USB boot loader {after}"),
            Ending::Stuck if self.both_cores_run() => {
                format!("dead-lock {after}: nothing can ever happen any more")
            }
            Ending::Stuck => {
                format!("the program has come to rest {after}: nothing can ever happen any more")
            }
            Ending::Fault { core, record, locked } => {
                let first = self.sim.faults(*core).first().unwrap_or(record);
                let what = if *locked { "is locked up" } else { "took a hard fault" };
                format!("core {core} {what} {after}: {} at {}", first.fault, self.place(first.pc))
            }
        };
        if let Some(until) = self.until {
            let _ = write!(text, "; {until:?} was not printed");
        }
        if self.status() != 0 {
            (0..2).for_each(|core| text += &self.stands(core));
        }
        text
    }

    /// Function and address of a place in the program.
    fn place(&self, pc: u32) -> String {
        match self.symbols.function_at(pc) {
            _ if pc < ROM_END => format!("{pc:#010x} (boot ROM)"),
            Some((symbol, offset)) => format!("{pc:#010x} ({}+{offset:#x})", symbol.name),
            None => format!("{pc:#010x}"),
        }
    }

    /// What a core is doing, where, and who has called that.
    fn stands(&self, core: usize) -> String {
        let state = self.sim.core_state(core);
        let trace = self.sim.backtrace(core, self.symbols);
        let mut text = format!("\n  core {core}: {state} at {}", self.place(trace[0]));
        for fault in self.sim.faults(core) {
            let _ = write!(text, "\n    fault: {} at {}", fault.fault, self.place(fault.pc));
        }
        // Below the boot ROM's wait for its launch, the stack of core 1 means nothing.
        let known = trace[0] >= ROM_END;
        for &pc in trace[1..].iter().take(DEPTH).filter(|_| known) {
            // The instruction behind the call may belong to the next function.
            let _ = write!(text, "\n    called from {}", self.place(pc - 1));
        }
        text
    }

    /// Figures of a run, a line each.
    pub(crate) fn summary(&mut self) -> String {
        let (frames, pixels) = self.sim.board().traffic();
        let (sim, elapsed) = (&self.sim, self.elapsed);
        let cycles = sim.cycles();
        let mut text = format!(
            "{} cycles, now at {:.1} MHz; {:.1} M cycles/s on this machine, {}",
            grouped(cycles as usize),
            sim.clock_hz() as f64 / 1e6,
            cycles as f64 / elapsed.as_secs_f64() / 1e6,
            duration(elapsed)
        );
        for core in 0..2 {
            let stalls = sim.stalls(core);
            let _ = write!(
                text,
                "\ncore {core}: {} instructions, {} bytes of stack; stalls: flash {}, bus {}, peripherals {}",
                grouped(sim.instructions(core) as usize),
                grouped(sim.stack(core).bytes() as usize),
                grouped(stalls.flash as usize),
                grouped(stalls.bank as usize),
                grouped(stalls.peripheral as usize)
            );
        }
        if frames > 0 {
            let _ = write!(text, "\ncamera: {} frames sent", grouped(frames as usize));
        }
        if pixels > 0 {
            let _ = write!(text, "\ndisplay: {} pixels written", grouped(pixels as usize));
        }
        if let (count @ 1.., first) = sim.rom_stores() {
            let _ = write!(
                text,
                "\nstores to the boot ROM: {}, the first to {first:#010x}: ignored as on the chip, but is it a null pointer?",
                grouped(count as usize)
            );
        }
        for file in self.files {
            let _ = write!(text, "\nwrote {}", file.display());
        }
        text
    }

    /// The whole result.
    pub(crate) fn json(&mut self) -> Json {
        let (frames, pixels) = self.sim.board().traffic();
        let led = self.sim.board().led_changes();
        let message = (self.status() != 0).then(|| self.message());
        let sim = &*self.sim;
        let cores: Vec<Json> = (0..2)
            .map(|core| {
                let (stalls, trace) = (sim.stalls(core), sim.backtrace(core, self.symbols));
                let places: Vec<String> = trace.iter().map(|&pc| self.place(pc)).collect();
                let faults: Vec<String> = sim
                    .faults(core)
                    .iter()
                    .map(|f| format!("{} at {}", f.fault, self.place(f.pc)))
                    .collect();
                json!({
                    "state": sim.core_state(core).to_string(), "pc": sim.register(core, 15), "cycles": sim.core_cycles(core),
                    "instructions": sim.instructions(core), "backtrace": places, "faults": faults,
                    "stack": {"top": sim.stack(core).top, "bytes": sim.stack(core).bytes()},
                    "stalls": {"flash": stalls.flash, "bus": stalls.bank, "peripheral": stalls.peripheral},
                })
            })
            .collect();
        json!({
            "ended": self.word(), "status": self.status(), "error": message,
            "seconds": sim.nanoseconds() as f64 / 1e9, "cycles": sim.cycles(), "clock_hz": sim.clock_hz(),
            "host_seconds": self.elapsed.as_secs_f64(), "cores": cores,
            "printed": super::console::STREAMS.iter().zip(&self.texts).map(|(name, text)| (name.to_string(), json!(text)))
                .collect::<serde_json::Map<_, _>>(),
            "camera_frames": frames, "lcd_pixels": pixels, "led_changes": led, "rom_stores": sim.rom_stores().0,
            "files": self.files.iter().map(path_text).collect::<Vec<_>>(),
        })
    }
}
