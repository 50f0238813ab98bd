//! Functions of each element, and softmax.

use super::*;

pub(super) const TABLE: Table = &[
    ("ABS", One(|n| Ok(n.real(0)?.map(|x| x.abs())))),
    ("BUCKETIZE", One(bucketize)),
    ("CEIL", One(|n| float(n, |x| x.ceil()))),
    ("COS", One(|n| float(n, |x| x.cos()))),
    ("ELU", One(|n| float(n, |x| x.elu(1.0)))),
    ("EXP", One(|n| float(n, |x| x.exp()))),
    ("FLOOR", One(|n| float(n, |x| x.floor()))),
    ("GELU", One(gelu)),
    ("HARD_SWISH", One(|n| float(n, |x| x.hard_swish()))),
    ("LEAKY_RELU", One(leaky_relu)),
    ("LOG", One(|n| float(n, |x| x.log()))),
    ("LOGICAL_NOT", One(logical_not)),
    ("LOGISTIC", One(|n| float(n, |x| x.sigmoid()))),
    ("LOG_SOFTMAX", One(|n| along_last(n, Tensor::log_softmax))),
    // Of the integers themselves, whatever they stand for: so the runtime has it.
    ("NEG", One(|n| Ok(n.held(0)?.map(|x| -x)))),
    ("PRELU", One(prelu)),
    ("RELU", One(|n| Ok(n.real(0)?.map(|x| x.relu())))),
    ("RELU6", One(|n| Ok(n.real(0)?.map(|x| x.relu6())))),
    ("RELU_0_TO_1", One(|n| Ok(n.real(0)?.map(|x| x.clip(0.0, 1.0))))),
    ("RELU_N1_TO_1", One(|n| Ok(n.real(0)?.map(|x| x.clip(-1.0, 1.0))))),
    ("ROUND", One(|n| float(n, |x| x.round()))),
    ("RSQRT", One(|n| float(n, |x| x.sqrt().recip()))),
    ("SIGN", One(|n| Ok(n.real(0)?.map(|x| x.sign())))),
    ("SIN", One(|n| float(n, |x| x.sin()))),
    ("SOFTMAX", One(softmax)),
    ("SQRT", One(|n| float(n, |x| x.sqrt()))),
    ("SQUARE", One(|n| Ok(n.real(0)?.map(|x| x.square())))),
    ("TANH", One(|n| float(n, |x| x.tanh()))),
];

/// A function of floats, of the only input.
fn float(n: &Node, f: impl FnOnce(Tensor) -> Tensor) -> Lowered<Held> {
    let x = n.real(0)?;
    Ok(Held { tensor: f(floats(x.tensor, "its input")?), layout: x.layout })
}

/// How many boundaries each element has reached.
fn bucketize(n: &mut Node) -> Lowered<Held> {
    let boundaries = n.vector::<f32>(bucketize_options::BOUNDARIES)?;
    let (x, boundaries) = (n.x(0)?, boundaries.unwrap_or_default());
    n.spend(boundaries.len().saturating_mul(x.len()))?;
    let limits = Tensor::from_slice(&boundaries);
    let reached = limits.less_equal(x.cast(DType::F32).unsqueeze(-1)).cast(DType::I32);
    Ok(Held::plain(reached.sum(&[-1])))
}

fn gelu(n: &mut Node) -> Lowered<Held> {
    let approximate = n.get(gelu_options::APPROXIMATE)?;
    float(n, |x| if approximate { x.gelu_tanh() } else { x.gelu() })
}

fn leaky_relu(n: &mut Node) -> Lowered<Held> {
    let alpha = n.get(leaky_relu_options::ALPHA)?;
    float(n, |x| x.leaky_relu(alpha.into()))
}

fn logical_not(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    ensure!(x.tensor.dtype() == DType::Bool, "its input is {}, and must be bool", x.tensor.dtype());
    Ok(x.map(|x| x.not()))
}

fn prelu(n: &mut Node) -> Lowered<Held> {
    let (x, slope, layout) = n.pair(false)?;
    let tensor = floats(x, "its input")?.prelu(&floats(slope, "its slope")?);
    Ok(Held { tensor, layout })
}

/// A function of floats along the last axis of the file.
pub(super) fn along_last(n: &Node, f: impl FnOnce(&Tensor, isize) -> Tensor) -> Lowered<Held> {
    let x = n.real(0)?;
    let Some(last) = x.tensor.rank().checked_sub(1) else { return invalid!("its input has no axes") };
    let axis = x.position(last) as isize;
    Ok(Held { tensor: f(&floats(x.tensor, "its input")?, axis), layout: x.layout })
}

fn softmax(n: &mut Node) -> Lowered<Held> {
    let beta = n.get(softmax_options::BETA)?;
    along_last(n, |x, axis| if beta == 1.0 { x.softmax(axis) } else { (x * beta).softmax(axis) })
}
