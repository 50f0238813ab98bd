//! The options of `teff train`.

use crate::args::{dataset, finite, label, number, path, real, seed, threads};
use clap::{Arg, ArgAction, Command, value_parser};
use std::path::PathBuf;
use teff::qat::Bits;
use teff::train::Loss;

pub(crate) fn command() -> Command {
    Command::new("train")
        .about("Train a network on a data set and write it as ONNX")
        .after_help(
            "Examples:\n  teff train data/mnist -o m.onnx\n  teff train data/mnist -o m.onnx --model cnn --epochs 10 --schedule one-cycle \
             --rate 0.003 --augment\n  \
             teff train motion.npz -o m.onnx --model cnn1d\n  teff train table.csv -o m.onnx --label price --batch 16 --epochs 60\n\nCtrl-C ends the training at the next step and leaves a checkpoint; --resume goes on from it.\n\n\
             For a microcontroller, with weights of 4 bits and half of the channels:\n  teff train data/mnist -o small.onnx --model cnn \
             --epochs 10 --prune 0.5 --qat int4\n  teff train data/mnist -o small.onnx --from m.onnx --qat int4 --qat-layer last=int8",
        )
        .arg(dataset())
        .arg(path("out", "FILE", "The ONNX file to write").short('o').required(true))
        .arg(
            Arg::new("model")
                .long("model")
                .value_name("NAME|FILE.toml")
                .help("mlp; of pictures cnn, lenet, small; of signals cnn1d, tcn, gru; or a file that lists layers")
                .default_value("mlp")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            path("from", "FILE.onnx", "Go on from this float network, without float training unless --epochs is given")
                .conflicts_with("model"),
        )
        .arg(label())
        .arg(
            Arg::new("loss")
                .long("loss")
                .help("What is made small; auto: cross-entropy of classes, mse of numbers. With mse or huber, classes are the numbers they are named by")
                .value_parser(Loss::ALL.map(Loss::name))
                .default_value("auto"),
        )
        .arg(number("epochs", "5", "How often every sample is seen"))
        .arg(number("batch", "128", "Samples in a step"))
        .arg(
            Arg::new("optimizer")
                .long("optimizer")
                .help("What changes the weights")
                .value_parser(["adam", "adamw", "sgd", "momentum", "nesterov"])
                .default_value("adam"),
        )
        .arg(real("rate", "0.001", "Highest learning rate").visible_alias("lr"))
        .arg(
            Arg::new("schedule")
                .long("schedule")
                .help("How the rate changes over the training")
                .value_parser(["constant", "step", "cosine", "one-cycle"])
                .default_value("constant"),
        )
        .arg(real("momentum", "0.9", "For momentum and nesterov"))
        .arg(real("weight-decay", "0", "Draws weights towards 0"))
        .arg(real("label-smoothing", "0", "Share of each label spread over all classes"))
        .arg(Arg::new("clip").long("clip").value_name("X").help("Largest norm of the gradient").allow_negative_numbers(true).value_parser(finite))
        .arg(
            Arg::new("augment")
                .long("augment")
                .value_name("KINDS")
                .help("Vary the images: shift, rotate, scale, elastic, or all, each with =AMOUNT if wanted")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("all"),
        )
        .arg(seed())
        .arg(threads())
        .arg(path("checkpoint", "FILE", "Write a safetensors checkpoint here after each epoch, and when stopped"))
        .arg(path("resume", "FILE", "Go on from this checkpoint"))
        .next_help_heading("A smaller network, made after the float training")
        .args(shrinking())
}

fn shrinking() -> Vec<Arg> {
    let bits = Arg::new("qat").long("qat").value_name("BITS").value_parser(parse_bits);
    let layer_bits =
        Arg::new("qat-layer").long("qat-layer").value_name("LAYER=BITS").value_parser(parse_layer_bits);
    let share = Arg::new("prune").long("prune").value_name("SHARE").value_parser(parse_share);
    vec![
        share.help("Remove this share of the channels and neurons of each layer, above 0 and below 1, and train on"),
        number("prune-epochs", "6", "How often every sample is seen while pruning; channels go in the first half"),
        real("prune-rate", "0.003", "Highest learning rate while pruning"),
        Arg::new("prune-by")
            .long("prune-by")
            .help("What the channels that go are chosen by: the size of their weights, or what the loss would change by")
            .value_parser(["magnitude", "taylor"])
            .default_value("magnitude"),
        bits.help("Train on with quantised weights and activations, and write integers; weights: int8, int4, int2 or ternary"),
        layer_bits
            .help("Other bits for one layer, such as first=int8 or conv2=int2; repeat for more")
            .action(ArgAction::Append)
            .requires("qat"),
        Arg::new("io")
            .long("io")
            .help("What the quantised network takes and gives: floats, or the 8-bit integers themselves")
            .value_parser(["float", "int8"])
            .default_value("float")
            .requires_if("int8", "qat"),
        number("qat-epochs", "5", "How often every sample is seen in quantised training"),
        real("qat-rate", "0.001", "Highest learning rate of quantised training; it falls along a cosine"),
    ]
}

fn parse_bits(text: &str) -> Result<Bits, String> {
    let known: Vec<&str> = Bits::ALL.iter().map(|b| b.name()).collect();
    Bits::from_name(text).ok_or_else(|| format!("known are {}", known.join(", ")))
}

/// `conv2=int2`.
fn parse_layer_bits(text: &str) -> Result<(String, Bits), String> {
    let (layer, bits) = text.rsplit_once('=').ok_or("give the layer and its bits, such as first=int8")?;
    Ok((layer.into(), parse_bits(bits)?))
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("give a number above 0 and below 1, such as 0.5".into()),
    }
}
