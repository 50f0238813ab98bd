//! The computer at the other end of the USB cable: enumerates the device, and when it has a CDC serial
//! interface opens it, prints what comes and sends what is typed (USB 2.0 chapter 9; CDC PSTN 1.2).

use super::usb::Usb;
use std::collections::VecDeque;

/// Microseconds from attach to the bus reset, and from there to the first request (USB 2.0 7.1.7.3: 100 ms and
/// 10 ms; shortened, so that programs do not spend simulated seconds on it).
const ATTACH_US: u64 = 5_000;
const RECOVERY_US: u64 = 2_000;

/// The smallest bMaxPacketSize0, which holds until the device has told its own (USB 2.0 5.5.3).
const FIRST_PACKET: usize = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Attach,
    Recovery,
    /// A request of the list in [`Host::request`]: sending it, moving its data, and its status.
    Send(usize),
    Data(usize),
    Status(usize),
    /// All done; the serial interface is open if there is one.
    Running,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    pub(crate) present: bool,
    stage: Stage,
    waited: u64,
    /// Data of the control transfer so far.
    data: Vec<u8>,
    /// bMaxPacketSize0 of the device: a packet that is shorter ends a transfer.
    packet: usize,
    config: Vec<u8>,
    cdc: Option<Cdc>,
    pub(crate) output: Vec<u8>,
    pub(crate) input: VecDeque<u8>,
}

/// A CDC-ACM function found in the configuration.
#[derive(Clone, Copy, Debug)]
struct Cdc {
    interface: u8,
    bulk_in: u32,
    bulk_out: u32,
    /// Bytes of the largest packet that it takes.
    packet: usize,
}

impl Host {
    pub(crate) fn new() -> Host {
        Host { present: true, packet: FIRST_PACKET, ..Host::default() }
    }

    pub(crate) fn open(&self) -> bool {
        self.stage == Stage::Running && self.cdc.is_some()
    }

    /// The device has gone or come back.
    pub(crate) fn unplug(&mut self) {
        self.go(Stage::Attach);
        self.cdc = None;
        self.config.clear();
        self.packet = FIRST_PACKET;
    }

    /// The requests of an enumeration in order; `None` after the last, or when there is no serial interface.
    fn request(&self, i: usize) -> Option<[u8; 8]> {
        let total = self.config.get(2..4).map_or(9, |b| u16::from_le_bytes([b[0], b[1]]));
        let [low, high] = total.to_le_bytes();
        let interface = self.cdc.map(|c| c.interface);
        Some(match i {
            0 => [0x80, 6, 0, 1, 0, 0, 64, 0],
            1 => [0x00, 5, 1, 0, 0, 0, 0, 0],
            2 => [0x80, 6, 0, 1, 0, 0, 18, 0],
            3 => [0x80, 6, 0, 2, 0, 0, 9, 0],
            4 => [0x80, 6, 0, 2, 0, 0, low, high],
            5 => [0x00, 9, *self.config.get(5)?, 0, 0, 0, 0, 0],
            6 => [0x21, 0x20, 0, 0, interface?, 0, 7, 0],
            7 => [0x21, 0x22, 3, 0, interface?, 0, 0, 0],
            _ => return None,
        })
    }

    /// One look at the device, `micros` after the last.
    pub(crate) fn poll(&mut self, port: &mut Usb, micros: u64) {
        self.waited += micros;
        match self.stage {
            Stage::Attach if self.waited >= ATTACH_US => {
                port.bus_reset();
                self.go(Stage::Recovery);
            }
            Stage::Recovery if self.waited >= RECOVERY_US => self.go(Stage::Send(0)),
            Stage::Attach | Stage::Recovery => {}
            Stage::Send(i) => match self.request(i) {
                Some(packet) => {
                    port.setup(packet);
                    self.data.clear();
                    let length = u16::from_le_bytes([packet[6], packet[7]]);
                    self.go(if length > 0 { Stage::Data(i) } else { Stage::Status(i) });
                }
                None => self.go(Stage::Running),
            },
            Stage::Data(i) => self.poll_data(i, port),
            Stage::Status(i) => self.poll_status(i, port),
            Stage::Running => self.poll_serial(port),
        }
    }

    fn go(&mut self, stage: Stage) {
        self.stage = stage;
        self.waited = 0;
    }

    fn poll_data(&mut self, i: usize, port: &mut Usb) {
        let Some(packet) = self.request(i) else { return };
        let length = usize::from(u16::from_le_bytes([packet[6], packet[7]]));
        if packet[0] & 0x80 == 0 {
            // The only data sent: line coding 115200 8N1.
            match port.give_out(0, &[0x00, 0xc2, 0x01, 0x00, 0, 0, 8]) {
                Ok(true) => self.go(Stage::Status(i)),
                Ok(false) => {}
                Err(()) => self.go(Stage::Send(i + 1)),
            }
            return;
        }
        match port.take_in(0) {
            Ok(Some(bytes)) => {
                let first = i == 0 && self.data.is_empty();
                if let (true, Some(&size)) = (first, bytes.get(7)) {
                    self.packet = usize::from(size);
                }
                let short = bytes.len() < self.packet;
                self.data.extend(bytes);
                if short || self.data.len() >= length {
                    self.go(Stage::Status(i));
                }
            }
            Ok(None) => {}
            Err(()) => self.go(Stage::Send(i + 1)),
        }
    }

    fn poll_status(&mut self, i: usize, port: &mut Usb) {
        let Some(packet) = self.request(i) else { return };
        let reads = packet[0] & 0x80 != 0;
        let done = if reads { port.give_out(0, &[]) } else { port.take_in(0).map(|data| data.is_some()) };
        if done == Ok(false) {
            return;
        }
        if i == 3 || i == 4 {
            self.config = std::mem::take(&mut self.data);
            self.cdc = find_cdc(&self.config);
        }
        self.go(Stage::Send(i + 1));
    }

    fn poll_serial(&mut self, port: &mut Usb) {
        let Some(cdc) = self.cdc else { return };
        if let Ok(Some(bytes)) = port.take_in(cdc.bulk_in) {
            self.output.extend(bytes);
        }
        if !self.input.is_empty() {
            let packet: Vec<u8> = self.input.iter().take(cdc.packet).copied().collect();
            if port.give_out(cdc.bulk_out, &packet) == Ok(true) {
                self.input.drain(..packet.len());
            }
        }
    }
}

/// Looks for a CDC control interface and the bulk endpoints of the data interface after it.
fn find_cdc(config: &[u8]) -> Option<Cdc> {
    let (mut interface, mut in_data) = (None, false);
    let (mut bulk_in, mut bulk_out) = (None, None);
    let mut rest = config;
    while let [len, kind, ..] = *rest {
        if len < 2 {
            break;
        }
        let descriptor = rest.get(..usize::from(len))?;
        match (kind, descriptor) {
            (4, [_, _, number, _, _, class, ..]) => {
                in_data = *class == 0x0a;
                if *class == 2 && interface.is_none() {
                    interface = Some(*number);
                }
            }
            (5, [_, _, address, attributes, size, ..]) if in_data && attributes & 3 == 2 => {
                let slot = if address & 0x80 != 0 { &mut bulk_in } else { &mut bulk_out };
                slot.get_or_insert((u32::from(address & 15), usize::from(*size)));
            }
            _ => {} // other descriptors
        }
        rest = &rest[usize::from(len)..];
    }
    let (bulk_out, packet) = bulk_out?;
    Some(Cdc { interface: interface?, bulk_in: bulk_in?.0, bulk_out, packet })
}
