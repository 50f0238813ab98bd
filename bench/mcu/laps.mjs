// Runs firmware.c on rp2040js, as laps does on teff's simulator: node laps.mjs FILE.elf
import { RP2040, ConsoleLogger, LogLevel } from 'rp2040js';
import fs from 'node:fs';

const elf = fs.readFileSync(process.argv[2]);
const mcu = new RP2040();
mcu.logger = new ConsoleLogger(LogLevel.Error, false);

// Loadable segments of the program headers (ELF32, little-endian), at their load addresses.
const view = new DataView(elf.buffer, elf.byteOffset, elf.length);
const [headers, size, count] = [view.getUint32(28, true), view.getUint16(42, true), view.getUint16(44, true)];
for (let i = 0; i < count; i++) {
  const word = (at) => view.getUint32(headers + i * size + at, true);
  const [kind, from, to, length] = [word(0), word(4), word(12), word(16)];
  if (kind !== 1 || length === 0) continue;
  const bytes = elf.subarray(from, from + length);
  if (to >>> 24 === 0x10) mcu.flash.set(bytes, to - 0x10000000);
  else mcu.sram.set(bytes, to - 0x20000000);
}
const core = mcu.core;
core.VTOR = 0x10000000;
core.SP = mcu.flashView.getUint32(0, true);
core.PC = mcu.flashView.getUint32(4, true) & ~1;

const [laps, answers] = [[], []];
const registers = core.registers;
let [started, top, lowest, running, done] = [0, 0, 0xffffffff, false, false];
mcu.onBreak = (code) => {
  if (code === 1) {
    started = core.cycles;
    top = registers[13] >>> 0;
    running = true;
  } else if (code === 2) {
    laps.push(core.cycles - started);
    running = false;
  } else if (code === 3) answers.push(registers[0]);
  else done = true;
};
while (!done) {
  core.executeInstruction();
  if (running && registers[13] >>> 0 < lowest) lowest = registers[13] >>> 0;
}
console.log(JSON.stringify({ laps, answers, stack: top - lowest }));
