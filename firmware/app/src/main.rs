//! A network before the camera of an ArduCAM Pico4ML, its answers on the display.
//!
//! Core 1 owns camera and display ([`Show`]), core 0 the network ([`Recogniser`]); what they share of the board is in [`board`]. Here is
//! what begins: clocks, pins, interrupts, both cores.

#![no_std]
#![no_main]

use board::camera::{self, Capture, Sccb};
use board::display::{Canvas, Display};
use board::{frames, guard, say, serial};
use core::panic::PanicInfo;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{ExceptionFrame, exception};
use digits_firmware::{Recogniser, Show};
use embedded_hal::digital::OutputPin;
use embedded_hal::pwm::SetDutyCycle;
use fugit::RateExtU32;
use hal::multicore::{Multicore, Stack};
use hal::uart::{DataBits, StopBits, UartConfig, UartPeripheral};
use hal::{Clock, Sio, Watchdog, pac};
use pac::interrupt;
use rp2040_hal as hal;
use static_cell::{ConstStaticCell, StaticCell};

#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;

/// The board's crystal in hertz.
const CRYSTAL_HZ: u32 = 12_000_000;
/// Cycles between two ticks of each core: 10 ms at 125 MHz.
const TICK: u32 = 1_250_000;

static CORE1_STACK: Stack<1536> = Stack::new();
// SAFETY: the only one.
static RECOGNISER: ConstStaticCell<Recogniser> = ConstStaticCell::new(unsafe { Recogniser::new() });
static CANVAS: ConstStaticCell<Canvas> = ConstStaticCell::new(Canvas::new());
static SHOW: StaticCell<Show> = StaticCell::new();

#[hal::entry]
fn main() -> ! {
    let mut pac = pac::Peripherals::take().expect("taken once");
    let cause = guard::cause();
    let mut watchdog = Watchdog::new(pac.WATCHDOG);
    let clocks = hal::clocks::init_clocks_and_plls(
        CRYSTAL_HZ,
        pac.XOSC,
        pac.CLOCKS,
        pac.PLL_SYS,
        pac.PLL_USB,
        &mut pac.RESETS,
        &mut watchdog,
    )
    .unwrap_or_else(|_| panic!("the PLLs' settings are the usual ones"));
    let peripherals_hz = clocks.peripheral_clock.freq().to_Hz();
    let mut sio = Sio::new(pac.SIO);
    let pins = hal::gpio::Pins::new(pac.IO_BANK0, pac.PADS_BANK0, sio.gpio_bank0, &mut pac.RESETS);
    release(&pac.RESETS);

    // UART 0 by the library, then its registers go to the log.
    let wires = (pins.gpio0.into_function(), pins.gpio1.into_function::<hal::gpio::FunctionUart>());
    let settings = UartConfig::new(115_200.Hz(), DataBits::Eight, None, StopBits::One);
    let uart = UartPeripheral::new(pac.UART0, wires, &mut pac.RESETS)
        .enable(settings, clocks.peripheral_clock.freq())
        .unwrap_or_else(|_| panic!("the speed is one of the usual"));
    let usb =
        hal::usb::UsbBus::new(pac.USBCTRL_REGS, pac.USBCTRL_DPRAM, clocks.usb_clock, true, &mut pac.RESETS);
    serial::start(uart.free().0, usb_device::bus::UsbBusAllocator::new(usb));
    say!("teff {}: network {}, started by {}", env!("CARGO_PKG_VERSION"), network::NAME, cause.text());

    // The camera: reset, clock of 25 MHz (125 / 5 by PWM), control bus with pull-ups; its data pins are inputs as they are.
    let mut reset = pins.gpio2.into_push_pull_output();
    let mut slice = hal::pwm::Slices::new(pac.PWM, &mut pac.RESETS).pwm1;
    slice.set_top(4);
    let _xclk = slice.channel_b.output_to(pins.gpio3);
    let _ = slice.channel_b.set_duty_cycle(2);
    slice.enable();
    let _sda = pins.gpio4.into_function::<hal::gpio::FunctionI2C>().into_pull_type::<hal::gpio::PullUp>();
    let _scl = pins.gpio5.into_function::<hal::gpio::FunctionI2C>().into_pull_type::<hal::gpio::PullUp>();
    let _inputs = (
        pins.gpio6.into_floating_input(),
        pins.gpio14.into_floating_input(),
        pins.gpio15.into_floating_input(),
        pins.gpio16.into_floating_input(),
    );
    let _spi = (
        pins.gpio10.into_function::<hal::gpio::FunctionSpi>(),
        pins.gpio11.into_function::<hal::gpio::FunctionSpi>(),
        pins.gpio7.into_push_pull_output(),
        pins.gpio9.into_push_pull_output(),
        pins.gpio13.into_push_pull_output(),
    );
    let mut led = pins.gpio25.into_push_pull_output();
    let (i2c, spi, pio) = (pac.I2C0, pac.SPI1, pac.PIO0);
    let sccb = Sccb::new(i2c);
    let frames = frames::Frame::take_all().expect("taken once");
    let capture = Capture::new(pio, frames);

    guard::start(network::DEADLINE_MS);
    let mut multicore = Multicore::new(&mut pac.PSM, &mut pac.PPB, &mut sio.fifo);
    let started = multicore.cores()[1].spawn(CORE1_STACK.take().expect("taken once"), move || {
        tick();
        capture.install();
        guard::alive(1);
        let display = Display::start(spi, CANVAS.take());
        guard::alive(1);
        let show = SHOW.init(Show::new(sccb, display, peripherals_hz, cause));
        show.run(|high| {
            let _ = reset.set_state(high.into());
        })
    });
    if started.is_err() {
        guard::restart(guard::Cause::Core1);
    }
    tick();
    let _ = led.set_high();
    RECOGNISER.take().run()
}

/// Takes out of reset what is used by its registers here.
fn release(resets: &pac::RESETS) {
    resets.reset().modify(|_, w| {
        w.dma().clear_bit().i2c0().clear_bit().pio0().clear_bit().spi1().clear_bit().timer().clear_bit()
    });
    // A few cycles; there is no clock yet to give up by.
    while {
        let done = resets.reset_done().read();
        !(done.dma().bit()
            && done.i2c0().bit()
            && done.pio0().bit()
            && done.spi1().bit()
            && done.timer().bit())
    } {}
}

/// Lets this core's tick come.
fn tick() {
    // SAFETY: each core has its own SysTick, and nothing else here uses it.
    let mut core = unsafe { pac::CorePeripherals::steal() };
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(TICK - 1);
    core.SYST.clear_current();
    core.SYST.enable_interrupt();
    core.SYST.enable_counter();
}

/// Each core wakes; core 0 sends what was said, core 1 looks after the watchdog.
#[exception]
fn SysTick() {
    match Sio::core() {
        hal::sio::CoreId::Core0 => serial::on_tick(),
        hal::sio::CoreId::Core1 => guard::look(),
    }
}

#[interrupt]
fn UART0_IRQ() {
    serial::on_uart();
}

#[interrupt]
fn USBCTRL_IRQ() {
    serial::on_usb();
}

#[interrupt]
fn IO_IRQ_BANK0() {
    camera::on_vsync();
}

#[interrupt]
fn DMA_IRQ_0() {
    camera::on_dma();
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("{info}");
    serial::drain();
    guard::restart(guard::Cause::Panic)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    say!("hard fault at {:08x}", frame.pc());
    serial::drain();
    guard::restart(guard::Cause::Fault)
}
