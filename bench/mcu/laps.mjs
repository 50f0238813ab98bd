// Runs firmware.c on rp2040js, as laps does on teff's simulator: node laps.mjs FILE.elf
import { RP2040, ConsoleLogger, LogLevel } from 'rp2040js';
import fs from 'node:fs';
import { load } from '../load-elf.mjs';

const elf = fs.readFileSync(process.argv[2]);
const mcu = new RP2040();
mcu.logger = new ConsoleLogger(LogLevel.Error, false);
const core = load(mcu, elf);

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
