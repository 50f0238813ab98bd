/* The compressed bytes of a PNG: a zlib stream (RFC 1950) of deflated blocks (RFC 1951), which lies in IDAT
   chunks one behind the other.

   All kinds of blocks are decoded. Bytes are given one at a time; the last ones are kept in the `window`
   first bytes of the scratch memory, from which matches are copied. Refused: a preset dictionary, and
   matches that reach further back than the window. The check value at the end (Adler-32) is not looked at. */

enum {
    /* Bits of a code word that are looked up at once. */
    PICTURE_INFLATE_FAST = 9,
    /* Most symbols of a code. */
    PICTURE_INFLATE_SYMBOLS = 288
};

/* RFC 1951, 3.2.5: the shortest match of each length symbol from 257 on, and how many bits more follow it. */
static const uint16_t PICTURE_INFLATE_LENGTH[29] = {
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
    227, 258,
};
static const uint8_t PICTURE_INFLATE_LENGTH_BITS[29] = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
};
/* RFC 1951, 3.2.5: the shortest distance of each distance symbol, and how many bits more follow it. */
static const uint16_t PICTURE_INFLATE_DISTANCE[30] = {
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
    4097, 6145, 8193, 12289, 16385, 24577,
};
static const uint8_t PICTURE_INFLATE_DISTANCE_BITS[30] = {
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
};
/* RFC 1951, 3.2.7: the order in which the lengths of the code of lengths come. */
static const uint8_t PICTURE_INFLATE_ORDER[19] = {
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
};

/* A Huffman code of words of given lengths (RFC 1951, 3.2.2): those of a length are consecutive. */
typedef struct {
    /* By the next bits: symbol and length as `symbol << 4 | length`, 0 where the word is longer. */
    uint16_t fast[1 << PICTURE_INFLATE_FAST];
    /* By length: the first word, how many there are, and where the first one's symbol is in `symbols`. */
    uint16_t first[16];
    uint16_t count[16];
    uint16_t start[16];
    uint16_t symbols[PICTURE_INFLATE_SYMBOLS];
} picture_inflate_code;

/* Words come with their highest bit first: they are looked up reversed, with anything behind them. */
static void picture_inflate_code_set_fast(picture_inflate_code *code, uint32_t word, uint32_t length,
    uint32_t symbol)
{
    uint32_t at = 0;
    for (uint32_t bit = 0; bit < length; bit++) {
        at |= (word >> bit & 1) << (length - 1 - bit);
    }
    while (at < 1 << PICTURE_INFLATE_FAST && length <= PICTURE_INFLATE_FAST) {
        code->fast[at] = (uint16_t)(symbol << 4 | length);
        at += (uint32_t)1 << length;
    }
}

/* Sets the code up. 0 when there are more words than bits for them; words may be missing. */
static int picture_inflate_code_set(picture_inflate_code *code, const uint8_t *lengths, uint32_t symbols)
{
    memset(code->fast, 0, sizeof code->fast);
    memset(code->count, 0, sizeof code->count);
    for (uint32_t symbol = 0; symbol < symbols; symbol++) {
        code->count[lengths[symbol]]++;
    }
    code->count[0] = 0;
    code->start[0] = 0;
    uint16_t next[16] = {0};
    uint32_t word = 0;
    for (uint32_t length = 1; length < 16; length++) {
        word <<= 1;
        code->first[length] = (uint16_t)word;
        code->start[length] = (uint16_t)(code->start[length - 1] + code->count[length - 1]);
        next[length] = code->start[length];
        word += code->count[length];
        if (word > (uint32_t)1 << length) {
            return 0;
        }
    }
    for (uint32_t symbol = 0; symbol < symbols; symbol++) {
        uint32_t length = lengths[symbol];
        if (length > 0) {
            word = (uint32_t)code->first[length] + next[length] - code->start[length];
            code->symbols[next[length]] = (uint16_t)symbol;
            next[length]++;
            picture_inflate_code_set_fast(code, word, length, symbol);
        }
    }
    return 1;
}

typedef struct {
    picture_job *job;
    /* The next byte of the file, and how many bytes its chunk still has. */
    size_t at;
    uint32_t left;
    /* Bits that are read but not used, the next one lowest, and how many. */
    uint32_t hold;
    uint32_t held;
    /* This is the last block; it is one of code words; it is one of so many bytes more as they are. */
    int last;
    int coded;
    uint32_t stored;
    /* Bytes of the match that are still to be copied, and from how far back. */
    uint32_t copy;
    size_t distance;
    /* The window's size, where its next byte goes, and how many of its bytes are set. */
    size_t window;
    size_t put;
    size_t filled;
    picture_inflate_code literals;
    picture_inflate_code distances;
} picture_inflate;

/* Reads ahead: at least 25 bits are held, or all that are left; those behind are 0. */
static void picture_inflate_fill(picture_inflate *in)
{
    while (in->held <= 24) {
        while (in->left == 0) {
            /* Behind a chunk are its check value, then length and kind of the next one. */
            size_t next = picture_behind(in->at, 4);
            if (!picture_begins(in->job, picture_behind(next, 4), "IDAT", 4)) {
                return;
            }
            in->left = picture_big32(in->job, next);
            in->at = picture_behind(next, 8);
        }
        if (in->at >= in->job->size) {
            return;
        }
        in->hold |= (uint32_t)in->job->file[in->at] << in->held;
        in->held += 8;
        in->at++;
        in->left--;
    }
}

/* The next bits, at most 16, the first one lowest; -1 when there are no more. */
static int32_t picture_inflate_bits(picture_inflate *in, uint32_t count)
{
    picture_inflate_fill(in);
    if (count > in->held) {
        return -1;
    }
    uint32_t bits = in->hold & (((uint32_t)1 << count) - 1);
    in->hold >>= count;
    in->held -= count;
    return (int32_t)bits;
}

/* The next symbol, of the code of distances or of that of literals and lengths; -1 when there is none. */
static int32_t picture_inflate_symbol(picture_inflate *in, const picture_inflate_code *code)
{
    picture_inflate_fill(in);
    uint32_t fast = code->fast[in->hold & ((1 << PICTURE_INFLATE_FAST) - 1)];
    uint32_t length = fast & 15;
    uint32_t symbol = fast >> 4;
    if (length == 0) {
        uint32_t word = 0;
        uint32_t nth;
        for (;;) {
            word = word << 1 | (in->hold >> length & 1);
            length++;
            if (length > 15) {
                return -1;
            }
            nth = word - code->first[length];
            if (nth < code->count[length]) {
                break;
            }
        }
        symbol = code->symbols[code->start[length] + nth];
    }
    if (length > in->held) {
        return -1;
    }
    in->hold >>= length;
    in->held -= length;
    return (int32_t)symbol;
}

/* Begins with the IDAT chunk at `at`. RFC 1950, 2.2. */
static int picture_inflate_begin(picture_inflate *in, picture_job *job, size_t window, size_t at)
{
    memset(in, 0, sizeof *in);
    in->job = job;
    in->window = window;
    in->left = picture_big32(job, at);
    in->at = picture_behind(at, 8);
    int32_t head = picture_inflate_bits(in, 8);
    int32_t more = picture_inflate_bits(in, 8);
    if (head < 0 || more < 0) {
        return 0;
    }
    head = head * 256 + more;
    return head % 31 == 0 && (head >> 8 & 15) == 8 && head >> 12 <= 7 && (head & 32) == 0;
}

static int32_t picture_inflate_keep(picture_inflate *in, int32_t byte)
{
    in->job->bytes[in->put] = (uint8_t)byte;
    in->put++;
    if (in->put == in->window) {
        in->put = 0;
    }
    if (in->filled < in->window) {
        in->filled++;
    }
    return byte;
}

/* Length and distance of a match, whose length symbol is the `nth`. */
static int picture_inflate_match(picture_inflate *in, int32_t nth)
{
    if (nth >= 29) {
        return 0;
    }
    int32_t more = picture_inflate_bits(in, PICTURE_INFLATE_LENGTH_BITS[nth]);
    if (more < 0) {
        return 0;
    }
    in->copy = PICTURE_INFLATE_LENGTH[nth] + (uint32_t)more;
    int32_t far = picture_inflate_symbol(in, &in->distances);
    if (far < 0 || far >= 30) {
        return 0;
    }
    more = picture_inflate_bits(in, PICTURE_INFLATE_DISTANCE_BITS[far]);
    if (more < 0) {
        return 0;
    }
    in->distance = PICTURE_INFLATE_DISTANCE[far] + (size_t)more;
    return in->distance <= in->filled;
}

/* RFC 1951, 3.2.6. */
static int picture_inflate_fixed(picture_inflate *in)
{
    uint8_t lengths[PICTURE_INFLATE_SYMBOLS];
    memset(lengths, 8, PICTURE_INFLATE_SYMBOLS);
    memset(lengths + 144, 9, 256 - 144);
    memset(lengths + 256, 7, 280 - 256);
    if (!picture_inflate_code_set(&in->literals, lengths, PICTURE_INFLATE_SYMBOLS)) {
        return 0;
    }
    memset(lengths, 5, 30);
    if (!picture_inflate_code_set(&in->distances, lengths, 30)) {
        return 0;
    }
    in->coded = 1;
    return 1;
}

/* The lengths of both codes, themselves in a code, which is that of distances for now. */
static int picture_inflate_lengths(picture_inflate *in, uint8_t *lengths, uint32_t all)
{
    uint32_t n = 0;
    uint8_t length = 0;
    while (n < all) {
        int32_t symbol = picture_inflate_symbol(in, &in->distances);
        int32_t times = 1;
        if (symbol < 0) {
            return 0;
        }
        if (symbol < 16) {
            length = (uint8_t)symbol;
        } else if (symbol == 16) {
            times = picture_inflate_bits(in, 2);
            if (times < 0 || n == 0) {
                return 0;
            }
            times += 3;
        } else {
            times = picture_inflate_bits(in, symbol == 17 ? 3 : 7);
            if (times < 0) {
                return 0;
            }
            times += symbol == 17 ? 3 : 11;
            length = 0;
        }
        if ((uint32_t)times > all - n) {
            return 0;
        }
        for (int32_t i = 0; i < times; i++) {
            lengths[n] = length;
            n++;
        }
    }
    return 1;
}

/* RFC 1951, 3.2.7. */
static int picture_inflate_dynamic(picture_inflate *in)
{
    int32_t literals = picture_inflate_bits(in, 5);
    int32_t distances = picture_inflate_bits(in, 5);
    int32_t count = picture_inflate_bits(in, 4);
    if (literals < 0 || distances < 0 || count < 0 || literals > 29 || distances > 29) {
        return 0;
    }
    literals += 257;
    distances += 1;
    uint8_t lengths[286 + 30] = {0};
    for (int32_t i = 0; i < count + 4; i++) {
        int32_t length = picture_inflate_bits(in, 3);
        if (length < 0) {
            return 0;
        }
        lengths[PICTURE_INFLATE_ORDER[i]] = (uint8_t)length;
    }
    if (!picture_inflate_code_set(&in->distances, lengths, 19)
        || !picture_inflate_lengths(in, lengths, (uint32_t)(literals + distances))
        || !picture_inflate_code_set(&in->literals, lengths, (uint32_t)literals)
        || !picture_inflate_code_set(&in->distances, lengths + literals, (uint32_t)distances)) {
        return 0;
    }
    in->coded = 1;
    return 1;
}

/* RFC 1951, 3.2.3: the beginning of a block. */
static int picture_inflate_block(picture_inflate *in)
{
    if (in->last) {
        return 0;
    }
    in->last = picture_inflate_bits(in, 1) == 1;
    int32_t kind = picture_inflate_bits(in, 2);
    if (kind == 1) {
        return picture_inflate_fixed(in);
    }
    if (kind == 2) {
        return picture_inflate_dynamic(in);
    }
    if (kind != 0) {
        return 0;
    }
    picture_inflate_bits(in, in->held & 7);
    int32_t stored = picture_inflate_bits(in, 16);
    int32_t inverse = picture_inflate_bits(in, 16);
    if (stored < 0 || inverse != (stored ^ 0xffff)) {
        return 0;
    }
    in->stored = (uint32_t)stored;
    return 1;
}

/* The next byte; -1 when there is none. */
static int32_t picture_inflate_next(picture_inflate *in)
{
    for (;;) {
        if (in->copy > 0) {
            in->copy--;
            size_t back = in->put < in->distance ? in->window : 0;
            return picture_inflate_keep(in, in->job->bytes[in->put + back - in->distance]);
        }
        if (in->stored > 0) {
            in->stored--;
            int32_t byte = picture_inflate_bits(in, 8);
            return byte < 0 ? -1 : picture_inflate_keep(in, byte);
        }
        if (!in->coded) {
            if (!picture_inflate_block(in)) {
                return -1;
            }
            continue;
        }
        int32_t symbol = picture_inflate_symbol(in, &in->literals);
        if (symbol < 0) {
            return -1;
        }
        if (symbol < 256) {
            return picture_inflate_keep(in, symbol);
        }
        in->coded = symbol > 256;
        if (in->coded && !picture_inflate_match(in, symbol - 257)) {
            return -1;
        }
    }
}
