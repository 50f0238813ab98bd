//! As much of ZIP as NumPy writes: members stored or deflated, found by the central directory, CRC checked.
//!
//! Format: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end).

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::error::{Error, Result};
use crate::stream::{MAX_EXPANSION, Stream, open_file};

const END_OF_DIRECTORY: [u8; 4] = *b"PK\x05\x06";
const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
/// The fixed parts of the three records, in bytes.
const END_LEN: usize = 22;
const ENTRY_LEN: usize = 46;
const LOCAL_LEN: usize = 30;

/// An archive's directory; members are read from the file when asked for.
pub(crate) struct Archive {
    path: PathBuf,
    len: u64,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) struct Entry {
    pub(crate) name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl Archive {
    /// Reads the directory at the end of the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let name = path.display().to_string();
        let mut file = open_file(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        // The end record is followed by a comment of at most 65 535 bytes.
        let tail_len = len.min(END_LEN as u64 + 0xffff);
        file.seek(SeekFrom::Start(len - tail_len)).map_err(io)?;
        let tail = exactly(&mut file, tail_len).map_err(io)?;
        let end = tail.windows(END_LEN).rposition(|w| w.starts_with(&END_OF_DIRECTORY));
        let Some(end) = end.map(|at| &tail[at..]) else {
            let what = "not an NPZ file, or cut short: a ZIP directory is missing at its end";
            return Err(Error::wrong_format(&name, what));
        };
        let (count, size, start) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
        if count == u16::MAX || start == u32::MAX {
            return Err(Error::unsupported(&name, "an archive of over 4 GB", "split it into smaller files"));
        }
        if u64::from(start) + u64::from(size) > len {
            let what = format!("its directory is said to be at byte {start}, but the file has {len} bytes");
            return Err(Error::damaged(&name, what));
        }
        file.seek(SeekFrom::Start(u64::from(start))).map_err(io)?;
        let directory = exactly(&mut file, u64::from(size)).map_err(io)?;
        let entries = entries(&directory, count)
            .ok_or_else(|| Error::damaged(&name, "its directory does not list its members"))?;
        Ok(Self { path: path.to_owned(), len, entries })
    }

    /// A member.
    pub(crate) fn member(&self, entry: &Entry) -> Result<Stream> {
        let io = |e| Error::io(&self.path, e);
        let label = format!("{} ({})", self.path.display(), entry.name);
        if entry.encrypted {
            return Err(Error::unsupported(&label, "an encrypted member", "save it without a password"));
        }
        if entry.size == u64::from(u32::MAX) || entry.packed == u64::from(u32::MAX) {
            return Err(Error::unsupported(&label, "a member of over 4 GB", "split it into smaller arrays"));
        }
        let mut file = open_file(&self.path).map_err(io)?;
        let outside = || Error::damaged(&label, "its place in the archive is outside the file");
        if entry.offset + LOCAL_LEN as u64 > self.len {
            return Err(outside());
        }
        file.seek(SeekFrom::Start(entry.offset)).map_err(io)?;
        let local = exactly(&mut file, LOCAL_LEN as u64).map_err(io)?;
        if !local.starts_with(&LOCAL_HEADER) {
            return Err(Error::damaged(&label, "there is no member where the directory says"));
        }
        let skip = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        let start = entry.offset + LOCAL_LEN as u64 + skip;
        if start + entry.packed > self.len {
            return Err(outside());
        }
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        let packed = BufReader::with_capacity(64 << 10, file).take(entry.packed);
        let (reader, bound): (Box<dyn Read>, u64) = match entry.method {
            0 => (Box::new(packed), entry.packed),
            8 => (Box::new(DeflateDecoder::new(packed)), entry.packed * MAX_EXPANSION),
            method => {
                let what = format!("ZIP method {method}");
                let remedy = "save it with numpy.savez or numpy.savez_compressed";
                return Err(Error::unsupported(&label, what, remedy));
            }
        };
        let checked = Checked { reader, crc: Crc::new(), expected: entry.crc };
        Ok(Stream::new(label, Box::new(checked), bound.min(entry.size)))
    }
}

/// The entries of a directory, or `None` when it is not one.
fn entries(mut directory: &[u8], count: u16) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let fixed = directory.get(..ENTRY_LEN).filter(|e| e.starts_with(&DIRECTORY_ENTRY))?;
        let name_end = ENTRY_LEN + usize::from(u16_at(fixed, 28));
        let end = name_end + usize::from(u16_at(fixed, 30)) + usize::from(u16_at(fixed, 32));
        entries.push(Entry {
            name: String::from_utf8_lossy(directory.get(ENTRY_LEN..name_end)?).into_owned(),
            encrypted: u16_at(fixed, 8) & 1 != 0,
            method: u16_at(fixed, 10),
            crc: u32_at(fixed, 16),
            packed: u64::from(u32_at(fixed, 20)),
            size: u64::from(u32_at(fixed, 24)),
            offset: u64::from(u32_at(fixed, 42)),
        });
        directory = directory.get(end..)?;
    }
    Some(entries)
}

/// A reader that compares the CRC of what it passed on when its source ends.
struct Checked {
    reader: Box<dyn Read>,
    crc: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.crc.update(&buffer[..n]);
        if n == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(ErrorKind::InvalidData, "its CRC does not match its contents"));
        }
        Ok(n)
    }
}

/// Reads `len` bytes, which the caller has bounded by the file's length.
fn exactly(file: &mut File, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
