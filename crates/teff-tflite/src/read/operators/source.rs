//! Tensors made from shapes and diagonals, and tensors of other types.

use super::*;

pub(super) const TABLE: Table = &[
    ("BROADCAST_ARGS", One(broadcast_args)),
    ("CAST", One(cast)),
    ("DEQUANTIZE", One(dequantize)),
    ("FILL", One(fill)),
    ("MATRIX_DIAG", Of(matrix_diag)),
    ("MATRIX_SET_DIAG", One(matrix_set_diag)),
    ("QUANTIZE", One(quantize)),
    ("RANGE", One(|n| Ok(Held::plain(n.range()?)))),
    ("RANK", One(|n| Ok(Held::plain(Tensor::scalar(n.held(0)?.tensor.rank() as i32))))),
    ("SHAPE", One(shape)),
    ("ZEROS_LIKE", One(zeros_like)),
];

fn cast(n: &mut Node) -> Lowered<Held> {
    let info = n.output_info(0)?;
    let Some(dtype) = info.dtype() else {
        return invalid!("its output {:?} is {}", info.name, info.element_name());
    };
    Ok(n.held(0)?.map(|x| x.cast(dtype)))
}

/// Floats for integers of any width; 16-bit floats are held as f32 already.
fn dequantize(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    if x.tensor.dtype().is_float() { Ok(x) } else { real(x, n.input_info(0)?, n.reading) }
}

/// From floats, of which the walk makes integers; or from integers of another scale or width, with the rounding of the runtimes'
/// own kernels. (XNNPACK has another for 8 bits, with a factor of 8 bits, which is further off.)
fn quantize(n: &mut Node) -> Lowered<Held> {
    let (x, x_info, y_info) = (n.held(0)?, n.input_info(0)?, n.output_info(0)?);
    let Some(to) = &y_info.quantization else { return invalid!("its output has no scale") };
    let (Some(from), Some(dtype)) = (&x_info.quantization, y_info.dtype().filter(|d| d.is_int())) else {
        return dequantize(n);
    };
    if !x.tensor.dtype().is_int() || from.scales.len() != 1 || to.scales.len() != 1 {
        return dequantize(n);
    }
    let ((from_scale, from_zero), (to_scale, to_zero)) = (x_info.scale()?, y_info.scale()?);
    let factor = Multiplier::new(f64::from(from_scale) / f64::from(to_scale))?;
    let centred = x.map(|x| x.cast(DType::I32) - from_zero as f64);
    Ok(centred.map(|x| saturated(&(factor.apply(&x) + to_zero as f64), dtype)))
}

fn fill(n: &mut Node) -> Lowered<Held> {
    let (shape, x) = (n.sizes_of(0, "shape")?, n.x(1)?);
    ensure!(x.len() == 1, "its value {x} must have one element");
    Ok(Held::plain(x.reshape(&[]).broadcast_to(&shape)))
}

fn shape(n: &mut Node) -> Lowered<Held> {
    let sizes: Vec<i64> = n.held(0)?.shape().iter().map(|&d| d as i64).collect();
    Ok(Held::plain(cast_to(Tensor::from_slice(&sizes), n.output_info(0)?)?))
}

fn zeros_like(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    ensure!(x.tensor.dtype() != DType::Bool, "its input is bool");
    Ok(x.map(|x| x.full_like(0.0)))
}

/// The shape that two shapes broadcast to.
fn broadcast_args(n: &mut Node) -> Lowered<Held> {
    let shape = |i| n.sizes_of(i, "shape");
    let common = common_shape(&shape(0)?, &shape(1)?)?;
    let list: Vec<i64> = common.iter().map(|&d| d as i64).collect();
    Ok(Held::plain(cast_to(Tensor::from_slice(&list), n.output_info(0)?)?))
}

/// True on the diagonal of a matrix.
fn on_diagonal(rows: usize, columns: usize) -> Tensor {
    let ty = Type::new(DType::I32, [rows, columns]);
    Tensor::iota(ty.clone(), 0).equal(Tensor::iota(ty, 1))
}

fn matrix_diag(_: &mut Node, diagonal: Tensor) -> Lowered {
    let Some(&size) = diagonal.shape().last() else { return invalid!("its input is a scalar") };
    let spread = diagonal.unsqueeze(-1);
    Ok(on_diagonal(size, size).select(&spread, 0.0))
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
