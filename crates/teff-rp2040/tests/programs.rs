//! Programs that are built here: the C ones where arm-none-eabi-gcc is installed, the Rust ones (rp2040-hal) where
//! `tests/firmware-hal/build` has been run. Where not, the test says so and passes.

mod common;
use common::{reports, stopping};
use std::path::{Path, PathBuf};
use std::process::Command;
use teff_rp2040::{Image, Options, Simulator, Stop};

const FLAGS: [&str; 7] =
    ["-mcpu=cortex-m0plus", "-mthumb", "-nostdlib", "-ffreestanding", "-Wall", "-Wextra", "-Werror"];

/// The program of `tests/firmware/NAME.c`, built with `flags`; `None`, with the reason printed, without a compiler.
fn build(name: &str, flags: &[&str]) -> Option<Image> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware");
    let compiler = "arm-none-eabi-gcc";
    if Command::new(compiler).arg("--version").output().is_err() {
        println!("skipped: no {compiler} (Debian: apt-get install gcc-arm-none-eabi)");
        return None;
    }
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}{}.elf", flags.concat()));
    let run = Command::new(compiler)
        .current_dir(&sources)
        .args(FLAGS)
        .args(flags)
        .args(["-T", "link.ld", &format!("{name}.c"), "-lgcc", "-o"])
        .arg(&out)
        .output()
        .expect("the compiler starts");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    Some(Simulator::read_image(&out).expect("an ELF file"))
}

fn load(image: &Image, options: Options) -> Simulator {
    let mut sim = Simulator::new(options);
    sim.load(image).expect("it fits");
    sim
}

#[test]
fn two_cores_in_c_at_every_level_of_optimisation() {
    for level in ["-O0", "-O1", "-O2", "-O3", "-Os"] {
        let Some(image) = build("two_cores", &[level]) else { return };
        let said = reports(&mut load(&image, stopping()), 5_000_000);
        assert_eq!(said, [42, 1000, 2000, 1000 * 10_000 + 1000, 42], "{level}");
    }
}

/// Runs until the program has said `text` on UART 0 or its USB serial interface, looking every millisecond of 12 MHz.
fn run_until_said(sim: &mut Simulator, text: &str) {
    let mut said = String::new();
    while !said.contains(text) {
        assert!(sim.cycles() < 100_000_000, "only {said:?}");
        assert_eq!(sim.run(sim.cycles() + 12_000), Stop::Deadline);
        [sim.take_uart(0), sim.take_usb()].iter().for_each(|bytes| said += &String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_program_in_c_talks_and_ends() {
    let Some(image) = build("hello", &["-O2"]) else { return };
    let mut sim = load(&image, Options::default());
    run_until_said(&mut sim, "RP2040\n");
    sim.send_uart(0, b"teff\n");
    assert_eq!(sim.run(20_000_000), Stop::Exit { status: 4 });
    assert_eq!(sim.take_uart(0), b"TEFF\n");
}

/// A program of `tests/firmware-hal`, if it was built.
fn hal(name: &str) -> Option<Image> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware-hal");
    let path = folder.join("target/thumbv6m-none-eabi/release").join(name);
    if !path.is_file() {
        println!("skipped: {name} is not built; run {}", folder.join("build").display());
        return None;
    }
    Some(Simulator::read_image(&path).expect("an ELF file"))
}

#[test]
fn rp2040_hal_on_two_cores() {
    let Some(image) = hal("multicore") else { return };
    let mut sim = load(&image, Options::default());
    assert_eq!(sim.run(1_000_000_000), Stop::Exit { status: 7 });
    let said = String::from_utf8(sim.take_uart(0)).expect("text");
    let wanted = "clk_sys 125000000 Hz\ncore 1 started: true\n1 -> 50\n2 -> 150\n3 -> 300\n4 -> 500\ndivided -142857 -4\n\
                  ten alarms true\nsum 1625132 sine 841470\n";
    assert_eq!(said, wanted);
}

#[test]
fn usbd_serial_is_enumerated_and_echoes_what_is_typed() {
    let Some(image) = hal("usb_echo") else { return };
    let mut sim = load(&image, Options::default());
    run_until_said(&mut sim, "hello over USB\n");
    assert!(sim.usb_open());
    // More than two packets of 64 bytes, so that some are full and one is short.
    let line = "the quick brown fox jumps over the lazy dog ".repeat(4) + "and stops.";
    sim.send_usb(line.as_bytes());
    assert_eq!(sim.run(1_000_000_000), Stop::Exit { status: 0 });
    assert_eq!(String::from_utf8(sim.take_usb()).expect("text"), line.to_uppercase());
    // A charger opens nothing.
    let mut sim = load(&image, Options { usb_host: false, ..Options::default() });
    assert_eq!(sim.run(20_000_000), Stop::Deadline);
    assert!(!sim.usb_open() && sim.take_usb().is_empty());
}

#[test]
fn flash_is_erased_and_programmed_in_its_time() {
    let Some(image) = build("flash_write", &["-O2"]) else { return };
    let mut sim = load(&image, stopping());
    // What was there before: the erase must take it away, and only there.
    assert!(sim.write_bytes(0x1008_0000, &[0x55; 4096]) && sim.write_bytes(0x1008_1000, &[0x66; 4]));
    let said = reports(&mut sim, 5_000_000);
    assert_eq!(said, [u32::MAX, 0x0101_0101, 0x3f3f_3f3f, 0x0100_0100, u32::MAX, u32::MAX]);
    assert_eq!(sim.read_word(0x1008_1000), Some(0x6666_6666));
    // Two sectors of 45 ms and two pages of 0.4 ms, and little else.
    let milliseconds = sim.nanoseconds() as f64 / 1e6;
    assert!((90.8..95.0).contains(&milliseconds), "{milliseconds} ms");
}
