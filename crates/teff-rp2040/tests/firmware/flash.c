/* Three ways to read flash, timed by SysTick: loads through the cache, the streaming FIFO, and bulk reads by the SSI,
 * the last two by DMA (datasheet 2.6.3.3, 4.10). Reports hits, accesses, then cycles of each for WORDS words. */
#include "chip.h"

#define WORDS 256u
#define XIP_CTRL 0x14000000u
#define SSI 0x18000000u
#define DMA 0x50000000u
#define RESETS 0x4000c000u

static const uint32_t table[WORDS] = {[0] = 0x01020304, [1] = 0xdeadbeef, [255] = 77};
static uint32_t buffer[WORDS];

static uint32_t now(void)
{
    return 0xffffffu - REG(0xe000e018);
}

static void start_dma(uint32_t from, uint32_t dreq)
{
    REG(DMA + 0x00) = from;
    REG(DMA + 0x04) = (uint32_t)buffer;
    REG(DMA + 0x08) = WORDS;
    REG(DMA + 0x0c) = dreq << 15 | 1u << 5 | 2u << 2 | 1u;
}

__attribute__((section(".ram"), noinline)) static uint32_t bulk(void)
{
    uint32_t begin = now();
    REG(SSI + 0x08) = 0;
    REG(SSI + 0x04) = WORDS - 1;
    REG(SSI + 0x4c) = 3;
    REG(SSI + 0x08) = 1;
    REG(DMA + 0x00) = SSI + 0x60;
    REG(DMA + 0x04) = (uint32_t)buffer;
    REG(DMA + 0x08) = WORDS;
    REG(DMA + 0x0c) = 39u << 15 | 1u << 22 | 1u << 5 | 2u << 2 | 1u;
    REG(SSI + 0x60) = ((uint32_t)table & 0xffffffu) << 8 | 0xa0;
    while (REG(DMA + 0x0c) & 1u << 24)
        ;
    uint32_t spent = now() - begin;
    REG(SSI + 0x08) = 0;
    REG(SSI + 0x04) = 0;
    REG(SSI + 0x4c) = 0;
    REG(SSI + 0x08) = 1;
    return spent;
}

static uint32_t same(void)
{
    for (unsigned i = 0; i < WORDS; i++)
        if (buffer[i] != table[i])
            return 0;
    return 1;
}

int main(void)
{
    REG(RESETS + 0x3000) = 1u << 2;
    REG(0xe000e014) = 0xffffff;
    REG(0xe000e018) = 0;
    REG(0xe000e010) = 5;
    for (int pass = 0; pass < 2; pass++) {
        REG(XIP_CTRL + 0x0c) = 0;
        REG(XIP_CTRL + 0x10) = 0;
        uint32_t begin = now();
        for (unsigned i = 0; i < WORDS; i++)
            buffer[i] = table[i];
        uint32_t spent = now() - begin;
        mark(3, REG(XIP_CTRL + 0x10) - REG(XIP_CTRL + 0x0c));
        mark(3, spent);
    }
    REG(XIP_CTRL + 0x14) = (uint32_t)table;
    uint32_t begin = now();
    start_dma(0x50400000u, 37);
    REG(XIP_CTRL + 0x18) = WORDS;
    while (REG(DMA + 0x0c) & 1u << 24)
        ;
    mark(3, now() - begin);
    mark(3, same());
    for (unsigned i = 0; i < WORDS; i++)
        buffer[i] = 0;
    mark(3, bulk());
    mark(3, same());
    return 0;
}
