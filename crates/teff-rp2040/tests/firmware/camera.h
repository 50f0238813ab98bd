/* Streams the Pico4ML's camera at full rate into a ring of 32 kB, without the cores: 125 MHz, XCLK of 25 MHz by PWM, one
 * data line by PIO, DMA. The registers are those of ../camera.rs. */
#define IO_CTRL(pin) REG(0x40014000u + 8 * (pin) + 4)
#define I2C0 0x40044000u
#define PIO0 0x50200000u

static uint8_t ring[32768] __attribute__((aligned(32768)));

static void camera_write(uint32_t address, uint32_t value)
{
    REG(I2C0 + 0x10) = address >> 8;
    REG(I2C0 + 0x10) = address & 0xff;
    REG(I2C0 + 0x10) = value | 0x200;
    while (!(REG(I2C0 + 0x34) & 1u << 9))
        ;
    (void)REG(I2C0 + 0x40);
}

static void clocks_125_mhz(void)
{
    REG(0x40024000u) = 0xfabaa0; /* XOSC */
    while (!(REG(0x40024004u) >> 31))
        ;
    REG(0x4000c000u + 0x3000) = 1u << 12 | 1u << 14 | 1u << 10 | 1u << 3 | 1u << 2 | 1u << 5;
    REG(0x40008030u) = 2; /* clk_ref from the crystal */
    REG(0x40028008u) = 125;
    REG(0x4002800cu) = 6u << 16 | 2u << 12;
    REG(0x40028004u) = 0;
    REG(0x4000803cu) = 1; /* clk_sys from pll_sys */
}

static void stream(void)
{
    /* wait VSYNC low, high; then for each bit: HREF high, PCLK high, in pins 1, PCLK low */
    static const uint16_t program[6] = {0x2010, 0x2090, 0x208f, 0x208e, 0x4001, 0x200e};
    clocks_125_mhz();
    IO_CTRL(3) = 4;
    REG(0x40050014u + 0x10) = 4;
    REG(0x40050014u + 0x0c) = 2u << 16;
    REG(0x40050014u) = 1;
    IO_CTRL(4) = 3;
    IO_CTRL(5) = 3;
    REG(I2C0) = 1 | 2 << 1 | 1 << 5 | 1 << 6;
    REG(I2C0 + 4) = 0x24;
    REG(I2C0 + 0x6c) = 1;
    for (int i = 0; i < 6; i++)
        REG(PIO0 + 0x48 + 4 * i) = program[i];
    REG(PIO0 + 0xcc) = 5u << 12 | 2u << 7;
    REG(PIO0 + 0xd0) = 1u << 31 | 8u << 20 | 1u << 16;
    REG(PIO0 + 0xdc) = 6u << 15;
    REG(PIO0) = 1;
    REG(0x50000000u) = PIO0 + 0x20;
    REG(0x50000004u) = (uint32_t)ring;
    REG(0x50000008u) = 0xffffffff;
    REG(0x5000000cu) = 1u | 1u << 5 | 15u << 6 | 1u << 10 | 4u << 15;
    camera_write(0x3059, 0x22);
    camera_write(0x0340, 1);
    camera_write(0x0341, 0x7a);
    camera_write(0x0342, 1);
    camera_write(0x0343, 0x77);
    camera_write(0x0100, CAMERA);
}
