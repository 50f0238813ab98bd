//! Two cores with rp2040-hal: launch, FIFO both ways with floats of the boot ROM on core 1, the hardware divider, timer
//! alarms as interrupts, text on UART 0, a watchdog that is fed.

#![no_std]
#![no_main]

use core::fmt::Write;
use core::sync::atomic::{AtomicU32, Ordering};
use firmware_hal::{CRYSTAL, exit};
use fugit::{ExtU32, RateExtU32};
use hal::multicore::{Multicore, Stack};
use hal::uart::{DataBits, StopBits, UartConfig, UartPeripheral};
use hal::{Clock, Sio, Timer, Watchdog, pac};
use pac::interrupt;
use rp2040_hal as hal;

static CORE1_STACK: Stack<4096> = Stack::new();
static ALARMS: AtomicU32 = AtomicU32::new(0);

/// Adds up halves of what core 0 sends.
fn core1() {
    // SAFETY: core 0 uses other registers of the SIO.
    let pac = unsafe { pac::Peripherals::steal() };
    let mut sio = Sio::new(pac.SIO);
    let mut sum = 0f32;
    loop {
        sum += sio.fifo.read_blocking() as f32 * 0.5;
        sio.fifo.write_blocking((sum * 100.0) as u32);
    }
}

#[interrupt]
fn TIMER_IRQ_0() {
    // SAFETY: the alarm belongs to this handler.
    let timer = unsafe { &*pac::TIMER::ptr() };
    timer.intr().write(|w| w.alarm_0().clear_bit_by_one());
    critical_section::with(|_| ALARMS.store(ALARMS.load(Ordering::Relaxed) + 1, Ordering::Relaxed));
    let now = timer.timerawl().read().bits();
    // SAFETY: any word is a time.
    timer.alarm0().write(|w| unsafe { w.bits(now + 1000) });
}

#[hal::entry]
fn main() -> ! {
    let mut pac = pac::Peripherals::take().unwrap();
    let mut watchdog = Watchdog::new(pac.WATCHDOG);
    let clocks = hal::clocks::init_clocks_and_plls(
        CRYSTAL,
        pac.XOSC,
        pac.CLOCKS,
        pac.PLL_SYS,
        pac.PLL_USB,
        &mut pac.RESETS,
        &mut watchdog,
    )
    .ok()
    .unwrap();
    watchdog.start(50.millis());
    let mut sio = Sio::new(pac.SIO);
    let pins = hal::gpio::Pins::new(pac.IO_BANK0, pac.PADS_BANK0, sio.gpio_bank0, &mut pac.RESETS);
    let mut uart = UartPeripheral::new(
        pac.UART0,
        (pins.gpio0.into_function(), pins.gpio1.into_function()),
        &mut pac.RESETS,
    )
    .enable(
        UartConfig::new(115_200.Hz(), DataBits::Eight, None, StopBits::One),
        clocks.peripheral_clock.freq(),
    )
    .unwrap();
    writeln!(uart, "clk_sys {} Hz", clocks.system_clock.freq().to_Hz()).unwrap();

    let mut multicore = Multicore::new(&mut pac.PSM, &mut pac.PPB, &mut sio.fifo);
    let started = multicore.cores()[1].spawn(CORE1_STACK.take().unwrap(), core1);
    writeln!(uart, "core 1 started: {}", started.is_ok()).unwrap();
    for i in 1..5 {
        sio.fifo.write_blocking(i);
        writeln!(uart, "{} -> {}", i, sio.fifo.read_blocking()).unwrap();
    }
    let divided = sio.hwdivider.signed(-1_000_003, 7);
    writeln!(uart, "divided {} {}", divided.quotient, divided.remainder).unwrap();
    watchdog.feed();

    let timer = Timer::new(pac.TIMER, &mut pac.RESETS, &clocks);
    // SAFETY: only bits of alarm 0 are written, and any word is a time.
    unsafe {
        let registers = &*pac::TIMER::ptr();
        registers.inte().write(|w| w.bits(1));
        registers.alarm0().write(|w| w.bits(timer.get_counter_low() + 1000));
        cortex_m::peripheral::NVIC::unmask(pac::Interrupt::TIMER_IRQ_0);
    }
    let begin = timer.get_counter();
    while ALARMS.load(Ordering::Relaxed) < 10 {
        cortex_m::asm::wfi();
    }
    let took = (timer.get_counter() - begin).to_micros();
    writeln!(uart, "ten alarms {}", (9_990..10_200).contains(&took)).unwrap();

    let sum = (1..=50).fold(0f64, |sum, k| sum + 1.0 / (f64::from(k) * f64::from(k)));
    let sine = hal::rom_data::float_funcs::fsin::ptr()(1.0);
    writeln!(uart, "sum {} sine {}", (sum * 1e6) as u32, (sine * 1e6) as i32).unwrap();
    while uart.uart_is_busy() {}
    exit(7)
}
