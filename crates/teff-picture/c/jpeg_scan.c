/* JPEG's entropy coding: Huffman codes, and the coefficients that they stand for (ITU T.81, annexes F and G).

   No table is built: codes are looked up in the lists that the file has of them (DHT), length by length. A
   coefficient has 16 bits and lies in `job->bytes`, those of a block in zigzag order. A sequential scan is
   read as one of a progressive picture that brings all coefficients with all of their bits. */

/* Bytes of a block: 64 coefficients of 16 bits; later the first half of them are its 64 samples. */
enum { PICTURE_JPEG_BLOCK = 128 };

/* One of the colours that a picture is made of. */
typedef struct {
    uint32_t id;
    /* Blocks in a unit (MCU), across and down: the sampling factors. */
    size_t h;
    size_t v;
    /* The number of its quantization table. */
    size_t selector;
    /* Where in the file that table is, and whether its numbers have 16 bits. */
    size_t quant;
    int wide;
    /* Pixels that a sample stands for, across and down. */
    size_t across;
    size_t down;
    /* Samples. */
    size_t width;
    size_t height;
    /* Blocks with samples of the picture in them. */
    size_t blocks_across;
    size_t blocks_down;
    /* Where in `job->bytes` the blocks of a row of units are: `v` rows of `slots` blocks. */
    size_t at;
    size_t slots;
    /* Where in `job->bytes` the row of samples above them is. */
    size_t above;
} picture_jpeg_component;

/* What is known of the picture as a whole. */
typedef struct {
    int progressive;
    /* The components are red, green and blue, not luma and chroma. */
    int rgb;
    /* JFIF's parts of chroma in colours, times 2^16: of Cr in red, of Cb and of Cr in green, of Cb in blue. Not
       constants, of which compilers make sums of shifts, slower than a product. */
    int32_t mix[4];
    size_t count;
    picture_jpeg_component components[3];
    /* Rows of pixels in a unit. */
    size_t rows;
    size_t units_across;
    size_t units_down;
    /* Where in `job->bytes` a row of pixels is put together: the values of each component. */
    size_t line;
} picture_jpeg_frame;

/* A pass over some components, and how far it is read. */
typedef struct {
    size_t count;
    size_t component[3];
    /* Where in the file their lists of codes are. */
    size_t dc[3];
    size_t ac[3];
    /* The coefficients it brings: Ss and Se. */
    size_t first;
    size_t last;
    /* Their bits from `low` on are known behind it; those from `high` on were before, if it is not 0: Ah
       and Al. */
    uint32_t high;
    uint32_t low;
    /* Units between restarts, 0 without restarts; and those left to the next one. */
    uint32_t interval;
    uint32_t left;
    /* The next byte; those before it, of which the last `held` bits are still to come; and how many bits were
       made up where there were no more bytes. */
    size_t at;
    uint32_t bits;
    uint32_t held;
    uint32_t invented;
    /* The DC coefficient before this one, of each component. */
    int32_t previous[3];
    /* How many more blocks have nothing new (EOBRUN). */
    uint32_t run;
    int damaged;
} picture_jpeg_scan;

/* The place of the next marker's 0xff from `at` on, or the end of the file. */
static size_t picture_jpeg_marker(const picture_job *job, size_t at)
{
    while (at < job->size) {
        uint32_t kind = picture_byte(job, at + 1);
        if (picture_byte(job, at) == 0xff && kind != 0 && kind != 0xff) {
            break;
        }
        at++;
    }
    return at;
}

/* Makes the bits held 25 at least. 0xff is followed by 0 in the data; anything else is a marker, where zeros are
   held instead. */
static void picture_jpeg_fill(picture_jpeg_scan *scan, const picture_job *job)
{
    while (scan->held < 25) {
        uint32_t next = picture_byte(job, scan->at);
        if (scan->at >= job->size || (next == 0xff && picture_byte(job, scan->at + 1) != 0)) {
            next = 0;
            scan->invented += 8;
        } else {
            scan->at += next == 0xff ? 2 : 1;
        }
        scan->bits = scan->bits << 8 | next;
        scan->held += 8;
    }
}

/* The next `count` bits as a number; at most 16. */
static uint32_t picture_jpeg_bits(picture_jpeg_scan *scan, const picture_job *job, uint32_t count)
{
    if (scan->held < count) {
        picture_jpeg_fill(scan, job);
    }
    scan->held -= count;
    return scan->bits >> scan->held & (((uint32_t)1 << count) - 1);
}

/* A number of `size` bits, of which the half that begins with 0 is negative (F.2.2.1). */
static int32_t picture_jpeg_number(picture_jpeg_scan *scan, const picture_job *job, uint32_t size)
{
    int32_t value = (int32_t)picture_jpeg_bits(scan, job, size);
    if (size > 0 && value < (int32_t)1 << (size - 1)) {
        return value + 1 - ((int32_t)1 << size);
    }
    return value;
}

/* What the next Huffman code stands for. At `table` is how many codes there are of each length, then what
   they stand for in the order of the codes; codes of a length are consecutive numbers (C.2). */
static uint32_t picture_jpeg_symbol(picture_jpeg_scan *scan, const picture_job *job, size_t table)
{
    uint32_t ahead = picture_jpeg_bits(scan, job, 16);
    uint32_t first = 0;
    size_t at = table + 16;
    for (uint32_t left = 16; left-- > 0;) {
        uint32_t count = job->file[table + 15 - left];
        uint32_t code = (ahead >> left) - first;
        if (code < count) {
            scan->held += left;
            return job->file[at + code];
        }
        at += count;
        first = (first + count) << 1;
    }
    scan->damaged = 1;
    return 0;
}

/* The coefficient number `k` of the block at `block`. */
static int32_t picture_jpeg_coefficient(const picture_job *job, size_t block, size_t k)
{
    int32_t value = job->bytes[block + 2 * k] | job->bytes[block + 2 * k + 1] << 8;
    return value - (value >= 0x8000 ? 0x10000 : 0);
}

static void picture_jpeg_set_coefficient(picture_job *job, size_t block, size_t k, int32_t value)
{
    job->bytes[block + 2 * k] = (uint8_t)value;
    job->bytes[block + 2 * k + 1] = (uint8_t)((uint32_t)value >> 8);
}

/* The DC coefficient, told by its difference from the one before, or one more bit of it (G.1.2.1). */
static void picture_jpeg_dc(picture_jpeg_scan *scan, picture_job *job, size_t i, size_t block)
{
    if (scan->high > 0) {
        int32_t more = (int32_t)(picture_jpeg_bits(scan, job, 1) << scan->low);
        picture_jpeg_set_coefficient(job, block, 0, picture_jpeg_coefficient(job, block, 0) | more);
        return;
    }
    uint32_t size = picture_jpeg_symbol(scan, job, scan->dc[i]);
    if (size > 15) {
        scan->damaged = 1;
        return;
    }
    int32_t value = scan->previous[i] + picture_jpeg_number(scan, job, size);
    scan->previous[i] = (int16_t)value;
    picture_jpeg_set_coefficient(job, block, 0, scan->previous[i] * ((int32_t)1 << scan->low));
}

/* The AC coefficients that are not 0, each with how many zeros are before it (F.2.2.2, G.1.2.2). */
static void picture_jpeg_ac(picture_jpeg_scan *scan, picture_job *job, size_t table, size_t block)
{
    if (scan->run > 0) {
        scan->run--;
        return;
    }
    size_t k = scan->first > 0 ? scan->first : 1;
    while (k <= scan->last) {
        uint32_t code = picture_jpeg_symbol(scan, job, table);
        uint32_t zeros = code >> 4;
        uint32_t size = code & 15;
        if (size == 0 && zeros < 15) {
            scan->run = ((uint32_t)1 << zeros) - 1 + picture_jpeg_bits(scan, job, zeros);
            return;
        }
        k += zeros;
        if (size > 0 && k > scan->last) {
            scan->damaged = 1;
            return;
        }
        if (size > 0) {
            int32_t value = picture_jpeg_number(scan, job, size);
            picture_jpeg_set_coefficient(job, block, k, value * ((int32_t)1 << scan->low));
        }
        k++;
    }
}

/* Goes over `zeros` coefficients that are 0 up to the next such one, from number `k` on. Those that are not 0
   get one more bit. Gives where it is. */
static size_t picture_jpeg_refine(picture_jpeg_scan *scan, picture_job *job, size_t block, size_t k,
    uint32_t zeros)
{
    while (k <= scan->last) {
        int32_t value = picture_jpeg_coefficient(job, block, k);
        if (value == 0 && zeros == 0) {
            break;
        }
        if (value == 0) {
            zeros--;
        } else if (picture_jpeg_bits(scan, job, 1) == 1) {
            int32_t step = (int32_t)1 << scan->low;
            picture_jpeg_set_coefficient(job, block, k, value > 0 ? value + step : value - step);
        }
        k++;
    }
    return k;
}

/* One more bit of the AC coefficients (G.1.2.3). Those that are not 0 from here on are 1 or -1. */
static void picture_jpeg_ac_again(picture_jpeg_scan *scan, picture_job *job, size_t table, size_t block)
{
    size_t k = scan->first;
    while (scan->run == 0 && k <= scan->last) {
        uint32_t code = picture_jpeg_symbol(scan, job, table);
        uint32_t zeros = code >> 4;
        uint32_t size = code & 15;
        if (size == 0 && zeros < 15) {
            scan->run = ((uint32_t)1 << zeros) + picture_jpeg_bits(scan, job, zeros);
            break;
        }
        int32_t sign = size == 0 ? 0 : 2 * (int32_t)picture_jpeg_bits(scan, job, 1) - 1;
        k = picture_jpeg_refine(scan, job, block, k, zeros);
        if (sign != 0 && k > scan->last) {
            scan->damaged = 1;
            return;
        }
        if (sign != 0) {
            picture_jpeg_set_coefficient(job, block, k, sign * ((int32_t)1 << scan->low));
        }
        k++;
    }
    if (scan->run > 0) {
        scan->run--;
        picture_jpeg_refine(scan, job, block, k, 64);
    }
}

/* What the scan says of the block at `block`, of its component number `i`. */
static void picture_jpeg_read_block(picture_jpeg_scan *scan, picture_job *job, size_t i, size_t block)
{
    if (scan->first == 0) {
        picture_jpeg_dc(scan, job, i, block);
    }
    if (scan->last > 0 && scan->high == 0) {
        picture_jpeg_ac(scan, job, scan->ac[i], block);
    }
    if (scan->last > 0 && scan->high > 0) {
        picture_jpeg_ac_again(scan, job, scan->ac[i], block);
    }
}

/* Before a unit: where it is time for it there is a restart marker, behind which all begins anew (F.2.1.3.1).
   */
static void picture_jpeg_unit(picture_jpeg_scan *scan, const picture_job *job)
{
    if (scan->interval == 0) {
        return;
    }
    if (scan->left == 0) {
        size_t at = picture_jpeg_marker(job, scan->at);
        if ((picture_byte(job, at + 1) & 0xf8) != 0xd0 || scan->invented > scan->held) {
            scan->damaged = 1;
        }
        scan->at = at + 2;
        scan->held = 0;
        scan->invented = 0;
        scan->run = 0;
        memset(scan->previous, 0, sizeof scan->previous);
        scan->left = scan->interval;
    }
    scan->left--;
}

/* Rows of the component's blocks in the row number `row` of units that have samples of the picture in them.
   */
static size_t picture_jpeg_rows(const picture_jpeg_component *c, size_t row)
{
    size_t left = c->blocks_down - row * c->v;
    return c->v < left ? c->v : left;
}

/* Reads what the scan says of the row number `row` of units. With one component a unit is a block, and there
   are only those with samples of the picture; with several it has blocks of all of them (A.2). */
static int picture_jpeg_read_row(picture_jpeg_scan *scan, picture_job *job, const picture_jpeg_frame *frame,
    size_t row)
{
    if (scan->count == 1) {
        const picture_jpeg_component *c = &frame->components[scan->component[0]];
        for (size_t v = 0; v < picture_jpeg_rows(c, row); v++) {
            for (size_t h = 0; h < c->blocks_across; h++) {
                picture_jpeg_unit(scan, job);
                picture_jpeg_read_block(scan, job, 0, c->at + PICTURE_JPEG_BLOCK * (v * c->slots + h));
            }
        }
    } else {
        for (size_t n = 0; n < frame->units_across; n++) {
            picture_jpeg_unit(scan, job);
            for (size_t i = 0; i < scan->count; i++) {
                const picture_jpeg_component *c = &frame->components[scan->component[i]];
                for (size_t v = 0; v < c->v; v++) {
                    for (size_t h = 0; h < c->h; h++) {
                        size_t block = c->at + PICTURE_JPEG_BLOCK * (v * c->slots + n * c->h + h);
                        picture_jpeg_read_block(scan, job, i, block);
                    }
                }
            }
        }
    }
    return !scan->damaged && scan->invented <= scan->held;
}
