//! Resizing by interpolation, an axis at a time: each output position is a weighted sum of a few input positions that are known
//! while reading.

use super::*;

pub(super) const TABLE: Table = &[("Resize", Of(resize)), ("Upsample", Of(upsample))];

/// How to interpolate.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// How positions and weights are found; the names are those of the attributes.
struct Method<'a> {
    mode: Mode,
    coordinates: &'a str,
    nearest: &'a str,
    cubic_a: f64,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f64,
}

/// One axis to resize.
struct ResizedAxis {
    axis: usize,
    size: usize,
    scale: f64,
    /// Start and end of the region, as parts of the axis.
    region: (f64, f64),
}

pub(super) fn mode(n: &Node, default: &'static str) -> Lowered<Mode> {
    let modes = [
        ("nearest", Mode::Nearest),
        ("linear", Mode::Linear),
        ("bilinear", Mode::Linear),
        ("trilinear", Mode::Linear),
        ("cubic", Mode::Cubic),
        ("bicubic", Mode::Cubic),
    ];
    n.choice("mode", default, &modes)
}

/// Replaced by `Resize` in version 10. Positions are those of `asymmetric`.
fn upsample(n: &mut Node, x: Tensor) -> Lowered {
    let scales = match n.attribute("scales") {
        Some(a) => a.floats.iter().map(|&s| f64::from(s)).collect(),
        None => n.constant(1, "scales")?.to_f64(),
    };
    let mode = mode(n, "nearest")?;
    by_scales(n, &x, &scales, mode)
}

/// As old versions have it.
fn by_scales(n: &mut Node, x: &Tensor, scales: &[f64], mode: Mode) -> Lowered {
    ensure!(scales.len() == x.rank(), "{} scales for {x}", scales.len());
    let method = Method {
        mode,
        coordinates: "asymmetric",
        nearest: "floor",
        cubic_a: -0.75,
        exclude_outside: false,
        antialias: false,
        extrapolation: 0.0,
    };
    let along = |axis: usize| ResizedAxis {
        axis,
        size: (x.shape()[axis] as f64 * scales[axis]).floor() as usize,
        scale: scales[axis],
        region: (0.0, 1.0),
    };
    resized(n, x, (0..x.rank()).map(along).collect(), &method)
}

fn resize(n: &mut Node, x: Tensor) -> Lowered {
    let mode = mode(n, "nearest")?;
    if n.version < 11 {
        let scales = n.constant(1, "scales")?.to_f64();
        return by_scales(n, &x, &scales, mode);
    }
    let method = Method {
        mode,
        coordinates: n.text("coordinate_transformation_mode", "half_pixel")?,
        nearest: n.text("nearest_mode", "round_prefer_floor")?,
        cubic_a: n.float("cubic_coeff_a", -0.75),
        exclude_outside: n.flag("exclude_outside", false),
        antialias: n.flag("antialias", false),
        extrapolation: n.float("extrapolation_value", 0.0),
    };
    let axes = listed_or_all(n.ints("axes"), x.rank())?;
    let regions = regions(n, &method, axes.len())?;
    let sizes_and_scales = target(n, &x, &axes)?;
    let along = axes.iter().zip(sizes_and_scales).zip(regions);
    let along = along.map(|((&axis, (size, scale)), region)| ResizedAxis { axis, size, scale, region });
    resized(n, &x, along.collect(), &method)
}

fn regions(n: &mut Node, method: &Method, axes: usize) -> Lowered<Vec<(f64, f64)>> {
    if method.coordinates != "tf_crop_and_resize" {
        // Present in many models and without meaning.
        n.item(1);
        return Ok(vec![(0.0, 1.0); axes]);
    }
    let roi = n.constant(1, "roi")?.to_f64();
    ensure!(roi.len() == 2 * axes, "{} numbers of a region of {axes} axes", roi.len());
    Ok((0..axes).map(|i| (roi[i], roi[i + axes])).collect())
}

/// Size and scale of each axis, from `scales` or `sizes`.
fn target(n: &mut Node, x: &Tensor, axes: &[usize]) -> Lowered<Vec<(usize, f64)>> {
    let given = |axis: usize| x.shape()[axis] as f64;
    let scales = match n.optional(2)? {
        Some(_) => n.constant(2, "scales")?.to_f64(),
        None => vec![],
    };
    let policy = n.text("keep_aspect_ratio_policy", "stretch")?;
    if !scales.is_empty() {
        n.item(3);
        ensure!(scales.len() == axes.len(), "{} scales for {} axes", scales.len(), axes.len());
        return Ok(axes.iter().zip(&scales).map(|(&a, &s)| ((given(a) * s).floor() as usize, s)).collect());
    }
    let wanted = n.sizes_of(3, "sizes")?;
    ensure!(wanted.len() == axes.len(), "{} sizes for {} axes", wanted.len(), axes.len());
    let ratios: Vec<f64> = axes.iter().zip(&wanted).map(|(&a, &s)| s as f64 / given(a)).collect();
    let common = match policy {
        "stretch" => return Ok(wanted.into_iter().zip(ratios).collect()),
        "not_larger" => ratios.iter().copied().fold(f64::INFINITY, f64::min),
        "not_smaller" => ratios.iter().copied().fold(0.0, f64::max),
        other => return unsupported(format!("keep_aspect_ratio_policy={other:?}"), "use stretch"),
    };
    Ok(axes.iter().map(|&a| ((given(a) * common).round() as usize, common)).collect())
}

fn resized(n: &mut Node, x: &Tensor, along: Vec<ResizedAxis>, method: &Method) -> Lowered {
    let dtype = x.dtype();
    let weighted = method.mode != Mode::Nearest;
    let mut y = if weighted && !dtype.is_float() { x.cast(DType::F32) } else { x.clone() };
    for a in &along {
        let given = x.shape()[a.axis];
        let shrink = if method.antialias { a.scale.clamp(1e-9, 1.0) } else { 1.0 };
        let reach = 2.0 + 4.0 / shrink;
        n.spend((a.size as f64 * reach) as usize)?;
        n.spend_tensors(4 * reach as usize)?;
        ensure!(given != 0 || a.size == 0, "axis {} of {x} cannot become {} long", a.axis, a.size);
        let unchanged = a.size == given && (a.scale - 1.0).abs() < 1e-9 && a.region == (0.0, 1.0);
        if unchanged {
            continue;
        }
        let taps = (0..a.size).map(|i| taps(i, given, a, method)).collect::<Lowered<Vec<_>>>()?;
        let inside: Vec<bool> = taps.iter().map(Option::is_some).collect();
        y = y.weighted(a.axis, &taps.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()).ok()?;
        if inside.contains(&false) {
            let inside = Tensor::from_slice(&inside).along_axis(a.axis, x.rank());
            y = inside.select(&y, method.extrapolation).ok()?;
        }
    }
    Ok(y.cast(dtype))
}

/// Where output position `i` lies among the input positions; nothing when it is outside the region.
fn position(i: usize, given: usize, a: &ResizedAxis, method: &Method) -> Lowered<Option<f64>> {
    let (i, given) = (i as f64, given as f64);
    // As the specification has it, not rounded to a whole number.
    let size = a.scale * given;
    Ok(Some(match method.coordinates {
        "half_pixel" => (i + 0.5) / a.scale - 0.5,
        "asymmetric" => i / a.scale,
        "align_corners" if size == 1.0 => 0.0,
        "align_corners" => i * (given - 1.0) / (size - 1.0),
        "pytorch_half_pixel" if size == 1.0 => -0.5,
        "pytorch_half_pixel" => (i + 0.5) / a.scale - 0.5,
        "half_pixel_symmetric" => {
            let offset = given / 2.0 * (1.0 - a.size as f64 / size);
            offset + (i + 0.5) / a.scale - 0.5
        }
        "tf_half_pixel_for_nn" => (i + 0.5) / a.scale,
        "tf_crop_and_resize" => {
            let (start, end) = a.region;
            let within = if size == 1.0 { (end - start) / 2.0 } else { i * (end - start) / (size - 1.0) };
            let at = (within + start) * (given - 1.0);
            if at < 0.0 || at > given - 1.0 {
                return Ok(None);
            }
            at
        }
        other => return unsupported(format!("coordinate_transformation_mode={other:?}"), "use half_pixel"),
    }))
}

fn taps(i: usize, given: usize, a: &ResizedAxis, method: &Method) -> Lowered<Option<Vec<(i64, f64)>>> {
    let Some(at) = position(i, given, a, method)? else { return Ok(None) };
    let floor = at.floor();
    let (first, part) = (floor as i64, at - floor);
    let last = given as i64 - 1;
    let shrink = if method.antialias { a.scale.min(1.0) } else { 1.0 };
    let list: Vec<(i64, f64)> = match method.mode {
        Mode::Nearest => {
            let nearest = match method.nearest {
                "round_prefer_floor" => (at - 0.5).ceil(),
                "round_prefer_ceil" => (at + 0.5).floor(),
                "floor" => floor,
                "ceil" => at.ceil(),
                other => return unsupported(format!("nearest_mode={other:?}"), "use floor"),
            };
            vec![((nearest as i64).clamp(0, last), 1.0)]
        }
        Mode::Linear => kernel(first, part, 1.0, shrink, |d| (1.0 - d).max(0.0)),
        Mode::Cubic => kernel(first, part, 2.0, shrink, |d| cubic(d, method.cubic_a)),
    };
    let outside = |p: i64| p < 0 || p > last;
    let list: Vec<(i64, f64)> = list
        .into_iter()
        .map(|(p, w)| (p.clamp(0, last), if method.exclude_outside && outside(p) { 0.0 } else { w }))
        .collect();
    let normalise = method.antialias || method.exclude_outside;
    let sum: f64 = if normalise { list.iter().map(|(_, w)| w).sum() } else { 1.0 };
    if sum == 0.0 {
        return Err(Fault::Invalid("every weight of an output position is 0".into()));
    }
    Ok(Some(list.into_iter().map(|(p, w)| (p, w / sum)).collect()))
}

/// Positions around `first + part` that a kernel reaching `radius` (more when stretched by 1 / `shrink`) touches, with its values.
fn kernel(first: i64, part: f64, radius: f64, shrink: f64, f: impl Fn(f64) -> f64) -> Vec<(i64, f64)> {
    let start = (-radius / shrink).floor() as i64 + 1;
    let end = 1 - start;
    (start..=end).map(|k| (first.saturating_add(k), f(((k as f64 - part) * shrink).abs()))).collect()
}

/// Keys, "Cubic convolution interpolation for digital image processing", 1981.
fn cubic(d: f64, a: f64) -> f64 {
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    } else {
        0.0
    }
}
