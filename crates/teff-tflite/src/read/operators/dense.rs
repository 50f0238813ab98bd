//! Matrix products.

use super::*;
use crate::schema::fully_connected_options_weights_format as format;

pub(super) const TABLE: Table =
    &[("BATCH_MATMUL", One(batch_matmul)), ("FULLY_CONNECTED", One(fully_connected))];

/// Rows of as many elements as the weights `[O, I]` take; the axes before stay only if the options say so.
fn fully_connected(n: &mut Node) -> Lowered<Held> {
    use fully_connected_options as o;
    if n.get(o::WEIGHTS_FORMAT)? != format::DEFAULT {
        return unsupported("shuffled weights", "convert the model for all processors, not for one");
    }
    let (x, w) = (floats(n.real_plain(0)?, "its input")?, n.x(1)?);
    let &[outputs, inputs] = w.shape() else {
        return invalid!("its weights {w} must have two axes");
    };
    ensure!(
        inputs != 0 && x.len().is_multiple_of(inputs),
        "its weights {w} take rows of {inputs}, its input is {x}"
    );
    let mut shape = vec![x.len() / inputs, outputs];
    if n.get(o::KEEP_NUM_DIMS)? {
        let Some((_, front)) = x.shape().split_last().filter(|(last, _)| **last == inputs) else {
            return invalid!("its input {x} keeps its axes and must end with {inputs}");
        };
        shape = [front, &[outputs]].concat();
    }
    let w = if w.dtype().is_float() { w } else { dequantized(&w, n.input_info(1)?, n.reading, |axis| axis)? };
    let y = x.reshape(&[x.len() / inputs, inputs]).matmul(&w.transpose());
    let y = with_bias(n, y, 2, (0, 1))?;
    Ok(Held::plain(activated(y, n.get(o::FUSED_ACTIVATION_FUNCTION)?)?.reshape(&shape)))
}

fn batch_matmul(n: &mut Node) -> Lowered<Held> {
    use batch_mat_mul_options as o;
    let (a, b) = (matrices(n, 0, n.get(o::ADJ_X)?)?, matrices(n, 1, n.get(o::ADJ_Y)?)?);
    Ok(Held::plain(a.matmul(&b)))
}

/// Input `i` as floats, its last two axes exchanged if it is to be transposed.
fn matrices(n: &Node, i: usize, transposed: bool) -> Lowered<Tensor> {
    let x = n.real_plain(i)?;
    ensure!(x.rank() >= 2, "input {i} is {x} and must have at least two axes");
    Ok(if transposed { x.transpose() } else { x })
}
