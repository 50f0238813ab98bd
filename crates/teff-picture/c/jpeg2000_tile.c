/* A tile of a JPEG 2000 picture (ITU T.800, annex B): its resolutions, bands, precincts and code-blocks, and
   where they lie in scratch memory.

   In the words lie first the coefficients, 16 bits each, component by component. Each lies where the sample
   lies that the inverse wavelet makes of it, in place: when `n` resolutions follow, `(x, y)` of a resolution
   is at `(x << n, y << n)` of the tile. Behind them lie the code-blocks, which are mostly few: what has more
   than fit is refused. */

/* Steps of the wavelet at most; more are refused. */
enum { PICTURE_J2K_LEVELS = 16 };

/* The first number behind the coefficients. */
static size_t picture_j2k_first_free(const picture_job *job)
{
    return (3 * job->height * job->width + 1) / 2;
}

/* Numbers of scratch memory: coefficients of three components, and code-blocks with their tag trees and
   data. */
static size_t picture_j2k_words(const picture_job *job)
{
    return picture_j2k_first_free(job) + 2048 + job->height * job->width / 4;
}

/* Half of a number: the lower one when `at` is even. */
static int32_t picture_j2k_half(const picture_job *job, size_t at)
{
    uint32_t word = (uint32_t)job->words[at >> 1];
    return (int16_t)(uint16_t)(word >> (16 * (at & 1)));
}

/* Sets half of a number to the lower 16 bits of `value`. */
static void picture_j2k_set_half(picture_job *job, size_t at, int32_t value)
{
    size_t shift = 16 * (at & 1);
    uint32_t word = (uint32_t)job->words[at >> 1];
    uint32_t kept = word & (0xffff0000u >> shift);
    job->words[at >> 1] = (int32_t)(kept | ((uint32_t)value & 0xffff) << shift);
}

static size_t picture_j2k_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t picture_j2k_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A rectangle without the line `x1` and the line `y1`. */
typedef struct {
    size_t x0;
    size_t y0;
    size_t x1;
    size_t y1;
} picture_j2k_area;

/* How a component is coded: what COD or COC and QCD or QCC say (A.6). */
typedef struct {
    /* Which marker said it: 0 is none, a higher one counts more. First of COD and COC, then of QCD and
       QCC. */
    uint32_t rank[2];
    size_t levels;
    /* Width and height of a code-block, as powers of 2. */
    size_t block_x;
    size_t block_y;
    uint32_t style;
    /* For each resolution width (lower four bits) and height of a precinct, as powers of 2. */
    uint8_t precincts[PICTURE_J2K_LEVELS + 1];
    /* For each band the bit-planes at most. */
    uint8_t planes[3 * PICTURE_J2K_LEVELS + 1];
} picture_j2k_coding;

typedef struct {
    picture_j2k_area area;
    size_t components;
    /* Scod: 2 is that packets may begin with SOP, 4 that their headers end with EPH. */
    uint32_t marks;
    size_t order;
    size_t layers;
    int colour_transform;
    picture_j2k_coding coding[4];
    /* Where the places of a resolution's parts lie: for each precinct and band one. */
    size_t places[4][PICTURE_J2K_LEVELS + 1];
    /* Where the pieces of code-blocks' data lie. */
    size_t pieces;
    /* The first free number. */
    size_t free;
} picture_j2k_tile;

/* A resolution of a component, 0 the smallest (B.5), and its precincts (B.6). */
typedef struct {
    picture_j2k_area area;
    /* Width and height of a precinct, as powers of 2. */
    size_t precinct_x;
    size_t precinct_y;
    /* Precincts. */
    size_t wide;
    size_t high;
    /* The first and the last band: 0 is LL, 1 HL, 2 LH, 3 HH. */
    size_t first;
    size_t last;
} picture_j2k_resolution;

static size_t picture_j2k_cells(size_t from, size_t to, size_t size)
{
    return to > from ? ((to - 1) >> size) - (from >> size) + 1 : 0;
}

static size_t picture_j2k_halved(size_t at, size_t times)
{
    return (at + ((size_t)1 << times) - 1) >> times;
}

static picture_j2k_resolution picture_j2k_resolve(const picture_j2k_tile *t, size_t c, size_t r)
{
    picture_j2k_resolution res;
    size_t n = t->coding[c].levels - r;
    res.area.x0 = picture_j2k_halved(t->area.x0, n);
    res.area.y0 = picture_j2k_halved(t->area.y0, n);
    res.area.x1 = picture_j2k_halved(t->area.x1, n);
    res.area.y1 = picture_j2k_halved(t->area.y1, n);
    res.precinct_x = t->coding[c].precincts[r] & 15;
    res.precinct_y = t->coding[c].precincts[r] >> 4;
    res.wide = picture_j2k_cells(res.area.x0, res.area.x1, res.precinct_x);
    res.high = picture_j2k_cells(res.area.y0, res.area.y1, res.precinct_y);
    res.first = r > 0 ? 1 : 0;
    res.last = r > 0 ? 3 : 0;
    return res;
}

/* What of a band is in a precinct, in coordinates of the band, and its code-blocks (B.7). */
typedef struct {
    picture_j2k_area area;
    /* Width and height of a code-block, as powers of 2. */
    size_t block_x;
    size_t block_y;
    /* Code-blocks. */
    size_t wide;
    size_t high;
} picture_j2k_part;

static picture_j2k_part picture_j2k_part_of(const picture_j2k_tile *t, size_t c, const
    picture_j2k_resolution *res, size_t precinct, size_t band)
{
    picture_j2k_part p;
    size_t shift = res->first;
    size_t px = res->precinct_x - shift, py = res->precinct_y - shift;
    size_t x = (res->area.x0 >> res->precinct_x) + precinct % res->wide;
    size_t y = (res->area.y0 >> res->precinct_y) + precinct / res->wide;
    /* Equation B-15; odd samples are those of the high bands. */
    size_t odd_x = band & 1, odd_y = band >> 1;
    p.area.x0 = picture_j2k_max((res->area.x0 + shift - odd_x) >> shift, x << px);
    p.area.y0 = picture_j2k_max((res->area.y0 + shift - odd_y) >> shift, y << py);
    p.area.x1 = picture_j2k_min((res->area.x1 + shift - odd_x) >> shift, (x + 1) << px);
    p.area.y1 = picture_j2k_min((res->area.y1 + shift - odd_y) >> shift, (y + 1) << py);
    p.block_x = picture_j2k_min(t->coding[c].block_x, px);
    p.block_y = picture_j2k_min(t->coding[c].block_y, py);
    p.wide = picture_j2k_cells(p.area.x0, p.area.x1, p.block_x);
    p.high = picture_j2k_cells(p.area.y0, p.area.y1, p.block_y);
    return p;
}

/* Where the code-blocks of a part lie; its tag trees lie behind them. */
static size_t picture_j2k_place(const picture_job *job, const picture_j2k_tile *t, size_t c, size_t r,
    size_t precinct, size_t band)
{
    size_t at = r > 0 ? 3 * precinct + band - 1 : precinct;
    return (size_t)job->words[t->places[c][r] + at];
}

/* Takes numbers of scratch memory. 0 when there are not as many. */
static size_t picture_j2k_take(const picture_job *job, picture_j2k_tile *t, size_t count)
{
    size_t at = t->free;
    if (count > picture_j2k_words(job) - at) {
        return 0;
    }
    t->free += count;
    return at;
}

/* Nodes of the lowest levels of a tag tree (B.10.2). */
static size_t picture_j2k_nodes(const picture_j2k_part *p, size_t levels)
{
    size_t count = 0;
    for (size_t level = 0; level < levels; level++) {
        count += (((p->wide - 1) >> level) + 1) * (((p->high - 1) >> level) + 1);
    }
    return count;
}

/* Levels of a tag tree. */
static size_t picture_j2k_tree_levels(const picture_j2k_part *p)
{
    size_t levels = 1;
    while ((p->wide - 1) >> (levels - 1) > 0 || (p->high - 1) >> (levels - 1) > 0) {
        levels++;
    }
    return levels;
}

/* A code-block of which nothing has come yet. */
enum { PICTURE_J2K_NO_BLOCK = 3 << 4 };

/* Gives every part of the tile its place, with nothing known of its code-blocks. */
static int picture_j2k_lay_out(picture_job *job, picture_j2k_tile *t)
{
    t->free = picture_j2k_first_free(job);
    for (size_t c = 0; c < t->components; c++) {
        for (size_t r = 0; r <= t->coding[c].levels; r++) {
            picture_j2k_resolution res = picture_j2k_resolve(t, c, r);
            size_t bands = 1 + res.last - res.first;
            size_t places = picture_j2k_take(job, t, res.wide * res.high * bands);
            if (places == 0) {
                return 0;
            }
            t->places[c][r] = places;
            for (size_t i = 0; i < res.wide * res.high * bands; i++) {
                picture_j2k_part p = picture_j2k_part_of(t, c, &res, i / bands, res.first + i % bands);
                job->words[places + i] = (int32_t)t->free;
                if (p.wide * p.high > 0) {
                    size_t blocks = p.wide * p.high;
                    size_t count = blocks + picture_j2k_nodes(&p, picture_j2k_tree_levels(&p));
                    size_t at = picture_j2k_take(job, t, count);
                    if (at == 0) {
                        return 0;
                    }
                    for (size_t k = 0; k < count; k++) {
                        job->words[at + k] = k < blocks ? PICTURE_J2K_NO_BLOCK : -1;
                    }
                }
            }
        }
    }
    t->pieces = t->free;
    return 1;
}

/* What is known of a code-block. */
typedef struct {
    size_t planes;
    /* Lblock (B.10.7.1). */
    size_t length_bits;
    size_t passes;
    /* The last piece of its data, counted from 1; 0 when there is none. */
    size_t last;
} picture_j2k_block;

static picture_j2k_block picture_j2k_get_block(const picture_job *job, size_t at)
{
    uint32_t word = (uint32_t)job->words[at];
    picture_j2k_block b = {word & 15, word >> 4 & 63, word >> 10 & 63, word >> 16};
    return b;
}

static void picture_j2k_set_block(picture_job *job, size_t at, const picture_j2k_block *b)
{
    job->words[at] = (int32_t)(uint32_t)(b->planes | b->length_bits << 4 | b->passes << 10 | b->last << 16);
}

/* How many passes of a code-block come until its codeword ends, `done` being done (D.4, D.6). */
static size_t picture_j2k_passes_to_end(uint32_t style, size_t done)
{
    if ((style & 4) != 0) {
        return 1;
    }
    if ((style & 1) == 0) {
        return 64;
    }
    if (done < 10) {
        return 10 - done;
    }
    /* Significance and refinement without the arithmetic coder, then clean-up with it. */
    return (done - 10) % 3 == 0 ? 2 : 1;
}
