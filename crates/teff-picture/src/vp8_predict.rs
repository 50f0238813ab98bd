//! VP8's pixels: prediction from those above and to the left, and the transforms of coefficients (RFC 6386,
//! sections 12 and 14).

/// A plane of pixels in memory: where its first pixel is, and from row to row. Before each row is a pixel of
/// 129, above the first row are some of 127: what prediction takes outside the picture (section 12.2).
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) at: usize,
    pub(super) stride: usize,
}

/// The bytes of a plane of `height` rows.
pub(super) const fn plane_bytes(height: usize, width: usize) -> usize {
    (height + 1) * (width + 1)
}

/// A plane at `at`, with its borders set.
pub(super) fn plane(bytes: &mut [u8], at: usize, height: usize, width: usize) -> Plane {
    let stride = width + 1;
    for x in 0..stride {
        bytes[at + x] = 127;
    }
    for y in 0..height {
        bytes[at + (y + 1) * stride] = 129;
    }
    Plane { at: at + stride + 1, stride }
}

/// The modes of 4x4 blocks from "vertical" on, pixel by pixel (section 12.3). A number n below 16 is the
/// weighted mean of three neighbours, n - 1 to n + 1; 16 + n is the mean of the neighbours n and n + 1.
static DIRECTIONS: [[u8; 16]; 8] = [
    [6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9],
    [4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1],
    [7, 8, 9, 10, 8, 9, 10, 11, 9, 10, 11, 12, 10, 11, 12, 13],
    [5, 6, 7, 8, 4, 5, 6, 7, 3, 4, 5, 6, 2, 3, 4, 5],
    [21, 22, 23, 24, 5, 6, 7, 8, 4, 21, 22, 23, 3, 5, 6, 7],
    [22, 23, 24, 25, 7, 8, 9, 10, 23, 24, 25, 11, 8, 9, 10, 12],
    [20, 5, 6, 7, 19, 4, 20, 5, 18, 3, 19, 4, 17, 2, 18, 3],
    [19, 3, 18, 2, 18, 2, 17, 1, 17, 1, 16, 16, 16, 16, 16, 16],
];

fn fill(bytes: &mut [u8], at: usize, stride: usize, size: usize, value: u8) {
    for y in 0..size {
        for x in 0..size {
            bytes[at + y * stride + x] = value;
        }
    }
}

/// What is to the left, and the change from the corner to what is above.
fn true_motion(bytes: &mut [u8], at: usize, stride: usize, size: usize) {
    let corner = bytes[at - stride - 1] as i32;
    for y in 0..size {
        let left = bytes[at + y * stride - 1] as i32;
        for x in 0..size {
            let value = left + bytes[at - stride + x] as i32 - corner;
            bytes[at + y * stride + x] = value.clamp(0, 255) as u8;
        }
    }
}

/// Predicts a 4x4 block. `right` are the four pixels that follow the four above it.
pub(super) fn predict_small(bytes: &mut [u8], at: usize, stride: usize, mode: usize, right: [u8; 4]) {
    // From the left ones, the lowest first and twice, over the corner, number 5, to those above, the last
    // twice.
    let mut beside = [0; 15];
    for i in 0..4 {
        beside[4 - i] = bytes[at + i * stride - 1] as u32;
        beside[6 + i] = bytes[at - stride + i] as u32;
        beside[10 + i] = right[i] as u32;
    }
    beside[0] = beside[1];
    beside[5] = bytes[at - stride - 1] as u32;
    beside[14] = beside[13];
    if mode == 0 {
        let mut sum = 4;
        for i in 0..4 {
            sum += beside[1 + i] + beside[6 + i];
        }
        fill(bytes, at, stride, 4, (sum / 8) as u8);
    } else if mode == 1 {
        true_motion(bytes, at, stride, 4);
    } else {
        for i in 0..16 {
            let n = DIRECTIONS[mode - 2][i] as usize;
            bytes[at + i / 4 * stride + i % 4] = if n < 16 {
                ((beside[n - 1] + 2 * beside[n] + beside[n + 1] + 2) / 4) as u8
            } else {
                ((beside[n - 16] + beside[n - 15] + 1) >> 1) as u8
            };
        }
    }
}

/// Predicts a block of `size` in a mode of a whole macroblock (section 12.2). `above` and `left` say whether
/// there are pixels in the picture.
pub(super) fn predict(
    bytes: &mut [u8],
    at: usize,
    stride: usize,
    size: usize,
    mode: usize,
    above: bool,
    left: bool,
) {
    if mode == 0 {
        let mut sum = 0;
        for i in 0..size {
            if above {
                sum += bytes[at - stride + i] as usize;
            }
            if left {
                sum += bytes[at + i * stride - 1] as usize;
            }
        }
        let count = if above && left { 2 * size } else { size };
        let mean = if above || left { (sum + count / 2) / count } else { 128 };
        fill(bytes, at, stride, size, mean as u8);
    } else if mode == 3 {
        true_motion(bytes, at, stride, size);
    } else {
        for y in 0..size {
            for x in 0..size {
                let from = if mode == 1 { at - stride + x } else { at + y * stride - 1 };
                bytes[at + y * stride + x] = bytes[from];
            }
        }
    }
}

/// `value` times `factor / 65536`, for the factors of section 14.3.
fn scale(value: i32, factor: i32) -> i32 {
    value.wrapping_mul(factor) >> 16
}

/// The sum and difference parts of four numbers, by the square root of 2 times the cosine and the sine of
/// pi/8 (section 14.3).
fn rotate(a: i32, b: i32, c: i32, d: i32) -> [i32; 4] {
    let even = a + c;
    let odd = a - c;
    let low = scale(b, 35468) - (d + scale(d, 20091));
    let high = b + scale(b, 20091) + scale(d, 35468);
    [even + high, odd + low, odd - low, even - high]
}

/// Adds the transform of a block of coefficients to the pixels.
pub(super) fn add(bytes: &mut [u8], at: usize, stride: usize, block: &[i16]) {
    let mut columns = [[0; 4]; 4];
    for x in 0..4 {
        columns[x] = rotate(block[x] as i32, block[4 + x] as i32, block[8 + x] as i32, block[12 + x] as i32);
    }
    for y in 0..4 {
        let row = rotate(columns[0][y] + 4, columns[1][y], columns[2][y], columns[3][y]);
        for x in 0..4 {
            let to = at + y * stride + x;
            bytes[to] = (bytes[to] as i32 + (row[x] >> 3)).clamp(0, 255) as u8;
        }
    }
}

/// The sums of the Walsh-Hadamard transform (section 14.3).
fn sums(a: i32, b: i32, c: i32, d: i32) -> [i32; 4] {
    [a + d + b + c, a - d + b - c, a + d - b - c, a - d - b + c]
}

/// Transforms the last of 25 blocks into the first coefficients of the first 16.
pub(super) fn spread(blocks: &mut [i16; 400]) {
    let mut columns = [[0; 4]; 4];
    for x in 0..4 {
        let (a, b) = (blocks[384 + x] as i32, blocks[388 + x] as i32);
        let (c, d) = (blocks[392 + x] as i32, blocks[396 + x] as i32);
        columns[x] = sums(a, b, c, d);
    }
    for y in 0..4 {
        let row = sums(columns[0][y] + 3, columns[1][y], columns[2][y], columns[3][y]);
        for x in 0..4 {
            blocks[64 * y + 16 * x] = (row[x] >> 3) as i16;
        }
    }
}
