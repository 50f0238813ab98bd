//! Regions of interest.

use super::*;

pub(super) const TABLE: Table =
    &[("NonMaxSuppression", One(non_max_suppression)), ("RoiAlign", One(roi_align))];

/// One region along one axis: the two elements that each of `bins * samples` points lies between, each with its weight. The points begin
/// at `start`, `length` long, over an axis of `size` elements; one more than one element outside has no weight.
fn taps(start: &Tensor, length: &Tensor, points: usize, size: usize) -> [(Tensor, Tensor); 2] {
    let at = Tensor::iota(Type::new(start.dtype(), [points]), 0);
    let at = (at + 0.5) * (length / points as f64) + start;
    let inside = at.greater_equal(-1.0).and(at.less_equal(size as f64)).cast(start.dtype());
    let at = at.clip(0.0, size as f64 - 1.0);
    let low = at.floor();
    let part = &at - &low;
    let high = (&low + 1.0).clip(0.0, size as f64 - 1.0);
    [(low.cast(DType::I64), (1.0 - &part) * &inside), (high.cast(DType::I64), part * inside)]
}

/// Each region of an image, sampled bilinearly on a grid and pooled to bins.
fn roi_align(n: &mut Node) -> Lowered {
    let (x, rois, batch) = (n.x(0)?, n.x(1)?, n.x(2)?);
    let (count, &[_, channels, height, width]) = (batch.len(), x.shape()) else {
        return invalid!("takes X [N, C, H, W], not {x}");
    };
    ensure!(
        rois.shape() == [count, 4] && height != 0 && width != 0,
        "takes regions [{count}, 4] of an image, not {rois} of {x}"
    );
    let (rows, columns) = (n.size("output_height", 1), n.size("output_width", 1));
    let in_range = [rows, columns].iter().all(|b| (1..1 << 12).contains(b));
    ensure!(in_range, "output_height or output_width is out of range");
    let default = if n.version < 16 { "output_half_pixel" } else { "half_pixel" };
    let modes = [("half_pixel", true), ("output_half_pixel", false)];
    let half = n.choice("coordinate_transformation_mode", default, &modes)?;
    let average = n.choice("mode", "avg", &[("avg", true), ("max", false)])?;
    let scale = n.float("spatial_scale", 1.0);
    let ratio = n.int("sampling_ratio", 0);
    let corners = &rois * scale - if half { 0.5 } else { 0.0 };
    n.spend_tensors(count.saturating_mul(64))?;
    let mut parts = Vec::new();
    for r in 0..count {
        let corner = |i: usize| corners.pick(0, r).pick(0, i);
        let size = |from: usize, to: usize| {
            let size = corner(to) - corner(from);
            if half { size } else { size.maximum(1.0) }
        };
        let (length_x, length_y) = (size(0, 2), size(1, 3));
        let grid_y = samples(n, ratio, &length_y, rows)?;
        let grid_x = samples(n, ratio, &length_x, columns)?;
        let along_y = taps(&corner(1), &length_y, rows * grid_y, height);
        let along_x = taps(&corner(0), &length_x, columns * grid_x, width);
        let image = x.gather(&batch.narrow(0, r, 1), 0).pick(0, 0);
        // The four neighbours of each point, weighted.
        let mut corners = Vec::new();
        for (y, wy) in &along_y {
            let lines = image.gather(y, 1) * wy.reshape(&[1, rows * grid_y, 1]);
            for (x, wx) in &along_x {
                corners.push(lines.gather(x, 2) * wx.reshape(&[1, 1, columns * grid_x]));
            }
        }
        let kind = if average { ReduceKind::Sum } else { ReduceKind::Max };
        let joined = corners.into_iter().reduce(|a, b| if average { a + b } else { a.maximum(&b) });
        let joined = joined.expect("there are four").reshape(&[channels, rows, grid_y, columns, grid_x]);
        let pooled = joined.reduce(kind, &[2, 4]).reshape(&[1, channels, rows, columns]);
        parts.push(if average { pooled / (grid_y * grid_x) as f64 } else { pooled });
    }
    if parts.is_empty() {
        return Ok(Tensor::full(Type::new(x.dtype(), [0, channels, rows, columns]), 0.0));
    }
    Ok(Tensor::concat(&parts, 0))
}

/// Sampling points a bin along an axis; without a ratio as many as elements, which needs the region to be known.
fn samples(n: &mut Node, ratio: i64, length: &Tensor, bins: usize) -> Lowered<usize> {
    if ratio > 0 {
        return Ok((ratio as usize).min(1 << 10));
    }
    match n.known(length) {
        Some(v) => Ok((v.to_f64()[0] / bins as f64).ceil().clamp(1.0, 1024.0) as usize),
        None => unsupported(
            "sampling_ratio=0 with regions that depend on the values of the model's inputs",
            "export with a fixed sampling_ratio",
        ),
    }
}

/// Boxes chosen greedily by score; how many there are depends on the values, which must be known while reading.
fn non_max_suppression(n: &mut Node) -> Lowered {
    let (boxes, scores) = (n.constant(0, "boxes")?, n.constant(1, "scores")?);
    let most = n.optional_int_of(2, "max_output_boxes_per_class")?.unwrap_or(0);
    let limit = n.optional_number_of(3, "iou_threshold")?.unwrap_or(0.0);
    let threshold = n.optional_number_of(4, "score_threshold")?;
    let centred = n.flag("center_point_box", false);
    let (&[batches, count, 4], &[_, classes, _]) = (boxes.shape(), scores.shape()) else {
        return invalid!("takes boxes [N, B, 4] and scores [N, classes, B]");
    };
    ensure!(scores.shape() == [batches, classes, count], "boxes and scores differ in number");
    let pairs = count.saturating_mul(count.min(usize::try_from(most).unwrap_or(0)));
    n.spend(pairs.saturating_add(count).saturating_add(1).saturating_mul(batches * classes))?;
    let (b, s) = (boxes.to_f64(), scores.to_f64());
    // Lower and upper bound along both axes.
    let bounds = |batch: usize, i: usize| {
        let v: [f64; 4] = std::array::from_fn(|k| b[(batch * count + i) * 4 + k]);
        if centred {
            [v[0] - v[2] / 2.0, v[0] + v[2] / 2.0, v[1] - v[3] / 2.0, v[1] + v[3] / 2.0]
        } else {
            [v[0].min(v[2]), v[0].max(v[2]), v[1].min(v[3]), v[1].max(v[3])]
        }
    };
    let area = |v: &[f64; 4]| (v[1] - v[0]) * (v[3] - v[2]);
    let overlap = |p: &[f64; 4], q: &[f64; 4]| {
        let side = |k: usize| (p[k + 1].min(q[k + 1]) - p[k].max(q[k])).max(0.0);
        let both = side(0) * side(2);
        let union = area(p) + area(q) - both;
        if union > 0.0 { both / union } else { 0.0 }
    };
    let mut chosen: Vec<i64> = Vec::new();
    for batch in 0..batches {
        for class in 0..classes {
            let score = |i: usize| s[(batch * classes + class) * count + i];
            let mut order: Vec<usize> =
                (0..count).filter(|&i| threshold.is_none_or(|t| score(i) > t)).collect();
            order.sort_by(|&i, &j| score(j).total_cmp(&score(i)));
            let mut kept: Vec<usize> = Vec::new();
            for i in order {
                let free = kept.iter().all(|&k| overlap(&bounds(batch, i), &bounds(batch, k)) <= limit);
                if (kept.len() as i64) < most && free {
                    kept.push(i);
                    chosen.extend([batch as i64, class as i64, i as i64]);
                }
            }
        }
    }
    Ok(Tensor::constant(Value::new([chosen.len() / 3, 3], chosen)))
}
