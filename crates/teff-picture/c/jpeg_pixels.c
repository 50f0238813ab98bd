/* JPEG's way from coefficients to pixels: the inverse transform, components of fewer samples made larger,
   colours.

   The standard leaves the arithmetic open. This is libjpeg's, as a function of integers: its 'slow'
   transform, its 'fancy' upsampling and its fixed-point colours. */

/* Where the coefficients, in their order in the file, are in the block (figure A.6). */
static const uint8_t PICTURE_JPEG_ZIGZAG[64] = {
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* What the coefficients 1, 3, 5, 7 add to the samples 0 to 3: 2^13 sqrt(2) cos((2 x + 1) u pi / 16). Each is
   the sum of the rounded constants that a fast form of the transform multiplies with; those sums are what is
   off by one here and there. */
static const int32_t PICTURE_JPEG_ODD[4][4] = {
    {11363, 9633, 6437, 2260},
    {9633, -2259, -11362, -6436},
    {6437, -11362, 2261, 9633},
    {2260, -6436, 9633, -11363},
};

/* The inverse cosine transform of 8 numbers of 16 bits, times 2^13 sqrt(8). No sum is above 61214 * 2^15,
   which fits. */
static void picture_jpeg_inverse(const int32_t *x, int32_t *out)
{
    int32_t a = 8192 * (x[0] + x[4]);
    int32_t b = 8192 * (x[0] - x[4]);
    int32_t c = 10703 * x[2] + 4433 * x[6];
    int32_t d = 4433 * x[2] - 10704 * x[6];
    int32_t even[4] = {a + c, b + d, b - d, a - c};
    for (size_t i = 0; i < 4; i++) {
        const int32_t *by = PICTURE_JPEG_ODD[i];
        int32_t odd = by[0] * x[1] + by[1] * x[3] + by[2] * x[5] + by[3] * x[7];
        out[i] = even[i] + odd;
        out[7 - i] = even[i] - odd;
    }
}

/* Within 16 bits. */
static int32_t picture_jpeg_short(int32_t value)
{
    if ((uint32_t)value + 0x8000 > 0xffff) {
        return value < 0 ? -0x8000 : 0x7fff;
    }
    return value;
}

/* Within 8 bits. */
static uint32_t picture_jpeg_byte(int32_t value)
{
    if ((uint32_t)value > 255) {
        return value < 0 ? 0 : 255;
    }
    return (uint32_t)value;
}

/* The block's coefficients become its samples (A.3.3, A.3.4). Most coefficients are 0: of a column or a row where
   only the first is not, the transform is that one throughout. */
static void picture_jpeg_transform(picture_job *job, const picture_jpeg_component *c, size_t block)
{
    int32_t square[64];
    int32_t line[8];
    int32_t out[8];
    memset(square, 0, sizeof square);
    for (size_t k = 0; k < 64; k++) {
        int32_t value = picture_jpeg_coefficient(job, block, k);
        if (value == 0) {
            continue;
        }
        uint32_t step = c->wide ? picture_big16(job, c->quant + 2 * k) : picture_byte(job, c->quant + k);
        square[PICTURE_JPEG_ZIGZAG[k]] = picture_jpeg_short(value * (int32_t)step);
    }
    for (size_t x = 0; x < 8; x++) {
        int32_t *s = &square[x];
        if ((s[8] | s[16] | s[24] | s[32] | s[40] | s[48] | s[56]) == 0) {
            int32_t value = picture_jpeg_short(4 * s[0]);
            for (size_t y = 0; y < 64; y += 8) {
                s[y] = value;
            }
            continue;
        }
        for (size_t y = 0; y < 8; y++) {
            line[y] = s[8 * y];
        }
        picture_jpeg_inverse(line, out);
        for (size_t y = 0; y < 8; y++) {
            s[8 * y] = picture_jpeg_short((out[y] + (1 << 10)) >> 11);
        }
    }
    for (size_t y = 0; y < 8; y++) {
        const int32_t *s = &square[8 * y];
        uint8_t *to = &job->bytes[block + 8 * y];
        if ((s[1] | s[2] | s[3] | s[4] | s[5] | s[6] | s[7]) == 0) {
            memset(to, (int)picture_jpeg_byte(((s[0] + 16) >> 5) + 128), 8);
            continue;
        }
        picture_jpeg_inverse(s, out);
        for (size_t x = 0; x < 8; x++) {
            to[x] = (uint8_t)picture_jpeg_byte(((out[x] + ((int32_t)1 << 17)) >> 18) + 128);
        }
    }
}

/* The coefficients of the row number `row` of units become samples. */
static void picture_jpeg_transform_row(picture_job *job, const picture_jpeg_frame *frame, size_t row)
{
    for (size_t i = 0; i < frame->count; i++) {
        const picture_jpeg_component *c = &frame->components[i];
        for (size_t v = 0; v < picture_jpeg_rows(c, row); v++) {
            for (size_t h = 0; h < c->blocks_across; h++) {
                picture_jpeg_transform(job, c, c->at + PICTURE_JPEG_BLOCK * (v * c->slots + h));
            }
        }
    }
}

/* A row of samples: where the next one is, and how much further than 8 bytes its blocks are apart. */
typedef struct {
    size_t at;
    size_t gap;
} picture_jpeg_line;

/* The row number `y` of samples, in the row number `row` of units or just above it. */
static picture_jpeg_line picture_jpeg_line_of(const picture_jpeg_component *c, size_t row, size_t y)
{
    size_t top = 8 * c->v * row;
    picture_jpeg_line line = {c->above, 0};
    if (y >= top) {
        line.at = c->at + PICTURE_JPEG_BLOCK * ((y - top) / 8 * c->slots) + y % 8 * 8;
        line.gap = PICTURE_JPEG_BLOCK - 8;
    }
    return line;
}

/* The row's sample number `x`, which is the next one. */
static uint32_t picture_jpeg_sample(const uint8_t *bytes, picture_jpeg_line *line, size_t x)
{
    uint32_t value = bytes[line->at];
    line->at += x % 8 == 7 ? 1 + line->gap : 1;
    return value;
}

/* Sets `width` bytes from `to` on to the samples of a row, each `times` times. */
static void picture_jpeg_repeat(const uint8_t *bytes, picture_jpeg_line line, size_t times, uint8_t *to, size_t width)
{
    size_t x = 0;
    for (size_t h = 0; x < width; h++) {
        uint8_t value = (uint8_t)picture_jpeg_sample(bytes, &line, h);
        to[x] = value;
        x++;
        for (size_t n = 1; n < times && x < width; n++) {
            to[x] = value;
            x++;
        }
    }
}

/* 4 parts of a sample: 3 of it and 1 of that in the other row, or all of it where there are not `two` rows. */
static uint32_t picture_jpeg_parts(const uint8_t *bytes, picture_jpeg_line *own, picture_jpeg_line *other, int two,
    size_t x)
{
    uint32_t value = picture_jpeg_sample(bytes, own, x);
    return two ? 3 * value + picture_jpeg_sample(bytes, other, x) : value;
}

/* Sets bytes from `to` on to the component's values of the row number `y` of pixels. Of two pixels that a sample
   stands for each has 3/4 of it and 1/4 of the sample on its side, but at an edge of it itself; in either
   direction, rounded up and down in turns. Not so in very narrow components, nor where a sample stands for more
   pixels. */
static void picture_jpeg_widen(const picture_job *job, const picture_jpeg_component *c, size_t row, size_t y,
    uint8_t *to)
{
    const uint8_t *bytes = job->bytes;
    size_t width = c->width;
    size_t v = y / c->down;
    picture_jpeg_line own = picture_jpeg_line_of(c, row, v);
    int plain = c->across > 2 || c->down > 2 || (c->across == 2 && width <= 2);
    if (plain || (c->across == 1 && c->down == 1)) {
        picture_jpeg_repeat(bytes, own, c->across, to, job->width);
        return;
    }
    int two = c->down == 2;
    size_t next = v > 0 ? v - 1 : 0;
    if (y % 2 == 1) {
        next = v + 1 < c->height ? v + 1 : v;
    }
    picture_jpeg_line other = two ? picture_jpeg_line_of(c, row, next) : own;
    if (c->across == 1) {
        uint32_t round = 1 + y % 2;
        for (size_t h = 0; h < width; h++) {
            to[h] = (uint8_t)((picture_jpeg_parts(bytes, &own, &other, two, h) + round) >> 2);
        }
        return;
    }
    uint32_t shift = two ? 4 : 2;
    uint32_t even = two ? 8 : 1;
    uint32_t odd = two ? 7 : 2;
    uint32_t here = picture_jpeg_parts(bytes, &own, &other, two, 0);
    uint32_t before = here;
    for (size_t h = 1; h < width; h++) {
        uint32_t behind = picture_jpeg_parts(bytes, &own, &other, two, h);
        to[2 * h - 2] = (uint8_t)((3 * here + before + even) >> shift);
        to[2 * h - 1] = (uint8_t)((3 * here + behind + odd) >> shift);
        before = here;
        here = behind;
    }
    to[2 * width - 2] = (uint8_t)((3 * here + before + even) >> shift);
    if (job->width % 2 == 0) {
        to[2 * width - 1] = (uint8_t)((4 * here + odd) >> shift);
    }
}

/* Sets a row of pixels by the values of its components, which are in `line`, one component after the other. */
static void picture_jpeg_set_line(picture_job *job, const picture_jpeg_frame *frame, size_t y, const uint8_t *line)
{
    int mixed = frame->count == 3 && !frame->rgb;
    size_t width = job->width;
    size_t apart = frame->count == 3 ? width : 0;
    const int32_t *mix = frame->mix;
    if (frame->count == 1 && job->colours == PICTURE_GREY) {
        memcpy(&job->pixels[y * width], line, width);
        return;
    }
    for (size_t x = 0; x < width; x++) {
        uint32_t red = line[x];
        uint32_t green = line[apart + x];
        uint32_t blue = line[2 * apart + x];
        if (mixed) {
            int32_t luma = ((int32_t)red << 16) + 32768;
            int32_t cb = (int32_t)green - 128;
            int32_t cr = (int32_t)blue - 128;
            red = picture_jpeg_byte((luma + mix[0] * cr) >> 16);
            green = picture_jpeg_byte((luma + mix[1] * cb + mix[2] * cr) >> 16);
            blue = picture_jpeg_byte((luma + mix[3] * cb) >> 16);
        }
        picture_set(job, y, x, red, green, blue);
    }
}

/* Sets the pixels that can be when the row number `row` of units is there: its last row of pixels may need
   the next row of units, so it is set with that one. Then keeps the last row of samples. */
static void picture_jpeg_set_row(picture_job *job, const picture_jpeg_frame *frame, size_t row)
{
    size_t from = row > 0 ? row * frame->rows - 1 : 0;
    size_t to = row + 1 == frame->units_down ? job->height : (row + 1) * frame->rows - 1;
    uint8_t *line = job->bytes + frame->line;
    for (size_t y = from; y < to; y++) {
        for (size_t i = 0; i < frame->count; i++) {
            picture_jpeg_widen(job, &frame->components[i], row, y, line + i * job->width);
        }
        picture_jpeg_set_line(job, frame, y, line);
    }
    if (row + 1 == frame->units_down) {
        return;
    }
    for (size_t i = 0; i < frame->count; i++) {
        const picture_jpeg_component *c = &frame->components[i];
        picture_jpeg_line last = picture_jpeg_line_of(c, row, 8 * c->v * (row + 1) - 1);
        for (size_t x = 0; x < c->width; x++) {
            job->bytes[c->above + x] = (uint8_t)picture_jpeg_sample(job->bytes, &last, x);
        }
    }
}
