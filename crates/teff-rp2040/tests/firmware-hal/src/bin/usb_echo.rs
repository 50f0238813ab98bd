//! A USB serial port with rp2040-hal and usbd-serial: says hello once it is open, then sends back what comes, in capitals,
//! and ends at a full stop.

#![no_std]
#![no_main]

use firmware_hal::{CRYSTAL, exit};
use hal::usb::UsbBus;
use hal::{Watchdog, pac};
use rp2040_hal as hal;
use usb_device::bus::UsbBusAllocator;
use usb_device::prelude::*;
use usbd_serial::SerialPort;

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
    let bus = UsbBusAllocator::new(UsbBus::new(
        pac.USBCTRL_REGS,
        pac.USBCTRL_DPRAM,
        clocks.usb_clock,
        true,
        &mut pac.RESETS,
    ));
    let mut serial = SerialPort::new(&bus);
    let mut device = UsbDeviceBuilder::new(&bus, UsbVidPid(0x16c0, 0x27dd))
        .strings(&[StringDescriptors::default().product("echo")])
        .unwrap()
        .device_class(usbd_serial::USB_CLASS_CDC)
        .build();
    let mut greeting: &[u8] = b"hello over USB\n";
    let mut buffer = [0u8; 64];
    let mut ended = false;
    loop {
        device.poll(&mut [&mut serial]);
        if device.state() != UsbDeviceState::Configured || !serial.dtr() {
            continue;
        }
        if let Ok(n) = serial.write(greeting) {
            greeting = &greeting[n..];
        }
        if !greeting.is_empty() {
            continue;
        }
        if ended && serial.flush().is_ok() {
            cortex_m::asm::delay(250_000); // two milliseconds, in which the host takes the last packet
            exit(0);
        }
        if let Ok(n) = serial.read(&mut buffer) {
            buffer[..n].make_ascii_uppercase();
            ended |= buffer[..n].contains(&b'.');
            let mut sent = 0;
            while sent < n {
                sent += serial.write(&buffer[sent..n]).unwrap_or(0);
                device.poll(&mut [&mut serial]);
            }
        }
    }
}
