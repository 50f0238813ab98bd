// Puts an ELF file (ELF32, little-endian) into rp2040js: loadable segments of the program headers at their load addresses, the core at
// the vector table at the start of flash.
export function load(mcu, elf) {
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
  return core;
}
