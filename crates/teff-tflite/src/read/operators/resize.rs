//! Resizing images. Which pixels each result sees is known while reading; positions are computed in f32, as the runtime does.

use super::{Lower::One, Table};
use crate::read::held::Held;
use crate::read::node::{Lowered, Node, Operands, ensure, floats, invalid, unsupported};
use crate::schema::{resize_bilinear_options, resize_nearest_neighbor_options};
use teff_graph::Tensor;

pub(super) const TABLE: Table =
    &[("RESIZE_BILINEAR", One(bilinear)), ("RESIZE_NEAREST_NEIGHBOR", One(nearest))];

/// No axis becomes longer than this.
const LONGEST: usize = 1 << 16;

/// Where results lie in the input.
#[derive(Clone, Copy)]
struct PixelGrid {
    /// The corners of both fall together.
    corners: bool,
    /// Positions are those of the pixels' centres.
    half: bool,
}

impl PixelGrid {
    /// Input pixels from one result to the next.
    fn step(self, from: usize, to: usize) -> f32 {
        if self.corners && to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { from as f32 / to as f32 }
    }
}

/// The image with channels first, and its new height and width.
fn input(n: &Node, x: Held) -> Lowered<(Tensor, [usize; 2])> {
    ensure!(x.tensor.rank() == 4 && !x.tensor.is_empty(), "its input {} must be images", x.tensor.ty());
    let given = n.sizes_of(1, "size")?;
    let &[height, width] = &given[..] else {
        return invalid!("its size {given:?} must be height and width");
    };
    if height == 0 || width == 0 || height.max(width) > LONGEST {
        return unsupported(
            format!("a size of {height} by {width}"),
            "resize to between 1 and 65 536 pixels",
        );
    }
    Ok((x.into_channels_first(), [height, width]))
}

fn bilinear(n: &mut Node) -> Lowered<Held> {
    use resize_bilinear_options as o;
    let options = n.options(o::UNION)?;
    let grid =
        PixelGrid { corners: options.get(o::ALIGN_CORNERS)?, half: options.get(o::HALF_PIXEL_CENTERS)? };
    let (mut x, size) = input(n, n.real(0)?)?;
    x = floats(x, "its input")?;
    for (axis, to) in [(2, size[0]), (3, size[1])] {
        x = interpolated(n, &x, axis, to, grid)?.ok()?;
    }
    Ok(Held::channels_first(x))
}

/// Each result between the two nearest elements along `axis`.
fn interpolated(n: &Node, x: &Tensor, axis: usize, to: usize, grid: PixelGrid) -> Lowered {
    let from = x.shape()[axis];
    if from == to && !grid.corners {
        return Ok(x.clone());
    }
    let step = grid.step(from, to);
    let position = |i: usize| if grid.half { (i as f32 + 0.5) * step - 0.5 } else { i as f32 * step };
    let taps = |i: usize| {
        let low = position(i).floor().max(0.0);
        let high = (position(i).ceil().max(0.0) as i64).min(from as i64 - 1);
        let share = position(i) - low;
        vec![(low as i64, (1.0 - share).into()), (high, share.into())]
    };
    n.spend(2 * to)?;
    Ok(x.weighted(axis, &(0..to).map(taps).collect::<Vec<_>>()))
}

fn nearest(n: &mut Node) -> Lowered<Held> {
    use resize_nearest_neighbor_options as o;
    let options = n.options(o::UNION)?;
    let grid =
        PixelGrid { corners: options.get(o::ALIGN_CORNERS)?, half: options.get(o::HALF_PIXEL_CENTERS)? };
    let (mut x, size) = input(n, n.held(0)?)?;
    for (axis, to) in [(2, size[0]), (3, size[1])] {
        let from = x.shape()[axis];
        let step = grid.step(from, to);
        let at = |i: usize| {
            let position = (i as f32 + if grid.half { 0.5 } else { 0.0 }) * step;
            let whole = if grid.corners { position.round() } else { position.floor() };
            vec![((whole as i64).clamp(0, from as i64 - 1), 1.0)]
        };
        n.spend(to)?;
        x = x.weighted(axis, &(0..to).map(at).collect::<Vec<_>>()).ok()?;
    }
    Ok(Held::channels_first(x))
}
