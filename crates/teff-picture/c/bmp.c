/* BMP (Windows bitmaps, and the first of OS/2).

   Decoded: palettes of 1, 4 and 8 bits, 16, 24 and 32 bits, rows from below or from above; headers of 12,
   40, 52, 56, 64, 108 and 124 bytes; masks of 16 bits (5, 5, 5 or 5, 6, 5), and of 32 bits where each colour
   is a byte of its own. The alpha is dropped. Indices behind the palette are black. Refused: runs (RLE4,
   RLE8), pictures in JPEG or PNG, other masks. */

typedef struct {
    /* Bits of a pixel. */
    uint32_t bits;
    /* Where in the file the palette is, bytes of an entry, and how many. */
    size_t palette;
    size_t entry;
    uint32_t colours;
    /* Red, green, blue: how far up in a pixel, and the largest value. */
    uint32_t shift[3];
    uint32_t most[3];
} picture_bmp_state;

/* Where the colours are in 16, 24 and 32 bits: as usual, or by masks in or behind the header. */
static int picture_bmp_masks(picture_bmp_state *bmp, const picture_job *job, int given)
{
    uint32_t *shift = bmp->shift, *most = bmp->most;
    if (bmp->bits == 16) {
        shift[0] = 10;
        shift[1] = 5;
        most[0] = most[1] = most[2] = 31;
    }
    /* No masks at all are the usual ones. */
    static const char none[12] = {0};
    if (!given || (bmp->bits == 32 && picture_begins(job, 54, none, 12))) {
        return 1;
    }
    for (size_t colour = 0; colour < 3; colour++) {
        uint32_t mask = picture_little32(job, 54 + 4 * colour);
        if (mask == 0) {
            return 0;
        }
        shift[colour] = 0;
        while ((mask & 1) == 0) {
            mask >>= 1;
            shift[colour]++;
        }
        most[colour] = mask;
    }
    if (bmp->bits == 16) {
        return shift[2] == 0 && shift[1] == 5 && most[0] == 31 && most[2] == 31
            && ((shift[0] == 10 && most[1] == 31) || (shift[0] == 11 && most[1] == 63));
    }
    for (size_t colour = 0; colour < 3; colour++) {
        if (most[colour] != 255 || shift[colour] % 8 != 0 || shift[colour] >= bmp->bits) {
            return 0;
        }
    }
    return 1;
}

/* Sets a pixel from the row that begins at `row`. */
static void picture_bmp_pixel(const picture_bmp_state *bmp, picture_job *job, size_t row, size_t y, size_t x)
{
    if (bmp->bits > 8) {
        size_t at = row + x * (bmp->bits / 8);
        uint32_t value = picture_little32(job, at);
        uint32_t rgb[3];
        for (size_t colour = 0; colour < 3; colour++) {
            uint32_t most = bmp->most[colour];
            rgb[colour] = value >> bmp->shift[colour] & most;
            if (most < 255) {
                rgb[colour] = rgb[colour] * 255 / most;
            }
        }
        picture_set(job, y, x, rgb[0], rgb[1], rgb[2]);
        return;
    }
    size_t bit = x * bmp->bits;
    uint32_t byte = picture_byte(job, row + bit / 8);
    uint32_t index = byte >> (8 - bmp->bits - bit % 8) & (((uint32_t)1 << bmp->bits) - 1);
    size_t at = bmp->palette + index * bmp->entry;
    if (index >= bmp->colours) {
        picture_set(job, y, x, 0, 0, 0);
    } else {
        picture_set(job, y, x, picture_byte(job, at + 2), picture_byte(job, at + 1), picture_byte(job, at));
    }
}

static int picture_bmp(picture_job *job)
{
    size_t header = picture_little32(job, 14);
    int old = header == 12;
    if (!old && header != 40 && header != 52 && header != 56 && header != 64 && header != 108
        && header != 124) {
        return 0;
    }
    uint32_t width = old ? picture_little16(job, 18) : picture_little32(job, 18);
    uint32_t height = old ? picture_little16(job, 20) : picture_little32(job, 22);
    /* A negative height: from above. */
    int down = !old && height >> 31 == 1;
    if (down) {
        height = 0 - height;
    }
    if (width != job->width || height != job->height) {
        return 0;
    }
    uint32_t bits = picture_little16(job, old ? 24 : 28);
    uint32_t kind = old ? 0 : picture_little32(job, 30);
    uint32_t colours = old ? 0 : picture_little32(job, 46);
    picture_bmp_state bmp = {bits, 14 + header, old ? 3 : 4, colours, {16, 8, 0}, {255, 255, 255}};
    if ((bits == 1 || bits == 4 || bits == 8) && kind == 0) {
        if (colours == 0) {
            bmp.colours = (uint32_t)1 << bits;
        }
    } else if ((bits == 16 || bits == 24 || bits == 32) && (kind == 0 || kind == 3)) {
        if (!picture_bmp_masks(&bmp, job, kind == 3)) {
            return 0;
        }
    } else {
        return 0;
    }
    size_t begin = picture_little32(job, 10);
    size_t stride = (job->width * bits + 31) / 32 * 4;
    if (begin > job->size || stride * job->height > job->size - begin) {
        return 0;
    }
    for (size_t y = 0; y < job->height; y++) {
        size_t row = begin + stride * (down ? y : job->height - 1 - y);
        for (size_t x = 0; x < job->width; x++) {
            picture_bmp_pixel(&bmp, job, row, y, x);
        }
    }
    return 1;
}
