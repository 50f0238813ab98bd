//! Faults of the devices around the chip, to test how firmware lives with them.

use super::{Board, Lcd};
use crate::error::Error;
use crate::wires::Wires;
use std::str::FromStr;

/// What brings a camera that has stopped back to life. A repair always does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revival {
    /// Nothing the firmware can do.
    Never,
    /// Its reset pin, held low.
    ResetPin,
    /// Its reset pin, or the software reset register (0x0103).
    Reset,
}

/// A fault of a device, from the moment of [`crate::Simulator::inject`] on.
///
/// Frames are numbered as [`Board::traffic`] counts them: the first that the camera sends after power-on is 0. What lies
/// beyond the end of a frame or line has no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoardFault {
    /// The camera is not there: nobody acknowledges its address, its lines stay low.
    CameraUnplugged,
    /// The camera sends nothing any more (VSYNC, HREF and PCLK low), but still answers on its bus.
    CameraStops(Revival),
    /// Frame `frame` ends, and VSYNC falls, after `lines` whole lines and `bytes` bytes of the next one. The next frame
    /// begins when it would have anyway.
    ShortFrame {
        /// Number of the frame.
        frame: u64,
        /// Lines that are sent whole.
        lines: usize,
        /// Bytes that are sent of the line after them.
        bytes: usize,
    },
    /// `count` pulses of PCLK are missing in one line of frame `frame`; the data moves on as if they were there. With eight
    /// data lines a pulse is a byte.
    LostClocks {
        /// Number of the frame.
        frame: u64,
        /// Its line, from 0.
        line: usize,
        /// The first pulse that is missing, from 0.
        clock: u64,
        /// How many are missing.
        count: u64,
    },
    /// Nothing listens to what is sent to the display, and [`Board::screen`] is black.
    DisplayUnplugged,
    /// A device holds SDA of I2C bus `bus` low.
    SdaLow {
        /// The controller whose bus it is, 0 or 1.
        bus: usize,
        /// It lets go with this falling edge of SCL, as a device does that was cut off within a byte (at most 9 then);
        /// `None`: never.
        clocks: Option<u32>,
    },
    /// A device holds SCL of I2C bus `bus` low.
    SclLow {
        /// The controller whose bus it is, 0 or 1.
        bus: usize,
    },
}

impl BoardFault {
    /// How faults are written: what [`BoardFault::from_str`] takes, and what it does.
    pub const FORMS: [(&str, &str); 8] = [
        ("camera-unplugged", "the camera is not there"),
        ("camera-stops[:reset|:reset-pin]", "it sends nothing, until it is reset if that is given"),
        ("short-frame:FRAME:LINES[:BYTES]", "frame FRAME (from 0) ends after LINES lines and BYTES bytes"),
        ("lost-clocks:FRAME:LINE:CLOCK[:COUNT]", "COUNT (1) pulses of PCLK are missing in a line"),
        ("display-unplugged", "nothing listens to what is sent to the display"),
        ("sda-low:BUS[:CLOCKS]", "SDA of I2C bus BUS is held low, until CLOCKS falling edges of SCL"),
        ("scl-low:BUS", "SCL of I2C bus BUS is held low"),
        ("repair", "everything above is well again"),
    ];
}

fn bad_fault(what: String) -> Error {
    Error::bad_input("fault", 0, what)
}

impl FromStr for BoardFault {
    type Err = Error;

    /// Reads one of [`BoardFault::FORMS`] but `repair`, which is no fault.
    fn from_str(text: &str) -> Result<BoardFault, Error> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let form = BoardFault::FORMS.iter().find(|(form, _)| form.split([':', '[']).next() == Some(name));
        let bad = || match form {
            Some((form, _)) => bad_fault(format!("\"{text}\" is not {form}")),
            None => {
                let forms = BoardFault::FORMS.map(|(form, _)| form).join(", ");
                bad_fault(format!("there is no \"{name}\"; the faults are {forms}"))
            }
        };
        let numbers = || {
            let parts = rest.split(':').filter(|_| !rest.is_empty());
            parts.map(|part| part.parse::<u32>().map_err(|_| bad())).collect::<Result<Vec<u32>, Error>>()
        };
        Ok(match (name, rest) {
            ("camera-unplugged", "") => BoardFault::CameraUnplugged,
            ("display-unplugged", "") => BoardFault::DisplayUnplugged,
            ("camera-stops", "") => BoardFault::CameraStops(Revival::Never),
            ("camera-stops", "reset") => BoardFault::CameraStops(Revival::Reset),
            ("camera-stops", "reset-pin") => BoardFault::CameraStops(Revival::ResetPin),
            ("short-frame" | "lost-clocks" | "sda-low" | "scl-low", _) => match (name, numbers()?.as_slice())
            {
                ("short-frame", &[frame, lines, ref bytes @ ..]) if bytes.len() < 2 => {
                    let bytes = bytes.first().copied().unwrap_or(0) as usize;
                    BoardFault::ShortFrame { frame: frame.into(), lines: lines as usize, bytes }
                }
                ("lost-clocks", &[frame, line, clock, ref count @ ..]) if count.len() < 2 => {
                    let count = count.first().copied().unwrap_or(1).into();
                    let (frame, line, clock) = (frame.into(), line as usize, clock.into());
                    BoardFault::LostClocks { frame, line, clock, count }
                }
                ("sda-low", &[bus]) => BoardFault::SdaLow { bus: bus as usize, clocks: None },
                ("sda-low", &[bus, clocks]) if clocks > 0 => {
                    BoardFault::SdaLow { bus: bus as usize, clocks: Some(clocks) }
                }
                ("scl-low", &[bus]) => BoardFault::SclLow { bus: bus as usize },
                _ => return Err(bad()),
            },
            _ => return Err(bad()),
        })
    }
}

/// Lines of I2C buses that are held low.
#[derive(Default)]
pub(super) struct HeldLines {
    /// For each SDA that is let go after some falling edges of SCL: pins of SCL and SDA, and edges left.
    counting: Vec<(u8, u8, u32)>,
    /// All pins that are held.
    pins: u32,
}

impl HeldLines {
    fn hold(&mut self, pin: u8, now: u64, wires: &mut Wires) {
        self.pins |= 1 << pin;
        wires.pins.hold_low(1 << pin, true, now);
    }

    fn release_all(&mut self, now: u64, wires: &mut Wires) {
        wires.pins.hold_low(self.pins, false, now);
        *self = HeldLines::default();
    }

    /// Pins that have to be watched.
    pub(super) fn watched(&self) -> u32 {
        self.counting.iter().fold(0, |pins, (scl, ..)| pins | 1 << scl)
    }

    /// Counts the edges of SCL.
    pub(super) fn pins_changed(&mut self, changed: u32, level: u32, now: u64, wires: &mut Wires) {
        for (scl, sda, left) in &mut self.counting {
            if changed & !level & 1 << *scl != 0 {
                *left -= 1;
                if *left == 0 {
                    self.pins &= !(1 << *sda);
                    wires.pins.hold_low(1 << *sda, false, now);
                }
            }
        }
        self.counting.retain(|&(_, _, left)| left > 0);
    }
}

impl Board {
    /// SCL and SDA of I2C bus `bus`.
    fn bus_pins(&self, bus: usize) -> Result<(u8, u8), Error> {
        let camera = self.description.camera.filter(|pins| pins.i2c == bus).map(|pins| (pins.scl, pins.sda));
        let imu = self.description.imu.filter(|pins| pins.i2c == bus).map(|pins| (pins.scl, pins.sda));
        let missing = || bad_fault(format!("this board has no device on I2C bus {bus}"));
        camera.or(imu).ok_or_else(missing)
    }

    pub(crate) fn inject(&mut self, fault: BoardFault, now: u64, wires: &mut Wires) -> Result<(), Error> {
        match fault {
            BoardFault::CameraUnplugged
            | BoardFault::CameraStops(_)
            | BoardFault::ShortFrame { .. }
            | BoardFault::LostClocks { .. } => {
                self.devices.camera.as_mut().ok_or(Error::NoDevice("camera"))?.inject(fault, now, wires);
            }
            BoardFault::DisplayUnplugged => {
                self.devices.lcd.take().ok_or(Error::NoDevice("display"))?;
            }
            BoardFault::SdaLow { bus, clocks } => {
                let (scl, sda) = self.bus_pins(bus)?;
                self.held.hold(sda, now, wires);
                // The edge that comes next is the earliest that can end it.
                self.held.counting.extend(clocks.map(|clocks| (scl, sda, clocks.max(1))));
            }
            BoardFault::SclLow { bus } => {
                let (scl, _) = self.bus_pins(bus)?;
                self.held.hold(scl, now, wires);
            }
        }
        Ok(())
    }

    pub(crate) fn repair(&mut self, now: u64, wires: &mut Wires) {
        if let Some(camera) = &mut self.devices.camera {
            camera.repair(now, wires);
        }
        if self.devices.lcd.is_none() {
            self.devices.lcd = self.description.lcd.map(Lcd::new);
        }
        self.held.release_all(now, wires);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_written() {
        let read = |text: &str| text.parse::<BoardFault>();
        let short = |frame, lines, bytes| BoardFault::ShortFrame { frame, lines, bytes };
        let lost = |frame, line, clock, count| BoardFault::LostClocks { frame, line, clock, count };
        assert_eq!(read("camera-stops:reset"), Ok(BoardFault::CameraStops(Revival::Reset)));
        assert_eq!(read("camera-stops"), Ok(BoardFault::CameraStops(Revival::Never)));
        assert_eq!(read("short-frame:3:100:7"), Ok(short(3, 100, 7)));
        assert_eq!(read("short-frame:3:100"), Ok(short(3, 100, 0)));
        assert_eq!(read("lost-clocks:1:2:3"), Ok(lost(1, 2, 3, 1)));
        assert_eq!(read("sda-low:0:9"), Ok(BoardFault::SdaLow { bus: 0, clocks: Some(9) }));
        assert_eq!(read("scl-low:1"), Ok(BoardFault::SclLow { bus: 1 }));
        for wrong in ["short-frame:3", "sda-low:0:0", "sda-low:x", "camera-stops:now", "display-unplugged:1"]
        {
            let name = wrong.split(':').next().unwrap();
            let message = read(wrong).unwrap_err().to_string();
            assert!(message.contains(wrong) && message.contains(&format!("is not {name}")), "{message}");
        }
        assert!(read("flood").unwrap_err().to_string().contains("the faults are camera-unplugged"));
    }
}
