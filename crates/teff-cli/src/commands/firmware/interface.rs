//! What a network takes and gives, seen as one that looks at pictures: size and layout of the picture, what its integers stand for,
//! how many classes.

use crate::failure::{Failure, Result};
use teff::graph::facts::{quantization, softmax};
use teff::graph::passes::simplify;
use teff::graph::{DType, Graph, Node, NodeId, Op};

/// Sides of a picture that are worth one, in pixels.
const SMALLEST: usize = 8;

/// What integers stand for: `real = (q - zero) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantization {
    pub(crate) scale: f32,
    pub(crate) zero: i32,
}

/// A network that takes one picture and gives a number for each class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interface {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// 1 or 3.
    pub(crate) channels: usize,
    /// `[1, H, W, C]`, not `[1, C, H, W]`. The same for one channel.
    pub(crate) channels_last: bool,
    /// As that of the output `f32`, `i8` or `u8`.
    pub(crate) input: DType,
    /// What the integers of the input stand for, where the model says it.
    pub(crate) input_scale: Option<Quantization>,
    /// How many classes: two at least.
    pub(crate) outputs: usize,
    pub(crate) output: DType,
    /// What the outputs stand for; scale 1 and zero 0 for floats.
    pub(crate) output_scale: Quantization,
    /// The outputs are the result of a softmax.
    pub(crate) probabilities: bool,
}

impl Interface {
    /// The interface of `graph`. `channels_last` decides where the shape fits both layouts.
    ///
    /// # Errors
    /// When it is no network from one picture to classes: what it has instead, and what would do.
    pub(crate) fn of(graph: &Graph, channels_last: bool) -> Result<Interface> {
        // Scales then are constants, whatever they were made of.
        let graph = simplify(graph);
        let [input] = graph.inputs() else {
            return refused(format!("it has {} inputs; firmware gives one, a picture", graph.inputs().len()));
        };
        let output = match graph.outputs() {
            [one] => one,
            more => {
                let names: Vec<&str> = more.iter().map(|o| &*o.name).collect();
                return refused(format!(
                    "it has {} outputs ({}); firmware wants one, with a number for each class",
                    more.len(),
                    names.join(", ")
                ));
            }
        };
        let (taken, given) = (&graph[*input].ty, &graph[output.node].ty);
        let (channels, height, width, last) = picture(&taken.shape, channels_last)?;
        let outputs = classes(&given.shape)?;
        let typed = |end: &str, dtype: DType| match dtype {
            DType::F32 | DType::I8 | DType::U8 => Ok(dtype),
            // Every other type is refused alike.
            _ => refused(format!("its {end} is {dtype}; firmware has f32, i8 and u8 at the network's ends")),
        };
        let unscaled = Quantization { scale: 1.0, zero: 0 };
        Ok(Interface {
            width,
            height,
            channels,
            channels_last: last,
            input: typed("input", taken.dtype)?,
            input_scale: affine(&graph, *input),
            outputs,
            output: typed("output", given.dtype)?,
            output_scale: affine(&graph, output.node).unwrap_or(unscaled),
            probabilities: ends_in_softmax(&graph, output.node),
        })
    }
}

fn failure(reason: impl std::fmt::Display) -> Failure {
    Failure::new(format!("no firmware can be made of this model: {reason}"))
}

fn refused<T>(reason: impl std::fmt::Display) -> Result<T> {
    Err(failure(reason))
}

/// Channels, height, width, and whether channels are last.
fn picture(shape: &[usize], prefer_last: bool) -> Result<(usize, usize, usize, bool)> {
    let colours = |n: usize| n == 1 || n == 3;
    let (channels, height, width, last) = match *shape {
        [n, ..] if n != 1 => {
            return refused(format!(
                "its input {shape:?} takes {n} pictures at once; export it for one, or give --input-shape if that size is open"
            ));
        }
        [1, h, w, c] if colours(c) && (prefer_last || !colours(h)) => (c, h, w, true),
        [1, c, h, w] if colours(c) => (c, h, w, false),
        [1, h, w] => (1, h, w, false),
        [1, n] if n.isqrt().pow(2) == n => (1, n.isqrt(), n.isqrt(), false),
        [1, n] => {
            return refused(format!(
                "its input {shape:?} is a row of {n} numbers, which is the pixels of no square; \
                 give it the picture's own shape, [1, 1, height, width]"
            ));
        }
        _ => {
            return refused(format!(
                "its input {shape:?} is no picture: firmware knows [1, C, H, W] and [1, H, W, C] with 1 or 3 channels, [1, H, W], and [1, N] of a square"
            ));
        }
    };
    if height < SMALLEST || width < SMALLEST {
        return refused(format!(
            "its input {shape:?} would be a picture of {width}x{height} pixels; firmware wants {SMALLEST}x{SMALLEST} at least"
        ));
    }
    Ok((channels, height, width, last))
}

fn classes(shape: &[usize]) -> Result<usize> {
    match shape.iter().product() {
        n if n >= 2 && shape.iter().filter(|&&d| d != 1).count() == 1 => Ok(n),
        1 => refused(format!(
            "its output {shape:?} is a single number; firmware wants one for each class, two for yes and no"
        )),
        _ => refused(format!("its output {shape:?} is no list of classes; firmware wants [1, N]")),
    }
}

/// Operations that only move elements, or repeat them.
fn moves(node: &Node) -> bool {
    matches!(node.op, Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Pad(_) | Op::Slice(_))
}

/// What the integers of an input or output stand for, when they have one scale.
fn affine(graph: &Graph, end: NodeId) -> Option<Quantization> {
    let (scale, zero) = quantization(graph, end)?.single()?;
    let scale = scale as f32;
    (scale.is_finite() && scale > 0.0).then_some(Quantization { scale, zero: i32::try_from(zero).ok()? })
}

/// The node whose result is at `id` once what `passes` lets through is taken off.
fn behind(graph: &Graph, mut id: NodeId, passes: impl Fn(&Node) -> bool) -> NodeId {
    while passes(&graph[id]) {
        id = graph[id].operands[0];
    }
    id
}

/// Whether the output is exponentials by their sum, perhaps quantised.
fn ends_in_softmax(graph: &Graph, output: NodeId) -> bool {
    let wraps = |n: &Node| moves(n) || matches!(n.op, Op::Quantize { .. } | Op::Dequantize);
    softmax(graph, behind(graph, output, wraps)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff::Tensor;

    fn shape(of: &[usize], last: bool) -> std::result::Result<(usize, usize, usize, bool), String> {
        picture(of, last).map_err(|f| f.message)
    }

    #[test]
    fn pictures_are_told_by_their_shapes() {
        assert_eq!(shape(&[1, 784], false), Ok((1, 28, 28, false)));
        assert_eq!(shape(&[1, 1, 20, 30], false), Ok((1, 20, 30, false)));
        assert_eq!(shape(&[1, 96, 80, 1], false), Ok((1, 96, 80, true)));
        assert_eq!(shape(&[1, 3, 96, 80], true), Ok((3, 96, 80, false)));
        assert_eq!(shape(&[1, 28, 28], true), Ok((1, 28, 28, false)));
        // [1, 3, H, W] that could be [1, H, W, C] is a picture of height 3 then, and too small.
        for (wrong, said) in [
            (&[1usize, 100 * 100 + 1][..], "no square"),
            (&[8, 1, 28, 28], "8 pictures"),
            (&[1, 2, 28, 28], "no picture"),
            (&[1, 9], "3x3 pixels"),
            (&[784], "784 pictures"),
            (&[1, 1, 1, 28, 28], "no picture"),
        ] {
            assert!(shape(wrong, false).unwrap_err().contains(said), "{wrong:?}: {:?}", shape(wrong, false));
        }
    }

    #[test]
    fn a_softmax_is_seen_and_a_sigmoid_is_none() {
        let x = Tensor::input("x", DType::F32, &[1, 64]);
        let w = Tensor::constant(teff::Value::new([64, 3], vec![0.5f32; 192]));
        let y = x.matmul(&w);
        for (end, softmax) in [(y.softmax(1), true), (y.sigmoid(), false), (y.clone(), false)] {
            let graph = Graph::from_tensors("g", std::slice::from_ref(&x), &[("y", end)]).unwrap();
            assert_eq!(Interface::of(&graph, false).unwrap().probabilities, softmax);
        }
    }
}
