/* JPEG (ITU T.81, JFIF).

   Decoded: sequential (SOF0, SOF1) and progressive (SOF2) pictures with Huffman codes and 8 bits a sample,
   of one component (grey) or three (YCbCr or RGB), of any sampling where a sample stands for whole pixels,
   in one scan or several, with restarts or without. The pixels are those that libjpeg-turbo gives with its
   default settings, bit for bit.

   Refused: arithmetic coding, lossless and hierarchical pictures, 12 bits, four components (CMYK), more than
   24 scans, tables that are not in the file, progressive pictures that lack a part, and samplings that need
   more than 12 blocks for each 16 columns.

   The file is read at several places at once, one for each scan, a row of units at a time: so only a row of
   coefficients is kept. */

enum { PICTURE_JPEG_SCANS = 24 };

/* `known` of a coefficient that no scan brought. */
enum { PICTURE_JPEG_UNKNOWN = 255 };

/* What the segments up to here say. Tables are places in the file, 0 for none. */
typedef struct {
    picture_jpeg_frame frame;
    size_t count;
    picture_jpeg_scan scans[PICTURE_JPEG_SCANS];
    /* From which bit on each coefficient of each component is known. */
    uint8_t known[3][64];
    size_t quant[4];
    int wide[4];
    size_t dc[4];
    size_t ac[4];
    uint32_t interval;
    int jfif;
    int adobe;
    /* Adobe's word on colours: 0 is RGB. */
    uint32_t transform;
} picture_jpeg_head;

static size_t picture_jpeg_ceil(size_t count, size_t of)
{
    return (count + of - 1) / of;
}

/* Bytes of scratch memory: a row of units, a row of samples, and a row of pixels. A unit has at most 12 blocks for
   each 16 columns. */
static size_t picture_jpeg_bytes(size_t width)
{
    return 12 * PICTURE_JPEG_BLOCK * picture_jpeg_ceil(width, 16) + 6 * width;
}

/* Where the component's samples go, and how much larger it is made; `across` and `down` are the largest
   sampling factors. Gives the place behind it. */
static size_t picture_jpeg_place(const picture_job *job, picture_jpeg_component *c, size_t across,
    size_t down, size_t at)
{
    c->across = across / c->h;
    c->down = down / c->v;
    c->width = picture_jpeg_ceil(job->width, c->across);
    c->height = picture_jpeg_ceil(job->height, c->down);
    c->blocks_across = picture_jpeg_ceil(c->width, 8);
    c->blocks_down = picture_jpeg_ceil(c->height, 8);
    c->slots = picture_jpeg_ceil(job->width, 8 * across) * c->h;
    c->at = at;
    c->above = at + PICTURE_JPEG_BLOCK * c->slots * c->v;
    return c->above + c->width;
}

/* The frame header (B.2.2). */
static int picture_jpeg_read_frame(const picture_job *job, picture_jpeg_head *head, size_t begin, size_t end)
{
    if (picture_big16(job, begin + 1) != job->height || picture_big16(job, begin + 3) != job->width) {
        return 0;
    }
    size_t count = picture_byte(job, begin + 5);
    if (head->frame.count > 0 || picture_byte(job, begin) != 8 || end - begin != 6 + 3 * count) {
        return 0;
    }
    if (count != 1 && count != 3) {
        return 0;
    }
    size_t across = 1;
    size_t down = 1;
    for (size_t i = 0; i < count; i++) {
        picture_jpeg_component *c = &head->frame.components[i];
        size_t at = begin + 6 + 3 * i;
        c->id = picture_byte(job, at);
        c->h = picture_byte(job, at + 1) >> 4;
        c->v = picture_byte(job, at + 1) & 15;
        c->selector = picture_byte(job, at + 2);
        if (c->h == 0 || c->h > 4 || c->v == 0 || c->v > 4 || c->selector > 3) {
            return 0;
        }
        across = across > c->h ? across : c->h;
        down = down > c->v ? down : c->v;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        picture_jpeg_component *c = &head->frame.components[i];
        if (across % c->h != 0 || down % c->v != 0) {
            return 0;
        }
        at = picture_jpeg_place(job, c, across, down, at);
    }
    head->frame.count = count;
    head->frame.rows = 8 * down;
    head->frame.units_across = picture_jpeg_ceil(job->width, 8 * across);
    head->frame.units_down = picture_jpeg_ceil(job->height, 8 * down);
    head->frame.line = at;
    return at + 3 * job->width <= picture_jpeg_bytes(job->width);
}

/* Quantization tables (B.2.4.1). */
static int picture_jpeg_read_quant(const picture_job *job, picture_jpeg_head *head, size_t begin, size_t end)
{
    size_t at = begin;
    while (at < end) {
        uint32_t wide = picture_byte(job, at) >> 4;
        size_t n = picture_byte(job, at) & 15;
        size_t next = at + 65 + 64 * wide;
        if (wide > 1 || n > 3 || next > end) {
            return 0;
        }
        head->quant[n] = at + 1;
        head->wide[n] = wide == 1;
        at = next;
    }
    return 1;
}

/* Huffman tables (B.2.4.2). */
static int picture_jpeg_read_codes(const picture_job *job, picture_jpeg_head *head, size_t begin, size_t end)
{
    size_t at = begin;
    while (at < end) {
        uint32_t class = picture_byte(job, at) >> 4;
        size_t n = picture_byte(job, at) & 15;
        size_t next = at + 17;
        for (size_t length = 0; length < 16; length++) {
            next += picture_byte(job, at + 1 + length);
        }
        if (class > 1 || n > 3 || next > end) {
            return 0;
        }
        if (class == 0) {
            head->dc[n] = at + 1;
        } else {
            head->ac[n] = at + 1;
        }
        at = next;
    }
    return 1;
}

/* Component number `i` of the scan whose header begins at `begin`: its tables, and what is known of it from
   there on. A component keeps the quantization table of its first scan. */
static int picture_jpeg_join(const picture_job *job, picture_jpeg_head *head, picture_jpeg_scan *scan,
    size_t begin, size_t i)
{
    uint32_t id = picture_byte(job, begin + 1 + 2 * i);
    size_t n = 0;
    while (n < head->frame.count && head->frame.components[n].id != id) {
        n++;
    }
    size_t dc = picture_byte(job, begin + 2 + 2 * i) >> 4;
    size_t ac = picture_byte(job, begin + 2 + 2 * i) & 15;
    if (n == head->frame.count || dc > 3 || ac > 3) {
        return 0;
    }
    scan->component[i] = n;
    scan->dc[i] = head->dc[dc];
    scan->ac[i] = head->ac[ac];
    if ((scan->first == 0 && scan->high == 0 && scan->dc[i] == 0) || (scan->last > 0 && scan->ac[i] == 0)) {
        return 0;
    }
    uint32_t before = scan->high > 0 ? scan->high : PICTURE_JPEG_UNKNOWN;
    for (size_t k = scan->first; k <= scan->last; k++) {
        if (head->known[n][k] != before) {
            return 0;
        }
        head->known[n][k] = (uint8_t)scan->low;
    }
    picture_jpeg_component *c = &head->frame.components[n];
    if (c->quant == 0) {
        c->quant = head->quant[c->selector];
        c->wide = head->wide[c->selector];
    }
    return c->quant != 0;
}

/* The scan header (B.2.3). */
static int picture_jpeg_read_scan(const picture_job *job, picture_jpeg_head *head, size_t begin, size_t end)
{
    size_t count = picture_byte(job, begin);
    if (head->count == PICTURE_JPEG_SCANS || count == 0 || count > head->frame.count) {
        return 0;
    }
    if (end - begin != 4 + 2 * count) {
        return 0;
    }
    picture_jpeg_scan *scan = &head->scans[head->count];
    scan->count = count;
    scan->last = 63;
    scan->interval = head->interval;
    scan->left = head->interval;
    scan->at = end;
    if (head->frame.progressive) {
        scan->first = picture_byte(job, end - 3);
        scan->last = picture_byte(job, end - 2);
        scan->high = picture_byte(job, end - 1) >> 4;
        scan->low = picture_byte(job, end - 1) & 15;
        int dc = scan->first == 0 && scan->last == 0;
        int ac = scan->first > 0 && scan->last >= scan->first && scan->last < 64 && count == 1;
        if (!(dc || ac) || scan->low > 13 || (scan->high > 0 && scan->high != scan->low + 1)) {
            return 0;
        }
    }
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        if (!picture_jpeg_join(job, head, scan, begin, i)) {
            return 0;
        }
        const picture_jpeg_component *c = &head->frame.components[scan->component[i]];
        blocks += c->h * c->v;
    }
    head->count++;
    return count == 1 || blocks <= 10;
}

/* A segment, by its marker (table B.1). */
static int picture_jpeg_read_segment(const picture_job *job, picture_jpeg_head *head, uint32_t kind,
    size_t begin, size_t end)
{
    switch (kind) {
    case 0xc0:
    case 0xc1:
    case 0xc2:
        head->frame.progressive = kind == 0xc2;
        return picture_jpeg_read_frame(job, head, begin, end);
    case 0xc4:
        return picture_jpeg_read_codes(job, head, begin, end);
    case 0xda:
        return picture_jpeg_read_scan(job, head, begin, end);
    case 0xdb:
        return picture_jpeg_read_quant(job, head, begin, end);
    case 0xdd:
        head->interval = picture_big16(job, begin);
        return 1;
    case 0xe0:
        if (end - begin >= 14 && picture_begins(job, begin, "JFIF", 5)) {
            head->jfif = 1;
        }
        return 1;
    case 0xee:
        if (end - begin >= 12 && picture_begins(job, begin, "Adobe", 5)) {
            head->adobe = 1;
            head->transform = picture_byte(job, begin + 11);
        }
        return 1;
    default:
        /* Other applications' data, a comment, the number of lines once more. */
        return (kind >= 0xe1 && kind <= 0xef) || kind == 0xfe || kind == 0xdc;
    }
}

/* True when the scans so far bring every bit of every coefficient. */
static int picture_jpeg_complete(const picture_jpeg_head *head)
{
    uint32_t unknown = 0;
    for (size_t i = 0; i < head->frame.count; i++) {
        for (size_t k = 0; k < 64; k++) {
            unknown |= head->known[i][k];
        }
    }
    return head->frame.count > 0 && unknown == 0;
}

/* Reads the segments up to the last scan's header. */
static int picture_jpeg_read_head(const picture_job *job, picture_jpeg_head *head)
{
    size_t at = 2;
    while (!picture_jpeg_complete(head)) {
        at = picture_jpeg_marker(job, at);
        uint32_t kind = picture_byte(job, at + 1);
        if ((kind & 0xf8) == 0xd0) {
            /* A restart in the scan before. */
            at += 2;
            continue;
        }
        size_t length = picture_big16(job, at + 2);
        if (length < 2 || at + 2 + length > job->size) {
            return 0;
        }
        if (!picture_jpeg_read_segment(job, head, kind, at + 4, at + 2 + length)) {
            return 0;
        }
        at += 2 + length;
    }
    /* As libjpeg decides. */
    const picture_jpeg_component *c = head->frame.components;
    int named = c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B';
    int rgb = head->adobe ? head->transform == 0 : named;
    head->frame.rgb = rgb && !head->jfif;
    head->frame.mix[0] = 91881;
    head->frame.mix[1] = -22554;
    head->frame.mix[2] = -46802;
    head->frame.mix[3] = 116130;
    return 1;
}

static int picture_jpeg(picture_job *job)
{
    picture_jpeg_head head;
    memset(&head, 0, sizeof head);
    memset(head.known, PICTURE_JPEG_UNKNOWN, sizeof head.known);
    if (!picture_jpeg_read_head(job, &head)) {
        return 0;
    }
    for (size_t row = 0; row < head.frame.units_down; row++) {
        for (size_t i = 0; i < head.frame.count; i++) {
            const picture_jpeg_component *c = &head.frame.components[i];
            memset(job->bytes + c->at, 0, c->above - c->at);
        }
        for (size_t i = 0; i < head.count; i++) {
            if (!picture_jpeg_read_row(&head.scans[i], job, &head.frame, row)) {
                return 0;
            }
        }
        picture_jpeg_transform_row(job, &head.frame, row);
        picture_jpeg_set_row(job, &head.frame, row);
    }
    return 1;
}
