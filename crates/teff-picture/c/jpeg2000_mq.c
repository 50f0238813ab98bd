/* The arithmetic decoder of JPEG 2000 (ITU T.800, annex C), and the bits that are there without it (D.6). */

/* Table C.2: the probability of a state, and the states that follow. After state 0, 6 or 14 the likelier
   symbol changes. */
static const uint16_t PICTURE_J2K_PROBABILITY[47] = {
    0x5601, 0x3401, 0x1801, 0x0ac1, 0x0521, 0x0221, 0x5601, 0x5401, 0x4801, 0x3801, 0x3001, 0x2401,
    0x1c01, 0x1601, 0x5601, 0x5401, 0x5101, 0x4801, 0x3801, 0x3401, 0x3001, 0x2801, 0x2401, 0x2201,
    0x1c01, 0x1801, 0x1601, 0x1401, 0x1201, 0x1101, 0x0ac1, 0x09c1, 0x08a1, 0x0521, 0x0441, 0x02a1,
    0x0221, 0x0141, 0x0111, 0x0085, 0x0049, 0x0025, 0x0015, 0x0009, 0x0005, 0x0001, 0x5601};
static const uint8_t PICTURE_J2K_AFTER_LIKELY[47] = {
    1, 2, 3, 4, 5, 38, 7, 8, 9, 10, 11, 12, 13, 29, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 45, 46};
static const uint8_t PICTURE_J2K_AFTER_UNLIKELY[47] = {
    1, 6, 9, 12, 29, 33, 6, 14, 14, 14, 17, 18, 20, 21, 14, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 23,
    24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 46};

typedef struct {
    /* Where the pieces of data lie, and the piece that is read. */
    size_t pieces;
    size_t piece;
    /* What of it is left in the file. */
    size_t at;
    size_t left;
    /* Passes of the codeword in later pieces. */
    size_t later;
    uint32_t last;
    uint32_t count;
    uint32_t interval;
    uint32_t code;
    /* States, doubled, and the likelier symbols. */
    uint8_t contexts[19];
} picture_j2k_mq;

/* The contexts as they are at first (table D.7). */
static void picture_j2k_mq_reset(picture_j2k_mq *q)
{
    memset(q->contexts, 0, sizeof q->contexts);
    q->contexts[0] = 4 << 1;
    q->contexts[17] = 3 << 1;
    q->contexts[18] = 46 << 1;
}

/* Stands before the first piece, the one behind piece `last`. */
static picture_j2k_mq picture_j2k_mq_new(size_t pieces, size_t last)
{
    picture_j2k_mq q = {pieces, last, 0, 0, 0, 0, 0, 0, 0, {0}};
    picture_j2k_mq_reset(&q);
    return q;
}

static void picture_j2k_mq_next_piece(const picture_job *job, picture_j2k_mq *q)
{
    q->piece = (uint32_t)job->words[q->pieces + 2 * (q->piece - 1) + 1] & 0xffff;
    size_t piece = q->pieces + 2 * (q->piece - 1);
    q->at = (uint32_t)job->words[piece] & 0xffffff;
    q->later -= (uint32_t)job->words[piece] >> 24;
    q->left = (uint32_t)job->words[piece + 1] >> 16;
}

/* Takes a byte; behind the end and behind markers there are bytes 0xff that are not taken. Gives the bits
   that it has. */
static uint32_t picture_j2k_mq_next_byte(const picture_job *job, picture_j2k_mq *q)
{
    while (q->left == 0 && q->later > 0) {
        picture_j2k_mq_next_piece(job, q);
    }
    uint32_t byte = q->left > 0 ? picture_byte(job, q->at) : 0xff;
    if (q->last == 0xff && byte > 0x8f) {
        return 0;
    }
    uint32_t bits = q->last == 0xff ? 7 : 8;
    if (q->left > 0) {
        q->at++;
        q->left--;
    }
    q->last = byte;
    return bits;
}

/* BYTEIN. */
static void picture_j2k_mq_byte_in(const picture_job *job, picture_j2k_mq *q)
{
    uint32_t bits = picture_j2k_mq_next_byte(job, q);
    if (bits == 0) {
        q->code += 0xff00;
        q->count = 8;
    } else {
        q->code += q->last << (16 - bits);
        q->count = bits;
    }
}

/* Begins the codeword of the next `passes`. */
static void picture_j2k_mq_start(const picture_job *job, picture_j2k_mq *q, size_t passes, int raw)
{
    while (q->later > 0) {
        picture_j2k_mq_next_piece(job, q);
    }
    q->later = passes;
    q->left = 0;
    q->last = 0;
    q->count = 0;
    if (!raw) {
        /* INITDEC. */
        picture_j2k_mq_next_byte(job, q);
        q->code = q->last << 16;
        picture_j2k_mq_byte_in(job, q);
        q->code <<= 7;
        q->count -= 7;
        q->interval = 0x8000;
    }
}

/* A bit that is not coded. */
static uint32_t picture_j2k_mq_raw(const picture_job *job, picture_j2k_mq *q)
{
    if (q->count == 0) {
        uint32_t bits = picture_j2k_mq_next_byte(job, q);
        q->count = bits == 0 ? 8 : bits;
    }
    q->count--;
    return q->last >> q->count & 1;
}

/* DECODE. */
static uint32_t picture_j2k_mq_decode(const picture_job *job, picture_j2k_mq *q, size_t context)
{
    uint8_t state = q->contexts[context] >> 1;
    uint8_t likely = q->contexts[context] & 1;
    uint32_t probability = PICTURE_J2K_PROBABILITY[state];
    q->interval -= probability;
    int lower = q->code >> 16 < probability;
    if (!lower) {
        q->code -= probability << 16;
        if ((q->interval & 0x8000) != 0) {
            return likely;
        }
    }
    /* The likelier symbol has the larger part, which may be the lower one (C.3.2). */
    int expected = lower == (q->interval < probability);
    if (lower) {
        q->interval = probability;
    }
    if (expected) {
        q->contexts[context] = (uint8_t)(PICTURE_J2K_AFTER_LIKELY[state] << 1 | likely);
    } else {
        int switched = state == 0 || state == 6 || state == 14;
        q->contexts[context] = (uint8_t)(PICTURE_J2K_AFTER_UNLIKELY[state] << 1 | (likely ^ switched));
    }
    /* RENORMD. */
    while ((q->interval & 0x8000) == 0) {
        if (q->count == 0) {
            picture_j2k_mq_byte_in(job, q);
        }
        q->interval <<= 1;
        q->code <<= 1;
        q->count--;
    }
    return expected ? likely : 1u - likely;
}
