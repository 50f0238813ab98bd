//! What the program prints, and what is typed to it.

use super::part_file::{PartFile, failed};
use crate::failure::Result;
use crate::files::read;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use teff_rp2040::Simulator;

/// The places a program can print to.
pub(crate) const STREAMS: [&str; 4] = ["uart0", "uart1", "usb", "semihosting"];
/// Of each stream, what goes into the JSON result at most.
const KEPT: usize = 1 << 20;

#[derive(Default)]
struct Stream {
    kept: Vec<u8>,
    /// The end of what was printed, in which --until may have begun.
    tail: Vec<u8>,
}

/// What several streams print, on one terminal: what comes from one alone as it comes; from two on whole lines, each behind its stream's name.
#[derive(Default)]
struct Lines {
    /// The first stream that printed, and whether another did.
    first: Option<usize>,
    several: bool,
    /// Lines without an end yet: whether the first stream left one on the terminal, and those of each stream since then.
    left: bool,
    open: [Vec<u8>; 4],
}

/// A line without an end is taken for whole at so many bytes.
const LINE: usize = 4096;

impl Lines {
    /// What is to be shown now that stream `i` has printed `bytes`.
    fn take(&mut self, i: usize, bytes: &[u8]) -> Vec<u8> {
        self.several |= *self.first.get_or_insert(i) != i;
        if !self.several {
            self.left = !bytes.ends_with(b"\n");
            return bytes.to_vec();
        }
        let mut shown = if std::mem::take(&mut self.left) { b"\n".to_vec() } else { Vec::new() };
        let open = &mut self.open[i];
        open.extend(bytes);
        while let Some(end) =
            open.iter().position(|b| *b == b'\n').or((open.len() >= LINE).then_some(LINE - 1))
        {
            let line: Vec<u8> = open.drain(..=end).collect();
            shown.extend(named(i, &line));
        }
        shown
    }

    /// What has no end, at the end.
    fn rest(&mut self) -> Vec<u8> {
        let open = self.open.iter_mut().enumerate().filter(|(_, line)| !line.is_empty());
        open.flat_map(|(i, line)| named(i, &std::mem::take(line))).collect()
    }
}

/// A line behind the name of its stream.
fn named(i: usize, line: &[u8]) -> Vec<u8> {
    let end: &[u8] = if line.ends_with(b"\n") { b"" } else { b"\n" };
    [STREAMS[i].as_bytes(), b": ", line, end].concat()
}

/// Where the bytes of the UARTs go.
enum Uarts {
    Terminal,
    File(Option<PartFile>, PathBuf),
    Nowhere,
}

/// What is sent to the program.
enum Input {
    Nothing,
    Bytes(Vec<u8>),
    /// What is typed, from a thread that waits for it, and what of it has not been sent yet.
    Typed(Receiver<Vec<u8>>, Vec<u8>),
}

pub(crate) struct Console {
    streams: [Stream; 4],
    lines: Lines,
    uarts: Uarts,
    input: Input,
    until: Vec<u8>,
    /// The text of --until was printed.
    pub(crate) seen: bool,
    /// Nobody reads standard output any more.
    pub(crate) closed: bool,
    /// Keep what is printed for the result, and print nothing.
    json: bool,
}

impl Console {
    pub(crate) fn new(uart: &Path, input: Option<&Path>, until: Option<&str>, json: bool) -> Result<Console> {
        let uarts = match uart.to_str() {
            Some("-") => Uarts::Terminal,
            Some("none") => Uarts::Nowhere,
            _ => Uarts::File(Some(PartFile::create(uart)?), uart.into()),
        };
        let input = match input {
            None => Input::Nothing,
            Some(path) if path == Path::new("-") => Input::Typed(typed(), Vec::new()),
            Some(path) => Input::Bytes(read(path)?),
        };
        Ok(Console {
            streams: Default::default(),
            lines: Lines::default(),
            uarts,
            input,
            until: until.unwrap_or_default().into(),
            seen: false,
            closed: false,
            json,
        })
    }

    /// True while bytes may come from outside at any time.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.input, Input::Typed(..))
    }

    /// Takes what the program has printed since the last call; `print` shows it to the user.
    pub(crate) fn drain(
        &mut self,
        sim: &mut Simulator,
        mut print: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<bool> {
        let printed = [sim.take_uart(0), sim.take_uart(1), sim.take_usb(), sim.take_semihosting()];
        let mut any = false;
        for (i, bytes) in printed.into_iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            any = true;
            self.keep(i, &bytes);
            let terminal = match &mut self.uarts {
                Uarts::File(Some(file), path) if i < 2 => {
                    file.write_all(&bytes).map_err(|e| failed(path, &e))?;
                    false
                }
                Uarts::Nowhere if i < 2 => false,
                Uarts::Terminal | Uarts::Nowhere | Uarts::File(..) => !self.json,
            };
            if terminal && !print(&self.lines.take(i, &bytes))? {
                self.closed = true;
            }
        }
        Ok(any)
    }

    /// Shows what has been held back for the end of its line.
    pub(crate) fn flush(&mut self, mut print: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        let rest = self.lines.rest();
        if !rest.is_empty() {
            print(&rest)?;
        }
        Ok(())
    }

    /// Keeps printed bytes for the result, and looks for the text of --until.
    fn keep(&mut self, i: usize, bytes: &[u8]) {
        let stream = &mut self.streams[i];
        if self.json {
            let room = KEPT - stream.kept.len();
            stream.kept.extend(&bytes[..bytes.len().min(room)]);
        }
        if self.until.is_empty() {
            return;
        }
        stream.tail.extend(bytes);
        self.seen |= stream.tail.windows(self.until.len()).any(|window| window == self.until);
        let old = stream.tail.len().saturating_sub(self.until.len() - 1);
        stream.tail.drain(..old);
    }

    /// Sends the input on, once the program has opened a serial port; true if anything was sent.
    pub(crate) fn feed(&mut self, sim: &mut Simulator) -> bool {
        let (bytes, ended) = match &mut self.input {
            Input::Nothing => return false,
            Input::Bytes(bytes) => (bytes, true),
            Input::Typed(lines, bytes) => loop {
                match lines.try_recv() {
                    Ok(line) => bytes.extend(line),
                    Err(TryRecvError::Empty) => break (bytes, false),
                    Err(TryRecvError::Disconnected) => break (bytes, true),
                }
            },
        };
        let sent = !bytes.is_empty() && (sim.usb_open() || sim.uart_open(0));
        if sent && sim.usb_open() {
            sim.send_usb(bytes);
        } else if sent {
            sim.send_uart(0, bytes);
        }
        if sent {
            bytes.clear();
        }
        if ended && bytes.is_empty() {
            self.input = Input::Nothing;
        }
        sent
    }

    /// What each stream has printed, for the result.
    pub(crate) fn texts(&self) -> [String; 4] {
        std::array::from_fn(|i| String::from_utf8_lossy(&self.streams[i].kept).into_owned())
    }

    /// Gives the file of the UARTs its name, if there is one.
    pub(crate) fn finish(&mut self) -> Result<Option<PathBuf>> {
        match &mut self.uarts {
            Uarts::File(file, path) => {
                file.take().map_or(Ok(()), PartFile::finish)?;
                Ok(Some(path.clone()))
            }
            Uarts::Terminal | Uarts::Nowhere => Ok(None),
        }
    }
}

/// Reads standard input in a thread of its own, which ends with the process.
fn typed() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    // Without the thread nothing is typed.
    let _ = std::thread::Builder::new().spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(n @ 1..) = std::io::stdin().read(&mut buffer) {
            if sender.send(buffer[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of two ports as they come, in pieces.
    #[test]
    fn lines_of_several_ports_are_whole_and_named() {
        let mut lines = Lines::default();
        let mut said = Vec::new();
        for (i, bytes) in [(2, "ready\nna"), (2, "me? "), (0, "boot"), (2, "x"), (0, "ed\nnext"), (2, "yz\n")]
        {
            said.extend(lines.take(i, bytes.as_bytes()));
        }
        said.extend(lines.rest());
        let said = String::from_utf8(said).unwrap();
        assert_eq!(said, "ready\nname? \nuart0: booted\nusb: xyz\nuart0: next\n");
        assert_eq!(lines.take(1, &[b'.'; LINE]).len(), "uart1: ".len() + LINE + 1);
    }
}
