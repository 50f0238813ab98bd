//! What can be seen and done from outside: memory, registers, breakpoints, pins, serial lines, the board.

use super::Simulator;
use crate::board::{Board, BoardFault};
use crate::bus::Bus;
use crate::cpu::CoreState;
use crate::error::Error;
use crate::rom;

impl Simulator {
    /// The word of memory at the aligned address `addr`, without side effects; `None` for registers and holes.
    pub fn read_word(&self, addr: u32) -> Option<u32> {
        self.bus.peek_word(addr & !3)
    }

    /// Bytes of memory; `None` if any of them is not memory.
    pub fn read_bytes(&self, addr: u32, len: usize) -> Option<Vec<u8>> {
        (0..len as u32).map(|i| self.bus.peek_byte(addr.wrapping_add(i))).collect()
    }

    /// Writes bytes into SRAM or flash; false if any of them is neither.
    pub fn write_bytes(&mut self, addr: u32, bytes: &[u8]) -> bool {
        let done = bytes.iter().enumerate().all(|(i, &b)| self.bus.poke_byte(addr.wrapping_add(i as u32), b));
        if (0x10..=0x13).contains(&(addr >> 24)) {
            self.bus.code.flash_written();
            self.bus.xip.flush();
        }
        done
    }

    /// Reads the register at `addr` as a debugger does: it takes no time, but has the side effects of any read, like taking
    /// a word out of a FIFO. `None` where there is none. SIO is core 0's.
    pub fn load_register(&mut self, addr: u32) -> Option<u32> {
        let now = self.cycles();
        self.bus.sync(now);
        match addr >> 28 {
            0xd => self.bus.read_sio(0, addr & !3, now),
            _ => self.bus.read_register(addr & !3, now),
        }
    }

    /// Writes the register at `addr` as a debugger does; false where there is none.
    pub fn store_register(&mut self, addr: u32, value: u32) -> bool {
        let now = self.cycles();
        self.bus.sync(now);
        match addr >> 28 {
            0xd => self.bus.write_sio(0, addr & !3, value, now).is_some(),
            _ => self.bus.write_register(addr & !3, value, now).is_some(),
        }
    }

    /// Interrupts that are pending at `core`, as bits by number (NVIC_ISPR).
    pub fn pending_interrupts(&self, core: usize) -> u32 {
        let lines = self.bus.wires.irq_lines(core);
        (self.cores[core].nvic.pending >> 16) as u32 | lines
    }

    /// Stops [`Simulator::run`] before the instruction at `pc`, on either core; false where no code can be.
    pub fn set_breakpoint(&mut self, pc: u32) -> bool {
        self.bus.set_breakpoint(pc & !1, true)
    }

    /// Removes a breakpoint.
    pub fn clear_breakpoint(&mut self, pc: u32) {
        self.bus.set_breakpoint(pc & !1, false);
    }

    /// Levels on the GPIO pads.
    pub fn pins(&self) -> u32 {
        self.bus.wires.pins.pad_level
    }

    /// Drives the pads in `mask` from outside to `level`.
    pub fn drive_pins(&mut self, mask: u32, level: u32) {
        self.change_around(|bus, now| bus.wires.pins.drive_outside(mask, level, now));
    }

    /// Lets go of the pads in `mask`.
    pub fn release_pins(&mut self, mask: u32) {
        self.change_around(|bus, now| bus.wires.pins.release_outside(mask, now));
    }

    /// Lets a fault of the board happen now. Several may stand at once.
    ///
    /// # Errors
    /// If the board has no such device.
    pub fn inject(&mut self, fault: BoardFault) -> Result<(), Error> {
        self.change_around(|bus, now| bus.board.inject(fault, now, &mut bus.wires))
    }

    /// Ends all faults that were injected: what was unplugged is there again, fresh from power-on; a camera that had stopped
    /// begins a frame; lines are let go.
    pub fn repair(&mut self) {
        self.change_around(|bus, now| bus.board.repair(now, &mut bus.wires));
    }

    /// Changes something around the chip, and tells who watches pins.
    fn change_around<T>(&mut self, change: impl FnOnce(&mut Bus, u64) -> T) -> T {
        let now = self.cycles();
        self.bus.sync(now);
        let result = change(&mut self.bus, now);
        self.bus.i2c_lines_changed(now);
        self.bus.after_change(now);
        result
    }

    /// Makes `core` hang: it turns in an endless loop of the ROM, deaf to interrupts, until it is reset.
    pub fn hang(&mut self, core: usize) {
        let now = self.cycles();
        let core = &mut self.cores[core];
        if core.state != CoreState::Running {
            core.cycle = core.cycle.max(now);
        }
        core.primask = true;
        core.state = CoreState::Running;
        core.jump(rom::HANG);
    }

    /// Sets what an ADC input (0 to 3 pins, 4 temperature) reads, as a 12-bit code.
    pub fn set_adc(&mut self, input: usize, code: u16) {
        self.bus.adc.inputs[input] = code & 0xfff;
    }

    /// Takes what UART `port` has sent since the last call.
    pub fn take_uart(&mut self, port: usize) -> Vec<u8> {
        std::mem::take(&mut self.bus.board.uarts[port])
    }

    /// True while the program listens to UART `port`; what is sent to it otherwise is lost.
    pub fn uart_open(&self, port: usize) -> bool {
        self.bus.uarts[port].listens()
    }

    /// Sends bytes to UART `port`, back to back at its baud rate.
    pub fn send_uart(&mut self, port: usize, bytes: &[u8]) {
        let now = self.cycles();
        self.bus.uarts[port].inject(bytes, now, &mut self.bus.wires);
    }

    /// Takes what the program has printed on its USB serial interface since the last call.
    pub fn take_usb(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bus.usb.host.output)
    }

    /// Sends bytes to the USB serial interface; they wait until the program has opened it.
    pub fn send_usb(&mut self, bytes: &[u8]) {
        self.bus.usb.host.input.extend(bytes);
    }

    /// True once the USB serial interface is open.
    pub fn usb_open(&self) -> bool {
        self.bus.usb.host.open()
    }

    /// Takes what the program has written by semihosting since the last call.
    pub fn take_semihosting(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.semihosting)
    }

    /// Stores to the boot ROM so far, and the address of the first. They are ignored, as on the chip, but are seldom
    /// meant.
    pub fn rom_stores(&self) -> (u64, u32) {
        self.bus.rom_stores
    }

    /// The XIP cache's hit and access counters, as the program would read them.
    pub fn xip_counters(&self) -> (u32, u32) {
        (self.bus.xip.hits, self.bus.xip.accesses)
    }

    /// The board around the chip.
    pub fn board(&mut self) -> &mut Board {
        &mut self.bus.board
    }
}
