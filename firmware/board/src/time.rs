//! Time since start-up, from the chip's microsecond counter.

use rp2040_hal::pac;

/// Microseconds since start-up; wraps after 71 minutes, so only differences mean something.
pub fn micros() -> u32 {
    // SAFETY: reading the raw counter changes nothing (RP2040 datasheet 4.6.2).
    unsafe { (*pac::TIMER::ptr()).timerawl().read().bits() }
}

/// Waits.
pub fn sleep_ms(ms: u32) {
    let begin = micros();
    while micros().wrapping_sub(begin) < ms * 1000 {}
}

/// Waits until `ready` or until `us` are over; says whether it was ready.
pub fn within(us: u32, mut ready: impl FnMut() -> bool) -> bool {
    let begin = micros();
    loop {
        if ready() {
            return true;
        }
        if micros().wrapping_sub(begin) >= us {
            return ready();
        }
    }
}
