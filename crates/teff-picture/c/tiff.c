/* TIFF (Revision 6.0), the first picture of a file.

   Decoded: both orders of bytes; grey (0 is white or black) and palettes of 1, 2, 4 and 8 bits, RGB of 8 and
   16 bits, of 16 the upper 8; samples behind these (alpha and others) are dropped; strips, uncompressed or
   packed (PackBits), whose sizes are not looked at: rows tell where they end. Refused: tiles, samples in
   planes, alpha that is multiplied in already, bits in reversed order, turned pictures, CMYK, YCbCr, Lab,
   signed numbers and floats, grey of 16 bits, LZW (it needs 12 kB for its table), Deflate, JPEG and the
   codes of fax machines. */

/* Tags of fields, in the order of TIFF 6.0's appendix A. */
enum {
    PICTURE_TIFF_WIDTH = 256,
    PICTURE_TIFF_HEIGHT = 257,
    PICTURE_TIFF_BITS = 258,
    PICTURE_TIFF_COMPRESSION = 259,
    PICTURE_TIFF_PHOTOMETRIC = 262,
    PICTURE_TIFF_FILL_ORDER = 266,
    PICTURE_TIFF_STRIP_OFFSETS = 273,
    PICTURE_TIFF_ORIENTATION = 274,
    PICTURE_TIFF_SAMPLES = 277,
    PICTURE_TIFF_ROWS_PER_STRIP = 278,
    PICTURE_TIFF_PLANAR = 284,
    PICTURE_TIFF_COLOUR_MAP = 320,
    PICTURE_TIFF_EXTRA_SAMPLES = 338,
    PICTURE_TIFF_SAMPLE_FORMAT = 339
};

typedef struct {
    const picture_job *job;
    /* The higher byte first. */
    int big;
    /* Kind of colour (0 and 1 are grey, 0 being white and black; 2 is RGB, 3 a palette), bits of a sample,
       and how many samples make a pixel. */
    uint32_t kind;
    uint32_t bits;
    uint32_t samples;
    /* Where in the file the palette is. */
    size_t palette;
    /* The strip is packed. */
    int packed;
    /* The next byte of the strip; the byte whose bits are read, and how many are left. */
    size_t at;
    uint32_t byte;
    uint32_t left;
    /* Of packed bytes: so many more as they are, or the same `value` so often. */
    uint32_t literals;
    uint32_t repeats;
    uint32_t value;
} picture_tiff_state;

static uint32_t picture_tiff_short(const picture_tiff_state *tiff, size_t at)
{
    return tiff->big ? picture_big16(tiff->job, at) : picture_little16(tiff->job, at);
}

static uint32_t picture_tiff_long(const picture_tiff_state *tiff, size_t at)
{
    return tiff->big ? picture_big32(tiff->job, at) : picture_little32(tiff->job, at);
}

/* Where a field is, 0 when there is none. */
static size_t picture_tiff_field(const picture_tiff_state *tiff, uint32_t tag)
{
    size_t directory = picture_tiff_long(tiff, 4);
    size_t count = picture_tiff_short(tiff, directory);
    for (size_t n = 0; n < count; n++) {
        size_t at = picture_behind(directory, 2 + 12 * n);
        if (at >= tiff->job->size) {
            return 0;
        }
        if (picture_tiff_short(tiff, at) == tag) {
            return at;
        }
    }
    return 0;
}

/* Sets where the `nth` value of a field is, when there are so many. Up to 4 bytes are in the field itself. */
static int picture_tiff_place(const picture_tiff_state *tiff, size_t field, size_t nth, size_t bytes,
    size_t *place)
{
    size_t count = picture_tiff_long(tiff, picture_behind(field, 4));
    if (field == 0 || nth >= count) {
        return 0;
    }
    size_t at = picture_behind(field, 8);
    if (count > 4 / bytes) {
        at = picture_tiff_long(tiff, at);
    }
    *place = picture_behind(at, nth > (size_t)-1 / bytes ? (size_t)-1 : nth * bytes);
    return 1;
}

/* Sets `value` to the `nth` value of a field of bytes, shorts or longs. */
static int picture_tiff_value(const picture_tiff_state *tiff, size_t field, size_t nth, uint32_t *value)
{
    size_t at = 0;
    switch (picture_tiff_short(tiff, picture_behind(field, 2))) {
    case 1:
        if (!picture_tiff_place(tiff, field, nth, 1, &at)) {
            return 0;
        }
        *value = picture_byte(tiff->job, at);
        return 1;
    case 3:
        if (!picture_tiff_place(tiff, field, nth, 2, &at)) {
            return 0;
        }
        *value = picture_tiff_short(tiff, at);
        return 1;
    case 4:
        if (!picture_tiff_place(tiff, field, nth, 4, &at)) {
            return 0;
        }
        *value = picture_tiff_long(tiff, at);
        return 1;
    default:
        return 0;
    }
}

/* The first value of the field, or what it is without one. */
static uint32_t picture_tiff_first(const picture_tiff_state *tiff, uint32_t tag, uint32_t otherwise)
{
    size_t field = picture_tiff_field(tiff, tag);
    uint32_t value = otherwise;
    if (field == 0 || !picture_tiff_value(tiff, field, 0, &value)) {
        return otherwise;
    }
    return value;
}

/* What a pixel is made of. */
static int picture_tiff_head(picture_tiff_state *tiff)
{
    tiff->bits = picture_tiff_first(tiff, PICTURE_TIFF_BITS, 1);
    tiff->samples = picture_tiff_first(tiff, PICTURE_TIFF_SAMPLES, 1);
    uint32_t kind = picture_tiff_first(tiff, PICTURE_TIFF_PHOTOMETRIC, 0);
    tiff->kind = kind;
    uint32_t needed = kind == 2 ? 3 : 1;
    int known = 0;
    switch (tiff->bits) {
    case 1:
    case 2:
    case 4:
        known = tiff->samples == 1 && kind != 2;
        break;
    case 8:
        known = 1;
        break;
    case 16:
        known = kind == 2;
        break;
    default:
        break;
    }
    if (!known || kind > 3 || tiff->samples < needed || tiff->samples > 8) {
        return 0;
    }
    if (kind == 3) {
        size_t map = picture_tiff_field(tiff, PICTURE_TIFF_COLOUR_MAP);
        if (!picture_tiff_place(tiff, map, ((size_t)3 << tiff->bits) - 1, 2, &tiff->palette)
            || !picture_tiff_place(tiff, map, 0, 2, &tiff->palette)) {
            return 0;
        }
    }
    size_t bits = picture_tiff_field(tiff, PICTURE_TIFF_BITS);
    for (size_t sample = 1; sample < tiff->samples; sample++) {
        /* One value may stand for all. */
        uint32_t value = tiff->bits;
        if (picture_tiff_value(tiff, bits, sample, &value) && value != tiff->bits) {
            return 0;
        }
    }
    uint32_t compression = picture_tiff_first(tiff, PICTURE_TIFF_COMPRESSION, 1);
    tiff->packed = compression == 32773;
    if (!tiff->packed && compression != 1) {
        return 0;
    }
    return picture_tiff_first(tiff, PICTURE_TIFF_FILL_ORDER, 1) == 1
        && picture_tiff_first(tiff, PICTURE_TIFF_ORIENTATION, 1) == 1
        && (tiff->samples == 1 || picture_tiff_first(tiff, PICTURE_TIFF_PLANAR, 1) == 1)
        && picture_tiff_first(tiff, PICTURE_TIFF_EXTRA_SAMPLES, 0) != 1
        && picture_tiff_first(tiff, PICTURE_TIFF_SAMPLE_FORMAT, 1) == 1;
}

/* The next byte of the strip, -1 behind the file's end. TIFF 6.0, section 9: a byte tells how many follow, or
   how often the next one is. */
static int32_t picture_tiff_next(picture_tiff_state *tiff)
{
    while (tiff->packed && tiff->literals == 0 && tiff->repeats == 0) {
        if (tiff->at >= tiff->job->size) {
            return -1;
        }
        uint32_t count = picture_byte(tiff->job, tiff->at);
        tiff->at += 1;
        if (count < 128) {
            tiff->literals = count + 1;
        } else if (count > 128) {
            if (tiff->at >= tiff->job->size) {
                return -1;
            }
            tiff->repeats = 257 - count;
            tiff->value = picture_byte(tiff->job, tiff->at);
            tiff->at += 1;
        }
    }
    if (tiff->repeats > 0) {
        tiff->repeats -= 1;
        return (int32_t)tiff->value;
    }
    if (tiff->at >= tiff->job->size) {
        return -1;
    }
    if (tiff->packed) {
        tiff->literals -= 1;
    }
    tiff->at += 1;
    return (int32_t)picture_byte(tiff->job, tiff->at - 1);
}

/* The next sample, the upper byte of 16 bits; -1 behind the file's end. */
static int32_t picture_tiff_sample(picture_tiff_state *tiff)
{
    if (tiff->bits == 16) {
        int32_t first = picture_tiff_next(tiff);
        int32_t second = picture_tiff_next(tiff);
        return first < 0 || second < 0 ? -1 : tiff->big ? first : second;
    }
    if (tiff->left == 0) {
        int32_t byte = picture_tiff_next(tiff);
        if (byte < 0) {
            return -1;
        }
        tiff->byte = (uint32_t)byte;
        tiff->left = 8;
    }
    tiff->left -= tiff->bits;
    return (int32_t)(tiff->byte >> tiff->left & (((uint32_t)1 << tiff->bits) - 1));
}

/* Reads and sets a pixel. */
static int picture_tiff_pixel(picture_tiff_state *tiff, picture_job *job, size_t y, size_t x)
{
    uint32_t values[3] = {0, 0, 0};
    for (uint32_t n = 0; n < tiff->samples; n++) {
        int32_t value = picture_tiff_sample(tiff);
        if (value < 0) {
            return 0;
        }
        if (n < 3) {
            values[n] = (uint32_t)value;
        }
    }
    uint32_t red = values[0], green = values[1], blue = values[2];
    if (tiff->kind == 3) {
        /* Numbers of 16 bits, all reds first. */
        size_t at = picture_behind(tiff->palette, 2 * (size_t)red);
        red = picture_tiff_short(tiff, at) >> 8;
        green = picture_tiff_short(tiff, picture_behind(at, (size_t)2 << tiff->bits)) >> 8;
        blue = picture_tiff_short(tiff, picture_behind(at, (size_t)4 << tiff->bits)) >> 8;
    } else if (tiff->kind < 2) {
        uint32_t most = ((uint32_t)1 << tiff->bits) - 1;
        red = tiff->kind == 0 ? most - red : red;
        red = most < 255 ? red * 255 / most : red;
        green = red;
        blue = red;
    }
    picture_set(job, y, x, red, green, blue);
    return 1;
}

static int picture_tiff(picture_job *job)
{
    picture_tiff_state tiff = {job, picture_begins(job, 0, "MM", 2), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (picture_tiff_first(&tiff, PICTURE_TIFF_WIDTH, 0) != job->width
        || picture_tiff_first(&tiff, PICTURE_TIFF_HEIGHT, 0) != job->height || !picture_tiff_head(&tiff)) {
        return 0;
    }
    size_t strips = picture_tiff_field(&tiff, PICTURE_TIFF_STRIP_OFFSETS);
    size_t rows = picture_tiff_first(&tiff, PICTURE_TIFF_ROWS_PER_STRIP, 0xffffffff);
    if (rows == 0) {
        return 0;
    }
    for (size_t y = 0; y < job->height; y++) {
        if (y % rows == 0) {
            uint32_t at = 0;
            if (!picture_tiff_value(&tiff, strips, y / rows, &at)) {
                return 0;
            }
            tiff.at = at;
            tiff.literals = 0;
            tiff.repeats = 0;
        }
        tiff.left = 0;
        for (size_t x = 0; x < job->width; x++) {
            if (!picture_tiff_pixel(&tiff, job, y, x)) {
                return 0;
            }
        }
    }
    return 1;
}
