//! What is around the chip: a board is a description, pins to devices, and the devices themselves.

mod describe;
mod faults;
mod gif;
mod hm01b0;
mod i2c_bus;
mod imu;
mod microphone;
mod parse;
mod picture;
mod st7735s;

use crate::error::Error;
use crate::periph::i2c::I2cStep;
use crate::wires::Wires;
pub use describe::{CameraPins, Description, ImuPins, LcdPins, MicrophonePins};
use faults::HeldLines;
pub use faults::{BoardFault, Revival};
pub use gif::{GifWriter, Timed, read_gif};
use hm01b0::Camera;
pub(crate) use hm01b0::Line;
use i2c_bus::BitBus;
use imu::Imu;
pub use imu::Motion;
use microphone::Microphone;
pub use microphone::Sound;
pub use picture::{GreyImage, RgbImage};
use st7735s::Lcd;

/// A board: its description and the state of its devices.
pub struct Board {
    description: Description,
    pub(crate) devices: Devices,
    /// I2C by hand: programs that toggle SCL and SDA as GPIO.
    bit_bus: Option<BitBus>,
    /// What each UART has sent and nobody has taken.
    pub(crate) uarts: [Vec<u8>; 2],
    led_changes: u64,
    /// Pins that any device watches.
    watched: u32,
    held: HeldLines,
}

/// The devices that answer.
pub(crate) struct Devices {
    camera: Option<Camera>,
    lcd: Option<Lcd>,
    imu: Option<Imu>,
    microphone: Option<Microphone>,
}

impl Board {
    /// The board that `description` describes.
    pub fn new(description: Description) -> Board {
        let camera = description.camera.map(Camera::new);
        let lcd = description.lcd.map(Lcd::new);
        let imu = description.imu.map(Imu::new);
        let microphone = description.microphone.map(Microphone::new);
        let camera_bus = description.camera.map(|pins| BitBus::new(pins.i2c, pins.scl, pins.sda));
        let bit_bus = camera_bus.or(description.imu.map(|pins| BitBus::new(pins.i2c, pins.scl, pins.sda)));
        let watched = camera.as_ref().map_or(0, |c| 1 << c.pins.reset)
            | lcd.as_ref().map_or(0, |l| 1 << l.pins.reset)
            | microphone.as_ref().map_or(0, Microphone::watched)
            | bit_bus.as_ref().map_or(0, BitBus::watched)
            | description.led.map_or(0, |pin| 1 << pin);
        Board {
            devices: Devices { camera, lcd, imu, microphone },
            bit_bus,
            uarts: [Vec::new(), Vec::new()],
            led_changes: 0,
            watched,
            held: HeldLines::default(),
            description,
        }
    }

    /// What the board is made of.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Puts a picture in front of the camera: white is bright. It is fitted to the sensor's square, cropped at
    /// the middle.
    ///
    /// # Errors
    /// If the board has no camera.
    pub fn show(&mut self, picture: GreyImage) -> Result<(), Error> {
        self.play(vec![(picture, 1)])
    }

    /// Puts a film in front of the camera: pictures with the nanoseconds that each is shown, again and again. The
    /// film begins at power-on; each frame of the camera takes the picture that stands at its beginning.
    ///
    /// # Errors
    /// If the board has no camera, or there is no picture.
    pub fn play(&mut self, film: Vec<Timed>) -> Result<(), Error> {
        let camera = self.devices.camera.as_mut().ok_or(Error::NoDevice("camera"))?;
        if film.is_empty() {
            return Err(Error::bad_input("picture", 0, "nothing to put before the camera"));
        }
        camera.play(film);
        Ok(())
    }

    /// Moves the motion sensor: rows by time from power-on.
    ///
    /// # Errors
    /// If the board has none.
    pub fn shake(&mut self, motion: Motion) -> Result<(), Error> {
        self.devices.imu.as_mut().ok_or(Error::NoDevice("motion sensor"))?.motion = motion;
        Ok(())
    }

    /// Lets the microphone hear a sound, from power-on.
    ///
    /// # Errors
    /// If the board has none.
    pub fn sound(&mut self, sound: Sound) -> Result<(), Error> {
        self.devices.microphone.as_mut().ok_or(Error::NoDevice("microphone"))?.sound = sound;
        Ok(())
    }

    /// What the display shows now: black while it is off or asleep.
    ///
    /// # Errors
    /// If the board has no display.
    pub fn screen(&self) -> Result<RgbImage, Error> {
        let pins = self.description.lcd.ok_or(Error::NoDevice("display"))?;
        Ok(self.devices.lcd.as_ref().map_or_else(|| Lcd::new(pins).screen(), Lcd::screen))
    }

    /// The last frame that the camera has sent whole, byte by byte as it went over the wires: with its mounting, mirroring,
    /// binning and gain. It changes when VSYNC falls. `None` before the first one.
    pub fn camera_frame(&self) -> Option<&GreyImage> {
        self.devices.camera.as_ref()?.sent.as_ref()
    }

    /// Frames that the camera has sent, and pixels that the display has taken.
    pub fn traffic(&self) -> (u64, u64) {
        let frames = self.devices.camera.as_ref().map_or(0, |camera| camera.frames);
        (frames, self.devices.lcd.as_ref().map_or(0, |lcd| lcd.written))
    }

    /// How often the LED has changed.
    pub fn led_changes(&self) -> u64 {
        self.led_changes
    }

    /// A frame that SPI `port` has sent; the answer is what came back.
    pub(crate) fn spi_frame(&mut self, port: usize, word: u16, bits: u32, pins: u32) -> u16 {
        if let Some(lcd) = &mut self.devices.lcd
            && lcd.pins.spi == port
        {
            lcd.frame(word, bits, pins);
        }
        0
    }

    pub(crate) fn pins_changed(&mut self, changed: u32, now: u64, wires: &mut Wires) {
        let level = wires.pins.pad_level;
        if changed & self.held.watched() != 0 {
            self.held.pins_changed(changed, level, now, wires);
        }
        if changed & self.watched == 0 {
            return;
        }
        if self.description.led.is_some_and(|pin| changed >> pin & 1 != 0) {
            self.led_changes += 1;
        }
        if let Some(camera) = &mut self.devices.camera {
            camera.reset_pin(changed, level, now, wires);
        }
        if let Some(lcd) = &mut self.devices.lcd {
            lcd.reset_pin(changed, level);
        }
        if let Some(microphone) = &mut self.devices.microphone {
            microphone.pins_changed(changed, level, now, wires);
        }
        if let Some(bus) = &mut self.bit_bus {
            bus.pins_changed(changed, level, now, wires, &mut self.devices);
        }
    }

    /// The inner of the line that the camera is sending, if no other device watches its pins.
    #[inline]
    pub(crate) fn line(&mut self) -> Option<Line<'_>> {
        let line = self.devices.camera.as_mut()?.line()?;
        (line.moving() & (self.watched | self.held.watched()) == 0).then_some(line)
    }

    pub(crate) fn event(&mut self, now: u64, wires: &mut Wires) {
        if let Some(camera) = &mut self.devices.camera {
            camera.event(now, wires);
        }
    }

    /// Pins on which devices want every edge.
    pub(crate) fn clocks(&self) -> u32 {
        self.devices.microphone.as_ref().map_or(0, Microphone::watched)
    }

    /// The pin that clocks the camera.
    pub(crate) fn clock_pin(&self) -> Option<usize> {
        self.description.camera.map(|pins| usize::from(pins.xclk))
    }

    /// The clock pin now has this period, in sixteenths of a cycle; `None` while it stands still.
    pub(crate) fn set_clock(&mut self, period: Option<u64>, now: u64, wires: &mut Wires) {
        if let Some(camera) = &mut self.devices.camera {
            camera.set_clock(period, now, wires);
        }
    }
}

impl Devices {
    /// Offers a step of an I2C transfer to the devices on bus `port`: whether any acknowledges, and the byte sent, whose bits each can pull
    /// low.
    pub(crate) fn i2c(&mut self, port: usize, step: I2cStep, now: u64, wires: &mut Wires) -> (bool, u8) {
        let (mut acknowledged, mut byte) = (false, 0xff);
        if let Some(camera) = self.camera.as_mut().filter(|camera| camera.pins.i2c == port) {
            let (yes, bits) = camera.i2c(step, now, wires);
            (acknowledged, byte) = (acknowledged | yes, byte & bits);
        }
        if let Some(imu) = self.imu.as_mut().filter(|imu| imu.pins.i2c == port) {
            let (yes, bits) = imu.i2c(step, now, wires);
            (acknowledged, byte) = (acknowledged | yes, byte & bits);
        }
        (acknowledged, byte)
    }
}
