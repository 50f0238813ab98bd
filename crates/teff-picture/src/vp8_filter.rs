//! VP8's loop filters, which smooth the edges of blocks (RFC 6386, section 15).

use super::vp8_predict::Plane;

/// What is filtered, and how much, in a macroblock.
#[derive(Clone, Copy)]
pub(super) struct Strength {
    /// The level of the edges; 0 when none is filtered.
    pub(super) level: i32,
    /// The steps between neighbours that are allowed at most.
    pub(super) interior: i32,
}

/// How much is filtered at some edges.
#[derive(Clone, Copy)]
struct Limits {
    edge: i32,
    interior: i32,
    /// Steps next to the edge beyond which only the pixels at it change.
    variance: i32,
    /// It is the edge of a macroblock.
    outer: bool,
    /// The simple filter.
    simple: bool,
}

impl Strength {
    /// Sections 9.6 and 15.2.
    pub(super) fn new(level: i32, sharpness: i32) -> Strength {
        let mut interior = level;
        if sharpness > 0 {
            interior >>= if sharpness > 4 { 2 } else { 1 };
            if interior > 9 - sharpness {
                interior = 9 - sharpness;
            }
        }
        if interior < 1 {
            interior = 1;
        }
        Strength { level, interior }
    }
}

/// The step between the pixels at two places.
fn step(bytes: &[u8], a: usize, b: usize) -> i32 {
    (bytes[a] as i32 - bytes[b] as i32).abs()
}

/// Moves a pixel.
fn shift(bytes: &mut [u8], at: usize, by: i32) {
    bytes[at] = (bytes[at] as i32 + by).clamp(0, 255) as u8;
}

/// Moves the two pixels at the edge, by the difference over it and `outer`, that of their neighbours (section
/// 15.2). Gives how much the second was moved.
fn narrow(bytes: &mut [u8], at: usize, across: usize, outer: i32) -> i32 {
    let difference = 3 * (bytes[at] as i32 - bytes[at - across] as i32) + outer;
    let by = ((difference + 4) >> 3).clamp(-16, 15);
    shift(bytes, at - across, ((difference + 3) >> 3).clamp(-16, 15));
    shift(bytes, at, -by);
    by
}

/// Moves three pixels on each side (section 15.3).
fn wide(bytes: &mut [u8], at: usize, across: usize, outer: i32) {
    let difference = (3 * (bytes[at] as i32 - bytes[at - across] as i32) + outer).clamp(-128, 127);
    for i in 0..3 {
        let by = ((27 - 9 * i as i32) * difference + 63) >> 7;
        shift(bytes, at - (i + 1) * across, by);
        shift(bytes, at + i * across, -by);
    }
}

/// The simple filter where `at` is the first pixel behind an edge (section 15.2).
fn simple(bytes: &mut [u8], at: usize, across: usize, limits: Limits) {
    let (p, q) = (at - across, at);
    let over = 4 * step(bytes, p, q) + step(bytes, p - across, q + across);
    if over <= 2 * limits.edge + 1 {
        let outer = bytes[p - across] as i32 - bytes[q + across] as i32;
        narrow(bytes, at, across, outer.clamp(-128, 127));
    }
}

/// The normal filter (section 15.3).
fn normal(bytes: &mut [u8], at: usize, across: usize, limits: Limits) {
    let (p, q) = (at - across, at);
    let over = 4 * step(bytes, p, q) + step(bytes, p - across, q + across);
    if over > 2 * limits.edge + 1 {
        return;
    }
    for i in 0..3 {
        let (p, q) = (p - i * across, q + i * across);
        if step(bytes, p, p - across) > limits.interior || step(bytes, q, q + across) > limits.interior {
            return;
        }
    }
    let outer = (bytes[p - across] as i32 - bytes[q + across] as i32).clamp(-128, 127);
    if step(bytes, p, p - across) > limits.variance || step(bytes, q, q + across) > limits.variance {
        narrow(bytes, at, across, outer);
    } else if limits.outer {
        wide(bytes, at, across, outer);
    } else {
        let by = (narrow(bytes, at, across, 0) + 1) >> 1;
        shift(bytes, p - across, by);
        shift(bytes, q + across, -by);
    }
}

/// An edge of `size` pixels from `at` on.
fn edge(bytes: &mut [u8], at: usize, along: usize, across: usize, size: usize, limits: Limits) {
    for i in 0..size {
        if limits.simple {
            simple(bytes, at + i * along, across, limits);
        } else {
            normal(bytes, at + i * along, across, limits);
        }
    }
}

/// Filters the macroblock in column `x` of row `y`; the blocks in it when `inner`. The simple filter is that
/// of luma only.
pub(super) fn filter(
    bytes: &mut [u8],
    planes: &[Plane; 3],
    y: usize,
    x: usize,
    strength: Strength,
    inner: bool,
    is_simple: bool,
) {
    if strength.level == 0 {
        return;
    }
    let within = 2 * strength.level + strength.interior;
    let variance = (strength.level >= 15) as i32 + (strength.level >= 40) as i32;
    let interior = strength.interior;
    let outside = Limits { edge: within + 4, interior, variance, outer: true, simple: is_simple };
    let inside = Limits { edge: within, interior, variance, outer: false, simple: is_simple };
    for (i, plane) in planes.iter().enumerate() {
        if i > 0 && is_simple {
            return;
        }
        let size = if i == 0 { 16 } else { 8 };
        let stride = plane.stride;
        let at = plane.at + size * (y * stride + x);
        if x > 0 {
            edge(bytes, at, stride, 1, size, outside);
        }
        if inner {
            for k in 1..size / 4 {
                edge(bytes, at + 4 * k, stride, 1, size, inside);
            }
        }
        if y > 0 {
            edge(bytes, at, 1, stride, size, outside);
        }
        if inner {
            for k in 1..size / 4 {
                edge(bytes, at + 4 * k * stride, 1, stride, size, inside);
            }
        }
    }
}
