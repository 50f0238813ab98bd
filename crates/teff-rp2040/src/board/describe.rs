//! Board descriptions.

/// Where a HM01B0 camera is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CameraPins {
    /// I2C controller that its SCCB bus belongs to.
    pub i2c: usize,
    /// SCCB clock.
    pub scl: u8,
    /// SCCB data.
    pub sda: u8,
    /// Reset, active low.
    pub reset: u8,
    /// Master clock, from a PWM slice.
    pub xclk: u8,
    /// First data line; wider buses use the pins after it.
    pub data: u8,
    /// Pixel clock out of the camera.
    pub pclk: u8,
    /// High while a line is sent.
    pub href: u8,
    /// High while a frame is sent.
    pub vsync: u8,
    /// Mounted upside down.
    pub upside_down: bool,
}

/// Where an ST7735S display is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LcdPins {
    /// SPI controller.
    pub spi: usize,
    /// Low for commands, high for data.
    pub dc: u8,
    /// Chip select, active low.
    pub cs: u8,
    /// Reset, active low.
    pub reset: u8,
    /// Size of the panel in pixels, upright.
    pub size: (u16, u16),
    /// Where its first column and row lie in the controller's memory.
    pub offset: (u16, u16),
}

/// Where an ICM-20948 motion sensor is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImuPins {
    /// I2C controller that its bus belongs to.
    pub i2c: usize,
    /// Clock.
    pub scl: u8,
    /// Data.
    pub sda: u8,
    /// Its address: 0x68 or 0x69.
    pub address: u8,
}

/// Where a digital microphone is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MicrophonePins {
    /// Data out of the microphone.
    pub data: u8,
    /// I2S bit clock, or PDM clock.
    pub clock: u8,
    /// I2S word select; without it the microphone is a PDM one.
    pub select: Option<u8>,
}

/// A board: a name, its flash, and what hangs on which pin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Bytes of flash, a power of two (2 MB on the Pico and the Pico4ML).
    pub flash_bytes: usize,
    /// Frequency of the crystal in hertz.
    pub crystal_hz: u64,
    /// An LED, lit when high.
    pub led: Option<u8>,
    /// The camera.
    pub camera: Option<CameraPins>,
    /// The display.
    pub lcd: Option<LcdPins>,
    /// The motion sensor.
    pub imu: Option<ImuPins>,
    /// The microphone.
    pub microphone: Option<MicrophonePins>,
}

impl Default for Description {
    /// A chip on its own, with 2 MB of flash and a crystal of 12 MHz.
    fn default() -> Description {
        Description {
            name: "bare".into(),
            flash_bytes: 2 << 20,
            crystal_hz: 12_000_000,
            led: None,
            camera: None,
            lcd: None,
            imu: None,
            microphone: None,
        }
    }
}

impl Description {
    /// The ArduCAM Pico4ML: camera, display, motion sensor, I2S microphone and LED as its schematic wires them.
    pub fn pico4ml() -> Description {
        Description::parse(include_str!("pico4ml.board")).expect("the file is one of ours")
    }

    /// The names of the built-in boards.
    pub const NAMES: [&str; 3] = ["pico4ml", "pico", "bare"];

    /// The built-in board called `name`.
    pub fn named(name: &str) -> Option<Description> {
        match name {
            "bare" => Some(Description::default()),
            // The Raspberry Pi Pico has an LED.
            "pico" => Some(Description { name: name.into(), led: Some(25), ..Description::default() }),
            "pico4ml" => Some(Description::pico4ml()),
            _ => None,
        }
    }
}
