//! The ST7735S of the Pico4ML on SPI1. Pixels go by DMA, so the core that draws does not wait for them. The wires carry nothing back:
//! whether a display is there cannot be known, and nothing here waits for one.

mod canvas;
pub use canvas::{Canvas, HEIGHT, WIDTH, grey};

use crate::time::{sleep_ms, within};
use rp2040_hal::pac;

/// Pins of the SIO.
const RESET: u32 = 7;
const DC: u32 = 9;
const CS: u32 = 13;
/// The DMA channel, and DREQ of SPI1's transmit FIFO (RP2040 datasheet 2.5.3.1).
const CHANNEL: usize = 1;
const DREQ_SPI1_TX: u8 = 18;

/// Where the panel of 80 columns begins in the controller's memory of 132.
const COLUMN: u8 = 24;

/// Commands with their arguments and the milliseconds after them (Sitronix ST7735S datasheet, chapter 10): frame rates, inversion,
/// power and common voltage as panel makers ship them, colours of 16 bits in the order blue, green, red, gamma, on.
const START: [(u8, &[u8], u32); 20] = [
    (0x01, &[], 150),
    (0x11, &[], 120),
    (0xb1, &[0x01, 0x2c, 0x2d], 0),
    (0xb2, &[0x01, 0x2c, 0x2d], 0),
    (0xb3, &[0x01, 0x2c, 0x2d, 0x01, 0x2c, 0x2d], 0),
    (0xb4, &[0x07], 0),
    (0xc0, &[0xa2, 0x02, 0x84], 0),
    (0xc1, &[0xc5], 0),
    (0xc2, &[0x0a, 0x00], 0),
    (0xc3, &[0x8a, 0x2a], 0),
    (0xc4, &[0x8a, 0xee], 0),
    (0xc5, &[0x0e], 0),
    (0x20, &[], 0),
    (0x36, &[0x08], 0),
    (0x3a, &[0x05], 0),
    (0xe0, &[2, 0x1c, 7, 0x12, 0x37, 0x32, 0x29, 0x2d, 0x29, 0x25, 0x2b, 0x39, 0, 1, 3, 0x10], 0),
    (0xe1, &[3, 0x1d, 7, 6, 0x2e, 0x2c, 0x29, 0x2d, 0x2e, 0x2e, 0x37, 0x3f, 0, 0, 2, 0x10], 0),
    (0x13, &[], 10),
    (0x29, &[], 10),
    // The window is the whole panel, once for all: each memory write begins at its corner.
    (0x2a, &[0, COLUMN, 0, COLUMN + WIDTH as u8 - 1], 0),
];

/// The display.
pub struct Display {
    spi: pac::SPI1,
    canvas: &'static mut Canvas,
}

impl Display {
    /// Takes SPI1, which is out of reset, with pins 10 and 11 its own and 7, 9, 13 outputs of the SIO. Takes 0.3 s.
    pub fn start(spi: pac::SPI1, canvas: &'static mut Canvas) -> Display {
        let mut display = Display { spi, canvas };
        let spi = &display.spi;
        // clk_peri / 4: 31.25 MHz of 125, twice what the controller's maker guarantees for writes (66 ns) and what these boards run at.
        // SAFETY: values within the widths of their fields.
        unsafe {
            spi.sspcpsr().write(|w| w.cpsdvsr().bits(4));
            spi.sspcr0().write(|w| w.dss().bits(7));
        }
        spi.sspdmacr().write(|w| w.txdmae().set_bit());
        spi.sspcr1().write(|w| w.sse().set_bit());
        display.pin(CS, true);
        display.pin(RESET, true);
        sleep_ms(1);
        display.pin(RESET, false);
        sleep_ms(1);
        display.pin(RESET, true);
        sleep_ms(5);
        display.pin(CS, false);
        for (code, arguments, wait_ms) in START {
            display.command(code, arguments);
            sleep_ms(wait_ms);
        }
        display.command(0x2b, &[0, 0, 0, HEIGHT as u8 - 1]);
        display
    }

    fn pin(&self, pin: u32, high: bool) {
        // SAFETY: bits of the display's own pins.
        unsafe {
            let sio = &*pac::SIO::ptr();
            if high {
                sio.gpio_out_set().write(|w| w.bits(1 << pin));
            } else {
                sio.gpio_out_clr().write(|w| w.bits(1 << pin));
            }
        }
    }

    fn command(&mut self, code: u8, arguments: &[u8]) {
        self.pin(DC, false);
        self.bytes(&[code]);
        self.pin(DC, true);
        self.bytes(arguments);
    }

    /// Sends bytes and waits until they are out.
    fn bytes(&mut self, bytes: &[u8]) {
        let spi = &self.spi;
        for byte in bytes {
            within(1000, || spi.sspsr().read().tnf().bit_is_set());
            // SAFETY: a byte.
            spi.sspdr().write(|w| unsafe { w.data().bits((*byte).into()) });
        }
        within(1000, || spi.sspsr().read().bsy().bit_is_clear());
    }

    /// Whether the picture before is on the panel.
    fn idle(&self) -> bool {
        // SAFETY: reading changes nothing.
        let busy = unsafe { (*pac::DMA::ptr()).ch(CHANNEL).ch_ctrl_trig().read().busy().bit_is_set() };
        !busy && self.spi.sspsr().read().bsy().bit_is_clear()
    }

    /// Lets `work` draw over what was there, and begins to send it, which takes 6.6 ms. If the picture before is still under way, waits
    /// for that first.
    pub fn draw(&mut self, work: impl FnOnce(&mut Canvas)) {
        within(20_000, || self.idle());
        work(self.canvas);
        self.command(0x2c, &[]);
        let bytes = self.canvas.bytes();
        // SAFETY: the canvas lives for ever, and is not touched before the transfer has ended; the channel is this file's.
        unsafe {
            let channel = (*pac::DMA::ptr()).ch(CHANNEL);
            channel.ch_read_addr().write(|w| w.bits(bytes.as_ptr() as u32));
            channel.ch_write_addr().write(|w| w.bits(self.spi.sspdr().as_ptr() as u32));
            channel.ch_trans_count().write(|w| w.bits(bytes.len() as u32));
            channel.ch_ctrl_trig().write(|w| {
                w.treq_sel().bits(DREQ_SPI1_TX).chain_to().bits(CHANNEL as u8);
                w.incr_read().set_bit().data_size().size_byte().en().set_bit()
            });
        }
    }
}
