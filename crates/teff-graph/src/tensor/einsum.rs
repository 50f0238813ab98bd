//! Matrix products and Einstein summation.

use super::Tensor;
use crate::dtype::broadcast_shape;
use crate::op::{Op, ReduceKind};

impl Tensor {
    /// Matrix product over the last two axes; leading axes broadcast. A vector stands for a row on the left and for a column on
    /// the right, as in NumPy.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        if self.rank() == 0 || other.rank() == 0 {
            return Tensor::invalid("matmul", &[self, other], "takes tensors with at least one axis");
        }
        if self.rank() == 1 {
            let out = self.unsqueeze(0).matmul(other);
            return if other.rank() == 1 { out.squeeze(0) } else { out.squeeze(-2) };
        }
        if other.rank() == 1 {
            return self.matmul(&other.unsqueeze(1)).squeeze(-1);
        }
        let (batch_a, last_a) = self.shape().split_at(self.rank() - 2);
        let (batch_b, last_b) = other.shape().split_at(other.rank() - 2);
        match broadcast_shape(batch_a, batch_b) {
            Some(batch) => {
                let a = self.broadcast_to(&[&batch, last_a].concat());
                let b = other.broadcast_to(&[&batch, last_b].concat());
                Tensor::apply(Op::MatMul, &[a, b])
            }
            None => {
                Tensor::invalid("matmul", &[self, other], "the leading axes do not broadcast to common ones")
            }
        }
    }

    /// Einstein summation: `"bij,bjk->bik"`. Letters name axes; `...` stands for leading axes that broadcast; a letter twice in
    /// one operand takes the diagonal; letters missing in the result are summed.
    #[track_caller]
    pub fn einsum(formula: &str, operands: &[Tensor]) -> Tensor {
        let all: Vec<&Tensor> = operands.iter().collect();
        match einsum(formula, operands) {
            Ok(t) => t,
            Err(reason) => Tensor::invalid("einsum", &all, format!("{formula:?}: {reason}")),
        }
    }
}

/// A tensor whose axes are named, each name once.
struct Named {
    axes: Vec<char>,
    tensor: Tensor,
}

impl Named {
    /// Sums over the axes not in `keep`.
    fn summed(self, keep: &dyn Fn(char) -> bool) -> Named {
        let gone: Vec<usize> = (0..self.axes.len()).filter(|&i| !keep(self.axes[i])).collect();
        if gone.is_empty() {
            return self;
        }
        let axes: Vec<char> = self.axes.iter().copied().filter(|&c| keep(c)).collect();
        let sum = self.tensor.reduce(ReduceKind::Sum, &gone);
        let shape: Vec<usize> =
            (0..self.axes.len()).filter(|i| !gone.contains(i)).map(|i| size(&sum, i)).collect();
        Named { axes, tensor: sum.reshape(&shape) }
    }

    /// The size of a named axis; 1 when it has none of that name.
    fn size(&self, axis: char) -> usize {
        self.axes.iter().position(|&c| c == axis).map_or(1, |i| size(&self.tensor, i))
    }

    /// With the axes in this order; those it lacks have size 1.
    fn ordered(&self, order: &[char]) -> Tensor {
        let present: Vec<usize> =
            order.iter().filter_map(|c| self.axes.iter().position(|a| a == c)).collect();
        let shape: Vec<usize> = order.iter().map(|&c| self.size(c)).collect();
        self.tensor.permute(&present).reshape(&shape)
    }

    /// Takes the diagonal of every axis named twice.
    fn diagonals(mut self) -> Named {
        while let Some((i, j)) = repeated(&self.axes) {
            let mut order: Vec<usize> = (0..self.axes.len()).filter(|&a| a != i && a != j).collect();
            let kept = order.len();
            order.extend([i, j]);
            let moved = self.tensor.permute(&order);
            let n = size(&moved, kept);
            let lead: usize = moved.shape().iter().take(kept).product();
            // Element (k, k) of an n by n matrix is at k * (n + 1).
            let at = Tensor::iota(crate::Type::new(crate::DType::I64, [n]), 0) * (n + 1) as f64;
            let diagonal = moved.reshape(&[lead, n * n]).gather(&at, 1);
            let name = self.axes[i];
            self.axes = order[..kept].iter().map(|&a| self.axes[a]).collect();
            self.axes.push(name);
            let shape: Vec<usize> = (0..=kept).map(|i| size(&moved, i)).collect();
            self.tensor = diagonal.reshape(&shape);
        }
        self
    }
}

/// The size of axis `i`; 1 for a tensor that carries an error, which has no axes.
fn size(t: &Tensor, i: usize) -> usize {
    t.shape().get(i).copied().unwrap_or(1)
}

fn repeated(axes: &[char]) -> Option<(usize, usize)> {
    (0..axes.len()).flat_map(|j| (0..j).map(move |i| (i, j))).find(|&(i, j)| axes[i] == axes[j])
}

fn einsum(formula: &str, operands: &[Tensor]) -> Result<Tensor, String> {
    let formula: String = formula.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match formula.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (formula.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return Err(format!("names {} operands, {} are given", terms.len(), operands.len()));
    }
    let most = operands.iter().zip(&terms).map(|(t, s)| extra_axes(s, t.rank())).max().unwrap_or(0);
    let names = terms
        .iter()
        .zip(operands)
        .map(|(s, t)| axis_names(s, t.rank(), most))
        .collect::<Result<Vec<_>, _>>()?;
    let result = match right {
        Some(right) => axis_names(right, usize::MAX, most)?,
        None => {
            // NumPy's implicit form: the axes of `...`, then all letters met once, in alphabetical order.
            let mut once: Vec<char> = names.iter().flatten().copied().collect();
            once.sort_unstable();
            let single = |&&c: &&char| c.is_ascii_digit() || once.iter().filter(|&&d| d == c).count() == 1;
            let mut out: Vec<char> = once.iter().filter(single).copied().collect();
            out.dedup();
            out
        }
    };
    if repeated(&result).is_some() {
        return Err("the result names an axis twice".into());
    }
    let mut named = Vec::new();
    for (axes, t) in names.into_iter().zip(operands) {
        for (i, j) in (0..axes.len()).flat_map(|j| (0..j).map(move |i| (i, j))) {
            if axes[i] == axes[j] && t.shape()[i] != t.shape()[j] {
                return Err(format!("axis {} has two sizes", axes[i]));
            }
        }
        named.push(Named { axes, tensor: t.clone() }.diagonals());
    }
    for c in &result {
        if !named.iter().any(|n| n.axes.contains(c)) {
            return Err(format!("axis {c} of the result is in no operand"));
        }
    }
    let mut named = named.into_iter();
    let mut product = named.next().ok_or("needs an operand")?;
    let mut rest: Vec<Named> = named.collect();
    while !rest.is_empty() {
        let next = rest.remove(0);
        let later = |c: char| result.contains(&c) || rest.iter().any(|n| n.axes.contains(&c));
        product = contract(product, next, &later)?;
    }
    Ok(product.summed(&|c| result.contains(&c)).ordered(&result))
}

/// How many axes `...` stands for in a term of a tensor with `rank` axes.
fn extra_axes(term: &str, rank: usize) -> usize {
    if term.contains("...") { (rank + 3).saturating_sub(term.len()) } else { 0 }
}

/// The names of a term's axes; those of `...` are digits, aligned at the last.
fn axis_names(term: &str, rank: usize, most: usize) -> Result<Vec<char>, String> {
    let letters = term.replacen("...", "", 1);
    if let Some(c) = letters.chars().find(|c| !c.is_ascii_alphabetic()) {
        return Err(format!("{c:?} is no axis name"));
    }
    let extra = if rank == usize::MAX { most } else { extra_axes(term, rank) };
    if most > 10 || rank != usize::MAX && letters.len() + extra != rank {
        return Err(format!("{term:?} names {} axes of a tensor with {rank}", letters.len()));
    }
    let digits: String = ('0'..='9').take(most).skip(most - extra).collect();
    Ok(term.replacen("...", &digits, 1).chars().collect())
}

/// The product of two tensors, summed over the axes that are not needed later: a matrix product with the common axes that stay
/// as batch.
fn contract(a: Named, b: Named, later: &dyn Fn(char) -> bool) -> Result<Named, String> {
    let a = a.summed(&|c| later(c) || b.axes.contains(&c));
    let b = b.summed(&|c| later(c) || a.axes.contains(&c));
    let common: Vec<char> = a.axes.iter().copied().filter(|c| b.axes.contains(c)).collect();
    for &c in &common {
        if a.size(c) != b.size(c) && a.size(c) != 1 && b.size(c) != 1 {
            return Err(format!("axis {c} has sizes {} and {}", a.size(c), b.size(c)));
        }
    }
    let size = |c: char| if a.size(c) == 1 { b.size(c) } else { a.size(c) };
    let batch: Vec<char> = common.iter().copied().filter(|&c| later(c)).collect();
    let inner: Vec<char> = common.iter().copied().filter(|&c| !later(c)).collect();
    let rows: Vec<char> = a.axes.iter().copied().filter(|c| !common.contains(c)).collect();
    let columns: Vec<char> = b.axes.iter().copied().filter(|c| !common.contains(c)).collect();
    let count = |axes: &[char]| axes.iter().fold(1usize, |n, &c| n.saturating_mul(size(c)));
    let arranged = |n: &Named, order: [&[char]; 3]| {
        let order = order.concat();
        let shape: Vec<usize> = order.iter().map(|&c| size(c)).collect();
        n.ordered(&order).broadcast_to(&shape)
    };
    let left = arranged(&a, [&batch, &rows, &inner]).reshape(&[count(&batch), count(&rows), count(&inner)]);
    let right =
        arranged(&b, [&batch, &inner, &columns]).reshape(&[count(&batch), count(&inner), count(&columns)]);
    let axes = [&batch[..], &rows, &columns].concat();
    let shape: Vec<usize> = axes.iter().map(|&c| size(c)).collect();
    Ok(Named { tensor: left.matmul(&right).reshape(&shape), axes })
}
