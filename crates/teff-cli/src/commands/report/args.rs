//! The arguments of `teff report`.

use crate::args::{float, input_shape, inputs, limit, model, number, path, seed, switch};
use clap::{Arg, Command};

pub(crate) fn command() -> Command {
    Command::new("report")
        .about("Say what each layer of a model takes on the chip: cycles, waiting for flash, bytes, rounding")
        .long_about(
            "Say what each layer of a model takes on the chip: cycles, waiting for flash, flash, RAM, stack, and what rounding to integers \
             costs in it. For boards with an RP2040 nothing is estimated: the C is compiled by arm-none-eabi-gcc (-O3), runs on the \
             simulated chip, and is counted cycle by cycle; its outputs are compared with the host's. For other targets cycles are \
             estimated from their manuals, and the report says so.",
        )
        .after_help(
            "Examples:\n  teff report m8.onnx --data data/mnist\n  teff report kws.tflite --html report.html\n  teff report m8.onnx \
             --sram-tables 128K --sram-code --json",
        )
        .arg(model())
        .arg(
            Arg::new("board")
                .long("board")
                .help("The board")
                .value_parser(teff::compile::Board::ALL.map(|b| b.name))
                .default_value("pico4ml"),
        )
        .arg(
            Arg::new("target")
                .long("target")
                .help("A processor instead of a board")
                .value_parser(teff::compile::Target::ALL.map(|t| t.name))
                .conflicts_with("board"),
        )
        .arg(path("data", "DATASET", "Run on test samples of this data set; on invented inputs otherwise"))
        .arg(inputs().conflicts_with("data"))
        .arg(number("samples", "3", "How many inputs are run"))
        .arg(seed())
        .arg(limit("sram-tables", "Copy tables to RAM at start, this many bytes of them, such as 100K"))
        .arg(switch("sram-code", "Copy the functions to RAM at start"))
        .arg(number("flash-miss", "40", "Cycles that a miss of the flash cache takes"))
        .arg(path("html", "FILE", "Write the report as a page too, with the memory plan as a picture"))
        .arg(float())
        .arg(input_shape())
}
