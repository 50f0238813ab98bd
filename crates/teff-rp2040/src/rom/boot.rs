//! The boot sequence: second stage, core 1's wait for its launch, and USB boot (datasheet 2.8.1, 2.8.2).

use super::{BOOT2, DEAD, WAIT_FOR_VECTOR};
use crate::bus::{Bus, Reset};
use crate::cpu::{Core, CoreState};
use crate::error::Fault;
use crate::periph::dma::crc32;

/// Cycles charged from reset to the second stage. The vendor's ROM takes about this long to set the pads, read
/// 256 bytes over slow SPI and check them; the figure is an estimate.
const BOOT: u64 = 20_000;
/// Cycles of one turn of core 1's handshake, from the FIFO word to its echo (an estimate of some 20 instructions).
const HANDSHAKE: u64 = 24;
/// Bytes that the second stage's CRC covers.
const BOOT2_LEN: u32 = 252;

/// Reset of either core: core 0 loads and starts the second stage, core 1 waits.
pub(super) fn reset(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    if core.id == 1 {
        core.jump(WAIT_FOR_VECTOR);
        core.cycle += 8;
        return Ok(());
    }
    core.cycle += BOOT;
    // The ADC's pins come out of the ROM with their inputs off (2.8.1).
    for pin in 26..30 {
        bus.wires.pins.pads[pin] &= !0x40;
    }
    bus.wires.pins.reconfigure(core.cycle);
    if let Some((entry, stack)) = watchdog_vector(bus) {
        core.begin_stack(stack);
        core.regs[14] = DEAD | 1;
        core.jump(entry & !1);
        return Ok(());
    }
    if !boot2_valid(bus) {
        bus.request_reset(Reset::UsbBoot);
        return Ok(());
    }
    for i in 0..64 {
        let word = bus.flash[i as usize];
        for (byte, value) in word.to_le_bytes().into_iter().enumerate() {
            bus.poke_byte(BOOT2 + 4 * i + byte as u32, value);
        }
    }
    core.regs[14] = 0; // tells the second stage to go on to the program
    core.jump(BOOT2);
    Ok(())
}

/// A program may leave an entry in the watchdog's scratch registers (2.8.1.1): magic, entry negated, stack, entry.
fn watchdog_vector(bus: &mut Bus) -> Option<(u32, u32)> {
    const MAGIC: u32 = 0xb007_c0d3;
    let s = &mut bus.watchdog.scratch;
    let entry = s[7];
    if s[4] != MAGIC || s[5] != entry ^ MAGIC.wrapping_neg() {
        return None;
    }
    s[4] = 0;
    Some((entry, s[6]))
}

/// True when the first 256 bytes of flash end with the CRC of the rest.
pub(crate) fn boot2_valid(bus: &Bus) -> bool {
    let byte = |i: u32| (bus.flash[(i / 4) as usize] >> (8 * (i & 3))) as u8;
    let crc = (0..BOOT2_LEN).fold(u32::MAX, |crc, i| crc32(crc, byte(i).into()));
    crc == bus.flash[63]
}

/// Core 1 comes up, or starts the handshake anew: it empties its FIFO and says that it is ready.
pub(super) fn wait_for_vector(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    while bus.sio.has_word(core.id) {
        bus.sio.pop(core.id, &mut bus.wires);
    }
    bus.sio.push(core.id, 0, &mut bus.wires);
    bus.send_event();
    core.regs[7] = 0;
    core.cycle += HANDSHAKE;
    Ok(())
}

/// Waits for a word of the sequence 0, 0, 1, vector table, stack pointer, entry and echoes it. R7 counts.
pub(super) fn handshake(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    core.pc -= 2; // again, until the sequence is complete
    if !bus.sio.has_word(core.id) {
        core.cycle += 2;
        if !bus.take_event(core.id) {
            core.state = CoreState::WaitEvent;
            bus.wires.sched.interrupt_run();
        }
        return Ok(());
    }
    core.cycle += HANDSHAKE;
    let word = bus.sio.pop(core.id, &mut bus.wires);
    let step = core.regs[7];
    if word == 0 || step == 0 && word != 1 {
        core.jump(WAIT_FOR_VECTOR);
        return Ok(());
    }
    match step {
        0 => {}
        1 => core.nvic.vtor = word & 0xffff_ff00,
        2 => core.begin_stack(word),
        _ => {
            core.regs[14] = DEAD | 1;
            core.jump(word & !1);
        }
    }
    core.regs[7] = step + 1;
    bus.sio.push(core.id, word, &mut bus.wires);
    bus.send_event();
    Ok(())
}

/// Where a program that returns to the ROM ends: asleep for good.
pub(super) fn dead(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    core.pc -= 2;
    core.cycle += 2;
    core.state = CoreState::WaitInterrupt;
    bus.wires.sched.interrupt_run();
    Ok(())
}

/// reset_usb_boot: the simulator ends the run there.
pub(super) fn usb_boot(core: &mut Core, bus: &mut Bus) -> Result<(), Fault> {
    core.pc -= 2;
    core.cycle += 1;
    bus.request_reset(Reset::UsbBoot);
    Ok(())
}
