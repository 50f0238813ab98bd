//! The simple operators of `ai.onnx.ml`, as scikit-learn's exporter writes them.

use super::*;
use crate::read::item::Strings;
use std::rc::Rc;

pub(super) const TABLE: Table = &[
    ("ArrayFeatureExtractor", OfTwo(array_feature_extractor)),
    ("Binarizer", Of(|n, x| Ok(x.greater(n.float("threshold", 0.0)).cast(x.dtype())))),
    ("FeatureVectorizer", One(feature_vectorizer)),
    ("Imputer", Of(imputer)),
    ("LabelEncoder", Of(label_encoder)),
    ("LinearClassifier", Many(linear_classifier)),
    ("LinearRegressor", One(linear_regressor)),
    ("Normalizer", One(normalizer)),
    ("OneHotEncoder", One(one_hot_encoder)),
    ("Scaler", Of(scaler)),
    ("ZipMap", Of(zip_map)),
];

/// Columns picked along the last axis.
fn array_feature_extractor(_: &mut Node, x: Tensor, columns: Tensor) -> Lowered {
    let Some(last) = x.rank().checked_sub(1) else { return invalid!("X is a scalar") };
    let picked = x.gather(&columns.flatten_all(), last);
    Ok(if x.rank() == 1 { picked.unsqueeze(0) } else { picked })
}

/// The list of floats or integers with either name.
fn numbers(n: &Node, floats: &str, ints: &str) -> Option<Vec<f64>> {
    let a = n.attribute(floats).map(|a| a.floats.iter().map(|&x| f64::from(x)).collect());
    a.or_else(|| n.ints(ints).map(|l| l.iter().map(|&x| x as f64).collect()))
}

fn row(x: &Tensor, list: &[f64]) -> Tensor {
    let dtype = if x.dtype().is_float() { x.dtype() } else { DType::F32 };
    Tensor::from_slice(list).cast(dtype)
}

/// Values to be replaced are replaced, a column by its own number or all by one.
fn imputer(n: &mut Node, x: Tensor) -> Lowered {
    let Some(with) = numbers(n, "imputed_value_floats", "imputed_value_int64s") else {
        return invalid!("there is nothing to impute");
    };
    let old = n.float("replaced_value_float", 0.0);
    let whole = n.int("replaced_value_int64", 0);
    let missing = match x.dtype().is_float() {
        true if old.is_nan() => x.is_nan(),
        true => x.equal(old),
        false => x.equal(whole as f64),
    };
    Ok(missing.select(row(&x, &with).cast(x.dtype()), &x))
}

fn scaler(n: &mut Node, x: Tensor) -> Lowered {
    let list = |name: &str, default: f32| n.attribute(name).map_or(vec![default], |a| a.floats.clone());
    let of = |list: Vec<f32>| row(&x, &list.into_iter().map(f64::from).collect::<Vec<_>>());
    let (offset, scale) = (of(list("offset", 0.0)), of(list("scale", 1.0)));
    Ok((x.cast(DType::F32) - offset.cast(DType::F32)) * scale.cast(DType::F32))
}

fn normalizer(n: &mut Node) -> Lowered {
    let x = n.x(0)?.cast(DType::F32);
    let axis = axis_of(-1, x.rank())? as isize;
    let norms = [("MAX", Tensor::max_keep as Norm), ("L1", l1_norm), ("L2", l2_norm)];
    Ok(normalized(&x, n.choice("norm", "MAX", &norms)?(&x, &[axis])))
}

/// The features of all inputs side by side, of each as many as the attribute says.
fn feature_vectorizer(n: &mut Node) -> Lowered {
    let parts: Vec<Tensor> = n.tensors(0)?.iter().map(|x| x.cast(DType::F32)).collect();
    let width = |x: &Tensor| x.shape().last().map_or(1, |&w| w as i64);
    let widths: Vec<i64> = parts.iter().map(width).collect();
    let asked = n.ints("inputdimensions").unwrap_or(&widths);
    ensure!(
        !parts.is_empty() && asked == widths,
        "inputdimensions={asked:?} for inputs of {widths:?} features"
    );
    let rows = |x: &Tensor| if x.rank() < 2 { x.reshape(&[1, x.len()]) } else { x.clone() };
    Ok(Tensor::concat(&parts.iter().map(rows).collect::<Vec<_>>(), 1))
}

/// A new last axis with one element for each category, 1 where it is the element's. Fractions of floats are cut off.
fn one_hot_encoder(n: &mut Node) -> Lowered {
    let x = n.x(0)?.cast(DType::I64);
    let Some(categories) = n.ints("cats_int64s") else {
        return unsupported("categories that are strings", "map them to numbers outside the model");
    };
    n.ignore(&["cats_strings"]);
    if n.int("zeros", 1) == 0 {
        n.reading()
            .note(format!("{}: elements of no category give zeros instead of an error", n.described()));
    }
    Ok(x.unsqueeze(-1).equal(Tensor::from_slice(categories)).cast(DType::F32))
}

/// A map from class to score for each sample is here the tensor of the scores, as it came.
fn zip_map(n: &mut Node, scores: Tensor) -> Lowered {
    n.ignore(&["classlabels_int64s", "classlabels_strings"]);
    let numbers = n.ints("classlabels_int64s").unwrap_or_default();
    let mut shown = n.words("classlabels_strings");
    if shown.is_empty() {
        shown = numbers.iter().map(i64::to_string).collect();
    }
    ensure!(
        !shown.is_empty() && scores.shape().last() == Some(&shown.len()),
        "{} labels for the scores {scores}",
        shown.len()
    );
    n.reading().note(format!("the map of each sample is a row of scores, in the order {}", shown.join(", ")));
    Ok(scores)
}

/// Numbers to numbers by a table; strings are not supported.
fn label_encoder(n: &mut Node, x: Tensor) -> Lowered {
    let table = |n: &mut Node, floats: &str, ints: &str, tensor: &str| -> Lowered<Option<Vec<f64>>> {
        Ok(n.tensor_numbers(tensor)?.or_else(|| numbers(n, floats, ints)))
    };
    let keys = table(n, "keys_floats", "keys_int64s", "keys_tensor")?;
    let is_int = n.attribute("values_int64s").is_some();
    let values = table(n, "values_floats", "values_int64s", "values_tensor")?;
    let (Some(keys), Some(values)) = (keys, values) else {
        return unsupported("labels that are strings", "map labels to numbers outside the model");
    };
    ensure!(
        keys.len() == values.len() && keys.len() <= 1 << 12,
        "{} keys for {} values",
        keys.len(),
        values.len()
    );
    n.ignore(&["default_string", "default_tensor"]);
    let default = if is_int { n.int("default_int64", -1) as f64 } else { n.float("default_float", -0.0) };
    n.ignore(&["default_float", "default_int64"]);
    let dtype = if is_int { DType::I64 } else { DType::F32 };
    let mut y = Tensor::full(Type::new(dtype, x.shape()), default);
    for (k, v) in keys.iter().zip(&values) {
        let hit = if k.is_nan() { x.is_nan() } else { x.equal(*k) };
        y = hit.select(Tensor::full(Type::new(dtype, []), *v), &y);
    }
    Ok(y)
}

/// Scores as probabilities or whatever the attribute asks for.
pub(super) fn post_transform(n: &Node, scores: &Tensor) -> Lowered {
    let transforms: [(&str, TensorFunction); 4] = [
        ("NONE", Tensor::clone),
        ("LOGISTIC", Tensor::sigmoid),
        ("SOFTMAX", |scores| scores.softmax(-1)),
        ("SOFTMAX_ZERO", softmax_without_zeros),
    ];
    Ok(n.choice("post_transform", "NONE", &transforms)?(scores))
}

/// Zeros stay, and have no part.
fn softmax_without_zeros(scores: &Tensor) -> Tensor {
    let powers = scores.equal(0.0).select(0.0, (scores - scores.max_keep(&[-1])).exp());
    &powers / powers.sum_keep(&[-1]).maximum(f32::MIN_POSITIVE)
}

/// The features as rows of floats.
pub(super) fn rows(n: &Node) -> Lowered {
    let x = n.x(0)?.cast(DType::F32);
    match x.rank() {
        1 => Ok(x.unsqueeze(0)),
        2 => Ok(x),
        _ => invalid!("X {x} must have one or two axes"),
    }
}

/// `list` as a matrix with `count` rows for the features of `x`.
pub(super) fn matrix(x: &Tensor, list: &[f32], count: usize, what: &str) -> Lowered {
    let features = x.shape()[1];
    match features.checked_mul(count) {
        Some(len) if len == list.len() => Ok(Tensor::constant(Value::new([count, features], list.to_vec()))),
        _ => invalid!("{} numbers in {what} for {count} rows of {features} features", list.len()),
    }
}

fn linear(n: &Node, outputs: Option<usize>) -> Lowered {
    let (x, coefficients) = (rows(n)?, n.floats("coefficients"));
    let outputs = outputs.unwrap_or_else(|| coefficients.len() / x.shape()[1].max(1));
    let y = x.matmul(&matrix(&x, coefficients, outputs, "coefficients")?.transpose());
    match n.floats("intercepts") {
        [] => Ok(y),
        intercepts => Ok((y + Tensor::from_slice(intercepts)).ok()?),
    }
}

fn linear_regressor(n: &mut Node) -> Lowered {
    let y = linear(n, Some(n.size("targets", 1)))?;
    post_transform(n, &y)
}

/// The labels of classes.
pub(super) enum Labels {
    Numbers(Vec<i64>),
    Strings(Rc<[String]>),
}

/// Those that either attribute lists.
pub(super) fn labels(n: &mut Node, ints: &str, strings: &str) -> Labels {
    match n.words(strings) {
        names if !names.is_empty() => Labels::Strings(names.into()),
        _ => Labels::Numbers(n.ints(ints).map_or(vec![], <[i64]>::to_vec)),
    }
}

impl Labels {
    pub(super) fn len(&self) -> usize {
        match self {
            Labels::Numbers(list) => list.len(),
            Labels::Strings(list) => list.len(),
        }
    }

    /// The label of each class in `classes`, which counts them from 0.
    pub(super) fn of(&self, classes: &Tensor) -> OnnxValue {
        match self {
            Labels::Numbers(list) => Tensor::from_slice(list).gather(classes, 0).into(),
            Labels::Strings(list) => {
                OnnxValue::Strings(Strings { positions: classes.cast(DType::I64), list: Rc::clone(list) })
            }
        }
    }
}

/// One row of coefficients for two classes is the score of the second.
fn linear_classifier(n: &mut Node) -> Lowered<Outputs> {
    let scores = linear(n, None)?;
    n.ignore(&["multi_class"]);
    let labels = labels(n, "classlabels_ints", "classlabels_strings");
    if labels.len() == 2 && scores.shape()[1] == 1 {
        let positive = scores.greater(0.0).reshape(&[scores.shape()[0]]);
        let both = Tensor::concat(&[-&scores, scores], 1);
        return Ok(vec![labels.of(&positive.cast(DType::I64)), post_transform(n, &both)?.into()]);
    }
    ensure!(labels.len() == scores.shape()[1], "{} labels for {} scores", labels.len(), scores.shape()[1]);
    Ok(vec![labels.of(&scores.argmax(1)), post_transform(n, &scores)?.into()])
}
