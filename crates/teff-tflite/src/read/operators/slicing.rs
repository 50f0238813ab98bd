//! Parts of a tensor.

use super::*;
use crate::schema::strided_slice_options as o;

pub(super) const TABLE: Table = &[("SLICE", One(slice)), ("STRIDED_SLICE", One(strided_slice))];

/// A size of -1 reaches to the end.
fn slice(n: &mut Node) -> Lowered<Held> {
    let x = n.held(0)?;
    let shape = x.shape();
    let (begin, size) = (n.ints_of(1, "begin")?, n.ints_of(2, "size")?);
    ensure!(
        begin.len() == shape.len() && size.len() == shape.len(),
        "begin {begin:?} and size {size:?} for its input {shape:?}"
    );
    let mut axes = vec![SliceAxis::whole(0); shape.len()];
    for (axis, &whole) in shape.iter().enumerate() {
        let start = usize::try_from(begin[axis]).ok().filter(|&b| b <= whole);
        let len = start
            .and_then(|b| if size[axis] == -1 { Some(whole - b) } else { usize::try_from(size[axis]).ok() });
        let (Some(start), Some(len)) = (start, len.filter(|&l| start.is_some_and(|b| l <= whole - b))) else {
            return invalid!("begin {begin:?} and size {size:?} leave its input {shape:?}");
        };
        // Of nothing the start does not matter, and must not lie behind the end.
        axes[x.position(axis)] = SliceAxis { start: if len == 0 { 0 } else { start }, step: 1, len };
    }
    Ok(x.map(|x| x.slice_axes(axes)))
}

/// What Python's `x[b:e:s, ..]` takes; masks say which bounds are open and which entries add or drop an axis.
fn strided_slice(n: &mut Node) -> Lowered<Held> {
    let x = n.x(0)?;
    let (begin, end, stride) = (n.ints_of(1, "begin")?, n.ints_of(2, "end")?, n.ints_of(3, "strides")?);
    let entries = begin.len();
    ensure!(
        end.len() == entries && stride.len() == entries && entries <= 31,
        "{entries} begins, {} ends and {} strides",
        end.len(),
        stride.len()
    );
    let set = |mask: i32, i: usize| mask >> i & 1 == 1;
    let (ellipsis, new_axis) = (n.get(o::ELLIPSIS_MASK)?, n.get(o::NEW_AXIS_MASK)?);
    let (begin_mask, end_mask) = (n.get(o::BEGIN_MASK)?, n.get(o::END_MASK)?);
    let (shrink, offset) = (n.get(o::SHRINK_AXIS_MASK)?, n.get(o::OFFSET)?);
    ensure!((0..entries).filter(|&i| set(ellipsis, i)).count() <= 1, "it has more than one ellipsis");
    let taking = (0..entries).filter(|&i| !set(ellipsis, i) && !set(new_axis, i)).count();
    let Some(skipped) = x.rank().checked_sub(taking) else {
        return invalid!("{taking} slices of its input {x}");
    };
    let mut axes = Vec::new();
    let mut shape = Vec::new();
    for i in 0..entries {
        if set(ellipsis, i) {
            for _ in 0..skipped {
                let len = x.shape()[axes.len()];
                axes.push(SliceAxis::whole(len));
                shape.push(len);
            }
            continue;
        }
        if set(new_axis, i) {
            shape.push(1);
            continue;
        }
        let len = x.shape()[axes.len()];
        if set(shrink, i) {
            let at = if begin[i] < 0 { begin[i].saturating_add(len as i64) } else { begin[i] };
            let Some(start) = usize::try_from(at).ok().filter(|&s| s < len) else {
                return invalid!("element {} of axis {} of its input {x}", begin[i], axes.len());
            };
            axes.push(SliceAxis { start, step: 1, len: 1 });
            continue;
        }
        let step = match isize::try_from(stride[i]) {
            Ok(0) | Err(_) => {
                return unsupported(format!("stride {}", stride[i]), "convert with another stride");
            }
            Ok(step) => step,
        };
        let end = if offset { begin[i].saturating_add(end[i]) } else { end[i] };
        let (first, last) = if step > 0 { (0, isize::MAX) } else { (isize::MAX, isize::MIN) };
        let from = if set(begin_mask, i) { first } else { begin[i] as isize };
        let to = if set(end_mask, i) { last } else { end as isize };
        let taken = SliceAxis::clamped(len, from, to, step);
        shape.push(taken.len);
        axes.push(taken);
    }
    for &len in &x.shape()[axes.len()..] {
        axes.push(SliceAxis::whole(len));
        shape.push(len);
    }
    Ok(Held::plain(x.slice_axes(axes).ok()?.reshape(&shape)))
}
