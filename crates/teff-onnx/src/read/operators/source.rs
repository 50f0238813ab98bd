//! Operators that make tensors from little or nothing.

use super::*;

pub(super) const TABLE: Table = &[
    ("BlackmanWindow", One(|n| window(n, &[0.42, -0.5, 0.08]))),
    ("Constant", Many(constant)),
    ("ConstantOfShape", Many(constant_of_shape)),
    ("EyeLike", One(eye_like)),
    ("HammingWindow", One(|n| window(n, &[25.0 / 46.0, -21.0 / 46.0]))),
    ("HannWindow", One(|n| window(n, &[0.5, -0.5]))),
    ("MelWeightMatrix", One(mel_weight_matrix)),
    ("Range", One(|n| n.range())),
    ("Shape", Of(shape)),
    ("Size", One(|n| n.x(0).map(|x| Tensor::constant(Value::scalar(x.len() as i64))))),
];

fn constant(n: &mut Node) -> Lowered<Outputs> {
    if let Some(a) = n.attribute("value") {
        return match &a.tensor {
            Some(t) => Ok(vec![n.reader.constant(t)?]),
            None => invalid!("the tensor of attribute \"value\" is missing"),
        };
    }
    let value = (n.attribute("value_float").map(|a| Value::scalar(a.f)))
        .or_else(|| n.attribute("value_int").map(|a| Value::scalar(a.i)))
        .or_else(|| n.attribute("value_floats").map(|a| Value::new([a.floats.len()], a.floats.clone())))
        .or_else(|| n.ints("value_ints").map(|list| Value::new([list.len()], list.to_vec())));
    if let Some(value) = value {
        return Ok(vec![Tensor::constant(value).into()]);
    }
    if let Some(s) = n.attribute("sparse_value").and_then(|a| a.sparse.as_deref()) {
        return Ok(vec![OnnxValue::Tensor(n.reader.sparse(&s.values, &s.indices, &s.dims)?)]);
    }
    unsupported("the constant is a string or missing", "keep text processing outside the model")
}

fn constant_of_shape(n: &mut Node) -> Lowered<Outputs> {
    let shape = n.sizes_of(0, "shape")?;
    let value = match n.attribute("value").and_then(|a| a.tensor.as_ref()) {
        Some(t) => n.reader.tensor(t)?,
        None => Tensor::scalar(0.0f32).into(),
    };
    ensure!(value.tensor.len() == 1, "the value must have one element");
    Ok(vec![OnnxValue::narrow(value.tensor.reshape(&[]).broadcast_to(&shape), value.element)])
}

fn eye_like(n: &mut Node) -> Lowered {
    let x = n.typed(0)?;
    let dtype = holder(n.element("dtype")?.unwrap_or(x.element));
    let k = n.int("k", 0);
    ensure!(x.tensor.rank() == 2, "takes a matrix, not {}", x.tensor.ty());
    let ty = Type::new(DType::I64, x.tensor.shape());
    let distance = Tensor::iota(ty.clone(), 1) - Tensor::iota(ty, 0);
    Ok(distance.equal(Tensor::constant(Value::scalar(k))).cast(dtype))
}

fn shape(n: &mut Node, x: Tensor) -> Lowered {
    let rank = x.rank() as i64;
    let position = |p: i64| (if p < 0 { p.saturating_add(rank) } else { p }).clamp(0, rank) as usize;
    let start = position(n.int("start", 0));
    let end = position(n.int("end", rank));
    let list: Vec<i64> = x.shape()[start..end.max(start)].iter().map(|&s| s as i64).collect();
    Ok(Tensor::from_slice(&list))
}

/// A sum of cosines with these coefficients, over one period or, when not `periodic`, with both ends included.
fn window(n: &mut Node, coefficients: &[f64]) -> Lowered {
    let Ok(size) = usize::try_from(n.int_of(0, "size")?) else { return invalid!("the size is negative") };
    n.spend(size)?;
    let dtype = holder(n.element("output_datatype")?.unwrap_or(ElementType::Plain(DType::F32)));
    let period = if n.flag("periodic", true) { size } else { size.saturating_sub(1) }.max(1) as f64;
    Ok(Tensor::constant(Value::from_fn(&Type::new(dtype, [size]), |i| {
        let angle = std::f64::consts::TAU * i as f64 / period;
        let terms = coefficients.iter().enumerate().map(|(k, c)| c * (angle * k as f64).cos());
        Num::Float(terms.sum())
    })))
}

/// Triangular filters, equally spaced on the mel scale, over the bins of a spectrum: the reference formula of the operator, which
/// places the edges on whole bins.
fn mel_weight_matrix(n: &mut Node) -> Lowered {
    let bins = n.int_of(0, "num_mel_bins")?;
    let length = n.int_of(1, "dft_length")?;
    let rate = n.int_of(2, "sample_rate")? as f64;
    let number =
        |n: &mut Node, i: usize, what: &str| n.optional_number_of(i, what).map(Option::unwrap_or_default);
    let (low, high) = (number(n, 3, "lower_edge_hertz")?, number(n, 4, "upper_edge_hertz")?);
    let element_type = n.element("output_datatype")?.unwrap_or(element(1)?);
    let (Ok(bins), Ok(length)) = (usize::try_from(bins), usize::try_from(length)) else {
        return invalid!("num_mel_bins or dft_length is negative");
    };
    ensure!(rate > 0.0, "sample_rate is not positive");
    let spectrum = length / 2 + 1;
    n.spend(spectrum.saturating_mul(bins))?;
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mel(high) - mel(low)) / (bins + 2) as f64;
    let edge = |i: usize| {
        let hertz = 700.0 * (10f64.powf((i as f64 * step + mel(low)) / 2595.0) - 1.0);
        ((length + 1) as f64 * hertz / rate).floor() as i64
    };
    let ty = Type::new(holder(element_type), [spectrum, bins]);
    Ok(Tensor::constant(Value::from_fn(&ty, |at| {
        let (bin, filter) = ((at / bins) as i64, at % bins);
        let (lower, centre, upper) = (edge(filter), edge(filter + 1), edge(filter + 2));
        let from = |a: i64, b: i64| a.saturating_sub(b) as f64;
        Num::Float(if lower == centre {
            if bin == centre {
                1.0
            } else if bin > centre && bin < upper {
                from(upper, bin) / from(upper, centre)
            } else {
                0.0
            }
        } else if bin >= lower && bin <= centre {
            from(bin, lower) / from(centre, lower)
        } else if bin >= centre && bin < upper {
            from(upper, bin) / from(upper, centre)
        } else {
            0.0
        })
    })))
}
