//! Firmware built by `teff firmware`, and the simulated Pico4ML that it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;
use teff_rp2040::board::{Board, Description, GreyImage, RgbImage};
use teff_rp2040::{Image, Options, Simulator, Stop};

/// Builds firmware with `teff firmware`, which writes `NAME.uf2` and `NAME.elf` into `folder`; the ELF. `None`, with the reason
/// printed, where there is no compiler for the board.
pub(crate) fn firmware(folder: &Path, name: &str, model: &str, options: &[&str]) -> Option<PathBuf> {
    let uf2 = folder.join(name).with_extension("uf2");
    let out = Command::new(env!("CARGO_BIN_EXE_teff"))
        .args(["firmware", model, "--quiet", "-o"])
        .arg(&uf2)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() && said.contains("scripts/setup-embedded") {
        eprintln!("skipped: {said}");
        return None;
    }
    assert!(out.status.success(), "{said}");
    Some(uf2.with_extension("elf"))
}

/// A board that runs firmware.
pub(crate) struct Bench {
    pub(crate) sim: Simulator,
    /// What came from UART 0 so far, and how much of it was waited for.
    said: String,
    heard: usize,
}

impl Bench {
    /// Powered on, with nothing before the camera.
    pub(crate) fn new(elf: &Path) -> Bench {
        let board = Board::new(Description::pico4ml());
        let mut sim = Simulator::with_board(Options::default(), board);
        sim.load(&Image::parse(&std::fs::read(elf).unwrap()).unwrap()).unwrap();
        Bench { sim, said: String::new(), heard: 0 }
    }

    /// Shows a picture of 324 x 324 pixels.
    pub(crate) fn show(&mut self, pixels: Vec<u8>) {
        self.sim.board().show(GreyImage { width: 324, height: 324, pixels }).unwrap();
    }

    /// Lets time pass. Nothing may stop the cores.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.sim.nanoseconds() + ms * 1_000_000;
        while self.sim.nanoseconds() < end {
            let left = end - self.sim.nanoseconds();
            let cycles = (left * self.sim.clock_hz() / 1_000_000_000).clamp(1, 1_250_000);
            let stop = self.sim.run(self.sim.cycles() + cycles);
            assert!(matches!(stop, Stop::Deadline), "{stop:?}; it said:\n{}", self.said);
            self.said += &String::from_utf8_lossy(&self.sim.take_uart(0));
            self.sim.take_usb();
        }
    }

    /// Waits until a text comes that was not waited for before; the line from it on.
    pub(crate) fn hear(&mut self, text: &str, within_ms: u64) -> String {
        for _ in 0..=within_ms / 10 {
            let new = &self.said[self.heard..];
            if let Some(at) = new.find(text)
                && let Some(len) = new[at..].find("\r\n")
            {
                let line = new[at..at + len].to_string();
                self.heard += at + len;
                return line;
            }
            self.pass(10);
        }
        panic!("\"{text}\" did not come within {within_ms} ms after \"{}\"", self.said[self.heard..].trim());
    }

    /// All that was said.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// The display.
    pub(crate) fn screen(&mut self) -> RgbImage {
        self.sim.board().screen().unwrap()
    }

    /// Pixels of the feed's place on the display that have the colour of messages.
    pub(crate) fn message(&mut self) -> usize {
        let screen = self.screen();
        let orange = |p: &[u8]| p[0] > 0xf0 && (0x90..0xc0).contains(&p[1]) && p[2] < 0x10;
        screen.pixels[..80 * 80 * 3].chunks_exact(3).filter(|p| orange(p)).count()
    }
}
