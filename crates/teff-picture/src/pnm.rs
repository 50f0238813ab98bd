//! PNM, which is PBM, PGM and PPM (as Netpbm's manual has them).
//!
//! Decoded: P1 to P6, which are bits, grey and RGB, as text and as bytes; any largest value up to 255, scaled
//! to 255 and rounded to the nearest, ties to even; comments. Refused: larger values, and other kinds (PAM,
//! PFM). What follows the first picture is ignored.

use super::job::Job;

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let kind = job.byte(1).wrapping_sub('0' as u32);
    if !(1..=6).contains(&kind) || !is_space(job.byte(2)) {
        return None;
    }
    let mut at = 3;
    if number(job, &mut at)? as usize != job.width || number(job, &mut at)? as usize != job.height {
        return None;
    }
    let bits = kind == 1 || kind == 4;
    let most = if bits { 1 } else { number(job, &mut at)? };
    if !(1..=255).contains(&most) {
        return None;
    }
    let mut pnm = Pnm { kind, most, at, bit: 0 };
    for y in 0..job.height {
        pnm.bit = 0;
        for x in 0..job.width {
            if kind == 3 || kind == 6 {
                let red = pnm.sample(job)?;
                let green = pnm.sample(job)?;
                let blue = pnm.sample(job)?;
                job.set(y, x, red, green, blue);
            } else {
                let grey = pnm.sample(job)?;
                job.set(y, x, grey, grey, grey);
            }
        }
    }
    Some(())
}

struct Pnm {
    kind: u32,
    /// The largest value.
    most: u32,
    /// The next byte, and how many bits of it are read.
    at: usize,
    bit: u32,
}

impl Pnm {
    fn sample(&mut self, job: &Job) -> Option<u32> {
        let value = match self.kind {
            1 => {
                // Digits need no space between them.
                skip(job, &mut self.at);
                let digit = job.byte(self.at).wrapping_sub('0' as u32);
                self.at += 1;
                if digit > 1 {
                    return None;
                }
                1 - digit
            }
            2 | 3 => {
                let value = number(job, &mut self.at)?;
                if value > self.most {
                    return None;
                }
                value
            }
            4 => {
                let byte = *job.file.get(self.at - (self.bit > 0) as usize)? as u32;
                let value = byte >> (7 - self.bit) & 1;
                self.at += (self.bit == 0) as usize;
                self.bit = (self.bit + 1) % 8;
                1 - value
            }
            _ => {
                self.at += 1;
                *job.file.get(self.at - 1)? as u32
            }
        };
        Some(scaled(value, self.most))
    }
}

/// `255 value / most`, rounded, at most 255.
fn scaled(value: u32, most: u32) -> u32 {
    if most == 255 {
        return value;
    }
    let twice = 510 * value + most;
    let rounded = twice / (2 * most);
    let rest = twice % (2 * most);
    let even = if rest == 0 { rounded & !1 } else { rounded };
    even.min(255)
}

/// Blank, tabulators, line feed, form feed, carriage return.
fn is_space(byte: u32) -> bool {
    byte == 32 || (9..=13).contains(&byte)
}

/// Goes over space and over comments, which are from `#` to the end of the line.
fn skip(job: &Job, at: &mut usize) {
    let mut comment = false;
    while *at < job.file.len() {
        let byte = job.byte(*at);
        if comment {
            comment = byte != 10 && byte != 13;
        } else if byte == '#' as u32 {
            comment = true;
        } else if !is_space(byte) {
            return;
        }
        *at += 1;
    }
}

/// The next number, and what ends it: a byte of space, or a comment.
fn number(job: &Job, at: &mut usize) -> Option<u32> {
    skip(job, at);
    let mut value = 0;
    let mut digits = 0;
    loop {
        let digit = job.byte(*at).wrapping_sub('0' as u32);
        if digit > 9 {
            break;
        }
        if digits == 9 {
            return None;
        }
        value = value * 10 + digit;
        digits += 1;
        *at += 1;
    }
    if digits == 0 {
        return None;
    }
    if job.byte(*at) == '#' as u32 {
        while *at < job.file.len() && job.byte(*at) != 10 && job.byte(*at) != 13 {
            *at += 1;
        }
    } else if *at < job.file.len() && !is_space(job.byte(*at)) {
        return None;
    }
    *at += 1;
    Some(value)
}
