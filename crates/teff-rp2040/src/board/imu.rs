//! The ICM-20948 motion sensor (TDK InvenSense DS-000189 revision 1.3) with the AK09916 magnetometer inside it (its
//! chapter 13), which programs reach by bypass or as slave 0 of the sensor's own I2C master.
//!
//! It gives the rows of a [`Motion`] at its output data rate, scaled as its full-scale registers say. Not modelled: FIFO,
//! the digital motion processor, filters, self-test, slaves 1 to 4, interrupt pins.

use super::describe::ImuPins;
use crate::clocks::Domain;
use crate::error::Error;
use crate::periph::i2c::I2cStep;
use crate::wires::Wires;

/// What happens to the sensor: rows by time, each held until the next, the last for good.
#[derive(Clone, PartialEq, Debug)]
pub struct Motion {
    rows: Vec<Row>,
}

/// Accelerations in g, rates of turn in degrees a second, magnetic field in microtesla, along x, y and z.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Row {
    nanoseconds: u64,
    values: [[f32; 3]; 3],
}

impl Default for Motion {
    /// At rest: one g along z.
    fn default() -> Motion {
        let values = [[0.0, 0.0, 1.0], [0.0; 3], [0.0; 3]];
        Motion { rows: vec![Row { nanoseconds: 0, values }] }
    }
}

impl Motion {
    /// Reads rows of comma-separated numbers: seconds; acceleration x, y, z in g; and if there are any, rates of turn in
    /// degrees a second, and the magnetic field in microtesla. A first line that does not begin with a number is a heading.
    ///
    /// # Errors
    /// Names the line that is none of these, or whose time goes back.
    pub fn parse(text: &str) -> Result<Motion, Error> {
        let mut rows: Vec<Row> = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad = |what: &str| Error::bad_input("recording", i + 1, what);
            let numbers: Option<Vec<f32>> = line.split(',').map(|word| word.trim().parse().ok()).collect();
            let numbers = match numbers {
                Some(numbers) if matches!(numbers.len(), 4 | 7 | 10) => numbers,
                None if rows.is_empty() && i == 0 => continue,
                _ => return Err(bad("not 4, 7 or 10 numbers with commas between them")),
            };
            if !(numbers.iter().all(|n| n.is_finite()) && numbers[0] >= 0.0) {
                return Err(bad("a number out of range"));
            }
            let mut values = [[0.0; 3]; 3];
            values.as_flattened_mut()[..numbers.len() - 1].copy_from_slice(&numbers[1..]);
            let nanoseconds = (f64::from(numbers[0]) * 1e9) as u64;
            if rows.last().is_some_and(|last| last.nanoseconds > nanoseconds) {
                return Err(bad("its time is before that of the line above"));
            }
            rows.push(Row { nanoseconds, values });
        }
        if rows.is_empty() {
            return Err(Error::bad_input("recording", 0, "no row of numbers in it"));
        }
        Ok(Motion { rows })
    }

    /// The values at a time; those of the first row before it.
    fn at(&self, nanoseconds: u64) -> &[[f32; 3]; 3] {
        let after = self.rows.partition_point(|row| row.nanoseconds <= nanoseconds);
        &self.rows[after.max(1) - 1].values
    }
}

/// Address of the magnetometer.
const COMPASS: u8 = 0x0c;
/// The sensor's clock for accelerations and rates, before the dividers, in hertz.
const BASE_RATE: u64 = 1125;

/// Registers as bank << 8 | address (chapters 7 to 11).
mod reg {
    pub(super) const WHO_AM_I: usize = 0x000;
    pub(super) const USER_CTRL: usize = 0x003;
    pub(super) const PWR_MGMT_1: usize = 0x006;
    pub(super) const INT_PIN_CFG: usize = 0x00f;
    pub(super) const INT_STATUS_1: usize = 0x01a;
    pub(super) const ACCEL_XOUT_H: usize = 0x02d;
    pub(super) const GYRO_ZOUT_L: usize = 0x038;
    pub(super) const TEMP_OUT_H: usize = 0x039;
    pub(super) const TEMP_OUT_L: usize = 0x03a;
    pub(super) const EXT_SLV_SENS_DATA_00: usize = 0x03b;
    pub(super) const EXT_SLV_SENS_DATA_23: usize = 0x052;
    pub(super) const GYRO_SMPLRT_DIV: usize = 0x200;
    pub(super) const GYRO_CONFIG_1: usize = 0x201;
    pub(super) const ACCEL_SMPLRT_DIV_1: usize = 0x210;
    pub(super) const ACCEL_CONFIG: usize = 0x214;
    pub(super) const I2C_SLV0_ADDR: usize = 0x303;
    pub(super) const I2C_SLV0_REG: usize = 0x304;
    pub(super) const I2C_SLV0_CTRL: usize = 0x305;
    pub(super) const I2C_SLV0_DO: usize = 0x306;
}
/// REG_BANK_SEL, at the same address in every bank.
const BANK_SELECT: u8 = 0x7f;

/// Who is being talked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Selected {
    #[default]
    Nobody,
    Sensor,
    Compass,
}

#[derive(Default)]
pub(crate) struct Imu {
    pub(super) pins: ImuPins,
    pub(super) motion: Motion,
    regs: Vec<u8>,
    bank: u8,
    /// CNTL2 of the magnetometer: its mode.
    compass_mode: u8,
    selected: Selected,
    pointer: u8,
    has_pointer: bool,
    /// The number of the sample that INT_STATUS_1 last told of.
    told: u64,
}

impl Imu {
    pub(crate) fn new(pins: ImuPins) -> Imu {
        let mut imu = Imu { pins, ..Imu::default() };
        imu.reset();
        imu
    }

    fn reset(&mut self) {
        self.regs = vec![0; 0x400];
        self.bank = 0;
        self.regs[reg::WHO_AM_I] = 0xea;
        self.regs[reg::PWR_MGMT_1] = 0x41;
        self.regs[reg::GYRO_CONFIG_1] = 1;
        self.regs[reg::ACCEL_CONFIG] = 1;
    }

    /// A step of an I2C transfer: register address, then data with auto-increment.
    pub(crate) fn i2c(&mut self, step: I2cStep, now: u64, wires: &Wires) -> (bool, u8) {
        let time = wires.clocks.ticks(Domain::Nanosecond, now);
        match (step, self.selected) {
            (I2cStep::Address { address, read }, _) => {
                let bypassed = self.regs[reg::INT_PIN_CFG] & 2 != 0 && self.regs[reg::USER_CTRL] & 0x20 == 0;
                self.selected = match address {
                    COMPASS if bypassed => Selected::Compass,
                    a if a == self.pins.address => Selected::Sensor,
                    _ => Selected::Nobody,
                };
                self.has_pointer &= read;
                (self.selected != Selected::Nobody, 0xff)
            }
            (I2cStep::Stop, _) => {
                self.selected = Selected::Nobody;
                (true, 0xff)
            }
            (I2cStep::Write(_) | I2cStep::Read, Selected::Nobody) => (false, 0xff),
            (I2cStep::Write(byte), who) => {
                if std::mem::replace(&mut self.has_pointer, true) {
                    match who {
                        Selected::Compass => self.write_compass(self.pointer, byte),
                        Selected::Sensor | Selected::Nobody => self.write(self.pointer, byte),
                    }
                    self.pointer = self.pointer.wrapping_add(1);
                } else {
                    self.pointer = byte;
                }
                (true, 0xff)
            }
            (I2cStep::Read, who) => {
                let byte = match who {
                    Selected::Compass => self.read_compass(self.pointer, time),
                    Selected::Sensor | Selected::Nobody => self.read(self.pointer, time),
                };
                self.pointer = self.pointer.wrapping_add(1);
                (true, byte)
            }
        }
    }

    fn index(&self, register: u8) -> usize {
        usize::from(self.bank) << 8 | usize::from(register & 0x7f)
    }

    fn write(&mut self, register: u8, value: u8) {
        if register & 0x7f == BANK_SELECT {
            self.bank = value >> 4 & 3;
            return;
        }
        let index = self.index(register);
        match index {
            reg::WHO_AM_I | reg::INT_STATUS_1 | reg::ACCEL_XOUT_H..=reg::EXT_SLV_SENS_DATA_23 => {} // read-only
            reg::PWR_MGMT_1 if value & 0x80 != 0 => self.reset(),
            _ => self.regs[index] = value,
        }
        let slave = self.regs[reg::I2C_SLV0_ADDR];
        let writes = self.master_on() && slave & 0x80 == 0 && slave & 0x7f == COMPASS;
        if index == reg::I2C_SLV0_CTRL && writes {
            self.write_compass(self.regs[reg::I2C_SLV0_REG], self.regs[reg::I2C_SLV0_DO]);
        }
    }

    /// USER_CTRL.I2C_MST_EN and I2C_SLV0_CTRL.EN.
    fn master_on(&self) -> bool {
        self.regs[reg::USER_CTRL] & 0x20 != 0 && self.regs[reg::I2C_SLV0_CTRL] & 0x80 != 0
    }

    /// Bits 2:1 of a full-scale register: each step doubles the range.
    fn scale(&self, register: usize, finest: f32) -> f32 {
        finest / f32::from(1u8 << (self.regs[register] >> 1 & 3))
    }

    /// The number of the sample that stands at `time`, and when it was taken, for a divider of the base rate.
    fn sample(time: u64, divider: u64) -> (u64, u64) {
        let number = u128::from(time) * u128::from(BASE_RATE) / (1_000_000_000 * u128::from(divider));
        (number as u64, (number * 1_000_000_000 * u128::from(divider) / u128::from(BASE_RATE)) as u64)
    }

    fn gyro_divider(&self) -> u64 {
        u64::from(self.regs[reg::GYRO_SMPLRT_DIV]) + 1
    }

    fn accel_divider(&self) -> u64 {
        let [high, low] = [self.regs[reg::ACCEL_SMPLRT_DIV_1], self.regs[reg::ACCEL_SMPLRT_DIV_1 + 1]];
        (u64::from(high & 15) << 8 | u64::from(low)) + 1
    }

    fn read(&mut self, register: u8, time: u64) -> u8 {
        if register & 0x7f == BANK_SELECT {
            return self.bank << 4;
        }
        let awake = self.regs[reg::PWR_MGMT_1] & 0x40 == 0;
        match self.index(register) {
            reg::ACCEL_XOUT_H..=reg::TEMP_OUT_L if !awake => 0,
            reg::INT_STATUS_1 => {
                let number = Imu::sample(time, self.gyro_divider().min(self.accel_divider())).0;
                u8::from(awake && std::mem::replace(&mut self.told, number) != number)
            }
            index @ reg::ACCEL_XOUT_H..=reg::GYRO_ZOUT_L => {
                let at = index - reg::ACCEL_XOUT_H;
                let (kind, axis) = (at / 6, at / 2 % 3);
                // LSB per g and per degree a second at the finest scale (tables 1 and 2).
                let (divider, scale) = match kind {
                    0 => (self.accel_divider(), self.scale(reg::ACCEL_CONFIG, 16_384.0)),
                    _ => (self.gyro_divider(), self.scale(reg::GYRO_CONFIG_1, 131.0)),
                };
                let value = self.motion.at(Imu::sample(time, divider).1)[kind][axis] * scale;
                (value.round() as i16).to_be_bytes()[at % 2]
            }
            // 25 degrees: (25 - 21) * 333.87 (table 3).
            reg::TEMP_OUT_H => (1335u16 >> 8) as u8,
            reg::TEMP_OUT_L => 1335u16 as u8,
            index @ reg::EXT_SLV_SENS_DATA_00..=reg::EXT_SLV_SENS_DATA_23 => {
                let offset = (index - reg::EXT_SLV_SENS_DATA_00) as u8;
                let wanted = offset < self.regs[reg::I2C_SLV0_CTRL] & 15;
                if self.master_on() && wanted && self.regs[reg::I2C_SLV0_ADDR] == 0x80 | COMPASS {
                    self.read_compass(self.regs[reg::I2C_SLV0_REG].wrapping_add(offset), time)
                } else {
                    0
                }
            }
            index => self.regs[index],
        }
    }

    fn write_compass(&mut self, register: u8, value: u8) {
        match register {
            0x31 => self.compass_mode = value & 0x1f,
            0x32 if value & 1 != 0 => self.compass_mode = 0,
            _ => {} // read-only
        }
    }

    /// WIA1, WIA2, ST1, HXL to HZH (0.15 microtesla each, low byte first), CNTL2 (chapter 13).
    fn read_compass(&self, register: u8, time: u64) -> u8 {
        match register {
            0x00 => 0x48,
            0x01 => 0x09,
            0x10 => u8::from(self.compass_mode != 0),
            0x11..=0x16 if self.compass_mode != 0 => {
                let at = usize::from(register - 0x11);
                let value = self.motion.at(time)[2][at / 2] / 0.15;
                (value.round() as i16).to_le_bytes()[at % 2]
            }
            0x31 => self.compass_mode,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imu(rows: &str) -> Imu {
        let mut imu = Imu::new(ImuPins { i2c: 0, scl: 5, sda: 4, address: 0x68 });
        imu.motion = Motion::parse(rows).unwrap();
        imu
    }

    fn write(imu: &mut Imu, address: u8, bytes: &[u8]) -> bool {
        let wires = Wires::new(12_000_000);
        let known = imu.i2c(I2cStep::Address { address, read: false }, 0, &wires).0;
        bytes.iter().for_each(|&b| assert_eq!(imu.i2c(I2cStep::Write(b), 0, &wires).0, known));
        imu.i2c(I2cStep::Stop, 0, &wires);
        known
    }

    fn read(imu: &mut Imu, address: u8, register: u8, now: u64, len: usize) -> Vec<u8> {
        let wires = Wires::new(12_000_000);
        imu.i2c(I2cStep::Address { address, read: false }, now, &wires);
        imu.i2c(I2cStep::Write(register), now, &wires);
        imu.i2c(I2cStep::Address { address, read: true }, now, &wires);
        let bytes = (0..len).map(|_| imu.i2c(I2cStep::Read, now, &wires).1).collect();
        imu.i2c(I2cStep::Stop, now, &wires);
        bytes
    }

    /// Cycles of the ring oscillator, at which the clocks above run.
    fn at(seconds: f64) -> u64 {
        (seconds * crate::clocks::ROSC_HZ as f64) as u64
    }

    #[test]
    fn it_answers_with_the_rows_of_its_time_in_the_scale_that_is_set() {
        let mut imu = imu("t,ax,ay,az,gx,gy,gz\n0,0,0,1,0,0,0\n0.5,1,-0.5,0,10,-20,250\n");
        assert_eq!(read(&mut imu, 0x68, 0, 0, 1), [0xea]);
        assert_eq!(read(&mut imu, 0x68, 0x2d, at(1.0), 6), [0; 6], "asleep after reset");
        assert!(write(&mut imu, 0x68, &[0x06, 0x01]));
        assert_eq!(read(&mut imu, 0x68, 0x2d, at(0.4), 6), [0, 0, 0, 0, 0x40, 0]);
        let words = |bytes: Vec<u8>| -> Vec<i16> {
            bytes.chunks(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect()
        };
        assert_eq!(
            words(read(&mut imu, 0x68, 0x2d, at(0.6), 12)),
            [16_384, -8_192, 0, 1_310, -2_620, 32_750]
        );
        assert!(write(&mut imu, 0x68, &[0x7f, 0x20]) && write(&mut imu, 0x68, &[0x14, 0x07]));
        assert!(write(&mut imu, 0x68, &[0x01, 0x03]) && write(&mut imu, 0x68, &[0x7f, 0]));
        assert_eq!(words(read(&mut imu, 0x68, 0x2d, at(0.6), 12)), [2_048, -1_024, 0, 655, -1_310, 16_375]);
        assert_eq!(read(&mut imu, 0x68, 0x1a, at(0.6), 1), [1], "data ready");
        assert_eq!(read(&mut imu, 0x68, 0x1a, at(0.6), 1), [0], "told");
        assert!(!write(&mut imu, 0x69, &[0]), "not its address");
    }

    #[test]
    fn the_magnetometer_is_reached_by_bypass_and_through_the_sensor() {
        let mut imu = imu("0,0,0,1,0,0,0,15,-30,45");
        assert!(!write(&mut imu, COMPASS, &[0x31, 8]), "not without bypass");
        write(&mut imu, 0x68, &[0x06, 0x01]);
        write(&mut imu, 0x68, &[0x0f, 2]);
        assert!(write(&mut imu, COMPASS, &[0x31, 8]));
        assert_eq!(read(&mut imu, COMPASS, 0, 0, 2), [0x48, 0x09]);
        assert_eq!(read(&mut imu, COMPASS, 0x10, 0, 7), [1, 100, 0, 56, 255, 44, 1]);
        // As slave 0: USER_CTRL, then bank 3 with address, register and length.
        for bytes in
            [[0x0f, 0], [0x03, 0x20], [0x7f, 0x30], [0x03, 0x8c], [0x04, 0x11], [0x05, 0x86], [0x7f, 0]]
        {
            assert!(write(&mut imu, 0x68, &bytes));
        }
        assert_eq!(read(&mut imu, 0x68, 0x3b, 0, 7), [100, 0, 56, 255, 44, 1, 0]);
    }

    #[test]
    fn mistakes_in_a_recording_are_named_with_their_line() {
        let error = |text: &str| Motion::parse(text).unwrap_err().to_string();
        assert!(error("t,x\n").contains("no row of numbers"));
        assert!(error("0,0,0,1\n1,2\n").contains("line 2: not 4, 7 or 10 numbers"));
        assert!(error("1,0,0,1\n0,0,0,1\n").contains("line 2: its time is before"));
        assert!(error("0,0,inf,1\n").contains("line 1: a number out of range"));
    }
}
