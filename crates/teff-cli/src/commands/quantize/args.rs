//! The arguments of `teff quantize`.

use crate::args::{bytes, input_shape, label, model, number, path, seed, threads};
use clap::{Arg, ArgAction, Command};
use teff::quantize::Calibration;

pub(crate) fn command() -> Command {
    Command::new("quantize")
        .about("Quantise a float model: int8 tensors, weights of 8, 4 or 2 bits, as standard QDQ ONNX")
        .long_about(
            "Quantise a float model after its training: tensors become 8-bit integers, weights integers of 8, 4 or 2 bits with a scale for each \
             output channel. The result is a standard ONNX model of QuantizeLinear and DequantizeLinear, which teff compiles to integer \
             arithmetic and any ONNX tool runs. Any network will do: classifiers, regressors, detectors, autoencoders, with any number of inputs and \
             outputs. Ranges come from training samples of the data set; the test samples say what is lost: accuracy where the data have \
             classes, MSE and R2 where they have numbers, signal to noise beside the float network always. Samples alone are enough. Nothing is trained: for what this cannot hold there is quantisation-aware training.",
        )
        .after_help(
            "Examples:\n  teff quantize m.onnx --data data/mnist -o m8.onnx\n  teff quantize m.onnx --data data/mnist -o m4.onnx --weights 4 \
             --layer fc2=8\n  teff quantize m.onnx --data data/mnist -o small.onnx --flash 128K\n\nThe report ranks the layers by what they cost alone. \
             Where one loses too much it is named, with what is wrong and the option that helps.",
        )
        .arg(model())
        .arg(path("data", "DATASET", "The data set: its training part calibrates, its test part measures").required(true))
        .arg(label())
        .arg(path("out", "FILE", "The ONNX file to write").short('o').required(true))
        .args(numbers())
        .args(methods())
        .arg(
            Arg::new("io")
                .long("io")
                .help("What the model takes and gives: floats, or the 8-bit integers themselves")
                .value_parser(["float", "int8"])
                .default_value("float"),
        )
        .arg(seed())
        .arg(input_shape())
        .arg(threads())
}

/// How many bits are spent where.
fn numbers() -> [Arg; 5] {
    [
        Arg::new("weights")
            .long("weights")
            .value_name("BITS")
            .help("Bits of weights")
            .value_parser(["8", "4", "2"])
            .default_value("8"),
        Arg::new("layer")
            .long("layer")
            .value_name("NAME=BITS")
            .help("Bits of the weights of one layer, by its name in the report; repeat for more")
            .action(ArgAction::Append)
            .value_parser(layer),
        Arg::new("keep")
            .long("keep")
            .value_name("NAME")
            .help("Leave this layer, or the tensor of this name, float; repeat for more")
            .action(ArgAction::Append),
        Arg::new("flash")
            .long("flash")
            .value_name("BYTES")
            .help("Most bytes for weights, biases and their multipliers, such as 128K: layers get fewer bits, those that it hurts least first")
            .value_parser(bytes),
        Arg::new("activations")
            .long("activations")
            .help("Integers of tensors; auto: int8, and int16 for those that lose too much")
            .value_parser(["auto", "int8", "int16", "uint8"])
            .default_value("auto"),
    ]
}

/// How ranges and integers are chosen.
fn methods() -> [Arg; 5] {
    [
        number("samples", "512", "Training samples to calibrate with"),
        Arg::new("calibration")
            .long("calibration")
            .value_name("METHOD")
            .help(
                "How the range of a tensor is chosen: minmax, percentile (99.99, or percentile=P), mse, entropy, or auto for the one that \
                 leaves the outputs of the samples nearest to the float model's",
            )
            .value_parser(calibration)
            .default_value("auto"),
        Arg::new("equalize")
            .long("equalize")
            .help("Bring channels of very different reach together across layers, where that helps")
            .value_parser(["on", "off"])
            .default_value("on"),
        Arg::new("bias-correction")
            .long("bias-correction")
            .help("Take what rounding adds to the means off the biases, where that helps")
            .value_parser(["on", "off"])
            .default_value("on"),
        Arg::new("rounding")
            .long("rounding")
            .help("How weights of 4 and 2 bits are rounded, and of 8 where that costs 1 dB: learned from the samples, so that errors make up for each other, or each to the nearest")
            .value_parser(["learned", "compensated", "nearest"])
            .default_value("learned"),
    ]
}

/// `NAME=BITS`. Names may hold equals signs; bits do not.
fn layer(text: &str) -> Result<(String, u8), String> {
    let wanted = "give a layer's name and 8, 4 or 2, such as conv1=4";
    match text.rsplit_once('=') {
        Some((name, bits @ ("8" | "4" | "2"))) if !name.is_empty() => {
            Ok((name.into(), bits.parse().expect("one digit")))
        }
        _ => Err(wanted.into()),
    }
}

fn calibration(text: &str) -> Result<Option<Calibration>, String> {
    match text {
        "auto" => Ok(None),
        "minmax" => Ok(Some(Calibration::MinMax)),
        "percentile" => Ok(Some(Calibration::Percentile(99.99))),
        "mse" => Ok(Some(Calibration::Mse)),
        "entropy" => Ok(Some(Calibration::Entropy)),
        _ => match text.strip_prefix("percentile=").map(str::parse::<f64>) {
            Some(Ok(p)) if (50.0..=100.0).contains(&p) => Ok(Some(Calibration::Percentile(p))),
            Some(_) => Err("give a percentile from 50 to 100, such as percentile=99.9".into()),
            None => Err("give auto, minmax, percentile, percentile=P, mse or entropy".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_layers_read_as_people_write_them() {
        assert_eq!(bytes("128K"), Ok(131_072));
        assert_eq!(bytes("1M"), Ok(1 << 20));
        assert_eq!(bytes("9000"), Ok(9000));
        assert!(bytes("12Q").is_err() && bytes("0").is_err() && bytes("99999999999999999999").is_err());
        assert_eq!(layer("a=b=4"), Ok(("a=b".into(), 4)));
        assert!(layer("a=3").is_err() && layer("=4").is_err() && layer("a").is_err());
        assert_eq!(calibration("percentile=99.9"), Ok(Some(Calibration::Percentile(99.9))));
        assert!(calibration("percentile=2").is_err() && calibration("kl").is_err());
    }
}
