//! A GDB server for both cores (GDB manual, appendix E: Remote Serial Protocol). Core 0 is thread 1, core 1 is
//! thread 2; both stop and go together.

use crate::cpu::CoreState;
use crate::error::Error;
use crate::load::hex::bytes_of;
use crate::sim::{Simulator, Stop};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How many cycles run between two looks at the socket for an interrupt (Ctrl-C).
const SLICE: u64 = 1_000_000;
/// How long a silent GDB is waited for before the caller is asked whether to go on.
const PATIENCE: Duration = Duration::from_millis(50);
/// What GDB sends for Ctrl-C, outside of packets.
const INTERRUPT: u8 = 3;
/// R0 to R12, SP, LR, PC, xPSR.
const REGISTERS: usize = 17;
/// What GDB is told about the registers; without it, it assumes those of the old FPA.
const TARGET: &str = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>arm</architecture><feature name="org.gnu.gdb.arm.m-profile"><reg name="r0" bitsize="32"/><reg name="r1" bitsize="32"/><reg name="r2" bitsize="32"/><reg name="r3" bitsize="32"/><reg name="r4" bitsize="32"/><reg name="r5" bitsize="32"/><reg name="r6" bitsize="32"/><reg name="r7" bitsize="32"/><reg name="r8" bitsize="32"/><reg name="r9" bitsize="32"/><reg name="r10" bitsize="32"/><reg name="r11" bitsize="32"/><reg name="r12" bitsize="32"/><reg name="sp" bitsize="32" type="data_ptr"/><reg name="lr" bitsize="32"/><reg name="pc" bitsize="32" type="code_ptr"/><reg name="xpsr" bitsize="32"/></feature></target>"#;

/// How a debugging session ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Ended {
    /// GDB detached or closed the connection.
    Detached,
    /// GDB asked to kill the program.
    Killed,
    /// The program ended.
    Program(Stop),
    /// The caller of [`serve`] had enough.
    Left,
}

/// What [`serve`] calls between stretches of the program, and while GDB is silent; false ends the session.
pub type Between<'a> = &'a mut dyn FnMut(&mut Simulator) -> bool;

/// What a packet leads to.
enum Action {
    Reply(String),
    Continue,
    End(Ended),
}

struct Server<'a> {
    sim: &'a mut Simulator,
    between: Between<'a>,
    stream: TcpStream,
    /// Bytes read and not used yet.
    pending: Vec<u8>,
    /// The core that register packets mean.
    core: usize,
    acknowledge: bool,
}

/// Serves the GDB at the other end of `stream` until it leaves or the program ends. The program stands still until
/// GDB lets it go, and at each BKPT, as on a chip with a debugger.
///
/// # Errors
/// When the socket fails.
pub fn serve(sim: &mut Simulator, stream: TcpStream, between: Between) -> Result<Ended, Error> {
    let failed = |e: std::io::Error| Error::Io { what: "serve GDB".into(), why: e.to_string() };
    stream.set_nodelay(true).map_err(failed)?;
    let stops = std::mem::replace(&mut sim.options.stop_at_bkpt, true);
    let mut server = Server { sim, between, stream, pending: Vec::new(), core: 0, acknowledge: true };
    let ended = server.run().map_err(failed);
    sim.options.stop_at_bkpt = stops;
    ended
}

impl Server<'_> {
    fn run(&mut self) -> std::io::Result<Ended> {
        loop {
            let packet = match self.packet()? {
                Ok(packet) => packet,
                Err(ended) => return Ok(ended),
            };
            match self.handle(&packet) {
                Action::Reply(text) => self.send(&text)?,
                Action::Continue => match self.go()? {
                    Ok(reply) => self.send(&reply)?,
                    Err(ended) => {
                        let status =
                            if let Ended::Program(Stop::Exit { status }) = ended { status } else { 0 };
                        self.send(&format!("W{:02x}", status & 0xff))?;
                        return Ok(ended);
                    }
                },
                Action::End(ended) => {
                    self.send("OK")?;
                    return Ok(ended);
                }
            }
        }
    }

    /// The next packet's text, or how the session ended. An interrupt byte between packets is dropped.
    fn packet(&mut self) -> std::io::Result<Result<String, Ended>> {
        loop {
            if let Some(start) = self.pending.iter().position(|&b| b == b'$')
                && let Some(hash) = self.pending[start..].iter().position(|&b| b == b'#')
                && self.pending.len() > start + hash + 2
            {
                let text = String::from_utf8_lossy(&self.pending[start + 1..start + hash]).into_owned();
                self.pending.drain(..start + hash + 3);
                if self.acknowledge {
                    self.stream.write_all(b"+")?;
                }
                return Ok(Ok(text));
            }
            match self.receive(PATIENCE)? {
                Some(0) => return Ok(Err(Ended::Detached)),
                Some(_) => {}
                None if (self.between)(self.sim) => {}
                None => return Ok(Err(Ended::Left)),
            }
        }
    }

    /// Takes in what GDB sends within `patience`: the number of bytes, 0 at the end of the connection.
    fn receive(&mut self, patience: Duration) -> std::io::Result<Option<usize>> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.pending.extend(&buffer[..n]);
                Ok(Some(n))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn send(&mut self, text: &str) -> std::io::Result<()> {
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        self.stream.write_all(format!("${text}#{sum:02x}").as_bytes())
    }

    /// Runs until something stops the program or GDB interrupts; the stop reply, or the end of the session.
    fn go(&mut self) -> std::io::Result<Result<String, Ended>> {
        loop {
            match self.sim.run(self.sim.cycles() + SLICE) {
                Stop::Deadline => {
                    if self.interrupted()? {
                        return Ok(Ok(self.stopped(2)));
                    }
                }
                Stop::Breakpoint { core, .. } | Stop::Bkpt { core, .. } => {
                    self.core = core;
                    return Ok(Ok(self.stopped(5)));
                }
                Stop::Fault { core, .. } | Stop::Lockup { core, .. } => {
                    self.core = core;
                    return Ok(Ok(self.stopped(11)));
                }
                stop @ (Stop::Exit { .. } | Stop::Deadlock | Stop::UsbBoot) => {
                    return Ok(Err(Ended::Program(stop)));
                }
            }
            if !(self.between)(self.sim) {
                return Ok(Err(Ended::Left));
            }
        }
    }

    /// Whether GDB has sent its interrupt byte meanwhile, or has gone.
    fn interrupted(&mut self) -> std::io::Result<bool> {
        let gone = self.receive(Duration::from_micros(1))? == Some(0);
        let before = self.pending.len();
        self.pending.retain(|&byte| byte != INTERRUPT);
        Ok(gone || self.pending.len() < before)
    }

    fn stopped(&self, signal: u8) -> String {
        format!("T{signal:02x}thread:{:x};", self.core + 1)
    }

    fn handle(&mut self, packet: &str) -> Action {
        let ok = || Action::Reply("OK".into());
        let error = || Action::Reply("E01".into());
        let Some(kind) = packet.chars().next() else { return Action::Reply(String::new()) };
        let rest = &packet[kind.len_utf8()..];
        match kind {
            '?' => Action::Reply(self.stopped(5)),
            'g' => Action::Reply((0..REGISTERS).map(|i| self.register(i)).collect()),
            'G' => {
                for (i, value) in rest.as_bytes().chunks(8).enumerate().take(REGISTERS) {
                    if let Some(value) = little_endian(value) {
                        self.sim.set_register(self.core, i, value);
                    }
                }
                ok()
            }
            'p' => hex(rest).map_or_else(error, |i| Action::Reply(self.register(i as usize))),
            'P' => match rest.split_once('=').map(|(i, v)| (hex(i), little_endian(v.as_bytes()))) {
                Some((Some(i), Some(value))) if (i as usize) < REGISTERS => {
                    self.sim.set_register(self.core, i as usize, value);
                    ok()
                }
                _ => error(),
            },
            'm' => self.read_memory(rest).map_or_else(error, Action::Reply),
            'M' => self.write_memory(rest).map_or_else(error, |()| ok()),
            'Z' | 'z' => self.breakpoint(kind == 'Z', rest).map_or(Action::Reply(String::new()), |()| ok()),
            's' => {
                self.step();
                Action::Reply(self.stopped(5))
            }
            'c' => {
                self.sim.skip_bkpt(0);
                self.sim.skip_bkpt(1);
                Action::Continue
            }
            'H' | 'T' => {
                if let Some(thread @ 1..=2) = hex(rest.trim_start_matches(['g', 'c'])) {
                    self.core = thread as usize - 1;
                }
                ok()
            }
            'D' => Action::End(Ended::Detached),
            'k' => Action::End(Ended::Killed),
            _ => Action::Reply(self.query(packet)),
        }
    }

    /// Queries; an empty reply says that a packet is not known.
    fn query(&mut self, packet: &str) -> String {
        if packet.starts_with("qSupported") {
            return "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+".into();
        }
        if let Some(range) = packet.strip_prefix("qXfer:features:read:target.xml:") {
            return transfer(range).unwrap_or_else(|| "E01".into());
        }
        match packet {
            "QStartNoAckMode" => {
                self.acknowledge = false;
                "OK".into()
            }
            "qfThreadInfo" => "m1,2".into(),
            "qsThreadInfo" => "l".into(),
            "qC" => format!("QC{:x}", self.core + 1),
            "qAttached" => "1".into(),
            _ => match packet.strip_prefix("qThreadExtraInfo,").and_then(hex) {
                Some(thread @ 1..=2) => self.describe(thread as usize - 1),
                _ => String::new(),
            },
        }
    }

    /// The state of a core as hex text, for `info threads`.
    fn describe(&self, core: usize) -> String {
        let state = self.sim.core_state(core);
        format!("core {core}, {state}").bytes().map(|b| format!("{b:02x}")).collect()
    }

    fn register(&self, index: usize) -> String {
        if index >= REGISTERS {
            return "xxxxxxxx".into();
        }
        format!("{:08x}", self.sim.register(self.core, index).swap_bytes())
    }

    fn read_memory(&self, rest: &str) -> Option<String> {
        let (addr, len) = rest.split_once(',')?;
        let bytes = self.sim.read_bytes(hex(addr)?, hex(len)? as usize)?;
        Some(bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    fn write_memory(&mut self, rest: &str) -> Option<()> {
        let (place, data) = rest.split_once(':')?;
        let (addr, _) = place.split_once(',')?;
        self.sim.write_bytes(hex(addr)?, &bytes_of(data.as_bytes())?).then_some(())
    }

    /// Software and hardware breakpoints are the same here; watchpoints are not offered.
    fn breakpoint(&mut self, set: bool, rest: &str) -> Option<()> {
        let (kind, place) = rest.split_once(',')?;
        if kind != "0" && kind != "1" {
            return None;
        }
        let addr = hex(place.split(',').next()?)?;
        if set {
            return self.sim.set_breakpoint(addr).then_some(());
        }
        self.sim.clear_breakpoint(addr);
        Some(())
    }

    /// Runs until the chosen core has executed one instruction; the other goes on meanwhile.
    fn step(&mut self) {
        self.sim.skip_bkpt(self.core);
        let before = self.sim.instructions(self.core);
        while self.sim.instructions(self.core) == before {
            let state = self.sim.core_state(self.core);
            let sleeps = matches!(state, CoreState::WaitEvent | CoreState::WaitInterrupt);
            let until = self.sim.core_cycles(self.core) + if sleeps { SLICE } else { 1 };
            if self.sim.run(until) != Stop::Deadline || sleeps {
                break;
            }
        }
    }
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// Eight hex digits, the low byte first.
fn little_endian(text: &[u8]) -> Option<u32> {
    hex(std::str::from_utf8(text).ok()?).filter(|_| text.len() == 8).map(u32::swap_bytes)
}

/// A piece of the target description: `offset,length` in hex.
fn transfer(range: &str) -> Option<String> {
    let (offset, len) = range.split_once(',')?;
    let (offset, len) = (hex(offset)? as usize, hex(len)? as usize);
    let piece = TARGET.get(offset..(offset + len).min(TARGET.len()))?;
    let more = if offset + len < TARGET.len() { 'm' } else { 'l' };
    Some(format!("{more}{piece}"))
}
