//! Frames from one core to the other through the hardware FIFO (RP2040 datasheet 2.3.1.4): eight words each way, and there are three
//! frames, so it is never full.

use crate::frames::Frame;
use core::sync::atomic::{Ordering, compiler_fence};
use rp2040_hal::pac;

fn sio() -> &'static pac::sio::RegisterBlock {
    // SAFETY: each core has its own side of the FIFO, and nothing else here uses it after core 1 has started.
    unsafe { &*pac::SIO::ptr() }
}

/// Gives a frame to the other core.
pub fn send(frame: Frame) {
    // What was written to the frame is seen by who takes the word.
    compiler_fence(Ordering::Release);
    cortex_m::asm::dmb();
    // SAFETY: any word may be written.
    sio().fifo_wr().write(|w| unsafe { w.bits(frame.into_word()) });
    cortex_m::asm::sev();
}

/// A frame that the other core gave.
pub fn receive() -> Option<Frame> {
    if sio().fifo_st().read().vld().bit_is_clear() {
        return None;
    }
    let word = sio().fifo_rd().read().bits();
    cortex_m::asm::dmb();
    compiler_fence(Ordering::Acquire);
    // SAFETY: only `send` writes words, each of a frame that was given up for it.
    unsafe { Frame::from_word(word) }
}
