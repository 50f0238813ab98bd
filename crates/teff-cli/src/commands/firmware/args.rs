//! The arguments of `teff firmware`.

use crate::args::{input_shape, model, path};
use clap::{Arg, Command, value_parser};
use std::path::PathBuf;

const HELP: &str = "\
Examples:
  teff firmware m8.onnx -o fw.uf2
                               the board shows which of the classes its camera sees; then: teff flash fw.uf2
  teff firmware person_detect_int8.tflite -o person.uf2 --labels \"no person,person\"
  teff firmware m8.onnx --network-only net
                               net.c, net.h, net.rs and network.rs for firmware of your own, or: TEFF_NETWORK=net cargo build
  teff sim fw.elf --camera examples/seven.png --lcd screen.png --seconds 3
                               the same on the simulated board; fw.elf is written beside fw.uf2

The model takes one picture, [1, C, H, W] or [1, H, W, C] with 1 or 3 channels, or [1, N] of a square, and gives a number for each class. Int8
at both ends (teff quantize --io int8) is fastest; floats do as well.

What is needed: Rust with a core library for thumbv6m-none-eabi, and for --language c arm-none-eabi-gcc. scripts/setup-embedded, in teff's
source, installs them. The firmware's own source is the folder `firmware` of teff's; it takes the network from a folder that TEFF_NETWORK
names, which is made under networks/ in the --target-dir: net.c and net.h or net.rs, and network.rs with what the firmware must know of it.";

pub(crate) fn command() -> Command {
    Command::new("firmware")
        .about("Build a board's firmware around a model: camera, network, display; as UF2 for the board and ELF for debuggers")
        .after_help(HELP)
        .arg(model())
        .arg(path("out", "OUT.uf2", "The image for the board's boot loader; the ELF file goes beside it").short('o').required_unless_present("network-only"))
        .arg(path("elf", "FILE", "Where the ELF file goes instead"))
        .arg(
            Arg::new("board")
                .long("board")
                .help("The board")
                .value_parser(["pico4ml"])
                .default_value("pico4ml"),
        )
        .arg(
            Arg::new("language")
                .long("language")
                .help("What the network is compiled to; C where arm-none-eabi-gcc is at hand, unless given (with --network-only, both)")
                .value_parser(["c", "rust"]),
        )
        .args(network())
        .arg(input_shape())
        .args(source())
}

/// What the firmware is told of the network.
fn network() -> [Arg; 5] {
    [
        Arg::new("labels")
            .long("labels")
            .value_name("A,B,C|FILE")
            .help("What the classes are called, in the order of the outputs: a list, or a file with one a line; numbers unless given")
            .value_parser(value_parser!(PathBuf)),
        path("data", "DATASET", "Take the names of the classes from this data set, and let its samples show which weights are needed most")
            .conflicts_with("labels"),
        crate::args::limit("sram-tables", "Copy this many bytes of weights to RAM at start, those whose reading from flash costs most, or 0; what is left of RAM unless given")
            .value_parser(|text: &str| if text == "0" { Ok(0) } else { crate::args::bytes(text) }),
        Arg::new("prepare")
            .long("prepare")
            .help("How a camera picture becomes the input: a digit that is located and centred as in MNIST (for 28x28x1, unless given), or the whole image scaled")
            .value_parser(["digit", "image"]),
        Arg::new("pixels")
            .long("pixels")
            .value_name("BLACK:WHITE")
            .help("What black and white are to the model, such as 0:255 or -1:1; 0:1 unless given, or the whole range of an integer input whose scale is not made for that")
            .allow_hyphen_values(true)
            .value_parser(ends),
    ]
}

/// Where it is built, or that it is not.
fn source() -> [Arg; 3] {
    [
        path("network-only", "DIR", "Build nothing: write into this folder what the firmware's source takes of the network, in C and in Rust unless --language says one")
            .conflicts_with_all(["out", "elf", "firmware", "target-dir"]),
        path(
            "firmware",
            "DIR",
            "The firmware's source; TEFF_FIRMWARE or the folder `firmware` of teff's source unless given",
        ),
        path("target-dir", "DIR", "Where it is built; `target` in its source unless given"),
    ]
}

/// `LOW:HIGH`.
fn ends(text: &str) -> Result<(f64, f64), String> {
    let number = |s: &str| s.parse::<f64>().ok().filter(|x| x.is_finite() && x.abs() < 1e30);
    let (black, white) = text.split_once(':').ok_or("give two numbers, such as 0:255")?;
    match (number(black), number(white)) {
        (Some(black), Some(white)) if black != white => Ok((black, white)),
        (Some(_), Some(_)) => Err("black and white must differ".into()),
        _ => Err("give two numbers, such as 0:255".into()),
    }
}
