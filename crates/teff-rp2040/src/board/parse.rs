//! Board descriptions as text: `key = value` lines, `#` begins a comment.

use super::describe::{CameraPins, Description, ImuPins, LcdPins, MicrophonePins};
use crate::error::Error;
use std::collections::BTreeMap;

/// GPIO pins that a description may name.
const PINS: u32 = 30;

/// The lines of a description that have not been used yet.
struct Fields<'a>(BTreeMap<&'a str, (usize, &'a str)>);

impl<'a> Fields<'a> {
    fn text(&mut self, key: &str) -> Option<(usize, &'a str)> {
        self.0.remove(key)
    }

    fn number(&mut self, key: &str, limit: u32) -> Result<Option<u32>, Error> {
        let Some((line, text)) = self.text(key) else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(n) if n < limit => Ok(Some(n)),
            _ => Err(bad(line, format!("{key} must be a whole number below {limit}, not \"{text}\""))),
        }
    }

    /// A number that a device cannot do without.
    fn needed(&mut self, device: &str, key: &str, limit: u32) -> Result<u32, Error> {
        let name = format!("{device}.{key}");
        self.number(&name, limit)?.ok_or_else(|| bad(0, format!("{device} needs {name}")))
    }

    fn pin(&mut self, device: &str, key: &str) -> Result<u8, Error> {
        Ok(self.needed(device, key, PINS)? as u8)
    }

    fn has(&self, device: &str) -> bool {
        self.0.keys().any(|key| key.strip_prefix(device).is_some_and(|rest| rest.starts_with('.')))
    }
}

fn bad(line: usize, what: String) -> Error {
    Error::bad_input("board description", line, what)
}

impl Description {
    /// Reads a description. Keys: `name`, `flash` (bytes, a power of two), `crystal` (hertz), `led`; `camera.` with `i2c scl sda reset
    /// xclk data pclk href vsync` and, if mounted so, `upside_down = yes`; `lcd.` with `spi dc cs reset width height
    /// column row`; `imu.` with `i2c scl sda address`; `microphone.` with `data clock` and, for I2S, `select`.
    ///
    /// # Errors
    /// Names the line and what is wrong with it: no `=`, an unknown or missing key, a number out of range.
    pub fn parse(text: &str) -> Result<Description, Error> {
        let mut fields = Fields(BTreeMap::new());
        for (i, raw) in text.lines().enumerate() {
            let line = raw.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                return Err(bad(i + 1, format!("\"{line}\" is not key = value")));
            };
            if fields.0.insert(key.trim(), (i + 1, value.trim())).is_some() {
                return Err(bad(i + 1, format!("{} is given twice", key.trim())));
            }
        }
        let mut board = Description::default();
        if let Some((_, name)) = fields.text("name") {
            board.name = name.into();
        }
        if let Some(flash) = fields.number("flash", (16 << 20) + 1)? {
            board.flash_bytes = flash as usize;
        }
        if let Some(crystal) = fields.number("crystal", 50_000_001)? {
            board.crystal_hz = u64::from(crystal.max(1));
        }
        if !board.flash_bytes.is_power_of_two() || board.flash_bytes < 4096 {
            return Err(bad(0, "flash must be a power of two from 4096 on".into()));
        }
        board.led = fields.number("led", PINS)?.map(|pin| pin as u8);
        if fields.has("camera") {
            board.camera = Some(camera(&mut fields)?);
        }
        if fields.has("lcd") {
            board.lcd = Some(lcd(&mut fields)?);
        }
        if fields.has("imu") {
            board.imu = Some(imu(&mut fields)?);
        }
        if fields.has("microphone") {
            let (data, clock) = (fields.pin("microphone", "data")?, fields.pin("microphone", "clock")?);
            let select = fields.number("microphone.select", PINS)?.map(|pin| pin as u8);
            board.microphone = Some(MicrophonePins { data, clock, select });
        }
        match fields.0.pop_first() {
            Some((key, (line, _))) => Err(bad(line, format!("unknown key {key}"))),
            None => Ok(board),
        }
    }
}

fn camera(fields: &mut Fields) -> Result<CameraPins, Error> {
    let turned = fields.text("camera.upside_down").is_some_and(|(_, text)| text == "yes");
    let mut pin = |key| fields.pin("camera", key);
    let (scl, sda, reset, xclk) = (pin("scl")?, pin("sda")?, pin("reset")?, pin("xclk")?);
    let (data, pclk, href, vsync) = (pin("data")?, pin("pclk")?, pin("href")?, pin("vsync")?);
    let i2c = fields.needed("camera", "i2c", 2)? as usize;
    Ok(CameraPins { i2c, scl, sda, reset, xclk, data, pclk, href, vsync, upside_down: turned })
}

fn imu(fields: &mut Fields) -> Result<ImuPins, Error> {
    let (scl, sda) = (fields.pin("imu", "scl")?, fields.pin("imu", "sda")?);
    let address = fields.needed("imu", "address", 128)? as u8;
    Ok(ImuPins { i2c: fields.needed("imu", "i2c", 2)? as usize, scl, sda, address })
}

fn lcd(fields: &mut Fields) -> Result<LcdPins, Error> {
    let (dc, cs, reset) = (fields.pin("lcd", "dc")?, fields.pin("lcd", "cs")?, fields.pin("lcd", "reset")?);
    let mut size = |key, limit| fields.needed("lcd", key, limit).map(|n| n as u16);
    let (width, height) = (size("width", 133)?, size("height", 163)?);
    let offset = (size("column", 53)?, size("row", 3)?);
    let spi = fields.needed("lcd", "spi", 2)? as usize;
    Ok(LcdPins { spi, dc, cs, reset, size: (width, height), offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pico4ml_is_wired_as_its_schematic_says() {
        let wired = Description {
            name: "pico4ml".into(),
            led: Some(25),
            camera: Some(CameraPins {
                i2c: 0,
                scl: 5,
                sda: 4,
                reset: 2,
                xclk: 3,
                data: 6,
                pclk: 14,
                href: 15,
                vsync: 16,
                upside_down: true,
            }),
            lcd: Some(LcdPins { spi: 1, dc: 9, cs: 13, reset: 7, size: (80, 160), offset: (24, 0) }),
            imu: Some(ImuPins { i2c: 0, scl: 5, sda: 4, address: 0x68 }),
            microphone: Some(MicrophonePins { data: 26, clock: 28, select: Some(27) }),
            ..Description::default()
        };
        assert_eq!(Description::pico4ml(), wired);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = |text: &str| Description::parse(text).unwrap_err().to_string();
        assert!(error("led = 25\nled = 3").contains("line 2: led is given twice"));
        assert!(error("led = 31").contains("below 30"));
        assert!(error("lad = 3").contains("unknown key lad"));
        assert!(error("lcd.spi = 1").contains("lcd needs lcd.dc"));
        assert!(error("flash = 5000").contains("power of two"));
        assert!(error("nonsense").contains("not key = value"));
    }
}
