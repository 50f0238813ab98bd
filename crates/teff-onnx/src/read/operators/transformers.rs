//! onnxruntime's own operators of transformers, which its optimiser fuses and its quantiser makes integers of.
//!
//! Source: onnxruntime/docs/ContribOperators.md.

use super::*;

pub(super) const TABLE: Table = &[
    ("Attention", Many(attention)),
    ("EmbedLayerNormalization", Many(embed_layer_normalization)),
    ("QAttention", Many(q_attention)),
];

/// Queries, keys and values are one product of the input with weights `[I, Q + K + V]`.
fn attention(n: &mut Node) -> Lowered<Outputs> {
    let projected = n.x(0)?.matmul(&n.x(1)?);
    let projected = n.optional(2)?.map_or(projected.clone(), |bias| projected + bias);
    attend(n, &projected, 3, 4, 5)
}

/// The product is one of integers, with one scale for all weights or one a column.
fn q_attention(n: &mut Node) -> Lowered<Outputs> {
    let (x, w) = (n.x(0)?, n.x(1)?);
    let scale = one_or_many(&n.x(3)?) * one_or_many(&n.x(4)?);
    let sums = integer_product(n, (&x, 6), (&w, 7))?;
    let projected = sums.cast(DType::F32) * scale + n.x(2)?;
    attend(n, &projected, 5, 8, usize::MAX)
}

/// From queries, keys and values side by side `[B, S, Q + K + V]`; the mask, the past and what is added to scores are these inputs.
fn attend(
    n: &mut Node,
    projected: &Tensor,
    mask_at: usize,
    past_at: usize,
    bias_at: usize,
) -> Lowered<Outputs> {
    projected.check()?;
    let [batch, steps, width] = projected.shape()[..] else {
        return invalid!("the input must have three axes, the projection is {projected}");
    };
    if n.flag("do_rotary", false) || n.flag("past_present_share_buffer", false) {
        return unsupported(
            "rotation, and a past that is written in place",
            "export without onnxruntime's optimiser",
        );
    }
    n.ignore(&["rotary_embedding_dim"]);
    let heads = n.size("num_heads", 0);
    let widths = match n.ints("qkv_hidden_sizes") {
        Some(list) => sizes(list, "qkv_hidden_sizes")?,
        None => vec![width / 3; 3],
    };
    let [q_width, k_width, v_width] = widths[..] else {
        return invalid!("qkv_hidden_sizes must have three entries");
    };
    ensure!(
        q_width == k_width && widths.iter().all(|w| *w <= width) && q_width + k_width + v_width == width,
        "queries, keys and values of {widths:?} are not the {width} columns of the projection"
    );
    let part = |from: usize, len: usize| split_heads(&projected.narrow(2, from, len), heads);
    let (q, mut k, mut v) = (part(0, q_width)?, part(q_width, k_width)?, part(2 * q_width, v_width)?);
    let mut before = 0;
    if let Some(past) = n.optional(past_at)? {
        before = past.shape().get(3).copied().unwrap_or(0);
        (k, v) = (Tensor::concat(&[past.pick(0, 0), k], 2), Tensor::concat(&[past.pick(0, 1), v], 2));
        k.check()?;
        v.check()?;
    }
    let keys = before + steps;
    let scale = n.float("scale", 0.0);
    let scale = if scale == 0.0 { 1.0 / (q.shape()[3] as f64).sqrt() } else { scale };
    let mut scores = q.matmul(&k.transpose()) * scale;
    // Both only hide where there is something hidden, by a number that is large but not infinite.
    if let Some(allowed) = allowed(n, mask_at, batch, steps, keys)? {
        let hidden = n.float("mask_filter_value", -10000.0);
        scores = scores + allowed.select(Tensor::scalar(0f32), Tensor::scalar(hidden as f32));
    }
    if n.flag("unidirectional", false) {
        let ty = Type::new(DType::I64, [steps, keys]);
        let seen = Tensor::iota(ty.clone(), 1).less_equal(&(Tensor::iota(ty, 0) + before as f64));
        scores = seen.select(&scores, Tensor::scalar(f32::MIN));
    }
    if let Some(bias) = n.optional(bias_at)? {
        scores = scores + bias;
    }
    let y = join_heads(&scores.softmax(-1).matmul(&v))?;
    let present = Tensor::stack(&[k, v], 0);
    Ok([y, present].map(|t| n.carried(t)).to_vec())
}

/// Where the mask lets a query look, to broadcast against `[B, heads, S, keys]`.
fn allowed(n: &mut Node, at: usize, batch: usize, steps: usize, keys: usize) -> Lowered<Option<Tensor>> {
    n.ignore(&["mask_filter_value"]);
    let Some(mask) = n.optional(at)? else { return Ok(None) };
    let mask = mask.cast(DType::I64);
    let positive = |m: Tensor| m.greater(0.0);
    Ok(Some(match mask.shape() {
        [b, k] if [*b, *k] == [batch, keys] => positive(mask.reshape(&[batch, 1, 1, keys])),
        [b, s, k] if [*b, *s, *k] == [batch, steps, keys] => positive(mask.reshape(&[batch, 1, steps, keys])),
        [b] if *b == batch => {
            let position = Tensor::iota(Type::new(DType::I64, [1, 1, 1, keys]), 3);
            position.less(mask.reshape(&[batch, 1, 1, 1]))
        }
        _ => {
            let remedy = "give a mask [batch, keys] or [batch, queries, keys]";
            return unsupported(format!("a mask {mask} for {keys} keys"), remedy);
        }
    }))
}

/// Words, positions and segments looked up, added and normalised; how many words there are before the mask's first 0; the sum.
fn embed_layer_normalization(n: &mut Node) -> Lowered<Outputs> {
    let words = n.x(0)?;
    let [batch, steps] = words.shape()[..] else {
        return invalid!("input_ids must have two axes, not {words}");
    };
    let table = n.x(2)?;
    let mut sum = looked_up(n, &table, &words)?;
    let in_order = || Tensor::iota(Type::new(DType::I64, [1, steps]), 1);
    let (places, table) = (n.optional(8)?.unwrap_or_else(in_order), n.x(3)?);
    sum = sum + looked_up(n, &table, &places)?;
    if let (Some(segments), Some(table)) = (n.optional(1)?, n.optional(4)?) {
        sum = sum + looked_up(n, &table, &segments)?;
    }
    let y = sum.layer_norm(1, n.float("epsilon", f64::from(1e-12f32))) * n.x(5)? + n.x(6)?;
    n.ignore(&["mask_index_type"]);
    let counted = match n.optional(7)? {
        None => Tensor::full(Type::new(DType::I32, [batch]), 0.0),
        Some(mask) => {
            let place = Tensor::iota(Type::new(DType::I32, [batch, steps]), 1);
            let is_end = mask.equal(0.0);
            is_end.select(&place, steps as f64).min(&[1])
        }
    };
    Ok(vec![n.carried(y), counted.into(), n.carried(sum)])
}

/// The rows of a table at these indices.
fn looked_up(n: &mut Node, table: &Tensor, at: &Tensor) -> Lowered {
    let rows = table.shape().first().copied().unwrap_or(0);
    Ok(table.take(&positive(n, at, rows)?, 0))
}
