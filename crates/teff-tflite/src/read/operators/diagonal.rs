//! Matrices of diagonals, and what is spread out.

use super::*;

pub(super) const TABLE: Table = &[
    ("BROADCAST_ARGS", One(broadcast_args)),
    ("DILATE", One(dilate)),
    ("MATRIX_DIAG", Of(matrix_diag)),
    ("MATRIX_SET_DIAG", One(matrix_set_diag)),
];

/// True on the diagonal of a matrix.
fn on_diagonal(rows: usize, columns: usize) -> Tensor {
    let ty = Type::new(DType::I32, [rows, columns]);
    Tensor::iota(ty.clone(), 0).equal(&Tensor::iota(ty, 1))
}

fn matrix_diag(_: &mut Node, diagonal: Tensor) -> Lowered {
    let Some(&size) = diagonal.shape().last() else { return invalid!("its input is a scalar") };
    let spread = diagonal.unsqueeze(-1);
    Ok(on_diagonal(size, size).select(&spread, &spread.full_like(0.0)))
}

fn matrix_set_diag(n: &mut Node) -> Lowered<Held> {
    let (x, diagonal) = (n.x(0)?, n.x(1)?);
    let [batch @ .., rows, columns] = x.shape() else {
        return invalid!("its input {x} is no matrix");
    };
    let least = (*rows).min(*columns);
    ensure!(diagonal.shape() == [batch, &[least]].concat(), "the diagonal {diagonal} for {x}");
    // An element for each row or for each column, whichever are fewer.
    let spread = diagonal.unsqueeze(if rows <= columns { -1 } else { -2 });
    Ok(Held::plain(on_diagonal(*rows, *columns).select(&spread, &x)))
}

/// The shape that two shapes broadcast to.
fn broadcast_args(n: &mut Node) -> Lowered<Held> {
    let shape = |i| n.sizes_of(i, "shape");
    let common = common_shape(&shape(0)?, &shape(1)?)?;
    let list: Vec<i64> = common.iter().map(|&d| d as i64).collect();
    Ok(Held::plain(cast_to(Tensor::from_slice(&list), n.output_info(0)?)?))
}

/// So many minus one of the last input between any two elements along each axis.
fn dilate(n: &mut Node) -> Lowered<Held> {
    let (x, steps) = (n.x(0)?, n.sizes_of(1, "dilations")?);
    let fill = n.constant(2, "padding value")?;
    ensure!(steps.len() == x.rank() && !steps.contains(&0) && fill.len() == 1, "dilations {steps:?} of {x}");
    let axes = steps.iter().map(|&step| PadAxis { interior: step - 1, ..PadAxis::default() }).collect();
    Ok(Held::plain(x.pad_axes(axes, fill.get(0).as_f64())))
}
