/* Fills the Pico4ML's display with red, and a fifth of a second later with green; then ends. */
#include "chip.h"

#define RESETS 0x4000c000u
#define CLOCKS 0x40008000u
#define TIMER_LOW REG(0x40054028u)
#define SPI1 0x40040000u
#define IO_CTRL(pin) REG(0x40014000u + 8 * (pin) + 4)
#define RST 7
#define DC 9
#define CS 13

static void wait_us(uint32_t us)
{
    uint32_t begin = TIMER_LOW;
    while (TIMER_LOW - begin < us)
        ;
}

static void send(int data, const uint8_t *bytes, uint32_t count)
{
    while (REG(SPI1 + 0xc) & 0x10)
        ;
    REG(SIO + (data ? 0x14 : 0x18)) = 1u << DC;
    while (count--) {
        while (!(REG(SPI1 + 0xc) & 2))
            ;
        REG(SPI1 + 8) = *bytes++;
    }
}

static void command(uint8_t code, const uint8_t *arguments, uint32_t count)
{
    send(0, &code, 1);
    send(1, arguments, count);
}

static void fill(uint16_t color)
{
    const uint8_t columns[4] = {0, 24, 0, 103}, rows[4] = {0, 0, 0, 159};
    const uint8_t pixel[2] = {(uint8_t)(color >> 8), (uint8_t)color};
    command(0x2a, columns, 4);
    command(0x2b, rows, 4);
    command(0x2c, 0, 0);
    for (int i = 0; i < 80 * 160; i++)
        send(1, pixel, 2);
    while (REG(SPI1 + 0xc) & 0x10)
        ;
}

int main(void)
{
    const uint8_t bgr = 8, color16 = 5;
    REG(RESETS + 0x3000) = 1u << 17 | 1u << 5 | 1u << 21;
    REG(CLOCKS + 0x48) = 1u << 11; /* clk_peri from clk_sys, the ring oscillator: 6.5 MHz */
    REG(0x4005802cu) = 1u << 9 | 6; /* a tick of about a microsecond */
    REG(SPI1 + 0x10) = 2;
    REG(SPI1) = 7;
    REG(SPI1 + 4) = 2;
    IO_CTRL(10) = IO_CTRL(11) = 1;
    IO_CTRL(RST) = IO_CTRL(DC) = IO_CTRL(CS) = 5;
    REG(SIO + 0x24) = 1u << RST | 1u << DC | 1u << CS;
    REG(SIO + 0x14) = 1u << RST;
    REG(SIO + 0x18) = 1u << CS;
    command(0x11, 0, 0);
    command(0x36, &bgr, 1);
    command(0x3a, &color16, 1);
    command(0x29, 0, 0);
    fill(0xf800);
    wait_us(200000);
    fill(0x07e0);
    wait_us(200000);
    exit_with(0);
    return 0;
}
