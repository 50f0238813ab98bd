//! Images for the boot loader's drive: UF2 (github.com/microsoft/uf2; RP2040 datasheet 2.8.4.2).

use std::collections::BTreeMap;

const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const FAMILY_PRESENT: u32 = 0x2000;
/// The family of the RP2040.
pub(crate) const RP2040: u32 = 0xe48b_ff56;
/// Bytes of a block that are written to flash: a page, which the boot loader programs at once.
pub(crate) const PAYLOAD: usize = 256;
/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;

/// The UF2 file of `segments`, addresses in flash and bytes. Pages that any of them touches are written whole, zeros where there is
/// nothing: the boot loader takes blocks of whole aligned pages alone.
pub(crate) fn uf2(segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut pages: BTreeMap<u32, [u8; PAYLOAD]> = BTreeMap::new();
    for (start, bytes) in segments {
        for (i, byte) in bytes.iter().enumerate() {
            let at = start + i as u32;
            let offset = at as usize % PAYLOAD;
            pages.entry(at - offset as u32).or_insert([0; PAYLOAD])[offset] = *byte;
        }
    }
    let total = pages.len() as u32;
    let mut out = Vec::with_capacity(pages.len() * BLOCK);
    for (number, (page, bytes)) in (0..).zip(pages) {
        let header = [MAGIC[0], MAGIC[1], FAMILY_PRESENT, page, PAYLOAD as u32, number, total, RP2040];
        header.iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend(bytes);
        out.resize(out.len() + BLOCK - 32 - PAYLOAD - 4, 0);
        out.extend(MAGIC_END.to_le_bytes());
    }
    out
}

/// What a file is, to the boot loader of an RP2040.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A UF2 file whose blocks are all there and meant for it.
    Rp2040 { blocks: usize },
    /// A UF2 file for another family.
    Other { family: u32 },
    /// A UF2 file that ends early or has a damaged block.
    Damaged { block: usize },
    /// No UF2 file.
    Unknown,
}

/// Looks at all blocks of a file.
pub(crate) fn kind(bytes: &[u8]) -> Kind {
    let word = |block: &[u8], at: usize| {
        u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
    };
    if bytes.len() < 4 || word(bytes, 0) != MAGIC[0] {
        return Kind::Unknown;
    }
    let mut announced = 0;
    for (i, block) in bytes.chunks(BLOCK).enumerate() {
        if block.len() < BLOCK || [word(block, 0), word(block, 4)] != MAGIC || word(block, 508) != MAGIC_END {
            return Kind::Damaged { block: i };
        }
        if word(block, 8) & FAMILY_PRESENT == 0 || word(block, 28) != RP2040 {
            return Kind::Other {
                family: if word(block, 8) & FAMILY_PRESENT == 0 { 0 } else { word(block, 28) },
            };
        }
        announced = word(block, 24) as usize;
    }
    let blocks = bytes.len() / BLOCK;
    if blocks < announced { Kind::Damaged { block: blocks } } else { Kind::Rp2040 { blocks } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teff_rp2040::Image;

    #[test]
    fn what_is_written_is_read_by_the_simulator() {
        let (boot, code) = (vec![1u8; 256], (0..700u32).map(|i| i as u8).collect::<Vec<_>>());
        // Two segments that share a page, and one far away.
        let segments = [
            (0x1000_0000, boot.clone()),
            (0x1000_0100, code.clone()),
            (0x1000_0100 + 704, vec![7; 8]),
            (0x1010_0004, vec![9]),
        ];
        let file = uf2(&segments);
        assert_eq!(kind(&file), Kind::Rp2040 { blocks: 5 });
        let image = Image::parse(&file).unwrap();
        let mut first = [&boot[..], &code, &[0; 4], &[7; 8]].concat();
        first.resize(4 * 256, 0);
        let mut far = vec![0; 256];
        far[4] = 9;
        assert_eq!(image.segments, [(0x1000_0000, first), (0x1010_0000, far)]);
    }

    #[test]
    fn other_files_are_told_apart() {
        let file = uf2(&[(0x1000_0000, vec![1; 600])]);
        assert_eq!(kind(&file), Kind::Rp2040 { blocks: 3 });
        assert_eq!(kind(&file[..1024]), Kind::Damaged { block: 2 });
        assert_eq!(kind(&file[..1000]), Kind::Damaged { block: 1 });
        let mut other = file.clone();
        other[28..32].copy_from_slice(&0xe48b_ff59u32.to_le_bytes());
        assert_eq!(kind(&other), Kind::Other { family: 0xe48b_ff59 });
        assert_eq!(kind(b"\x7fELF"), Kind::Unknown);
        assert_eq!(kind(b""), Kind::Unknown);
    }
}
