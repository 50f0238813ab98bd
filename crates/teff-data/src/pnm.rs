//! Netpbm: P2 and P5 (grey), P3 and P6 (colour); as text or binary, 8 or 16 bits.
//!
//! Format: netpbm.sourceforge.net/doc/pgm.html and ppm.html.

use crate::error::{Error, Result};
use crate::picture::{Picture, size};

/// Decodes what follows `P` and `kind`, `2`, `3`, `5` or `6`; `name` is for errors.
pub(crate) fn decode(name: &str, kind: u8, bytes: &[u8]) -> Result<Picture> {
    let channels = if matches!(kind, b'2' | b'5') { 1 } else { 3 };
    let text = matches!(kind, b'2' | b'3');
    let mut rest = bytes;
    let mut header = [0; 3];
    for (value, what) in header.iter_mut().zip(["width", "height", "largest value"]) {
        *value = number(&mut rest)
            .filter(|&n| n > 0)
            .ok_or_else(|| Error::damaged(name, format!("its header gives no {what}")))?;
    }
    let [width, height, largest] = header;
    if largest > 0xffff {
        return Err(Error::damaged(name, format!("its largest value is {largest}, over 65535")));
    }
    // One byte of whitespace ends the header of the binary kinds.
    let body = if text { rest } else { rest.get(1..).unwrap_or(&[]) };
    let sample_len = if text || largest < 256 { 1 } else { 2 };
    // In text each value takes at least one byte too, so this bounds what is reserved below.
    let size = size(name, [width, height, channels * sample_len], body.len(), 1)?;
    let count = size / sample_len;
    let scaled = |value: usize| (value.min(largest) * 255 + largest / 2) / largest;
    let mut pixels = Vec::with_capacity(count);
    if text {
        let mut body = body;
        for i in 0..count {
            let value = number(&mut body)
                .ok_or_else(|| Error::damaged(name, format!("it ends after {i} of {count} values")))?;
            pixels.push(scaled(value) as u8);
        }
    } else if sample_len == 1 {
        pixels.extend(body[..size].iter().map(|&v| scaled(usize::from(v)) as u8));
    } else {
        let pairs = body[..size].chunks_exact(2);
        pixels.extend(pairs.map(|v| scaled(usize::from(u16::from_be_bytes([v[0], v[1]]))) as u8));
    }
    Ok(Picture { channels, height, width, pixels })
}

/// Takes a decimal number off the front, after whitespace and `#` comments.
fn number(rest: &mut &[u8]) -> Option<usize> {
    loop {
        match rest.first()? {
            b'#' => {
                let end = rest.iter().position(|&b| b == b'\n')?;
                *rest = &rest[end..];
            }
            b if b.is_ascii_whitespace() => *rest = &rest[1..],
            _ => break,
        }
    }
    let len = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(len);
    *rest = after;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::picture::Picture;

    #[test]
    fn text_and_binary_grey_and_colour_agree() {
        let grey = [b"P2 # made by hand\n2 1\n255\n7 9\n".as_slice(), b"P5\n2 1\n255\n\x07\x09"];
        for bytes in grey {
            let image = Picture::decode("a.pgm", bytes).unwrap();
            assert_eq!((image.channels, image.height, image.width), (1, 1, 2));
            assert_eq!(image.planes(), [7, 9]);
        }
        let colour = [b"P3 1 2 255 1 2 3 4 5 6".as_slice(), b"P6 1 2 255 \x01\x02\x03\x04\x05\x06"];
        for bytes in colour {
            let image = Picture::decode("a.ppm", bytes).unwrap();
            assert_eq!((image.channels, image.height, image.width), (3, 2, 1));
            assert_eq!(image.planes(), [1, 4, 2, 5, 3, 6]);
        }
    }

    #[test]
    fn other_ranges_are_scaled_to_bytes() {
        assert_eq!(Picture::decode("a.pgm", b"P5 2 1 1 \x00\x01").unwrap().planes(), [0, 255]);
        assert_eq!(Picture::decode("a.pgm", b"P5 2 1 65535 \x80\x00\xff\xff").unwrap().planes(), [128, 255]);
    }

    #[test]
    fn absurd_sizes_and_cut_files_are_refused() {
        let messages = [
            (b"P5 99999999 99999999 255 ".as_slice(), "99999999x99999999 pixels, more than 67108864"),
            (b"P5 1000 1000 255 ", "1000x1000 pixels do not fit into 0 bytes"),
            (b"P5 2 2 255 abc", "2x2 pixels do not fit into 3 bytes"),
            (b"P2 2 2 255 1 2 3 ", "ends after 3 of 4 values"),
            (b"P5 0 2 255 ", "gives no width"),
            (b"P5 1 1 70000 a", "over 65535"),
            (b"P4 1 1 ", "neither PNG nor JPEG, PGM or PPM"),
            (b"P5 99999999999999999999 1 1 a", "gives no width"),
        ];
        for (bytes, expected) in messages {
            let message = Picture::decode("a.pgm", bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
