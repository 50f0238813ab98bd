//! Operators that draw random numbers.
//!
//! A graph is a function of its inputs, so the numbers are drawn once, while reading: constants from then on, and a note says so.
//! With a seed they are those of ONNX's reference evaluator; without, each node has a stream of its own, the same at every reading.

use super::*;
use crate::read::draw::Mt19937;

pub(super) const TABLE: Table = &[
    ("Bernoulli", Many(bernoulli)),
    ("Dropout", Many(dropout)),
    ("Multinomial", Many(multinomial)),
    ("RandomNormal", Many(|n| of_shape(n, normal))),
    ("RandomNormalLike", Many(|n| like(n, normal))),
    ("RandomUniform", Many(|n| of_shape(n, uniform))),
    ("RandomUniformLike", Many(|n| like(n, uniform))),
];

/// `count` numbers in `[0, 1)`, or normal ones, of this node's own stream.
fn drawn(n: &mut Node, count: usize, draw: fn(&mut Mt19937) -> f64) -> Lowered<Vec<f64>> {
    n.spend(count)?;
    // An integer of Dropout, a float of the others.
    let given = n.attribute("seed").map(|a| if a.f == 0.0 { a.i as f64 } else { f64::from(a.f) });
    let seed = match given {
        Some(seed) if (0.0..4_294_967_296.0).contains(&seed) => seed as u32,
        Some(seed) => return invalid!("the seed {seed} is not between 0 and 4294967295"),
        None => n.reader.own_seed(),
    };
    let node = n.described();
    n.reading().note(format!("{node}: its random numbers are drawn once, now, with seed {seed}; every run of the network uses the same"));
    let mut stream = Mt19937::new(seed);
    Ok((0..count).map(|_| draw(&mut stream)).collect())
}

/// Numbers of a float type in this shape, each times `scale` plus `offset` in that type.
fn scaled(
    n: &mut Node,
    ty: (ElementType, &[usize]),
    draw: fn(&mut Mt19937) -> f64,
    scale: f64,
    offset: f64,
) -> Lowered<Outputs> {
    let (element, shape) = ty;
    let dtype = holder(element);
    ensure!(dtype.is_float(), "random numbers are floats, not {}", element.name());
    let numbers = drawn(n, Type::new(dtype, shape).len(), draw)?;
    let value = Value::from_fn(&Type::new(dtype, shape), |i| {
        Num::Float(match dtype {
            DType::F64 => numbers[i] * scale + offset,
            _ => (numbers[i] as f32 * scale as f32 + offset as f32).into(),
        })
    });
    let value = converted(&Tensor::constant(value).into(), element, true, "up")?;
    Ok(vec![OnnxValue::narrow(value, element)])
}

fn uniform(n: &mut Node, element: ElementType, shape: &[usize]) -> Lowered<Outputs> {
    let (low, high) = (n.float("low", 0.0), n.float("high", 1.0));
    scaled(n, (element, shape), Mt19937::uniform, high - low, low)
}

fn normal(n: &mut Node, element: ElementType, shape: &[usize]) -> Lowered<Outputs> {
    let (mean, deviation) = (n.float("mean", 0.0), n.float("scale", 1.0));
    scaled(n, (element, shape), Mt19937::normal, deviation, mean)
}

/// What draws numbers of a type in a shape.
type Numbers = fn(&mut Node, ElementType, &[usize]) -> Lowered<Outputs>;

fn of_shape(n: &mut Node, numbers: Numbers) -> Lowered<Outputs> {
    let Some(shape) = n.sizes("shape")? else { return invalid!("the attribute \"shape\" is missing") };
    let element = n.element("dtype")?.unwrap_or(element(1)?);
    numbers(n, element, &shape)
}

fn like(n: &mut Node, numbers: Numbers) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let element = n.element("dtype")?.unwrap_or(x.element);
    numbers(n, element, x.tensor.shape())
}

/// One with the probability that each element of the input is, else zero.
fn bernoulli(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let to = n.element("dtype")?.unwrap_or(x.element);
    let x = x.tensor;
    ensure!(x.dtype().is_float(), "takes probabilities, not {x}");
    let numbers = drawn(n, x.len(), Mt19937::uniform)?;
    let u = Tensor::constant(Value::from_fn(&x.ty(), |i| Num::Float(numbers[i])));
    // Which side of a number is a one is as numpy has it, whose binomial numbers are those of the less likely side.
    let likely = u.less_equal(&x);
    let unlikely = (1.0 - &x).less(&u);
    let one = x.less_equal(&x.full_like(0.5)).select(&unlikely, &likely);
    Ok(vec![OnnxValue::narrow(converted(&one.into(), to, true, "up")?, to)])
}

/// Classes drawn by their unnormalised log-probabilities `[batch, classes]`: `[batch, sample_size]`.
fn multinomial(n: &mut Node) -> Lowered<Outputs> {
    let x = n.x(0)?;
    let to = n.element("dtype")?.unwrap_or(ElementType::Plain(DType::I32));
    let (&[batch, classes], Ok(samples)) = (x.shape(), usize::try_from(n.int("sample_size", 1))) else {
        return invalid!("takes [batch, classes] and a sample_size that is not negative, not {x}");
    };
    ensure!(classes != 0, "there is no class to draw");
    let count = batch.saturating_mul(samples);
    n.spend(count.saturating_mul(classes))?;
    let numbers = drawn(n, count, Mt19937::uniform)?;
    let u = Value::from_fn(&Type::new(x.dtype(), [batch, samples, 1]), |i| Num::Float(numbers[i]));
    // Of the classes but the last, those that end at or below the number are passed over.
    let ends = x.softmax(1).cumsum(1, false, false).narrow(1, 0, classes - 1).unsqueeze(1);
    let class = ends.less_equal(&Tensor::constant(u)).cast(DType::I32).sum(&[2]);
    Ok(vec![OnnxValue::narrow(converted(&class.into(), to, true, "up")?, to)])
}

/// Outside training the identity, and a mask that keeps everything. In training an element is kept where a number is not below the
/// ratio, and what is kept is scaled so that the expectation stays.
fn dropout(n: &mut Node) -> Lowered<Outputs> {
    n.ignore(&["consumed_inputs"]);
    let x = n.typed(0)?;
    let ratio = n.optional_number_of(1, "ratio")?.unwrap_or(n.float("ratio", 0.5));
    let training = n.optional_number_of(2, "training_mode")?.is_some_and(|t| t != 0.0);
    if n.version < 7 && !n.flag("is_test", true) && ratio != 0.0 {
        return unsupported("is_test is off", "export the model for inference");
    }
    if !training || ratio == 0.0 {
        n.ignore(&["seed", "is_test"]);
        let mask = Tensor::full(Type::new(DType::Bool, x.tensor.shape()), 1.0);
        return Ok(vec![OnnxValue::Tensor(x), mask.into()]);
    }
    ensure!((0.0..1.0).contains(&ratio), "the ratio {ratio} is not at least 0 and below 1");
    let numbers = drawn(n, x.tensor.len(), Mt19937::uniform)?;
    let ty = Type::new(DType::Bool, x.tensor.shape());
    let mask = Tensor::constant(Value::from_fn(&ty, |i| Num::Int((numbers[i] >= ratio).into())));
    let y = mask.cast(x.tensor.dtype()) * &x.tensor * (1.0 / (1.0 - ratio));
    Ok(vec![OnnxValue::narrow(converted(&y.into(), x.element, true, "up")?, x.element), mask.into()])
}
