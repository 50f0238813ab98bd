/* Pictures in files. */

enum { PICTURE_RGB, PICTURE_BGR, PICTURE_GREY };

typedef struct {
    const uint8_t *file;
    size_t size;
    size_t height;
    size_t width;
    int colours;
    /* [height, width, channels] */
    uint8_t *pixels;
    /* Scratch memory. */
    int32_t *words;
    uint8_t *bytes;
} picture_job;

/* The byte of the file at `at`; 0 behind its end. */
static uint32_t picture_byte(const picture_job *job, size_t at)
{
    return at < job->size ? job->file[at] : 0;
}

/* The next place, but for the last of all. */
static size_t picture_behind(size_t at, size_t count)
{
    return at > (size_t)-1 - count ? (size_t)-1 : at + count;
}

static uint32_t picture_big16(const picture_job *job, size_t at)
{
    return picture_byte(job, at) << 8 | picture_byte(job, picture_behind(at, 1));
}

static uint32_t picture_big32(const picture_job *job, size_t at)
{
    return picture_big16(job, at) << 16 | picture_big16(job, picture_behind(at, 2));
}

static uint32_t picture_little16(const picture_job *job, size_t at)
{
    return picture_byte(job, at) | picture_byte(job, picture_behind(at, 1)) << 8;
}

static uint32_t picture_little32(const picture_job *job, size_t at)
{
    return picture_little16(job, at) | picture_little16(job, picture_behind(at, 2)) << 16;
}

/* True when the `count` bytes at `at` are `expected`. */
static int picture_begins(const picture_job *job, size_t at, const char *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (picture_byte(job, picture_behind(at, i)) != (uint8_t)expected[i]) {
            return 0;
        }
    }
    return 1;
}

/* Sets a pixel; grey is ITU-R BT.601's luma. */
static void picture_set(picture_job *job, size_t y, size_t x, uint32_t red, uint32_t green, uint32_t blue)
{
    size_t at = y * job->width + x;
    if (job->colours == PICTURE_GREY) {
        job->pixels[at] = (uint8_t)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
        return;
    }
    uint8_t *to = &job->pixels[3 * at];
    int turned = job->colours == PICTURE_BGR;
    to[0] = (uint8_t)(turned ? blue : red);
    to[1] = (uint8_t)green;
    to[2] = (uint8_t)(turned ? red : blue);
}
