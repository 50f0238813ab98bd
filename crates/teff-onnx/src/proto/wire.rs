//! The protobuf wire format (protobuf.dev, "Encoding"): fields of a message one after another, each a number, a wire type and a
//! payload. Reading borrows and never allocates; no length is believed beyond the bytes there are.

use std::fmt;

/// Bytes that are no protobuf message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) type Result<T> = std::result::Result<T, Malformed>;

/// The payload of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in file order.
pub(crate) struct WireFields<'a>(pub(crate) &'a [u8]);

impl<'a> WireFields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (front, rest) =
            self.0.split_at_checked(n).ok_or(Malformed("it ends in the middle of a field"))?;
        self.0 = rest;
        Ok(front)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is longer than ten bytes"))
    }

    fn field(&mut self) -> Result<(u64, Payload<'a>)> {
        let key = self.varint()?;
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().expect("8 bytes"))),
            2 => {
                let n = usize::try_from(self.varint()?).map_err(|_| Malformed("a length is too large"))?;
                Payload::Bytes(self.take(n)?)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes"))),
            _ => return Err(Malformed("a field has a wire type that ONNX does not use")),
        };
        match key >> 3 {
            0 => Err(Malformed("a field has number 0")),
            number => Ok((number, payload)),
        }
    }
}

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<(u64, Payload<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Payload<'a> {
    pub(crate) fn int(self) -> Result<i64> {
        match self {
            Payload::Varint(n) => Ok(n as i64),
            _ => Err(Malformed("a number is not coded as one")),
        }
    }

    pub(crate) fn float(self) -> Result<f32> {
        match self {
            Payload::Fixed32(n) => Ok(f32::from_bits(n)),
            _ => Err(Malformed("a float is not coded as one")),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Payload::Bytes(b) => Ok(b),
            _ => Err(Malformed("a string or message is not coded as one")),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a name is not UTF-8"))
    }

    /// Appends the varints of a repeated field, packed or single.
    pub(crate) fn ints(self, out: &mut Vec<i64>) -> Result<()> {
        match self {
            Payload::Bytes(b) => {
                let mut packed = WireFields(b);
                while !packed.0.is_empty() {
                    out.push(packed.varint()? as i64);
                }
                Ok(())
            }
            single => single.int().map(|n| out.push(n)),
        }
    }

    fn double(self) -> Result<f64> {
        match self {
            Payload::Fixed64(n) => Ok(f64::from_bits(n)),
            _ => Err(Malformed("a double is not coded as one")),
        }
    }

    /// Appends the 32-bit words of a repeated field, packed or single.
    pub(crate) fn floats(self, out: &mut Vec<f32>) -> Result<()> {
        if let Payload::Bytes(b) = self {
            words(b, out, f32::from_le_bytes)
        } else {
            self.float().map(|x| out.push(x))
        }
    }

    /// Appends the 64-bit words of a repeated field, packed or single.
    pub(crate) fn doubles(self, out: &mut Vec<f64>) -> Result<()> {
        if let Payload::Bytes(b) = self {
            words(b, out, f64::from_le_bytes)
        } else {
            self.double().map(|x| out.push(x))
        }
    }
}

/// Appends the words of N bytes that a packed field has.
fn words<const N: usize, T>(bytes: &[u8], out: &mut Vec<T>, of: fn([u8; N]) -> T) -> Result<()> {
    let words = bytes.chunks_exact(N);
    if !words.remainder().is_empty() {
        return Err(Malformed("a list of floats ends in the middle of one"));
    }
    out.extend(words.map(|w| of(w.try_into().expect("as many bytes"))));
    Ok(())
}

/// Writes a message, field by field.
#[derive(Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub(crate) fn int(&mut self, field: u64, n: i64) {
        self.varint(field << 3);
        self.varint(n as u64);
    }

    pub(crate) fn float(&mut self, field: u64, x: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(x.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(crate) fn text(&mut self, field: u64, s: &str) {
        self.bytes(field, s.as_bytes());
    }

    pub(crate) fn ints(&mut self, field: u64, list: &[i64]) {
        let mut packed = Encoder::default();
        list.iter().for_each(|&n| packed.varint(n as u64));
        self.bytes(field, &packed.0);
    }

    pub(crate) fn message(&mut self, field: u64, write: impl FnOnce(&mut Encoder)) {
        let mut inner = Encoder::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut e = Encoder::default();
        e.int(1, -1);
        e.float(2, 0.5);
        e.ints(3, &[0, 127, 128, -1]);
        e.message(1000, |m| m.text(1, "x"));
        let fields: Vec<_> = WireFields(&e.0).collect::<Result<_>>().unwrap();
        assert_eq!(fields[0].1.int(), Ok(-1));
        assert_eq!(fields[1].1.float(), Ok(0.5));
        let mut ints = Vec::new();
        fields[2].1.ints(&mut ints).unwrap();
        assert_eq!(ints, [0, 127, 128, -1]);
        assert_eq!(fields[3].0, 1000);
        assert_eq!(WireFields(fields[3].1.bytes().unwrap()).next().unwrap().unwrap().1.text(), Ok("x"));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_message() {
        let mut e = Encoder::default();
        e.text(7, "a name");
        e.int(8, 1 << 40);
        for n in 0..e.0.len() {
            let read: Result<Vec<_>> = WireFields(&e.0[..n]).collect();
            assert!(read.is_err() || n == 0 || n == 8, "{n} bytes");
        }
    }

    #[test]
    fn endless_numbers_and_unknown_wire_types_are_errors() {
        assert!(WireFields(&[0xff; 32]).next().unwrap().is_err());
        assert!(WireFields(&[0x0b]).next().unwrap().is_err());
        assert!(WireFields(&[0x00, 0x00]).next().unwrap().is_err());
    }
}
