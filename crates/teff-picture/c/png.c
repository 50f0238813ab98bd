/* PNG (RFC 2083).

   Decoded: grey and palettes of 1, 2, 4 and 8 bits, grey with alpha, RGB and RGBA of 8 and 16 bits; of 16
   bits the upper 8, alpha is dropped; interlaced (Adam7) or not. Indices behind the palette are black.
   Refused: grey of 16 bits without alpha. Check values (CRCs, Adler-32) are not looked at, nor are chunks
   other than IHDR, PLTE and IDAT. */

/* RFC 2083, 2.6: each pass's first column and row, and the steps to the next ones. The last one is all of a
   picture that is not interlaced. */
static const uint8_t PICTURE_PNG_PASSES[8][4] = {
    {0, 0, 8, 8},
    {4, 0, 8, 8},
    {0, 4, 4, 8},
    {2, 0, 4, 4},
    {0, 2, 2, 4},
    {1, 0, 2, 2},
    {0, 1, 1, 2},
    {0, 0, 1, 1},
};

typedef struct {
    /* Bits of a sample, its kind of colour and how many samples make a pixel. */
    size_t bits;
    uint32_t colour;
    size_t samples;
    /* Where in the file the palette's colours are, and how many. */
    size_t palette;
    size_t colours;
    /* The row, in scratch memory. */
    uint8_t *row;
} picture_png_state;

/* How far back matches may reach: as far as they can, or to the first byte of a picture of 8 bytes a pixel.
   There are less than `2 height + 8` rows in all passes, each with a byte more. */
static size_t picture_png_window(size_t height, size_t width)
{
    size_t all = 8 * height * width + 2 * height + 8;
    return all < 32768 ? all : 32768;
}

/* RFC 2083, 4.1.1. */
static int picture_png_head(picture_png_state *png, const picture_job *job)
{
    static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
    png->bits = picture_byte(job, 24);
    png->colour = picture_byte(job, 25);
    png->samples = png->colour < 7 ? samples[png->colour] : 0;
    if (png->samples == 0) {
        return 0;
    }
    int known = 0;
    switch (png->bits) {
    case 1:
    case 2:
    case 4:
        known = png->samples == 1;
        break;
    case 8:
        known = 1;
        break;
    case 16:
        known = png->samples > 1;
        break;
    default:
        break;
    }
    return known && picture_byte(job, 26) == 0 && picture_byte(job, 27) == 0 && picture_byte(job, 28) <= 1;
}

/* Where the first IDAT chunk is, or 0; the palette must be before it. */
static size_t picture_png_find_data(picture_png_state *png, const picture_job *job)
{
    size_t at = 33;
    while (!picture_begins(job, picture_behind(at, 4), "IDAT", 4)) {
        if (at >= job->size) {
            return 0;
        }
        size_t length = picture_big32(job, at);
        if (picture_begins(job, picture_behind(at, 4), "PLTE", 4)) {
            png->palette = picture_behind(at, 8);
            png->colours = length / 3;
        }
        at = picture_behind(picture_behind(at, 12), length);
    }
    return png->colour == 3 && png->colours == 0 ? 0 : at;
}

static uint32_t picture_png_difference(uint32_t a, uint32_t b)
{
    return a < b ? b - a : a - b;
}

/* RFC 2083, 6.6: that of the three which is nearest to `left + above - corner`. */
static uint32_t picture_png_paeth(uint32_t left, uint32_t above, uint32_t corner)
{
    uint32_t of_left = picture_png_difference(above, corner);
    uint32_t of_above = picture_png_difference(left, corner);
    uint32_t of_corner = picture_png_difference(left + above, 2 * corner);
    if (of_left <= of_above && of_left <= of_corner) {
        return left;
    }
    return of_above <= of_corner ? above : corner;
}

/* RFC 2083, 6: the row's bytes are those of the file plus what is expected from those to the left and of the
   row above, which this one replaces. */
static int picture_png_read_row(const picture_png_state *png, picture_inflate *in, size_t count)
{
    int32_t filter = picture_inflate_next(in);
    if (filter < 0 || filter > 4) {
        return 0;
    }
    size_t step = (png->samples * png->bits + 7) / 8;
    /* The last pixel's bytes in this row and the one above. */
    uint32_t left[8] = {0};
    uint32_t corner[8] = {0};
    size_t i = 0;
    for (size_t at = 0; at < count; at++) {
        uint32_t above = png->row[at];
        uint32_t expected = 0;
        if (filter == 1) {
            expected = left[i];
        } else if (filter == 2) {
            expected = above;
        } else if (filter == 3) {
            expected = (left[i] + above) / 2;
        } else if (filter == 4) {
            expected = picture_png_paeth(left[i], above, corner[i]);
        }
        int32_t byte = picture_inflate_next(in);
        if (byte < 0) {
            return 0;
        }
        left[i] = ((uint32_t)byte + expected) & 255;
        png->row[at] = (uint8_t)left[i];
        corner[i] = above;
        i++;
        if (i == step) {
            i = 0;
        }
    }
    return 1;
}

/* The row's sample at `nth`, the upper byte of 16 bits. */
static uint32_t picture_png_sample(const picture_png_state *png, size_t nth)
{
    size_t bit = nth * png->bits;
    uint32_t byte = png->row[bit / 8];
    if (png->bits < 8) {
        return byte >> (8 - png->bits - bit % 8) & (((uint32_t)1 << png->bits) - 1);
    }
    return byte;
}

/* Sets a pixel from the row's `column`. */
static void picture_png_pixel(const picture_png_state *png, picture_job *job, size_t y, size_t x,
    size_t column)
{
    uint32_t red = picture_png_sample(png, column * png->samples);
    if (png->colour == 3) {
        size_t at = picture_behind(png->palette, 3 * (size_t)red);
        if (red >= png->colours) {
            picture_set(job, y, x, 0, 0, 0);
        } else {
            picture_set(job, y, x, picture_byte(job, at), picture_byte(job, picture_behind(at, 1)),
                picture_byte(job, picture_behind(at, 2)));
        }
    } else if (png->samples > 2) {
        uint32_t green = picture_png_sample(png, column * png->samples + 1);
        uint32_t blue = picture_png_sample(png, column * png->samples + 2);
        picture_set(job, y, x, red, green, blue);
    } else {
        uint32_t grey = png->bits < 8 ? red * 255 / (((uint32_t)1 << png->bits) - 1) : red;
        picture_set(job, y, x, grey, grey, grey);
    }
}

static int picture_png_pass(const picture_png_state *png, picture_job *job, picture_inflate *in,
    const uint8_t *pass)
{
    size_t left = pass[0], right = pass[2];
    if (left >= job->width) {
        return 1;
    }
    size_t columns = (job->width - left + right - 1) / right;
    size_t count = (columns * png->samples * png->bits + 7) / 8;
    memset(png->row, 0, count);
    for (size_t y = pass[1]; y < job->height; y += pass[3]) {
        if (!picture_png_read_row(png, in, count)) {
            return 0;
        }
        for (size_t column = 0; column < columns; column++) {
            picture_png_pixel(png, job, y, left + column * right, column);
        }
    }
    return 1;
}

static int picture_png(picture_job *job)
{
    if (!picture_begins(job, 8, "\0\0\0\x0dIHDR", 8)) {
        return 0;
    }
    if (picture_big32(job, 16) != job->width || picture_big32(job, 20) != job->height) {
        return 0;
    }
    picture_png_state png = {0, 0, 0, 0, 0, 0};
    if (!picture_png_head(&png, job)) {
        return 0;
    }
    size_t window = picture_png_window(job->height, job->width);
    png.row = job->bytes + window;
    size_t at = picture_png_find_data(&png, job);
    if (at == 0) {
        return 0;
    }
    picture_inflate in;
    if (!picture_inflate_begin(&in, job, window, at)) {
        return 0;
    }
    int interlaced = picture_byte(job, 28) == 1;
    for (size_t pass = 0; pass < 8; pass++) {
        if ((pass < 7) == interlaced && !picture_png_pass(&png, job, &in, PICTURE_PNG_PASSES[pass])) {
            return 0;
        }
    }
    return 1;
}
