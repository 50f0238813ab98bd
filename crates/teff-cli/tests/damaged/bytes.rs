//! Damage to bytes, to words of four, and to text.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 16) as usize % n.max(1)
    }
}

/// A copy with bytes changed, removed or put in, a piece twice or taken from elsewhere, or the end cut off. Half of the damage is near the
/// beginning, where headers are.
pub(crate) fn damaged(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + random.below(3) {
        if out.is_empty() {
            break;
        }
        let within = if random.below(2) == 0 { out.len().min(128) } else { out.len() };
        let at = random.below(within);
        match random.below(10) {
            0 => out.truncate(random.below(out.len())),
            1 => drop(out.remove(at)),
            2 => out.insert(at, random.below(256) as u8),
            3 => {
                let from = random.below(other.len());
                let piece = &other[from..(from + 1 + random.below(64)).min(other.len())];
                out.splice(at..at, piece.iter().copied());
            }
            4 => out[at] ^= 1 << random.below(8),
            // A length or size, or a large varint.
            5 => {
                let value = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0001_0000][random.below(6)];
                let value = if random.below(2) == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
                out[at..].iter_mut().zip(value).for_each(|(b, v)| *b = v);
            }
            6 => drop(out.splice(at..at, [0xff; 9])),
            _ => out[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)],
        }
    }
    out
}

/// A copy with numbers of two, four or eight bytes, where they may stand, changed to ones at which sizes, axes and offsets turn.
pub(crate) fn words(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const NUMBERS: [i64; 20] =
        [0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 32, -1, -2, -8, 255, 1 << 15, 1 << 16, 1 << 31, i64::MAX, i64::MIN];
    let mut out = bytes.to_vec();
    // What describes a model stands behind its weights, or there are none.
    let near_end = out.len().saturating_sub(8192);
    for _ in 0..1 + random.below(4) {
        let size = [2, 4, 4, 4, 1, 8][random.below(6)];
        let first = if random.below(3) == 0 { 0 } else { near_end };
        let at = first + random.below(out.len() - first) / size * size;
        let value = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
        out[at..].iter_mut().zip(&value[..size]).for_each(|(b, v)| *b = *v);
    }
    out
}

/// A copy with words and numbers of the text changed, lines twice or gone.
pub(crate) fn text(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: [&str; 26] = [
        "0",
        "-1",
        "1",
        "2",
        "3",
        "7",
        "1000000",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "1e30",
        "nan",
        "inf",
        "true",
        "\"classes\"",
        "[]",
        "[0]",
        "[1000000, 1000000]",
        "\"conv\"",
        "\"lstm\"",
        "\"layer_norm\"",
        "\"reshape\"",
        "\"max_pool\"",
        "\"conv_transpose\"",
        "",
        "=",
    ];
    if random.below(4) == 0 {
        return damaged(bytes, bytes, random);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for _ in 0..1 + random.below(4) {
        let at = random.below(lines.len());
        match random.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            _ => {
                let mut words: Vec<&str> = lines[at].split_inclusive([' ', ',', '=', ':']).collect();
                if words.is_empty() {
                    continue;
                }
                let word = random.below(words.len());
                words[word] = WORDS[random.below(WORDS.len())];
                lines[at] = words.concat();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\n").into_bytes()
}
