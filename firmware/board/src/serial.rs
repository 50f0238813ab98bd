//! What the firmware says, on UART 0 (115200 baud) and as a USB serial port. Text goes to a ring in memory and from there by
//! interrupts of core 0, so that nobody waits for a wire; what a port has not taken when the ring comes round again is lost to it.

use crate::time::within;
use core::cell::RefCell;
use core::fmt::Write;
use critical_section::Mutex;
use rp2040_hal::pac;
use rp2040_hal::usb::UsbBus;
use static_cell::StaticCell;
use usb_device::bus::UsbBusAllocator;
use usb_device::prelude::*;
use usbd_serial::SerialPort;

/// Characters kept.
const RING: usize = 1024;

struct Ports {
    ring: [u8; RING],
    /// Characters ever written, and how many of them each port has.
    written: usize,
    on_uart: usize,
    on_usb: usize,
    uart: pac::UART0,
    device: UsbDevice<'static, UsbBus>,
    port: SerialPort<'static, UsbBus>,
}

static PORTS: Mutex<RefCell<Option<Ports>>> = Mutex::new(RefCell::new(None));
static BUS: StaticCell<UsbBusAllocator<UsbBus>> = StaticCell::new();

/// Takes UART 0, which is set up, and the USB; interrupts of this core serve them from now on.
pub fn start(uart: pac::UART0, bus: UsbBusAllocator<UsbBus>) {
    let bus = BUS.init(bus);
    let port = SerialPort::new(bus);
    let strings = StringDescriptors::default().manufacturer("teff").product("Pico4ML");
    // The vendor's and product's numbers for tests (pid.codes).
    let device = UsbDeviceBuilder::new(bus, UsbVidPid(0x1209, 0x0001))
        .strings(&[strings])
        .map(|builder| builder.device_class(usbd_serial::USB_CLASS_CDC).build());
    let Ok(device) = device else { return };
    let ports = Ports { ring: [0; RING], written: 0, on_uart: 0, on_usb: 0, uart, device, port };
    critical_section::with(|cs| PORTS.replace(cs, Some(ports)));
    // SAFETY: the handlers are ready.
    unsafe {
        cortex_m::peripheral::NVIC::unmask(pac::Interrupt::UART0_IRQ);
        cortex_m::peripheral::NVIC::unmask(pac::Interrupt::USBCTRL_IRQ);
    }
}

impl Ports {
    fn put(&mut self, text: &[u8]) {
        for byte in text {
            self.ring[self.written % RING] = *byte;
            self.written = self.written.wrapping_add(1);
        }
        for sent in [&mut self.on_uart, &mut self.on_usb] {
            if self.written.wrapping_sub(*sent) > RING {
                *sent = self.written.wrapping_sub(RING);
            }
        }
    }

    /// Fills the transmit FIFO; asks to be called again while there is more.
    fn serve_uart(&mut self) {
        while self.on_uart != self.written && self.uart.uartfr().read().txff().bit_is_clear() {
            let byte = self.ring[self.on_uart % RING];
            // SAFETY: a byte.
            self.uart.uartdr().write(|w| unsafe { w.data().bits(byte) });
            self.on_uart = self.on_uart.wrapping_add(1);
        }
        let more = self.on_uart != self.written;
        self.uart.uartimsc().modify(|_, w| w.txim().bit(more));
    }

    fn serve_usb(&mut self) {
        let Ports { ring, written, on_usb, device, port, .. } = self;
        if device.poll(&mut [port]) {
            // What is typed means nothing here.
            let _ = port.read(&mut [0; 64]);
        }
        if device.state() != UsbDeviceState::Configured || !port.dtr() {
            return;
        }
        while *on_usb != *written {
            let begin = *on_usb % RING;
            let end = (begin + written.wrapping_sub(*on_usb)).min(RING);
            match port.write(&ring[begin..end]) {
                Ok(count) if count > 0 => *on_usb = on_usb.wrapping_add(count),
                _ => break,
            }
        }
        let _ = port.flush();
    }
}

fn with(work: impl FnOnce(&mut Ports)) {
    critical_section::with(|cs| {
        // In use only if a panic came from here.
        if let Ok(mut ports) = PORTS.borrow(cs).try_borrow_mut()
            && let Some(ports) = ports.as_mut()
        {
            work(ports);
        }
    });
}

/// Sends to the UART what is left, before the chip is reset: a tenth of a second at most.
pub fn drain() {
    within(100_000, || {
        let mut done = true;
        with(|ports| {
            ports.serve_uart();
            done = ports.on_uart == ports.written && ports.uart.uartfr().read().busy().bit_is_clear();
        });
        done
    });
}

/// In UART 0's interrupt.
pub fn on_uart() {
    with(Ports::serve_uart);
}

/// In the USB's interrupt, and now and then.
pub fn on_usb() {
    with(Ports::serve_usb);
}

/// In a tick of core 0: what core 1 said goes on its way.
pub fn on_tick() {
    with(|ports| {
        ports.serve_uart();
        ports.serve_usb();
    });
}

/// Where [`say!`] writes.
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        with(|ports| ports.put(s.as_bytes()));
        Ok(())
    }
}

/// Says a line.
#[macro_export]
macro_rules! say {
    ($($what:tt)*) => {{
        let _ = core::fmt::Write::write_fmt(&mut $crate::serial::Out, format_args!($($what)*));
        let _ = core::fmt::Write::write_str(&mut $crate::serial::Out, "\r\n");
    }};
}
