//! Firmware built by `teff firmware`, and the simulated Pico4ML that it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;
use teff_rp2040::board::{Board, Description, GreyImage, RgbImage};
use teff_rp2040::{Image, Options, Simulator, Stop};

/// Firmware that was built.
pub(crate) struct Firmware {
    pub(crate) elf: PathBuf,
    /// `network.rs`, which describes its network.
    pub(crate) network: String,
    /// Everything that `teff firmware --json` said.
    pub(crate) report: serde_json::Value,
}

/// Builds firmware with `teff firmware`, which writes `NAME.uf2` and `NAME.elf` into `folder`. `None`, with the reason printed, where
/// there is no compiler for the board.
pub(crate) fn firmware(folder: &Path, name: &str, model: &str, options: &[&str]) -> Option<Firmware> {
    let uf2 = folder.join(name).with_extension("uf2");
    let out = Command::new(env!("CARGO_BIN_EXE_teff"))
        .args(["firmware", model, "--json", "-o"])
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
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let network = Path::new(report["network"].as_str().unwrap()).join("network.rs");
    let network = std::fs::read_to_string(network).unwrap();
    Some(Firmware { elf: uf2.with_extension("elf"), network, report })
}

impl Firmware {
    /// The value of a constant of `network.rs`.
    pub(crate) fn constant<T: std::str::FromStr>(&self, name: &str) -> T {
        let line = self.network.lines().find(|l| l.contains(&format!("const {name}:"))).unwrap();
        let value = line.split_once('=').unwrap().1.trim().trim_end_matches(';');
        value.parse().ok().unwrap()
    }

    /// Address of a function.
    pub(crate) fn address(&self, name: &str) -> u32 {
        Image::parse(&std::fs::read(&self.elf).unwrap()).unwrap().address_of(name).unwrap()
    }
}

/// A board that runs firmware.
pub(crate) struct Bench {
    pub(crate) sim: Simulator,
    /// What came from UART 0 so far, and how much of it was waited for.
    said: String,
    heard: usize,
    /// Frames that the camera has sent while [`Bench::answer`] waited.
    sent: Vec<Vec<u8>>,
}

/// An answer of the firmware, as its function `answered` is told.
pub(crate) struct Answer {
    /// Where the frame is.
    pub(crate) frame: u32,
    /// Where the network's input is, in brightness; 0 if nothing was found.
    pub(crate) picture: u32,
    pub(crate) class: Option<usize>,
    pub(crate) percent: u32,
    pub(crate) prepare_us: u32,
    pub(crate) infer_us: u32,
}

impl Bench {
    /// Powered on, with nothing before the camera.
    pub(crate) fn new(elf: &Path) -> Bench {
        let board = Board::new(Description::pico4ml());
        let mut sim = Simulator::with_board(Options::default(), board);
        sim.load(&Image::parse(&std::fs::read(elf).unwrap()).unwrap()).unwrap();
        Bench { sim, said: String::new(), heard: 0, sent: Vec::new() }
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

    /// Shows a picture from the tests' folder.
    pub(crate) fn show_file(&mut self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let picture = teff_data::Picture::open(&path).unwrap();
        assert_eq!(picture.channels, 1, "{name}");
        let (width, height, pixels) = (picture.width, picture.height, picture.pixels);
        self.sim.board().show(GreyImage { width, height, pixels }).unwrap();
    }

    /// Runs until the network has answered once more. `answered` is the address of the firmware's function of this name.
    pub(crate) fn answer(&mut self, answered: u32, within_ms: u64) -> Answer {
        assert!(self.sim.set_breakpoint(answered));
        let end = self.sim.nanoseconds() + within_ms * 1_000_000;
        loop {
            // Often enough to see every frame that the camera sends.
            let stop = self.sim.run(self.sim.cycles() + 1_250_000);
            if let Some(frame) = self.sim.board().camera_frame()
                && self.sent.last() != Some(&frame.pixels)
            {
                self.sent.push(frame.pixels.clone());
            }
            match stop {
                Stop::Deadline => assert!(self.sim.nanoseconds() < end, "no answer; it said:\n{}", self.said),
                Stop::Breakpoint { core: 0, .. } => break,
                stop => panic!("{stop:?}; it said:\n{}", self.said),
            }
        }
        self.sim.clear_breakpoint(answered);
        self.said += &String::from_utf8_lossy(&self.sim.take_uart(0));
        let [frame, picture, class, told] = [0, 1, 2, 3].map(|k| self.sim.register(0, k));
        let [percent, prepare_us, infer_us] = [0, 4, 8].map(|at| self.sim.read_word(told + at).unwrap());
        Answer { frame, picture, class: usize::try_from(class as i32).ok(), percent, prepare_us, infer_us }
    }

    /// Bytes of the chip's memory.
    pub(crate) fn memory(&self, address: u32, len: usize) -> Vec<u8> {
        self.sim.read_bytes(address, len).unwrap()
    }

    /// Whether the camera has sent these bytes as a frame.
    pub(crate) fn was_sent(&self, frame: &[u8]) -> bool {
        self.sent.iter().any(|sent| sent == frame)
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
