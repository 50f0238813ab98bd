//! Resizing images. Which pixels each result sees is known while reading; positions are computed in f32, as the runtime does.

use super::*;

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
    /// As the options say, whose fields these are.
    fn of(n: &Node, corners: Scalar<bool>, half: Scalar<bool>) -> Lowered<PixelGrid> {
        Ok(PixelGrid { corners: n.get(corners)?, half: n.get(half)? })
    }

    /// Input pixels from one result to the next.
    fn step(self, from: usize, to: usize) -> f32 {
        if self.corners && to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { from as f32 / to as f32 }
    }

    /// Which of `from` pixels result `i` of `to` sees, and with what weight: the two nearest.
    fn linear(self, from: usize, to: usize, i: usize) -> Vec<(i64, f64)> {
        let step = self.step(from, to);
        let at = if self.half { (i as f32 + 0.5) * step - 0.5 } else { i as f32 * step };
        let low = at.floor().max(0.0);
        let high = (at.ceil().max(0.0) as i64).min(from as i64 - 1);
        let share = at - low;
        vec![(low as i64, (1.0 - share).into()), (high, share.into())]
    }

    /// The same for the nearest alone.
    fn nearest(self, from: usize, to: usize, i: usize) -> Vec<(i64, f64)> {
        let at = (i as f32 + if self.half { 0.5 } else { 0.0 }) * self.step(from, to);
        let whole = if self.corners { at.round() } else { at.floor() };
        vec![((whole as i64).clamp(0, from as i64 - 1), 1.0)]
    }
}

/// Images of the height and width that input 1 says, an axis at a time.
fn resized(
    n: &Node,
    x: Held,
    grid: PixelGrid,
    taps: impl Fn(PixelGrid, usize, usize, usize) -> Vec<(i64, f64)>,
) -> Lowered<Held> {
    ensure!(x.tensor.rank() == 4 && !x.tensor.is_empty(), "its input {} must be images", x.tensor);
    let given = n.sizes_of(1, "size")?;
    let &[height, width] = &given[..] else {
        return invalid!("its size {given:?} must be height and width");
    };
    if height == 0 || width == 0 || height.max(width) > LONGEST {
        let what = format!("a size of {height} by {width}");
        return unsupported(what, "resize to between 1 and 65 536 pixels");
    }
    let mut x = x.into_channels_first();
    for (axis, to) in [(2, height), (3, width)] {
        let from = x.shape()[axis];
        if from != to || grid.corners {
            n.spend(2 * to)?;
            let all: Vec<_> = (0..to).map(|i| taps(grid, from, to, i)).collect();
            x = x.weighted(axis, &all).ok()?;
        }
    }
    Ok(Held::channels_first(x))
}

fn bilinear(n: &mut Node) -> Lowered<Held> {
    use resize_bilinear_options::*;
    let grid = PixelGrid::of(n, ALIGN_CORNERS, HALF_PIXEL_CENTERS)?;
    let x = n.real(0)?;
    floats(x.tensor.clone(), "its input")?;
    resized(n, x, grid, PixelGrid::linear)
}

fn nearest(n: &mut Node) -> Lowered<Held> {
    use resize_nearest_neighbor_options::*;
    let grid = PixelGrid::of(n, ALIGN_CORNERS, HALF_PIXEL_CENTERS)?;
    resized(n, n.held(0)?, grid, PixelGrid::nearest)
}
