//! What is known of floats that are integers times a scale, by hand: bounds decide what fits into 32 bits, so that they are to be right and
//! no wider than they are said to be.

mod layers;
mod moves;
mod rounding;
mod sums;

use super::affine::Affine;
use super::requantize::requantize;
use super::*;
use teff_graph::{
    Binary, ConvGeometry, Element, Num, PadAxis, ReduceKind, SliceAxis, Type, Value, Window, evaluate,
};

/// Quantised integers `q` with their scale and zero point.
fn floats<T: Element>(q: &Tensor, scale: &[f32], axis: usize, zero: T) -> Tensor {
    let mut shape = vec![1; q.rank()];
    shape[axis] = scale.len();
    let scale = Tensor::constant(Value::new(shape.clone(), scale.to_vec()));
    q.dequantize(&scale, &Tensor::constant(Value::full(&Type::new(T::DTYPE, &shape[..]), num(zero))))
}

fn num<T: Element>(x: T) -> Num {
    Value::new([1], vec![x]).get(0)
}

fn constant(shape: &[usize], all: &[f32]) -> Tensor {
    Tensor::constant(Value::new(shape, all.to_vec()))
}

/// Floats for each of three columns.
fn columns(all: [f32; 3]) -> Tensor {
    constant(&[1, 3], &all)
}

fn x() -> Tensor {
    Tensor::input("x", DType::I8, &[2, 3])
}

/// (q - 3) / 2, for the 8 bits that q has: from -131 to 124 steps.
fn halves(x: &Tensor) -> Tensor {
    floats(x, &[0.5], 0, 3i8)
}

/// The graph of `y`, a function of `inputs`.
fn graph(inputs: &[&Tensor], y: &Tensor) -> Graph {
    let inputs: Vec<Tensor> = inputs.iter().map(|x| (*x).clone()).collect();
    Graph::from_tensors("net", &inputs, &[("y", y.clone())]).unwrap()
}

/// What is said of the integers behind `y`.
fn without_numbers(inputs: &[&Tensor], y: &Tensor) -> String {
    let graph = graph(inputs, y);
    IntegerPass::of(&graph).affine(graph.outputs()[0].node).map_or("None".into(), text)
}

/// The integers behind `y`.
fn followed(inputs: &[&Tensor], y: &Tensor) -> Option<Affine> {
    let graph = graph(inputs, y);
    let walk = IntegerPass::of(&graph);
    let a = walk.affine(graph.outputs()[0].node).cloned()?;
    let made: Vec<Tensor> = graph.inputs().iter().map(|id| walk.made(*id).clone()).collect();
    // The numbers are those of the graph, at the ends of each input's range and between them.
    for turn in 0..4 {
        let given: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(i, x)| {
                let (low, high) = x.dtype().int_range().unwrap();
                Value::from_fn(&x.ty(), |k| {
                    Num::Int([low, high, 1 + k as i128, 77 - 3 * k as i128][(turn + k + i * k) % 4])
                })
            })
            .collect();
        let expected = evaluate(&graph, &given).unwrap().remove(0);
        let integers = Graph::from_tensors("net", &made, &[("q", a.q.clone())]).unwrap();
        let q = evaluate(&integers, &given).unwrap().remove(0);
        assert_eq!(q.shape(), expected.shape());
        for i in 0..q.len() {
            let channel =
                i / q.shape()[a.scale.axis + 1..].iter().product::<usize>() % q.shape()[a.scale.axis];
            let at =
                |all: &[f64]| if all.len() > 1 { all[channel] } else { all.first().copied().unwrap_or(0.0) };
            let offset: Vec<f64> = a.offset.iter().map(|x| *x as f64).collect();
            let steps = q.get(i).as_f64() - f64::from(a.zero) + at(&offset);
            assert!(a.range.0 as f64 <= steps && steps <= a.range.1 as f64, "{steps} of {}", text(&a));
            let found = (steps + at(&a.fraction)) * at(&a.scale.values);
            let most = a.bound() as f64 * at(&a.scale.values);
            let far = (found - expected.get(i).as_f64()).abs();
            assert!(far <= most * 2f64.powi(-22), "{found}, not {:?}: {}", expected.get(i), text(&a));
        }
    }
    Some(a)
}

fn text(a: &Affine) -> String {
    let mut text = String::new();
    if a.zero != 0 {
        text += &format!("- {} ", a.zero);
    }
    if !a.offset.is_empty() {
        text += &format!("+ {:?} ", a.offset);
    }
    if !a.fraction.is_empty() {
        text += &format!("+ {:?} ", a.fraction);
    }
    text += &format!("in {}..={} times {:?}", a.range.0, a.range.1, a.scale.values);
    if a.scale.values.len().max(a.offset.len()) > 1 {
        text += &format!(" along {}", a.scale.axis);
    }
    text
}

/// Each is what is said: zero, offset of each channel, what of it is no whole number, bounds, scale and its axis; or `None`.
#[track_caller]
fn are(inputs: &[&Tensor], all: &[(Tensor, &str)]) {
    for (i, (y, expected)) in all.iter().enumerate() {
        let found = followed(inputs, y).map_or("None".into(), |a| text(&a));
        assert_eq!(found, *expected, "number {i}: {y:?}");
    }
}

#[test]
fn constants_move_bounds_or_scales() {
    let q = x();
    let x = halves(&q);
    are(
        &[&q],
        &[
            (x.clone(), "- 3 in -131..=124 times [0.5]"),
            (&x + 1.0, "- 3 + [2] in -129..=126 times [0.5]"),
            (&x - 1.0, "- 3 + [-2] in -133..=122 times [0.5]"),
            // 1.25 steps, in a channel and in all.
            (&x + 0.625, "- 3 + [1] + [0.25] in -130..=125 times [0.5]"),
            (&x + 0.625 + 0.625, "- 3 + [3] + [-0.5] in -128..=127 times [0.5]"),
            (&x + 0.625 - 0.125, "- 3 + [1] in -130..=125 times [0.5]"),
            (
                &x - columns([1.0, 0.5, 0.625]),
                "- 3 + [-2, -1, -1] + [0.0, 0.0, -0.25] in -133..=123 times [0.5] along 1",
            ),
            (
                &x + columns([1.0, 0.5, 0.625]) + 0.125,
                "- 3 + [2, 1, 2] + [0.25, 0.25, -0.5] in -130..=127 times [0.5] along 1",
            ),
            // Bounds of what changes signs are those of both.
            (-&x, "in -131..=131 times [0.5]"),
            (Tensor::constant(Value::new([1, 1], vec![1.0f32])) - &x, "+ [2] in -129..=133 times [0.5]"),
            (&x * 0.25, "- 3 in -131..=124 times [0.125]"),
            (&x / 4.0, "- 3 in -131..=124 times [0.125]"),
            (&x * -0.25, "in -131..=131 times [0.125]"),
            (&x / -4.0, "in -131..=131 times [0.125]"),
            (&x * columns([1.0, -2.0, 4.0]), "in -131..=131 times [0.5, 1.0, 2.0] along 1"),
            (&x * columns([1.0, 2.0, 4.0]), "- 3 in -131..=124 times [0.5, 1.0, 2.0] along 1"),
            (&x / columns([1.0, 2.0, 4.0]), "- 3 in -131..=124 times [0.5, 0.25, 0.125] along 1"),
            (
                &x * columns([1.0, 2.0, 4.0]) + columns([0.5, 3.0, 2.5]),
                "- 3 + [1, 3, 1] + [0.0, 0.0, 0.25] in -130..=127 times [0.5, 1.0, 2.0] along 1",
            ),
            (
                &x * columns([1.0, 2.0, 4.0]) + 1.0,
                "- 3 + [2, 1, 1] + [0.0, 0.0, -0.5] in -130..=126 times [0.5, 1.0, 2.0] along 1",
            ),
            // What differs along one axis only.
            (&x * columns([1.0, 2.0, 4.0]) * constant(&[2, 1], &[1.0, 2.0]), "None"),
            (&x + constant(&[2, 3], &[1.0, 1.0, 1.0, 1.0, 1.0, 2.0]), "None"),
            (&x + constant(&[2, 3], &[1.0; 6]), "- 3 + [2] in -129..=126 times [0.5]"),
            (
                &x + columns([1.0, 2.0, 3.0]) + constant(&[2, 1], &[1.0, 2.0]),
                "+ [2, 4] in -127..=134 times [0.5] along 0",
            ),
            // Nothing, or no number.
            (&x * columns([1.0, 0.0, 4.0]), "None"),
            (&x * f64::INFINITY, "None"),
            (&x / 0.0, "None"),
            (&x + f64::INFINITY, "None"),
            // 2^31 steps are too many.
            (&x + 2f64.powi(30), "None"),
            (&x - 2f64.powi(30), "None"),
            (&x - (2f64.powi(30) - 64.0), "None"),
            (floats(&q, &[0.0], 0, 3i8), "None"),
            // Constants that are repeated, and then changed or moved.
            (
                &x * -columns([-1.0, -2.0, -4.0]).broadcast_to(&[2, 3]),
                "- 3 in -131..=124 times [0.5, 1.0, 2.0] along 1",
            ),
            (&x * columns([1.0, 2.0, 4.0]).broadcast_to(&[3, 3]).permute(&[1, 0]).slice(0, 0, 2, 1), "None"),
            // Quotients of integers are cut off.
            (q.cast(DType::I32) / 2.0, "None"),
            (q.cast(DType::I32) + 2.0, "+ [2] in -126..=129 times [1.0]"),
        ],
    );
}

#[test]
fn bounds_are_whole_steps_or_steps_are_made_smaller() {
    let q = x();
    let x = halves(&q);
    are(
        &[&q],
        &[
            (x.maximum(columns([1.0; 3])), "in 2..=124 times [0.5]"),
            (x.minimum(columns([1.0; 3])), "in -131..=2 times [0.5]"),
            (x.maximum(columns([100.0; 3])), "in 200..=200 times [0.5]"),
            (x.minimum(columns([100.0; 3])), "in -131..=124 times [0.5]"),
            (x.maximum(columns([1.0, 2.0, -70.0])), "in -131..=124 times [0.5]"),
            (x.minimum(columns([1.0, 2.0, -70.0])), "in -140..=4 times [0.5]"),
            // 22 bits for 8 and a sign: by 2^13.
            (x.minimum(columns([0.625; 3])), "in -1073152..=10240 times [6.103515625e-5]"),
            (x.maximum(columns([0.625; 3])), "in 10240..=1015808 times [6.103515625e-5]"),
            // A fraction goes into smaller steps: a quarter takes 2 bits, and is rounded by half a step of those at most.
            ((&x + 0.625).maximum(columns([1.0; 3])), "in 8..=502 times [0.125]"),
            ((&x + 0.625) * -1.0, "in -522..=522 times [0.125]"),
            ((&x + columns([0.0, 0.0, 0.625])) * -1.0, "in -526..=526 times [0.125]"),
        ],
    );
}
