// Runs an ELF file on rp2040js for so many cycles: node rp2040js.mjs FILE CYCLES. Prints the cycles and instructions done.
import { RP2040, ConsoleLogger, LogLevel } from 'rp2040js';
import fs from 'node:fs';
import { load } from '../load-elf.mjs';

const elf = fs.readFileSync(process.argv[2]);
const limit = Number(process.argv[3]);
const mcu = new RP2040();
mcu.logger = new ConsoleLogger(LogLevel.Error, false);
const core = load(mcu, elf);
let instructions = 0;
while (core.cycles < limit) {
  core.executeInstruction();
  instructions++;
}
console.log(JSON.stringify({ cycles: core.cycles, instructions }));
