/* The packets of a JPEG 2000 tile (ITU T.800, B.9 to B.12): what each says of its code-blocks, and where
   their data are.

   A code-block's data are a chain of pieces, of two numbers each: place in the file and passes, length and
   the next piece. The piece behind the last is the first. */

/* The loops of the progression orders from the outermost (B.12.1): 0 is layers, 1 resolutions, 2 components,
   3 places. */
static const uint8_t PICTURE_J2K_ORDERS[5][4] = {
    {0, 1, 2, 3}, {1, 0, 2, 3}, {1, 3, 2, 0}, {3, 2, 1, 0}, {2, 3, 1, 0}};

/* The places where a precinct of any resolution may begin. */
typedef struct {
    size_t resolutions;
    /* Powers of 2. */
    size_t step_x;
    size_t step_y;
    size_t wide;
    size_t high;
} picture_j2k_grid;

static picture_j2k_grid picture_j2k_grid_of(const picture_j2k_tile *t)
{
    picture_j2k_grid g = {0, 31, 31, 0, 0};
    for (size_t c = 0; c < t->components; c++) {
        size_t levels = t->coding[c].levels;
        g.resolutions = picture_j2k_max(g.resolutions, levels + 1);
        for (size_t r = 0; r <= levels; r++) {
            picture_j2k_resolution res = picture_j2k_resolve(t, c, r);
            g.step_x = picture_j2k_min(g.step_x, res.precinct_x + levels - r);
            g.step_y = picture_j2k_min(g.step_y, res.precinct_y + levels - r);
        }
    }
    g.wide = picture_j2k_cells(t->area.x0, t->area.x1, g.step_x);
    g.high = picture_j2k_cells(t->area.y0, t->area.y1, g.step_y);
    return g;
}

/* The precinct of a resolution at a place, or -1. */
static size_t picture_j2k_precinct(const picture_j2k_tile *t, const picture_j2k_grid *g, size_t c, size_t
    r, size_t at)
{
    if (r > t->coding[c].levels) {
        return (size_t)-1;
    }
    picture_j2k_resolution res = picture_j2k_resolve(t, c, r);
    if (t->order < 2) {
        return at < res.wide * res.high ? at : (size_t)-1;
    }
    size_t n = t->coding[c].levels - r;
    size_t x = picture_j2k_max(((t->area.x0 >> g->step_x) + at % g->wide) << g->step_x, t->area.x0);
    size_t y = picture_j2k_max(((t->area.y0 >> g->step_y) + at / g->wide) << g->step_y, t->area.y0);
    size_t left = res.area.x0 << n, top = res.area.y0 << n;
    size_t size_x = res.precinct_x + n, size_y = res.precinct_y + n;
    /* B.12.1.3: a precinct begins at a multiple of its size, or with the tile. */
    size_t mask_x = ((size_t)1 << size_x) - 1, mask_y = ((size_t)1 << size_y) - 1;
    int begins_x = (x & mask_x) == 0 || (x == t->area.x0 && (left & mask_x) != 0);
    int begins_y = (y & mask_y) == 0 || (y == t->area.y0 && (top & mask_y) != 0);
    if (!begins_x || !begins_y || res.wide * res.high == 0) {
        return (size_t)-1;
    }
    size_t column = (picture_j2k_max(x, left) >> size_x) - (res.area.x0 >> res.precinct_x);
    size_t row = (picture_j2k_max(y, top) >> size_y) - (res.area.y0 >> res.precinct_y);
    return row * res.wide + column;
}

/* The bits of a packet header (B.10.1). Behind the end they are 0. */
typedef struct {
    size_t at;
    size_t end;
    uint32_t last;
    uint32_t left;
    int ended;
} picture_j2k_bits;

static uint32_t picture_j2k_bit(const picture_job *job, picture_j2k_bits *bits)
{
    if (bits->left == 0) {
        if (bits->at >= bits->end) {
            bits->ended = 1;
            return 0;
        }
        /* A bit 0 follows 8 ones. */
        bits->left = bits->last == 0xff ? 7 : 8;
        bits->last = picture_byte(job, bits->at);
        bits->at++;
    }
    bits->left--;
    return bits->last >> bits->left & 1;
}

static size_t picture_j2k_number(const picture_job *job, picture_j2k_bits *bits, size_t count)
{
    size_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 1 | picture_j2k_bit(job, bits);
    }
    return value;
}

/* Reads on in a tag tree (B.10.2): true when the value of leaf `i` is below `limit`. `kind` is 0 for the
   layer in which a code-block comes first, 1 for its bit-planes that are 0. A node is -1 - n as long as it is
   only known to be n or more. */
static int picture_j2k_below(picture_job *job, picture_j2k_bits *bits, const picture_j2k_part *p, size_t
    at, size_t i, size_t kind, int32_t limit)
{
    size_t tree = at + p->wide * p->high;
    int32_t low = 0;
    int known = 0;
    size_t level = picture_j2k_tree_levels(p);
    while (level > 0) {
        level--;
        size_t x = (i % p->wide) >> level, y = (i / p->wide) >> level;
        size_t node = 2 * (tree + picture_j2k_nodes(p,
            level) + y * (((p->wide - 1) >> level) + 1) + x) + kind;
        int32_t value = picture_j2k_half(job, node);
        known = value >= 0;
        value = known ? value : -1 - value;
        low = low > value ? low : value;
        while (!known && low < limit) {
            if (picture_j2k_bit(job, bits) == 1) {
                known = 1;
            } else {
                low++;
            }
        }
        picture_j2k_set_half(job, node, known ? low : -1 - low);
    }
    return known && low < limit;
}

/* True when the packet has data of code-block `i` (B.10.4). */
static int picture_j2k_included(picture_job *job, picture_j2k_bits *bits, const picture_j2k_part *p,
    size_t at, size_t i, size_t layer)
{
    if (picture_j2k_get_block(job, at + i).last > 0) {
        return picture_j2k_bit(job, bits) == 1;
    }
    return picture_j2k_below(job, bits, p, at, i, 0, (int32_t)layer + 1);
}

/* How many passes of a code-block come (table B.4). */
static size_t picture_j2k_passes_here(const picture_job *job, picture_j2k_bits *bits)
{
    if (picture_j2k_bit(job, bits) == 0) {
        return 1;
    }
    if (picture_j2k_bit(job, bits) == 0) {
        return 2;
    }
    size_t few = picture_j2k_number(job, bits, 2);
    if (few < 3) {
        return 3 + few;
    }
    size_t more = picture_j2k_number(job, bits, 5);
    if (more < 31) {
        return 6 + more;
    }
    return 37 + picture_j2k_number(job, bits, 7);
}

/* Adds a piece to a code-block's data; its place in the file comes later. */
static int picture_j2k_add_piece(picture_job *job, picture_j2k_tile *t, picture_j2k_block *b, size_t
    passes, size_t length)
{
    size_t piece = picture_j2k_take(job, t, 2);
    size_t index = 1 + (piece - t->pieces) / 2;
    if (piece == 0 || length > 0xffff || index > 0xffff) {
        return 0;
    }
    size_t next = index;
    if (b->last > 0) {
        size_t last = t->pieces + 2 * (b->last - 1) + 1;
        uint32_t word = (uint32_t)job->words[last];
        next = word & 0xffff;
        job->words[last] = (int32_t)((word & 0xffff0000u) | (uint32_t)index);
    }
    job->words[piece] = (int32_t)((uint32_t)passes << 24);
    job->words[piece + 1] = (int32_t)((uint32_t)length << 16 | (uint32_t)next);
    b->last = index;
    b->passes += passes;
    return 1;
}

/* What a packet header says of a code-block that has data in it (B.10.5 to B.10.7). `planes` are the
   band's. */
static int picture_j2k_contribution(picture_job *job, picture_j2k_tile *t, picture_j2k_bits *bits, const
    picture_j2k_part *p, size_t at, size_t i, size_t planes, uint32_t style)
{
    picture_j2k_block b = picture_j2k_get_block(job, at + i);
    if (b.last == 0) {
        size_t zero = 0;
        while (!picture_j2k_below(job, bits, p, at, i, 1, (int32_t)zero + 1)) {
            zero++;
            if (zero > planes) {
                return 0;
            }
        }
        b.planes = planes - zero;
    }
    size_t passes = picture_j2k_passes_here(job, bits);
    while (picture_j2k_bit(job, bits) == 1) {
        b.length_bits++;
    }
    if (b.planes > 15 || b.passes + passes > 63 || b.length_bits > 24) {
        return 0;
    }
    while (passes > 0) {
        size_t count = picture_j2k_min(passes, picture_j2k_passes_to_end(style, b.passes));
        size_t length_bits = b.length_bits;
        while (count >> (length_bits - b.length_bits) > 1) {
            length_bits++;
        }
        size_t length = picture_j2k_number(job, bits, length_bits);
        if (!picture_j2k_add_piece(job, t, &b, count, length)) {
            return 0;
        }
        passes -= count;
    }
    picture_j2k_set_block(job, at + i, &b);
    return 1;
}

/* The header of a packet. */
static int picture_j2k_packet_header(picture_job *job, picture_j2k_tile *t, picture_j2k_bits *bits, size_t
    layer, size_t c, size_t r, size_t precinct)
{
    if (picture_j2k_bit(job, bits) == 0) {
        return 1;
    }
    picture_j2k_resolution res = picture_j2k_resolve(t, c, r);
    for (size_t band = res.first; band <= res.last; band++) {
        picture_j2k_part p = picture_j2k_part_of(t, c, &res, precinct, band);
        size_t at = picture_j2k_place(job, t, c, r, precinct, band);
        size_t planes = t->coding[c].planes[r > 0 ? 3 * (r - 1) + band : 0];
        for (size_t i = 0; i < p.wide * p.high; i++) {
            if (picture_j2k_included(job, bits, &p, at, i, layer)) {
                if (!picture_j2k_contribution(job, t, bits, &p, at, i, planes, t->coding[c].style)) {
                    return 0;
                }
            }
        }
    }
    return 1;
}

/* A packet: its header, then the data of its code-blocks. */
static int picture_j2k_packet(picture_job *job, picture_j2k_tile *t, picture_j2k_data *data, size_t layer,
    size_t c, size_t r, size_t precinct)
{
    if ((t->marks & 2) != 0 && picture_big16(job, data->at) == 0xff91) {
        data->at += 6;
    }
    picture_j2k_bits bits = {data->at, data->end, 0, 0, 0};
    size_t piece = t->free;
    if (!picture_j2k_packet_header(job, t, &bits, layer, c, r, precinct)) {
        return 0;
    }
    data->at = bits.last == 0xff ? bits.at + 1 : bits.at;
    if ((t->marks & 4) != 0 && picture_big16(job, data->at) == 0xff92) {
        data->at += 2;
    }
    /* A piece has 24 bits for its place. */
    if (bits.ended || data->end >= PICTURE_J2K_LIMIT) {
        return 0;
    }
    while (piece < t->free && data->at <= data->end) {
        job->words[piece] = (int32_t)((uint32_t)job->words[piece] | (uint32_t)data->at);
        data->at += (uint32_t)job->words[piece + 1] >> 16;
        piece += 2;
    }
    return data->at <= data->end;
}

/* Reads all packets of a tile. */
static int picture_j2k_packets(picture_job *job, picture_j2k_tile *t, picture_j2k_data *data)
{
    picture_j2k_grid grid = picture_j2k_grid_of(t);
    const uint8_t *order = PICTURE_J2K_ORDERS[t->order];
    /* When places are the innermost loop, they are the precincts, and it ends by itself. */
    size_t places = t->order < 2 ? (size_t)-1 : grid.wide * grid.high;
    size_t limits[4] = {t->layers, grid.resolutions, t->components, places};
    size_t v[4] = {0, 0, 0, 0};
    for (v[order[0]] = 0; v[order[0]] < limits[order[0]]; v[order[0]]++) {
        for (v[order[1]] = 0; v[order[1]] < limits[order[1]]; v[order[1]]++) {
            for (v[order[2]] = 0; v[order[2]] < limits[order[2]]; v[order[2]]++) {
                for (v[order[3]] = 0; v[order[3]] < limits[order[3]]; v[order[3]]++) {
                    size_t precinct = picture_j2k_precinct(t, &grid, v[2], v[1], v[3]);
                    if (precinct == (size_t)-1) {
                        break;
                    }
                    while (data->at == data->end && !data->done) {
                        if (!picture_j2k_next_part(job, t, data, 4)) {
                            return 0;
                        }
                    }
                    if (data->done) {
                        return 1;
                    }
                    if (!picture_j2k_packet(job, t, data, v[0], v[2], v[1], precinct)) {
                        return 0;
                    }
                }
            }
        }
    }
    return 1;
}
