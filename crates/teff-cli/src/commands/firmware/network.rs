//! `network.rs`: what the firmware is told of its network, as Rust constants.

use super::interface::{Interface, Quantization};
use crate::failure::{Failure, Result};
use std::fmt::Write;

/// How a picture of the camera becomes the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// A digit is located, made light on dark, and centred as those of MNIST are.
    Digit,
    /// The middle of the picture, scaled.
    Image,
}

/// Side of the picture that [`Preparation::Digit`] gives.
const DIGIT: usize = 28;

impl Preparation {
    /// As asked for, or what fits the network.
    pub(crate) fn choose(asked: Option<Preparation>, interface: &Interface) -> Result<Preparation> {
        let Interface { width, height, channels, .. } = *interface;
        let digit = (width, height, channels) == (DIGIT, DIGIT, 1);
        match asked {
            Some(Preparation::Digit) if !digit => Err(Failure::new(format!(
                "--prepare digit gives grey pictures of {DIGIT}x{DIGIT}, and the model takes {width}x{height} with {channels} \
                 channels; use --prepare image"
            ))),
            Some(asked) => Ok(asked),
            None if digit => Ok(Preparation::Digit),
            None => Ok(Preparation::Image),
        }
    }

    /// Its name in Rust.
    fn name(self) -> &'static str {
        match self {
            Preparation::Digit => "Digit",
            Preparation::Image => "Image",
        }
    }
}

/// The network's input for each brightness of the camera.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pixels {
    Floats(Vec<f32>),
    Integers(Vec<i32>),
}

/// How far the ends of what integers can stand for may be from 0 and 1 to be taken for these: what calibration cuts off or adds.
const NEARLY: f64 = 0.1;

impl Pixels {
    /// The values for brightness 0 to 255, and a line that says which they are. `ends` are the real values of black and white.
    /// Without them floats go from 0 to 1. Integers do too where their scale is one for that; otherwise they take their whole range,
    /// which is what calibration makes of pictures, whatever they were normalised to.
    ///
    /// # Errors
    /// When `ends` are given for integers whose scale the model does not say, or black and white become one integer.
    pub(crate) fn new(interface: &Interface, ends: Option<(f64, f64)>) -> Result<(Pixels, String)> {
        let real = |(black, white): (f64, f64), b: i32| black + (white - black) * f64::from(b) / 255.0;
        let Some((low, high)) = interface.input.int_range().map(|(low, high)| (low as i32, high as i32))
        else {
            let ends = ends.unwrap_or((0.0, 1.0));
            let values = (0..256).map(|b| real(ends, b) as f32).collect();
            return Ok((Pixels::Floats(values), format!("black is {}, white {}", ends.0, ends.1)));
        };
        let (ends, Quantization { scale, zero }) = match (ends, interface.input_scale) {
            (Some(ends), Some(affine)) => (ends, affine),
            (None, Some(affine)) if nearly_unit(affine, (low, high)) => ((0.0, 1.0), affine),
            (Some(_), None) => {
                return Err(Failure::new(
                    "--pixels gives real values, and the model does not say what the integers of its input stand for; \
                     leave it out, and black and white are the smallest and the largest",
                ));
            }
            (None, of) => {
                let values = (low..=high).collect();
                let stand = of.map_or(String::new(), |a| {
                    let real = |q: i32| f64::from(q - a.zero) * f64::from(a.scale);
                    format!(", which stand for {:.3} and {:.3}", real(low), real(high))
                });
                return Ok((Pixels::Integers(values), format!("black is {low}, white {high}{stand}")));
            }
        };
        // As Quantize does: the quotient in f32, halves to even.
        let quantised = |b| {
            let steps = (real(ends, b) as f32 / scale).round_ties_even() + zero as f32;
            steps.clamp(low as f32, high as f32) as i32
        };
        let values: Vec<i32> = (0..256).map(quantised).collect();
        let (black, white) = (values[0], values[255]);
        if black == white {
            return Err(Failure::new(format!(
                "black ({}) and white ({}) both become {black} by the input's scale {scale} and zero point {zero}; give other values by --pixels BLACK:WHITE",
                ends.0, ends.1
            )));
        }
        let said = format!("black is {black}, white {white}, which stand for {} and {}", ends.0, ends.1);
        Ok((Pixels::Integers(values), said))
    }
}

/// Whether the integers reach from 0 to 1, nearly.
fn nearly_unit(affine: Quantization, (low, high): (i32, i32)) -> bool {
    let real = |q: i32| f64::from(q - affine.zero) * f64::from(affine.scale);
    real(low).abs() <= NEARLY && (real(high) - 1.0).abs() <= NEARLY
}

/// All that `network.rs` says.
pub(crate) struct Network<'a> {
    pub(crate) name: &'a str,
    pub(crate) interface: &'a Interface,
    pub(crate) preparation: Preparation,
    pub(crate) pixels: &'a Pixels,
    /// As many as the network has outputs.
    pub(crate) labels: &'a [String],
    pub(crate) deadline_ms: u32,
}

impl Network<'_> {
    /// The file.
    pub(crate) fn text(&self) -> String {
        let i = self.interface;
        let mut out = String::from("// Written by `teff firmware`.\n\n");
        let mut constant = |name: &str, ty: &str, value: String| {
            _ = writeln!(out, "pub const {name}: {ty} = {value};");
        };
        constant("NAME", "&str", format!("{:?}", self.name));
        constant("WIDTH", "usize", i.width.to_string());
        constant("HEIGHT", "usize", i.height.to_string());
        constant("CHANNELS", "usize", i.channels.to_string());
        constant("CHANNELS_LAST", "bool", i.channels_last.to_string());
        constant("PREPARATION", "Preparation", format!("Preparation::{}", self.preparation.name()));
        constant("INPUTS", "usize", (i.width * i.height * i.channels).to_string());
        constant("OUTPUTS", "usize", i.outputs.to_string());
        constant("OUTPUT_SCALE", "f32", format!("{:?}", i.output_scale.scale));
        constant("OUTPUT_ZERO", "i32", i.output_scale.zero.to_string());
        constant("PROBABILITIES", "bool", i.probabilities.to_string());
        constant("DEADLINE_MS", "u32", self.deadline_ms.to_string());
        _ = writeln!(out, "\npub type Input = {};", i.input.name());
        _ = writeln!(out, "pub type Output = {};", i.output.name());
        _ = writeln!(out, "\n/// The network's input for each brightness.");
        let pixels: Vec<String> = match self.pixels {
            Pixels::Floats(values) => values.iter().map(|x| format!("{x:?}")).collect(),
            Pixels::Integers(values) => values.iter().map(i32::to_string).collect(),
        };
        list(&mut out, "pub static PIXELS: [Input; 256]", &pixels);
        let labels: Vec<String> = self.labels.iter().map(|l| format!("{l:?}")).collect();
        _ = writeln!(out);
        list(&mut out, "pub static LABELS: [&str; OUTPUTS]", &labels);
        out
    }
}

/// A list of eight a line.
fn list(out: &mut String, what: &str, items: &[String]) {
    _ = writeln!(out, "{what} = [");
    items.chunks(8).for_each(|row| _ = writeln!(out, "    {},", row.join(", ")));
    _ = writeln!(out, "];");
}

/// What the classes are called: `given`, which must be as many, or their numbers.
pub(crate) fn labels(given: Option<Vec<String>>, outputs: usize) -> Result<Vec<String>> {
    let given = given.unwrap_or_else(|| (0..outputs).map(|i| i.to_string()).collect());
    if given.len() == outputs {
        return Ok(given);
    }
    Err(Failure::new(format!(
        "{} labels ({}) for {outputs} classes; give one for each, in the order of the model's outputs",
        given.len(),
        given.join(", ")
    )))
}

/// How long an inference may take before it counts as hung: four times what is expected, 1 s at least.
pub(crate) fn deadline_ms(cycles: f64, clock_hz: u64) -> u32 {
    (4.0 * cycles / clock_hz as f64 * 1e3).ceil().clamp(1000.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff::graph::DType;

    fn interface(input: DType, input_scale: Option<Quantization>) -> Interface {
        Interface {
            width: 28,
            height: 28,
            channels: 1,
            channels_last: false,
            input,
            input_scale,
            outputs: 2,
            output: DType::I8,
            output_scale: Quantization { scale: 0.25, zero: 3 },
            probabilities: false,
        }
    }

    fn integers(input: DType, scale: Option<Quantization>, ends: Option<(f64, f64)>) -> Vec<i32> {
        match Pixels::new(&interface(input, scale), ends).unwrap().0 {
            Pixels::Integers(values) => values,
            Pixels::Floats(values) => panic!("{values:?}"),
        }
    }

    #[test]
    fn brightness_becomes_what_the_input_takes() {
        let whole: Vec<i32> = (-128..=127).collect();
        // No scale; that of person detection, -1 to 1; that of pictures from 0 to 1.
        assert_eq!(integers(DType::I8, None, None), whole);
        assert_eq!(integers(DType::I8, Some(Quantization { scale: 0.007843138, zero: -1 }), None), whole);
        assert_eq!(integers(DType::I8, Some(Quantization { scale: 1.0 / 255.0, zero: -128 }), None), whole);
        // A range that calibration cut at 0.95: white stays 1, and is the largest.
        let cut = Quantization { scale: 0.95 / 255.0, zero: -128 };
        let values = integers(DType::I8, Some(cut), None);
        assert_eq!((values[0], values[128], values[242], values[255]), (-128, 7, 127, 127));
        // White on black and the other way round.
        let wide = Quantization { scale: 2.0 / 255.0, zero: 0 };
        assert_eq!(integers(DType::I8, Some(wide), Some((0.0, 1.0)))[255], 127);
        let inverted =
            integers(DType::U8, Some(Quantization { scale: 1.0 / 255.0, zero: 0 }), Some((1.0, 0.0)));
        assert_eq!((inverted[0], inverted[1], inverted[255]), (255, 254, 0));
    }

    #[test]
    fn black_and_white_that_cannot_be_told_apart_are_refused() {
        let far = Quantization { scale: 0.01, zero: 0 };
        let message =
            |scale, ends| Pixels::new(&interface(DType::I8, scale), Some(ends)).unwrap_err().message;
        assert!(message(Some(far), (100.0, 200.0)).contains("both become 127"));
        assert!(message(None, (0.0, 1.0)).contains("does not say"));
    }

    #[test]
    fn the_file_says_what_the_network_is() {
        let interface = interface(DType::F32, None);
        let (pixels, said) = Pixels::new(&interface, Some((-0.5, 2.0))).unwrap();
        assert_eq!(said, "black is -0.5, white 2");
        let text = Network {
            name: "a \"b\"",
            interface: &interface,
            preparation: Preparation::choose(None, &interface).unwrap(),
            pixels: &pixels,
            labels: &labels(Some(vec!["no".into(), "é".into()]), 2).unwrap(),
            deadline_ms: deadline_ms(1e9, 125_000_000),
        }
        .text();
        for line in [
            "pub const NAME: &str = \"a \\\"b\\\"\";",
            "pub const PREPARATION: Preparation = Preparation::Digit;",
            "pub const INPUTS: usize = 784;",
            "pub const OUTPUT_SCALE: f32 = 0.25;",
            "pub const OUTPUT_ZERO: i32 = 3;",
            "pub const DEADLINE_MS: u32 = 32000;",
            "pub type Input = f32;",
            "pub type Output = i8;",
            "    -0.5, -0.49019608, ",
            ", 2.0,\n];",
            "    \"no\", \"é\",",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(
            labels(Some(vec!["no".into()]), 2).unwrap_err().message.contains("1 labels (no) for 2 classes")
        );
    }

    #[test]
    fn digits_are_prepared_for_networks_of_digits_alone() {
        let large = Interface { width: 96, height: 96, ..interface(DType::I8, None) };
        assert_eq!(Preparation::choose(None, &large).unwrap(), Preparation::Image);
        assert!(Preparation::choose(Some(Preparation::Digit), &large).unwrap_err().message.contains("96x96"));
    }
}
