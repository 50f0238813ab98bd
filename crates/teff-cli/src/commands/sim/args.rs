//! What `teff sim` takes.

use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  teff sim fw.uf2 --camera examples/seven.png --lcd screen.png --seconds 3
                               a picture before the camera, what the display shows after 3 s of the board's time
  teff sim fw.elf --until \"ready\" --seconds 10
                               exit status 0 once it prints that, 1 if it has not after 10 s
  teff sim fw.elf --fault camera-stops:reset@1.5 --fault short-frame:3:100 --seconds 5
                               what goes wrong around the chip, and when (teff sim --help lists all)
  teff sim fw.elf --profile out/fw --seconds 1
                               cycles of each function: out/fw.txt, out/fw.folded, out/fw.svg
  teff sim fw.elf --gdb 3333   then: gdb-multiarch fw.elf -ex 'target remote :3333'

As the runner of cargo, in .cargo/config.toml of a crate for thumbv6m-none-eabi:
  [target.thumbv6m-none-eabi]
  runner = \"teff sim\"

What the program prints (UART 0 and 1, USB serial, semihosting) goes to standard output, everything else to standard error. Where several
of these print, each line has the name of its port before it.
Time is the board's: the same file, options and inputs give the same result to the cycle, however fast this machine is.

Exit status: the program's own, if it ends by semihosting (SYS_EXIT); 0 when --until was printed, or --seconds are over;
1 when it was not printed, or when the program faults, locks up or dead-locks; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP,
with all files written.
Without --seconds and --until it runs until it ends or is stopped.";

/// The command line of `teff sim`.
pub(crate) fn command() -> Command {
    Command::new("sim")
        .about("Run firmware on a simulated RP2040 board, cycle by cycle, with camera and display")
        .after_help(HELP)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("The program: UF2, ELF, Intel HEX, or the raw contents of the flash")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .args(inputs())
        .args(limits())
        .args(outputs())
        .args(machine())
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(PathBuf))
}

/// A number of seconds or megahertz, more than 0.
fn positive(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    let parse = |text: &str| match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x <= 1e6 => Ok(x),
        _ => Err("a number above 0, at most 1000000".to_string()),
    };
    Arg::new(name).long(name).value_name(value).help(help).allow_negative_numbers(true).value_parser(parse)
}

/// What is around the chip and what it is given.
fn inputs() -> [Arg; 9] {
    [
        Arg::new("board")
            .long("board")
            .value_name("NAME|FILE")
            .help("pico4ml, pico, bare (nothing around the chip), or a file that describes a board (docs/simulator.md)")
            .default_value("pico4ml")
            .value_parser(value_parser!(PathBuf)),
        path(
            "camera",
            "IMG|DIR|GIF",
            "What is before the camera: a picture (PNG, JPEG, PGM or PPM), a folder of them in order of their names, or a GIF",
        ),
        positive("camera-seconds", "S", "How long each picture of a folder is shown").default_value("1"),
        path(
            "imu",
            "FILE.csv",
            "How the motion sensor moves: lines of seconds, 3 accelerations in g, 3 rates of turn in degrees/s, 3 of the \
             magnetic field in uT",
        ),
        path("microphone", "FILE.wav", "What the microphone hears"),
        Arg::new("input")
            .long("input")
            .value_name("FILE|-")
            .help("Send this to the first serial port that the program opens; - is what you type")
            .value_parser(value_parser!(PathBuf)),
        Arg::new("usb")
            .long("usb")
            .value_name("WHAT")
            .help("What is at the other end of the USB cable: a computer that opens the serial port, or a charger")
            .value_parser(["host", "charger"])
            .default_value("host"),
        super::faults::option(),
        path("symbols", "FILE.elf", "Take the names of functions from this file, for a program without them"),
    ]
}

fn limits() -> [Arg; 3] {
    [
        positive("seconds", "S", "Stop after this much simulated time"),
        Arg::new("until")
            .long("until")
            .value_name("TEXT")
            .help("Stop when the program has printed this")
            .value_parser(clap::builder::NonEmptyStringValueParser::new()),
        Arg::new("keep-going")
            .long("keep-going")
            .help("Let the program's own handler take hard faults, as on the chip; otherwise the first ends the run")
            .action(ArgAction::SetTrue),
    ]
}

fn outputs() -> [Arg; 6] {
    [
        path(
            "lcd",
            "OUT.png|.gif",
            "Write what the display shows: at the end as PNG, or all along as GIF (20 pictures a second)",
        ),
        Arg::new("uart")
            .long("uart")
            .value_name("-|FILE|none")
            .help("Where the bytes of the UARTs go; - is standard output")
            .default_value("-")
            .value_parser(value_parser!(PathBuf)),
        path(
            "profile",
            "OUT",
            "Write cycles by function and core, with stalls apart: OUT.txt (a table), OUT.folded, OUT.svg (a flame graph)",
        )
        .conflicts_with_all(["trace", "gdb"]),
        path("trace", "OUT", "Write a line for every instruction").conflicts_with("gdb"),
        Arg::new("trace-lines")
            .long("trace-lines")
            .value_name("N")
            .help("Lines that the trace has at most; the program goes on after them")
            .default_value("1000000")
            .value_parser(value_parser!(u64).range(1..)),
        Arg::new("gdb")
            .long("gdb")
            .value_name("PORT")
            .help("Wait for GDB on this TCP port of 127.0.0.1; both cores are its threads")
            .value_parser(value_parser!(u16).range(1..)),
    ]
}

fn machine() -> [Arg; 2] {
    [
        positive(
            "clock",
            "MHZ",
            "Frequency of the board's crystal, from which programs make their clocks (12 on these boards)",
        ),
        Arg::new("flash-miss")
            .long("flash-miss")
            .value_name("N")
            .help("Cycles that a miss of the flash cache takes; measurements on boards range from 40 to 50")
            .default_value("40")
            .value_parser(value_parser!(u64).range(1..=10_000)),
    ]
}
