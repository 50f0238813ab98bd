//! The watchdog. It is fed by an interrupt every 10 ms, and only while both cores have lately said that they are alive; what it was
//! that hung is kept in a register that survives the reset, and told after it.

use crate::time::micros;
use core::sync::atomic::{AtomicU32, Ordering};
use rp2040_hal::pac;

/// The watchdog bites this long after it was last fed.
const PERIOD_MS: u32 = 500;
/// How long core 1 may take from frame to frame, with every wait for camera and display at its longest.
const CORE1_US: u32 = 1_500_000;
/// How long core 0 may, as [`start`] was told.
static CORE0_US: AtomicU32 = AtomicU32::new(0);

/// When each core last said that it is alive.
static ALIVE: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// What ended the run before this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Cause {
    /// Power came, or the reset pin.
    PowerOn = 0,
    /// Core 0 did not come back from the network.
    Core0 = 1,
    /// Core 1 did not come back from camera or display.
    Core1 = 2,
    /// A panic.
    Panic = 3,
    /// A hard fault.
    Fault = 4,
    /// The watchdog bit, and nobody says why: interrupts had stopped.
    Unknown = 5,
}

impl Cause {
    /// For serial and display.
    pub fn text(self) -> &'static str {
        match self {
            Cause::PowerOn => "power on",
            Cause::Core0 => "core 0 hung",
            Cause::Core1 => "core 1 hung",
            Cause::Panic => "panic",
            Cause::Fault => "hard fault",
            Cause::Unknown => "watchdog",
        }
    }
}

fn watchdog() -> &'static pac::watchdog::RegisterBlock {
    // SAFETY: after the clocks are up, only this file uses it.
    unsafe { &*pac::WATCHDOG::ptr() }
}

/// Why this run began. Scratch register 0 holds the cause, its complement in register 1 so that chance is not believed.
pub fn cause() -> Cause {
    let reason = watchdog().reason().read().bits();
    let (cause, check) = (watchdog().scratch0().read().bits(), watchdog().scratch1().read().bits());
    watchdog().scratch0().reset();
    watchdog().scratch1().reset();
    if reason == 0 {
        return Cause::PowerOn;
    }
    let known = [Cause::Core0, Cause::Core1, Cause::Panic, Cause::Fault];
    known.into_iter().find(|c| *c as u32 == cause && check == !cause).unwrap_or(Cause::Unknown)
}

/// Says that this core is alive.
pub fn alive(core: usize) {
    ALIVE[core].store(micros(), Ordering::Relaxed);
}

/// Lets the watchdog run: it counts microseconds twice (RP2040-E1). Core 0 may take `core0_ms` milliseconds from frame to frame.
pub fn start(core0_ms: u32) {
    CORE0_US.store(core0_ms * 1000, Ordering::Relaxed);
    alive(0);
    alive(1);
    feed();
    // SAFETY: all but the oscillators are reset (datasheet 2.13.3), as after power-on.
    unsafe { (*pac::PSM::ptr()).wdsel().write(|w| w.bits(0x0001_fffc)) };
    watchdog().ctrl().modify(|_, w| {
        w.enable().set_bit().pause_dbg0().set_bit().pause_dbg1().set_bit().pause_jtag().set_bit()
    });
}

fn feed() {
    // SAFETY: within the 24 bits of the field.
    watchdog().load().write(|w| unsafe { w.bits(PERIOD_MS * 1000 * 2) });
}

/// In the interrupt: feeds the watchdog, or says who hangs.
pub fn look() {
    let now = micros();
    let since = |core: usize| now.wrapping_sub(ALIVE[core].load(Ordering::Relaxed));
    // A time that lies ahead by a little was written after `now` was read.
    let hung = |core: usize, limit: u32| since(core) > limit && since(core) < u32::MAX / 2;
    if hung(0, CORE0_US.load(Ordering::Relaxed)) {
        remember(Cause::Core0);
    } else if hung(1, CORE1_US) {
        remember(Cause::Core1);
    } else {
        feed();
    }
}

fn remember(cause: Cause) {
    // SAFETY: any word may be kept.
    unsafe {
        watchdog().scratch0().write(|w| w.bits(cause as u32));
        watchdog().scratch1().write(|w| w.bits(!(cause as u32)));
    }
}

/// Begins anew, remembering why.
pub fn restart(cause: Cause) -> ! {
    remember(cause);
    watchdog().ctrl().modify(|_, w| w.trigger().set_bit());
    loop {
        cortex_m::asm::nop();
    }
}
