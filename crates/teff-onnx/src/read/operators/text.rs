//! Counting of n-grams of integers.

use super::*;

pub(super) const TABLE: Table = &[("TfIdfVectorizer", Of(tf_idf))];

/// How often each n-gram of a pool occurs in each row, elements up to `max_skip_count` apart; truncated to 1, or weighted, by mode.
fn tf_idf(n: &mut Node, x: Tensor) -> Lowered {
    let Some(pool) = n.ints("pool_int64s") else {
        return unsupported("n-grams of strings", "keep text processing outside the model");
    };
    let (starts, targets) =
        (n.ints("ngram_counts").unwrap_or_default(), n.ints("ngram_indexes").unwrap_or_default());
    let [least, most, skips] =
        ["min_gram_length", "max_gram_length", "max_skip_count"].map(|name| n.size(name, 0));
    let weights = n.floats("weights");
    let mode = n.text("mode", "TF")?;
    ensure!(
        x.dtype().is_int() && x.rank() != 0 && x.rank() <= 2 && skips <= 1 << 10,
        "takes one or two axes of integers, not {x}"
    );
    let rows = if x.rank() == 1 { x.unsqueeze(0) } else { x.clone() }.cast(DType::I64);
    let (count, length) = (rows.shape()[0], rows.shape()[1]);
    let width = targets
        .iter()
        .map(|&t| usize::try_from(t).unwrap_or(usize::MAX))
        .max()
        .map_or(0, |t| t.saturating_add(1));
    ensure!(width <= 1 << 16, "an n-gram has a position that is negative or too large");
    let mut y = Tensor::zeros(&[count, width]);
    let mut gram = 0;
    for size in 1..=starts.len().min(most) {
        let bound = |k: usize| starts.get(k).map_or(pool.len(), |&s| (s.max(0) as usize).min(pool.len()));
        let grams = &pool[bound(size - 1).min(bound(size))..bound(size)];
        let number = grams.len() / size;
        let here = gram..gram + number;
        gram += number;
        if size < least || number == 0 {
            continue;
        }
        let Some(targets) = targets.get(here.clone()) else { return invalid!("n-grams without a position") };
        let weight = |i: usize| weights.get(here.start + i).copied().unwrap_or(1.0);
        // A single element skips nothing.
        let widest = if size == 1 { 0 } else { skips };
        n.spend_tensors(size.saturating_mul(8 * (widest + 1)))?;
        n.spend(grams.len().saturating_mul(widest + 1))?;
        let mut found: Option<Tensor> = None;
        for step in 1..=widest + 1 {
            let Some(windows) = length.checked_sub((size - 1) * step).filter(|&w| w > 0) else { continue };
            let matches = (0..size).map(|k| {
                let whole = SliceAxis::whole(count);
                let part = rows.slice_axes(vec![whole, SliceAxis { start: k * step, step: 1, len: windows }]);
                let wanted: Vec<i64> = grams.chunks(size).take(number).map(|g| g[k]).collect();
                part.unsqueeze(1).equal(Tensor::from_slice(&wanted).reshape(&[1, number, 1]))
            });
            let all = matches.reduce(|a, b| a.and(&b)).expect("a gram has an element");
            let hits = all.cast(DType::F32).reduce(ReduceKind::Sum, &[2]).reshape(&[count, number]);
            found = Some(found.map_or(hits.clone(), |f| f + hits));
        }
        let Some(found) = found else { continue };
        let (found, weighted) = match mode {
            "TF" => (found, false),
            "IDF" => (found.minimum(1.0), true),
            "TFIDF" => (found, true),
            other => return unsupported(format!("mode={other:?}"), "use TF, IDF or TFIDF"),
        };
        n.spend(number * width)?;
        let mut place = vec![0.0f32; number * width];
        for (i, &t) in targets.iter().enumerate() {
            place[i * width + t as usize] = if weighted { weight(i) } else { 1.0 };
        }
        y = y + found.matmul(&Tensor::constant(Value::new([number, width], place)));
    }
    Ok(if x.rank() == 1 { y.pick(0, 0) } else { y })
}
