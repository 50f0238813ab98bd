//! The address map (datasheet 2.2), and which bank a word lies in (2.6.2).

/// Boot ROM, 16 kB at address 0.
pub(crate) const ROM_SIZE: u32 = 0x4000;
/// Execute-in-place flash; bits 25 and 24 choose how the cache treats an access (2.6.3).
pub(crate) const FLASH: u32 = 0x1000_0000;
/// Registers of the XIP cache (2.6.3.6).
pub(crate) const XIP_CTRL: u32 = 0x1400_0000;
/// The cache's memory, as RAM while the cache is off.
pub(crate) const XIP_SRAM: u32 = 0x1500_0000;
pub(crate) const XIP_SRAM_SIZE: u32 = 0x4000;
/// The serial flash controller (4.10).
pub(crate) const XIP_SSI: u32 = 0x1800_0000;
/// SRAM: four banks of 64 kB striped by words, then two of 4 kB.
pub(crate) const SRAM: u32 = 0x2000_0000;
pub(crate) const SRAM_SIZE: u32 = 0x4_2000;
const STRIPED_SIZE: u32 = 0x4_0000;
/// The four big banks again, each contiguous.
pub(crate) const SRAM_BANKS: u32 = 0x2100_0000;

/// Ports that one master can use in a cycle: SRAM banks 0 to 5, then these two.
pub(crate) const BANK_ROM: usize = 6;
pub(crate) const BANK_XIP: usize = 7;

/// The bank of the byte at `offset` into SRAM.
#[inline(always)]
pub(crate) const fn bank_of(offset: u32) -> usize {
    if offset < STRIPED_SIZE { (offset >> 2 & 3) as usize } else { 4 + (offset >> 12 & 1) as usize }
}

/// Where the byte at `offset` into the contiguous view of the banks lies in the striped view.
pub(crate) const fn striped(offset: u32) -> u32 {
    let (bank, within) = (offset >> 16 & 3, offset & 0xffff);
    (within >> 2) << 4 | bank << 2 | within & 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_striped_over_four_banks_and_the_last_two_are_contiguous() {
        let banks: Vec<_> = [0, 4, 8, 12, 16, 0x4_0000, 0x4_0ffc, 0x4_1000].map(bank_of).to_vec();
        assert_eq!(banks, [0, 1, 2, 3, 0, 4, 4, 5]);
        assert_eq!(striped(0x1_0000), 4);
        assert_eq!(striped(0x3_0006), 0x10 | 3 << 2 | 2);
    }
}
