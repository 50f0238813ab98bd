//! Functions of two elements at the same place.

use super::affine::{Affine, MOST, Scale, along, is_whole};
use super::{IntegerPass, linear};
use teff_graph::{Binary, NodeId};

impl IntegerPass<'_> {
    /// Two tensors, or one and a constant.
    pub(super) fn binary(&self, op: Binary, x: NodeId, y: NodeId) -> Option<Affine> {
        let is_known = |id| self.known.compact(id).is_some();
        match (self.affine(x), self.affine(y), op) {
            (Some(a), _, op) if is_known(y) => self.with_constant(op, a, y),
            (_, Some(a), Binary::Add | Binary::Mul | Binary::Max | Binary::Min) if is_known(x) => {
                self.with_constant(op, a, x)
            }
            (_, Some(a), Binary::Sub) if is_known(x) => {
                self.with_constant(Binary::Add, &a.signed(vec![-1], 0), x)
            }
            (Some(a), Some(b), Binary::Add | Binary::Sub) => linear::sum(a, b, op),
            (Some(a), Some(b), Binary::Mul) => linear::product(a, b),
            // Quotients and comparisons of two tensors are no integers times a scale; floats stay.
            (None, _, _) | (_, None, _) => None,
            (_, _, Binary::Div | Binary::Rem | Binary::Pow | Binary::MulHigh | Binary::Max | Binary::Min) => {
                None
            }
            (_, _, Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr) => None,
            (_, _, Binary::Eq | Binary::Lt | Binary::Le) => None,
        }
    }

    /// An operation with a constant that differs by channel at most.
    fn with_constant(&self, op: Binary, a: &Affine, constant: NodeId) -> Option<Affine> {
        let c = self.known.compact(constant)?;
        let axis = c.shape().iter().position(|n| *n != 1).unwrap_or(0);
        let numbers = self.known.along(constant, axis).filter(|n| !n.is_empty())?;
        let varies = numbers.len() > 1;
        let axis = if varies { axis } else { a.scale.axis };
        let channels = if varies { numbers.len() } else { a.scale.values.len() };
        let a = if a.offset.is_empty() || a.scale.axis == axis { a } else { &a.settled(MOST) };
        let numbers = if varies { numbers } else { vec![numbers[0]; channels] };
        if let Binary::Mul | Binary::Div = op {
            let signs: Vec<i32> = numbers.iter().map(|n| n.signum() as i32).collect();
            let a = if signs.contains(&-1) { a.signed(signs, axis) } else { a.clone() };
            let by = |(s, n): (f64, &f64)| if op == Binary::Mul { s * n.abs() } else { s / n.abs() };
            let values = a.scales(axis, channels)?.into_iter().zip(&numbers).map(by).collect();
            let factors = numbers.iter().all(|n| *n != 0.0 && n.is_finite()) && c.dtype().is_float();
            return factors.then(|| Affine { scale: Scale { axis, values }, ..a });
        }
        let steps = |a: &Affine| -> Option<Vec<f64>> {
            let steps = numbers.iter().zip(a.scales(axis, channels)?).map(|(n, s)| n / s);
            Some(steps.collect::<Vec<_>>()).filter(|all| all.iter().all(|x| x.abs() < 2f64.powi(31)))
        };
        match op {
            Binary::Add | Binary::Sub => {
                let sign = if op == Binary::Add { 1.0 } else { -1.0 };
                let by: Vec<f64> = steps(a)?.iter().map(|x| sign * x).collect();
                Some(Affine { scale: Scale { axis, ..a.scale.clone() }, ..a.clone() }.shifted(&by))
            }
            Binary::Max | Binary::Min => {
                // A bound that is no whole number of steps is rounded to smaller ones.
                let a = if steps(a)?.iter().all(|x| is_whole(*x)) {
                    a.settled(MOST)
                } else {
                    a.refined(a.room())
                };
                let steps: Vec<i64> = steps(&a)?.iter().map(|x| x.round() as i64).collect();
                let (least, most) = (*steps.iter().min()?, *steps.iter().max()?);
                let bounds = along(steps.iter().map(|b| *b as i32).collect(), axis, a.q.rank());
                let (q, range) = if op == Binary::Max {
                    (a.int().maximum(&bounds), (a.range.0.max(least), a.range.1.max(most)))
                } else {
                    (a.int().minimum(&bounds), (a.range.0.min(least), a.range.1.min(most)))
                };
                Some(Affine { scale: a.scale.clone(), ..Affine::of(q, range) })
            }
            Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow | Binary::MulHigh => None,
            Binary::And | Binary::Or | Binary::Xor | Binary::Shl | Binary::Shr => None,
            Binary::Eq | Binary::Lt | Binary::Le => None,
        }
    }
}
