/* The pixels of lossless WebP: bits, prefix codes, and copies of what was before (WebP Lossless Bitstream,
   sections 5 and 6). */

/* The most symbols of a code: 256 values, 24 lengths, and the cache. */
enum { PICTURE_WEBP_SYMBOLS = 256 + 24 + 2048 };

/* The bits of the file, the lowest of a byte first. */
typedef struct {
    size_t at;
    size_t end;
    /* The rest of the last byte, and how many bits it has. */
    uint32_t rest;
    uint32_t count;
    /* It has read behind the end. */
    int over;
} picture_webp_bits;

static picture_webp_bits picture_webp_bits_new(size_t at, size_t end)
{
    picture_webp_bits bits = {at, end, 0, 0, 0};
    return bits;
}

static uint32_t picture_webp_bit(const picture_job *job, picture_webp_bits *bits)
{
    if (bits->count == 0) {
        bits->rest = 0;
        if (bits->at < bits->end) {
            bits->rest = picture_byte(job, bits->at);
            bits->at += 1;
        } else {
            bits->over = 1;
        }
        bits->count = 8;
    }
    uint32_t bit = bits->rest & 1;
    bits->rest >>= 1;
    bits->count -= 1;
    return bit;
}

/* A number of so many bits, the lowest first. */
static size_t picture_webp_number(const picture_job *job, picture_webp_bits *bits, uint32_t count)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= picture_webp_bit(job, bits) << i;
    }
    return value;
}

/* What pixels are decoded with. In the scratch bytes are the lengths of the symbols of the code that is being
   read, then 16-bit entries: of every code its longest length, how many symbols there are of each length,
   and the symbols in the order of their codes. */
typedef struct {
    /* The colours that may be referred to, as a number of bits, or 0, and where they are in the scratch
       words. */
    size_t cache;
    uint32_t cache_bits;
    /* Where the entries of each code begin, five of a group: green or length or cache, red, blue, alpha,
       distance. There is memory for `most` groups. */
    size_t starts;
    size_t most;
    /* Which group it is, of squares of `1 << group_bits` pixels, `group_columns` in a row; the first always
       when there are 0. */
    size_t groups;
    uint32_t group_bits;
    size_t group_columns;
    /* Entries that are used, and that there are. */
    size_t used;
    size_t entries;
} picture_webp_codes;

static size_t picture_webp_entries(size_t height, size_t width)
{
    return PICTURE_WEBP_SYMBOLS + 3 * 256 + 40 + 5 * 16 + height * width / 4;
}

static size_t picture_webp_entry(const picture_job *job, size_t at)
{
    const uint8_t *bytes = job->bytes + PICTURE_WEBP_SYMBOLS + 2 * at;
    return bytes[0] | (size_t)bytes[1] << 8;
}

static void picture_webp_set_entry(picture_job *job, size_t at, size_t value)
{
    uint8_t *bytes = job->bytes + PICTURE_WEBP_SYMBOLS + 2 * at;
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

/* The order of the lengths of the code of lengths (section 6.2.1). */
static const uint8_t picture_webp_order[19] = {
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

/* Makes the entries of the code whose lengths are in memory, behind those that are used. Gives their number.
   The code has to be complete, or of one symbol, which then takes no bits; otherwise it gives 0. */
static size_t picture_webp_build(picture_job *job, const picture_webp_codes *codes, size_t symbols)
{
    size_t counts[16] = {0};
    for (size_t i = 0; i < symbols; i++) {
        counts[job->bytes[i]] += 1;
    }
    size_t total = symbols - counts[0];
    size_t longest = 0;
    int32_t left = 1;
    for (size_t length = 1; length < 16; length++) {
        left = 2 * left - (int32_t)counts[length];
        if (left < 0) {
            return 0;
        }
        if (counts[length] > 0) {
            longest = length;
        }
    }
    if (total == 0 || (total > 1 && left > 0)) {
        return 0;
    }
    if (total == 1) {
        longest = 0;
    }
    size_t count = 1 + longest + total;
    if (count > codes->entries - codes->used) {
        return 0;
    }
    picture_webp_set_entry(job, codes->used, longest);
    size_t place = codes->used + 1 + longest;
    size_t places[16];
    for (size_t i = 0; i < 16; i++) {
        places[i] = place;
    }
    for (size_t length = 1; length <= longest; length++) {
        picture_webp_set_entry(job, codes->used + length, counts[length]);
        places[length] = place;
        place += counts[length];
    }
    for (size_t i = 0; i < symbols; i++) {
        size_t length = job->bytes[i];
        if (length > 0) {
            picture_webp_set_entry(job, places[length], i);
            places[length] += 1;
        }
    }
    return count;
}

/* A symbol of the code whose entries begin at `code`. */
static size_t picture_webp_symbol(const picture_job *job, picture_webp_bits *bits, size_t code)
{
    size_t longest = picture_webp_entry(job, code);
    size_t at = code + 1 + longest;
    if (longest == 0) {
        return picture_webp_entry(job, at);
    }
    size_t value = 0, first = 0;
    for (size_t length = 1; length <= longest; length++) {
        value = 2 * value + picture_webp_bit(job, bits);
        size_t count = picture_webp_entry(job, code + length);
        if (value < first + count) {
            return picture_webp_entry(job, at + value - first);
        }
        at += count;
        first = 2 * (first + count);
    }
    return 0;
}

/* The lengths of a code's symbols, into memory (section 6.2.1). */
static int picture_webp_lengths(picture_job *job, picture_webp_bits *bits, const picture_webp_codes *codes,
    size_t symbols)
{
    memset(job->bytes, 0, PICTURE_WEBP_SYMBOLS);
    if (picture_webp_bit(job, bits) == 1) {
        int two = picture_webp_bit(job, bits) == 1;
        uint32_t wide = picture_webp_bit(job, bits);
        size_t first = picture_webp_number(job, bits, 1 + 7 * wide);
        size_t second = two ? picture_webp_number(job, bits, 8) : first;
        if (first >= symbols || second >= symbols) {
            return 0;
        }
        job->bytes[first] = 1;
        job->bytes[second] = 1;
        return 1;
    }
    size_t lengths = 4 + picture_webp_number(job, bits, 4);
    for (size_t i = 0; i < lengths; i++) {
        job->bytes[picture_webp_order[i]] = (uint8_t)picture_webp_number(job, bits, 3);
    }
    size_t most = symbols;
    if (picture_webp_bit(job, bits) == 1) {
        uint32_t length = 2 + 2 * (uint32_t)picture_webp_number(job, bits, 3);
        most = 2 + picture_webp_number(job, bits, length);
    }
    if (!picture_webp_build(job, codes, 19)) {
        return 0;
    }
    memset(job->bytes, 0, 19);
    size_t last = 8;
    size_t at = 0;
    while (at < symbols && most > 0) {
        most -= 1;
        size_t length = picture_webp_symbol(job, bits, codes->used);
        if (length < 16) {
            job->bytes[at] = (uint8_t)length;
            at += 1;
            last = length > 0 ? length : last;
            continue;
        }
        size_t repeated = length == 16 ? last : 0;
        size_t count = length == 16 ? 3 + picture_webp_number(job, bits, 2)
            : length == 17 ? 3 + picture_webp_number(job, bits, 3) : 11 + picture_webp_number(job, bits, 7);
        if (count > symbols - at) {
            return 0;
        }
        for (size_t i = 0; i < count; i++) {
            job->bytes[at] = (uint8_t)repeated;
            at += 1;
        }
    }
    return 1;
}

/* The codes of so many groups. */
static int picture_webp_read_codes(picture_job *job, picture_webp_bits *bits, picture_webp_codes *codes,
    size_t groups)
{
    if (groups > codes->most) {
        return 0;
    }
    codes->used = 0;
    for (size_t i = 0; i < 5 * groups; i++) {
        size_t cached = codes->cache_bits > 0 ? (size_t)1 << codes->cache_bits : 0;
        const size_t symbols[5] = {256 + 24 + cached, 256, 256, 256, 40};
        if (!picture_webp_lengths(job, bits, codes, symbols[i % 5])) {
            return 0;
        }
        size_t count = picture_webp_build(job, codes, symbols[i % 5]);
        if (count == 0 || bits->over) {
            return 0;
        }
        job->words[codes->starts + i] = (int32_t)codes->used;
        codes->used += count;
    }
    return 1;
}

/* Whether there is a cache of colours, and for how many (section 5.2.3). */
static int picture_webp_read_cache(const picture_job *job, picture_webp_bits *bits, picture_webp_codes *codes)
{
    codes->cache_bits = 0;
    if (picture_webp_bit(job, bits) == 1) {
        codes->cache_bits = (uint32_t)picture_webp_number(job, bits, 4);
        if (codes->cache_bits < 1 || codes->cache_bits > 11) {
            return 0;
        }
    }
    return 1;
}

/* The pixels at the distances that have a code of their own: 16 times the rows, and 7 more than the columns
   (section 5.2.2). */
static const uint8_t picture_webp_near[120] = {
    23, 8, 24, 22, 39, 9, 40, 38, 25, 21, 41, 37, 55, 10, 56, 54, 26, 20, 57, 53, 42, 36, 71, 11, 72, 70, 27,
    19, 58, 52, 73, 69, 43, 35, 87, 74, 68, 59, 51, 12, 88, 86, 28, 18, 89, 85, 44, 34, 75, 67, 90, 84, 60,
    50, 103, 13, 104, 102, 29, 17, 105, 101, 45, 33, 91, 83, 76, 66, 106, 100, 61, 49, 119, 14, 120, 118, 92,
    82, 30, 16, 107, 99, 77, 65, 121, 117, 46, 32, 122, 116, 62, 48, 108, 98, 93, 81, 15, 123, 115, 78, 64,
    31, 47, 109, 97, 63, 124, 114, 94, 80, 79, 125, 113, 110, 96, 95, 126, 112, 111, 127
};

/* A length or distance, by its prefix (section 5.2.2). */
static size_t picture_webp_extended(const picture_job *job, picture_webp_bits *bits, size_t prefix)
{
    if (prefix < 4) {
        return prefix + 1;
    }
    uint32_t extra = ((uint32_t)prefix - 2) / 2;
    return ((2 + prefix % 2) << extra) + picture_webp_number(job, bits, extra) + 1;
}

/* How far back a distance is in a picture of this width. */
static size_t picture_webp_distance(size_t code, size_t width)
{
    if (code > 120) {
        return code - 120;
    }
    size_t near = picture_webp_near[code - 1];
    size_t back = near / 16 * width + near % 16;
    if (back > 7) {
        return back - 7;
    } else {
        return 1;
    }
}

/* Sets a pixel, and remembers its colour. */
static void picture_webp_put(picture_job *job, const picture_webp_codes *codes, size_t at, uint32_t colour)
{
    job->words[at] = (int32_t)colour;
    if (codes->cache_bits > 0) {
        uint32_t hash = (uint32_t)(0x1e35a7bd * colour) >> (32 - codes->cache_bits);
        job->words[codes->cache + hash] = (int32_t)colour;
    }
}

/* A picture, into the scratch words from `to` on, alpha in the highest byte, then red, green and blue
   (section 5.2). */
static int picture_webp_pixels(picture_job *job, picture_webp_bits *bits, const picture_webp_codes *codes,
    size_t to, size_t height, size_t width)
{
    const int32_t *words = job->words;
    if (codes->cache_bits > 0) {
        memset(job->words + codes->cache, 0, sizeof(int32_t) << codes->cache_bits);
    }
    size_t count = height * width;
    size_t i = 0, y = 0, x = 0;
    while (i < count) {
        size_t start = codes->starts;
        if (codes->group_columns > 0) {
            size_t row = codes->groups + (y >> codes->group_bits) * codes->group_columns;
            size_t at = row + (x >> codes->group_bits);
            start += 5 * (size_t)((uint32_t)words[at] >> 8 & 0xffff);
        }
        size_t green = picture_webp_symbol(job, bits, (size_t)words[start]);
        size_t length = 1;
        if (green < 256) {
            size_t red = picture_webp_symbol(job, bits, (size_t)words[start + 1]);
            size_t blue = picture_webp_symbol(job, bits, (size_t)words[start + 2]);
            size_t alpha = picture_webp_symbol(job, bits, (size_t)words[start + 3]);
            picture_webp_put(job, codes, to + i, (uint32_t)(alpha << 24 | red << 16 | green << 8 | blue));
        } else if (green < 280) {
            length = picture_webp_extended(job, bits, green - 256);
            size_t prefix = picture_webp_symbol(job, bits, (size_t)words[start + 4]);
            size_t back = picture_webp_distance(picture_webp_extended(job, bits, prefix), width);
            if (back > i || length > count - i) {
                return 0;
            }
            for (size_t k = 0; k < length; k++) {
                uint32_t colour = (uint32_t)words[to + i + k - back];
                picture_webp_put(job, codes, to + i + k, colour);
            }
        } else {
            uint32_t colour = (uint32_t)words[codes->cache + green - 280];
            picture_webp_put(job, codes, to + i, colour);
        }
        if (bits->over) {
            return 0;
        }
        i += length;
        x += length;
        while (x >= width) {
            x -= width;
            y += 1;
        }
    }
    return 1;
}
