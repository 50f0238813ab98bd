//! A digital microphone: I2S (24 bits, most significant first, one bit clock after the word select changes; Philips I2S
//! bus specification), as the left channel; or PDM, one bit a clock by a sigma-delta modulator of second order.
//!
//! It hears a [`Sound`] from power-on, once, and then silence.

use super::describe::MicrophonePins;
use crate::clocks::Domain;
use crate::error::Error;
use crate::wires::Wires;

/// One channel of sound.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// Samples of 16 bits.
    pub samples: Vec<i16>,
}

impl Sound {
    /// Reads a WAV file of 8 or 16 bits (RIFF, PCM); of several channels the first.
    ///
    /// # Errors
    /// When it is none, or cut short.
    pub fn read_wav(bytes: &[u8]) -> Result<Sound, Error> {
        let failed = |what: &str| Error::bad_input("recording", 0, format!("WAV: {what}"));
        if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Err(failed("the file does not begin with RIFF and WAVE"));
        }
        let (mut format, mut rest) = (None, &bytes[12..]);
        while let Some((head, after)) = rest.split_at_checked(8) {
            let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (chunk, next) = after.split_at_checked(len).ok_or_else(|| failed("the file is cut short"))?;
            let half = |i: usize| chunk.get(i..i + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
            match (&head[..4], format) {
                (b"fmt ", _) => {
                    let rate = u32::from(half(4)) | u32::from(half(6)) << 16;
                    let (channels, bits) = (usize::from(half(2)), half(14));
                    if half(0) != 1 || !matches!(bits, 8 | 16) || channels == 0 || rate == 0 {
                        return Err(failed("not PCM of 8 or 16 bits"));
                    }
                    format = Some((rate, channels, bits));
                }
                (b"data", Some((rate, channels, bits))) => {
                    let sample = |frame: &[u8]| match bits {
                        8 => (i16::from(frame[0]) - 128) << 8,
                        _ => i16::from_le_bytes([frame[0], frame[1]]),
                    };
                    let frames = chunk.chunks_exact(channels * usize::from(bits / 8));
                    return Ok(Sound { rate, samples: frames.map(sample).collect() });
                }
                _ => {} // other chunks
            }
            rest = next.get(len & 1..).unwrap_or(&[]);
        }
        Err(failed("no sound in it"))
    }

    fn at(&self, nanoseconds: u64) -> i16 {
        let index = u128::from(nanoseconds) * u128::from(self.rate) / 1_000_000_000;
        usize::try_from(index).ok().and_then(|i| self.samples.get(i)).copied().unwrap_or(0)
    }
}

pub(crate) struct Microphone {
    pins: MicrophonePins,
    pub(super) sound: Sound,
    /// I2S: the bits still to be sent, most significant first, and the word select as last seen.
    word: u32,
    select: bool,
    sends: bool,
    /// PDM: the two integrators.
    sums: [i64; 2],
}

impl Microphone {
    pub(crate) fn new(pins: MicrophonePins) -> Microphone {
        Microphone { pins, sound: Sound::default(), word: 0, select: true, sends: false, sums: [0; 2] }
    }

    pub(crate) fn watched(&self) -> u32 {
        1 << self.pins.clock
    }

    /// The clock has toggled, if it is among the pins that changed.
    pub(crate) fn pins_changed(&mut self, changed: u32, level: u32, now: u64, wires: &mut Wires) {
        if changed & self.watched() == 0 {
            return;
        }
        let rises = level & self.watched() != 0;
        let heard = || i64::from(self.sound.at(wires.clocks.ticks(Domain::Nanosecond, now)));
        match self.pins.select {
            Some(select) if rises => {
                let now_selected = level >> select & 1 != 0;
                if now_selected != self.select {
                    // The word of this channel begins with the next falling edge.
                    self.sends = !now_selected;
                    self.word = if self.sends { (heard() as u32) << 16 } else { 0 };
                    self.select = now_selected;
                }
            }
            Some(_) => {
                let bit = self.word >> 31 != 0;
                self.word <<= 1;
                self.put(self.sends.then_some(bit), now, wires);
            }
            None if rises => {}
            None => {
                let fed = if self.sums[1] >= 0 { 32_768 } else { -32_768 };
                self.sums[0] += heard() - fed;
                self.sums[1] += self.sums[0] - fed;
                // A modulator that is overdriven saturates.
                self.sums = self.sums.map(|sum| sum.clamp(-(1 << 20), 1 << 20));
                self.put(Some(self.sums[1] >= 0), now, wires);
            }
        }
    }

    /// Drives the data line, or lets it go.
    fn put(&self, bit: Option<bool>, now: u64, wires: &mut Wires) {
        let mask = 1 << self.pins.data;
        match bit {
            Some(bit) => wires.pins.drive_outside(mask, if bit { mask } else { 0 }, now),
            None => wires.pins.release_outside(mask, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Toggles the clock of a microphone that hears one level, and reads its data before each rising edge.
    fn listen(pins: MicrophonePins, level: i16, clocks: usize, select: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut microphone = Microphone::new(pins);
        microphone.sound = Sound { rate: 1, samples: vec![level; 100] };
        let mut wires = Wires::new(12_000_000);
        let mut bits = Vec::new();
        for i in 0..clocks {
            let chosen = pins.select.map_or(0, |pin| u32::from(select(i)) << pin);
            let clock = 1 << pins.clock;
            microphone.pins_changed(clock, chosen, i as u64 * 8, &mut wires);
            bits.push(wires.pins.pad_level >> pins.data & 1 != 0);
            microphone.pins_changed(clock, chosen | clock, i as u64 * 8 + 4, &mut wires);
        }
        bits
    }

    #[test]
    fn i2s_sends_the_left_word_one_clock_after_select_falls() {
        let pins = MicrophonePins { data: 26, clock: 28, select: Some(27) };
        let bits = listen(pins, 0x5a3c, 128, |i| i % 64 >= 32);
        let word = |from: usize| bits[from..from + 24].iter().fold(0u32, |w, &b| w << 1 | u32::from(b));
        assert_eq!(word(65), 0x5a3c00);
        assert_eq!(word(97), 0, "the right channel is left to another");
    }

    #[test]
    fn pdm_has_as_many_ones_as_the_level_asks() {
        let pins = MicrophonePins { data: 26, clock: 27, select: None };
        for level in [-16_384i16, 0, 8_192, 24_576] {
            let bits = listen(pins, level, 4096, |_| false);
            let ones = bits.iter().filter(|&&bit| bit).count() as f64 / 4096.0;
            let wanted = 0.5 + f64::from(level) / 65_536.0;
            assert!((ones - wanted).abs() < 0.002, "{level}: {ones}, not {wanted}");
        }
    }

    #[test]
    fn wav_files() {
        let wav = |channels: u8, bits: u8, data: &[u8]| {
            let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0".to_vec();
            bytes.extend([channels, 0, 0x80, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0, bits, 0]);
            bytes.extend(b"data");
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(data);
            bytes
        };
        let read = |bytes: &[u8]| Sound::read_wav(bytes).map(|sound| (sound.rate, sound.samples));
        assert_eq!(read(&wav(1, 16, &[1, 2, 0xff, 0xff])), Ok((16_000, vec![0x201, -1])));
        assert_eq!(read(&wav(2, 16, &[1, 0, 9, 9, 2, 0, 9, 9])), Ok((16_000, vec![1, 2])));
        assert_eq!(read(&wav(1, 8, &[128, 0, 255])), Ok((16_000, vec![0, -32_768, 0x7f00])));
        let good = wav(1, 16, &[1, 2, 3, 4]);
        (0..good.len()).for_each(|cut| assert!(read(&good[..cut]).is_err(), "cut at {cut}"));
        assert!(read(&wav(1, 24, &[])).is_err());
    }
}
