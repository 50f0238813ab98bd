//! What the programs share: the second stage, and an exit that the simulator understands.

#![no_std]

use panic_halt as _;

#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

/// The board's crystal in hertz.
pub const CRYSTAL: u32 = 12_000_000;

/// Ends the program with an exit status (Arm semihosting, SYS_EXIT_EXTENDED).
pub fn exit(status: u32) -> ! {
    let block = [0x2_0026u32, status];
    // SAFETY: the debugger, or the simulator, reads the two words and does not come back.
    unsafe { core::arch::asm!("bkpt #0xab", in("r0") 0x20, in("r1") block.as_ptr()) };
    loop {}
}
