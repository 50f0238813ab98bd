//! Constants of the file, and values computed from them alone.

use super::node::{Lowered, unsupported};
use crate::error::{Error, Result};
use crate::model::{Element, ModelFile};
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use teff_graph::{Graph, Op, Tensor, Type, Value, evaluate};

/// So many bytes of constants are made for each byte of the file: tensors may share a buffer, and f16 and i4 are widened.
const MOST_GROWTH: usize = 16;
/// All that is computed and made while reading has no more elements than this.
const MOST_COMPUTED: usize = 1 << 22;
/// A loop counts as so many elements.
const LOOP: usize = 1 << 14;
/// What is computed from constants is computed now if nothing on the way has more elements than this.
const MOST_FOLDED: usize = 1 << 14;

/// Reads constants, each once, and no more of them than the file accounts for.
pub(crate) struct Constants {
    left: usize,
}

impl Constants {
    pub(crate) fn new(file_bytes: usize) -> Constants {
        Constants { left: file_bytes.saturating_mul(MOST_GROWTH).saturating_add(1 << 16) }
    }

    /// Tensor `index` of the file, if the file gives its elements.
    pub(crate) fn load(&mut self, file: &ModelFile, index: usize) -> Result<Option<Tensor>> {
        let info = &file.tensors[index];
        let wrong = |reason: String| Error::Tensor { index, name: info.name.into(), reason };
        let outside =
            |_| wrong(format!("has its data in buffer {}, which lies outside the file", info.buffer));
        let data = file.data(info.buffer).map_err(outside)?;
        let no_elements = info.buffer != 0 && info.shape.contains(&0);
        let Some(data) = data.or(no_elements.then_some(&[])) else { return Ok(None) };
        if let Some(odd) = info.odd {
            return Err(wrong(format!("is {odd}, which is not supported; convert the model without it")));
        }
        let shape: Option<Vec<usize>> = info.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let shape = shape.ok_or_else(|| wrong(format!("has the negative size {:?}", info.shape)))?;
        let Some(dtype) = info.element.dtype() else {
            return Err(wrong(format!("is {}, which is not supported", info.element.name())));
        };
        let ty = Type::new(dtype, shape);
        let bytes = widened(info.element, data, &ty);
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| {
            wrong(
                "and those before it take more memory than the file accounts for: too many share one buffer"
                    .into(),
            )
        })?;
        match Value::from_le_bytes(&ty, &bytes) {
            Some(value) => Ok(Some(Tensor::constant(value).named(info.name))),
            None => Err(wrong(format!("is {ty} and its data has {} bytes", data.len()))),
        }
    }
}

/// The bytes as the graph's type has them.
fn widened<'a>(element: Element, data: &'a [u8], ty: &Type) -> std::borrow::Cow<'a, [u8]> {
    let halves = || data.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    match element {
        Element::Plain(_) | Element::Other(_) => data.into(),
        Element::F16 => halves().flat_map(|h| f32_of_f16(h).to_le_bytes()).collect(),
        Element::BF16 => halves().flat_map(|h| (u32::from(h) << 16).to_le_bytes()).collect(),
        Element::I4 => {
            // The first of two is in the lower half; an odd last byte is half empty.
            let elements = ty.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
            let both = data.iter().flat_map(|&b| [(b << 4) as i8 >> 4, b as i8 >> 4]);
            both.map(|q| q as u8).take(elements.max(data.len().saturating_mul(2).saturating_sub(1))).collect()
        }
    }
}

/// IEEE 754 binary16 to binary32, which holds every one of its values.
fn f32_of_f16(h: u16) -> f32 {
    let sign = if h >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(h >> 10 & 31), f32::from(h & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// Computes values from constants while reading, and makes constants, as many as a model needs and no more than one should.
pub(crate) struct Folding {
    /// Elements that may still be computed or made.
    left: Cell<usize>,
}

impl Folding {
    pub(crate) fn new() -> Folding {
        Folding { left: Cell::new(MOST_COMPUTED) }
    }

    /// Takes so many elements from what is left.
    fn spend(&self, elements: usize) -> bool {
        let left = self.left.get().checked_sub(elements);
        left.inspect(|&left| self.left.set(left)).is_some()
    }

    /// Counts a loop, which takes as long to build as many other operators.
    pub(crate) fn count_loop(&self) -> Lowered<()> {
        if self.spend(LOOP) {
            return Ok(());
        }
        unsupported(format!("more than {} recurrent layers", MOST_COMPUTED / LOOP), "split the model")
    }

    /// A constant that an operator is lowered to: indices, shares, counts.
    pub(crate) fn made(&self, value: Value) -> Lowered {
        self.count(value.len())?;
        Ok(Tensor::constant(value))
    }

    /// Counts elements that are made or gone through.
    pub(crate) fn count(&self, elements: usize) -> Lowered<()> {
        if self.spend(elements) {
            return Ok(());
        }
        unsupported(
            format!(
                "together with those before it, more than {MOST_COMPUTED} computed positions, scales or sizes"
            ),
            "resize, mirror and pool to smaller sizes",
        )
    }

    /// The value of `t` if it is computed from constants, with little work.
    pub(crate) fn value(&self, t: &Tensor) -> Option<Arc<Value>> {
        if t.check().is_err() {
            return None;
        }
        if let Op::Constant(v) = t.op() {
            return Some(v.clone());
        }
        let mut seen = HashSet::new();
        let mut open = vec![t.clone()];
        let mut elements = 0usize;
        while let Some(next) = open.pop() {
            if !seen.insert(next.id()) {
                continue;
            }
            elements = elements.saturating_add(next.len()).saturating_add(1);
            if elements > MOST_FOLDED || is_costly(next.op()) {
                return None;
            }
            open.extend(next.operands().iter().cloned());
        }
        if !self.spend(elements) {
            return None;
        }
        let graph = Graph::from_tensors("constant", &[], &[("", t.clone())]).ok()?;
        Some(Arc::new(evaluate(&graph, &[]).ok()?.swap_remove(0)))
    }

    /// `t` as a constant if it is computed from constants.
    pub(crate) fn folded(&self, t: Tensor) -> Tensor {
        match (t.op(), self.value(&t)) {
            (Op::Constant(_), _) | (_, None) => t,
            (_, Some(v)) => {
                let constant = Tensor::constant(v);
                t.label().map_or(constant.clone(), |label| constant.named(&label))
            }
        }
    }
}

/// Operations that take more time than their results have elements, or that depend on a run.
fn is_costly(op: &Op) -> bool {
    matches!(
        op,
        Op::Scan(_)
            | Op::MatMul
            | Op::Conv(_)
            | Op::ConvTranspose { .. }
            | Op::Pool { .. }
            | Op::Input { .. }
            | Op::Param(_)
            | Op::Random { .. }
    )
}
