/* Says hello on UART 0 at 115200 baud, answers a line in capitals, and ends with the number of its letters as exit status.
 * With SLEEP defined it sleeps until a letter comes. */
#include "chip.h"

#define RESETS 0x4000c000u
#define XOSC 0x40024000u
#define CLOCKS 0x40008000u
#define UART0 0x40034000u
#define IO_BANK0 0x40014000u

static void put(char c)
{
    while (REG(UART0 + 0x18) & 0x20)
        ;
    REG(UART0) = (uint8_t)c;
}

static void print(const char *text)
{
    while (*text)
        put(*text++);
}

int main(void)
{
    REG(XOSC + 0xc) = 47;
    REG(XOSC) = 0xfabaa0;
    while (!(REG(XOSC + 4) >> 31))
        ;
    REG(CLOCKS + 0x30) = 2; /* clk_ref and with it clk_sys from the crystal: 12 MHz */
    REG(CLOCKS + 0x48) = 1u << 11 | 4u << 5; /* clk_peri from the crystal */
    REG(RESETS + 0x3000) = 1u << 22 | 1u << 5;
    REG(UART0 + 0x24) = 6; /* 12 MHz / 16 / 115200 = 6.51 */
    REG(UART0 + 0x28) = 33;
    REG(UART0 + 0x2c) = 0x70;
    REG(UART0 + 0x30) = 0x301;
    REG(IO_BANK0 + 4) = 2;
    REG(IO_BANK0 + 12) = 2;
    print("hello from the RP2040\n");
    uint32_t letters = 0;
#ifdef SLEEP
    __asm__ volatile("cpsid i");
    REG(UART0 + 0x38) = 1u << 4 | 1u << 6;
    NVIC_ISER = 1u << 20;
#endif
    for (;;) {
        while (REG(UART0 + 0x18) & 0x10) {
#ifdef SLEEP
            __asm__ volatile("wfi");
            REG(0xe000e280) = 1u << 20; /* NVIC_ICPR: pending is enough to wake, no handler runs */
#endif
        }
        char c = (char)REG(UART0);
        if (c == '\n')
            break;
        put(c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        letters++;
    }
    put('\n');
    while (REG(UART0 + 0x18) & 8)
        ;
    exit_with(letters);
    return 0;
}
