//! Reading a file whose header says how much follows: unzipped on the way, checked, never trusted with memory.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// No deflate stream expands further than this: 258 bytes from two bits.
pub(crate) const MAX_EXPANSION: u64 = 1032;

/// What is reserved at once on a header's word; more only as the bytes arrive. Holds the images of MNIST.
const RESERVE: u64 = 64 << 20;

const BUFFER: usize = 64 << 10;

/// Opens a file, and nothing else: a pipe may never give anything, a device may give without end.
pub(crate) fn open_file(path: &Path) -> std::io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    File::open(path)
}

/// Bytes read from front to back, with the file's name for errors.
pub(crate) struct Stream {
    name: String,
    reader: Box<dyn Read>,
    /// More bytes than this cannot come, whatever a header says.
    bound: u64,
    position: u64,
}

impl Stream {
    /// A file, unzipped when it begins as gzip does.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let file = open_file(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let zipped = reader.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
        let name = path.display().to_string();
        Ok(if zipped {
            Self::new(name, Box::new(MultiGzDecoder::new(reader)), len.saturating_mul(MAX_EXPANSION))
        } else {
            Self::new(name, Box::new(reader), len)
        })
    }

    /// A reader that can yield at most `bound` bytes.
    pub(crate) fn new(name: String, reader: Box<dyn Read>, bound: u64) -> Self {
        Self { name, reader, bound, position: 0 }
    }

    /// The file's name for errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads `N` bytes of a header.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.take(N as u64)?);
        Ok(bytes)
    }

    /// Reads `len` bytes.
    pub(crate) fn take(&mut self, len: u64) -> Result<Vec<u8>> {
        let end = self.position.saturating_add(len);
        if end > self.bound {
            return Err(Error::cut_short(&self.name, end, self.bound));
        }
        let mut bytes = Vec::with_capacity(len.min(RESERVE) as usize);
        let outcome = self.reader.by_ref().take(len).read_to_end(&mut bytes);
        self.position += bytes.len() as u64;
        match outcome {
            Ok(_) if bytes.len() as u64 == len => Ok(bytes),
            Ok(_) => Err(self.cut_short(end)),
            Err(e) => Err(self.failure(e, end)),
        }
    }

    /// Checks that nothing follows, which also makes a checksum at the end be read and compared.
    pub(crate) fn finish(mut self) -> Result<()> {
        let position = self.position;
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                let what = format!("more bytes follow the {position} that its header promises");
                Err(Error::damaged(&self.name, what))
            }
            Err(e) => Err(self.failure(e, position)),
        }
    }

    fn cut_short(&self, expected: u64) -> Error {
        Error::cut_short(&self.name, expected, self.position)
    }

    fn failure(&self, error: std::io::Error, expected: u64) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof if self.position == expected => {
                Error::damaged(&self.name, "the checksum at its end is missing")
            }
            ErrorKind::UnexpectedEof => self.cut_short(expected),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => Error::damaged(&self.name, error.to_string()),
            _ => Error::io(Path::new(&self.name), error),
        }
    }
}
