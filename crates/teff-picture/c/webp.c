/* WebP: still pictures, alone or in an extended file: VP8, complete with what libwebp makes of its colours,
   and the lossless kind. Alpha and metadata are skipped. Animations are refused. */

static int picture_webp(picture_job *job)
{
    size_t at = 12;
    while (job->size >= 8 && job->size - 8 >= at) {
        size_t size = picture_little32(job, at + 4);
        if (size > job->size - at - 8) {
            return 0;
        }
        if (picture_begins(job, at, "VP8 ", 4)) {
            return picture_vp8(job, at + 8, at + 8 + size);
        }
        if (picture_begins(job, at, "VP8L", 4)) {
            return picture_webp_lossless(job, at + 8, at + 8 + size);
        }
        if (picture_begins(job, at, "VP8X", 4)) {
            size_t width = (picture_little32(job, at + 12) & 0xffffff) + 1;
            size_t height = (picture_little32(job, at + 15) & 0xffffff) + 1;
            if ((picture_byte(job, at + 8) & 2) != 0 || height != job->height || width != job->width) {
                return 0;
            }
        }
        /* Chunks are of an even number of bytes. */
        at += 8 + size + size % 2;
    }
    return 0;
}
