//! Activation functions.

use super::Lower::Unary;
use super::*;
use teff_graph::Unary as U;

pub(super) const TABLE: Table = &[
    ("Celu", Of(|n, x| Ok(x.celu(n.float("alpha", 1.0))))),
    ("Clip", Of(clip)),
    ("Elu", Of(|n, x| Ok(x.elu(n.float("alpha", 1.0))))),
    ("Gelu", One(gelu)),
    ("HardSigmoid", One(hard_sigmoid)),
    ("HardSwish", Of(|_, x| Ok(x.hard_swish()))),
    ("Hardmax", One(hardmax)),
    ("LeakyRelu", Of(|n, x| Ok(x.leaky_relu(n.float("alpha", 0.01))))),
    ("LogSoftmax", One(|n| along(n, &n.x(0)?, n.version, Tensor::log_softmax))),
    ("Mish", Of(|_, x| Ok(x.mish()))),
    ("PRelu", OfTwo(prelu)),
    ("Relu", Of(|_, x| Ok(x.relu()))),
    ("Selu", One(selu)),
    ("Shrink", Of(shrink)),
    ("Sigmoid", Unary(U::Sigmoid)),
    ("Softmax", One(|n| along(n, &n.x(0)?, n.version, Tensor::softmax))),
    ("Softplus", Of(|_, x| Ok(x.softplus()))),
    ("Softsign", Of(|_, x| Ok(x.softsign()))),
    ("Swish", Of(swish)),
    ("Tanh", Unary(U::Tanh)),
    ("ThresholdedRelu", Of(thresholded_relu)),
];

/// A function of each element, or along axes that stay.
pub(super) type TensorFunction = fn(&Tensor) -> Tensor;

/// Bounds are attributes before version 11, then inputs.
fn clip(n: &mut Node, x: Tensor) -> Lowered {
    let (low, high) = if n.version < 11 {
        n.ignore(&["consumed_inputs"]);
        let bound = |name: &str| n.attribute(name).map(|a| x.full_like(a.f.into()));
        (bound("min"), bound("max"))
    } else {
        (n.optional(1)?, n.optional(2)?)
    };
    let x = low.map_or(x.clone(), |low| x.maximum(&low));
    Ok(high.map_or(x.clone(), |high| x.minimum(&high)))
}

fn gelu(n: &mut Node) -> Lowered {
    let gelu = n.choice(
        "approximate",
        "none",
        &[("none", Tensor::gelu as TensorFunction), ("tanh", Tensor::gelu_tanh)],
    )?;
    Ok(gelu(&n.x(0)?))
}

fn hard_sigmoid(n: &mut Node) -> Lowered {
    Ok(n.x(0)?.hard_sigmoid(n.float("alpha", f64::from(0.2f32)), n.float("beta", 0.5)))
}

fn selu(n: &mut Node) -> Lowered {
    let alpha = n.float("alpha", f64::from(1.673_263_2_f32));
    let gamma = n.float("gamma", f64::from(1.050_701_f32));
    Ok(n.x(0)?.elu(alpha) * gamma)
}

/// Slopes broadcast to x; before version 7 one a channel was meant.
fn prelu(n: &mut Node, x: Tensor, slope: Tensor) -> Lowered {
    let per_channel = slope.rank() == 1 && x.rank() > 2 && x.shape()[1] == slope.len() && slope.len() > 1;
    let slope = if n.version < 7 && per_channel { slope.per_channel(x.rank()) } else { slope };
    Ok(x.less(0.0).select(&x * &slope, &x))
}

fn shrink(n: &mut Node, x: Tensor) -> Lowered {
    let (lambda, bias) = (n.float("lambd", 0.5), n.float("bias", 0.0));
    let wide = if x.dtype().is_float() { x.dtype() } else { DType::F32 };
    let y = x.cast(wide);
    let low = y.less(-lambda).select(&y + bias, 0.0);
    Ok(y.greater(lambda).select(&y - bias, low).cast(x.dtype()))
}

fn swish(n: &mut Node, x: Tensor) -> Lowered {
    let alpha = n.float("alpha", 1.0);
    Ok(if alpha == 1.0 { x.silu() } else { &x * (&x * alpha).sigmoid() })
}

fn thresholded_relu(n: &mut Node, x: Tensor) -> Lowered {
    Ok(x.greater(n.float("alpha", 1.0)).select(&x, 0.0))
}

/// Softmax and its kin: along `axis`, since version 13 the last by default; before, over all axes from `axis` (1) on as one.
pub(super) fn along(n: &Node, x: &Tensor, version: i64, f: impl Fn(&Tensor, isize) -> Tensor) -> Lowered {
    let axis = axis_of(n.int("axis", if version >= 13 { -1 } else { 1 }), x.rank())?;
    if version >= 13 {
        return Ok(f(x, axis as isize));
    }
    let rows: usize = x.shape()[..axis].iter().product();
    let columns: usize = x.shape()[axis..].iter().product();
    Ok(f(&x.reshape(&[rows, columns]), 1).reshape(x.shape()))
}

/// 1 at the first largest element, 0 elsewhere.
fn hardmax(n: &mut Node) -> Lowered {
    let one_hot = |x: &Tensor, axis: isize| {
        let axis = axis as usize;
        let winner = x.arg_reduce(false, axis, false);
        let index = Tensor::iota(Type::new(DType::I64, x.shape()), axis);
        index.equal(&winner).cast(x.dtype())
    };
    along(n, &n.x(0)?, n.version, one_hot)
}
