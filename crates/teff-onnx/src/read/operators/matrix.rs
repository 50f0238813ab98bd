//! Matrix products.

use super::*;

pub(super) const TABLE: Table = &[
    ("Det", Of(determinant)),
    ("Einsum", One(|n| Ok(Tensor::einsum(&n.text("equation", "")?.replace(' ', ""), &n.tensors(0)?)))),
    ("Gemm", One(gemm)),
    ("MatMul", One(|n| Ok(n.x(0)?.matmul(&n.x(1)?)))),
];

/// alpha A' B' + beta C, where ' transposes if asked to.
pub(super) fn gemm(n: &mut Node) -> Lowered {
    let (a, b) = factors(n)?;
    ensure!(a.rank() == 2 && b.rank() == 2, "A and B must be matrices, not {a} and {b}");
    if n.version < 7 {
        n.ignore(&["broadcast"]);
    }
    let (alpha, beta) = (n.float("alpha", 1.0), n.float("beta", 1.0));
    let product = scaled(&a.matmul(&b), alpha);
    Ok(match n.optional(2)? {
        Some(c) => product + scaled(&c, beta),
        None => product,
    })
}

/// Inputs 0 and 1, transposed where `transA` and `transB` say so.
pub(super) fn factors(n: &Node) -> Lowered<(Tensor, Tensor)> {
    let turned = |x: Tensor, name: &str| if n.flag(name, false) { x.transpose() } else { x };
    Ok((turned(n.x(0)?, "transA"), turned(n.x(1)?, "transB")))
}

/// `x` times a factor; integers are multiplied as floats, since the factor is one.
pub(super) fn scaled(x: &Tensor, factor: f64) -> Tensor {
    if factor == 1.0 {
        x.clone()
    } else if x.dtype().is_float() {
        x * factor
    } else {
        (x.cast(DType::F64) * factor).cast(x.dtype())
    }
}

/// The determinant of each matrix, by expansion along the first row; no more than five rows, since the work grows as n!.
fn determinant(_: &mut Node, x: Tensor) -> Lowered {
    let rank = x.rank();
    ensure!(rank >= 2 && x.shape()[rank - 1] == x.shape()[rank - 2], "takes square matrices, not {x}");
    let size = x.shape()[rank - 1];
    if size > 5 {
        return unsupported(format!("a matrix of {size} rows"), "five rows are the most");
    }
    let batch = x.shape()[..rank - 2].to_vec();
    let minor = minor(&x, 0, &(0..size).collect::<Vec<_>>());
    Ok(minor.map_or_else(
        || Tensor::full(teff_graph::Type::new(x.dtype(), batch.clone()), 1.0),
        |d| d.reshape(&batch),
    ))
}

/// The determinant of rows `row..` and these columns, `[.., 1, 1]`; nothing when there are none.
fn minor(x: &Tensor, row: usize, columns: &[usize]) -> Option<Tensor> {
    let rank = x.rank();
    let terms = columns.iter().enumerate().map(|(i, &column)| {
        let element = x.narrow(rank - 2, row, 1).narrow(rank - 1, column, 1);
        let others: Vec<usize> = columns.iter().copied().filter(|&c| c != column).collect();
        let term = minor(x, row + 1, &others).map_or(element.clone(), |m| element * m);
        if i % 2 == 0 { term } else { -term }
    });
    terms.reduce(|sum, term| sum + term)
}
