/* How a device can be opened. See probe.c. */
#ifndef LK_PROBE_H
#define LK_PROBE_H

#include <stddef.h>

struct lk_format {
	unsigned int rate, channels, sample_bytes;
};

/* lk_probe fills found for a capture device with at least so many channels, or returns a negative ALSA error. */
int lk_probe(const char *name, unsigned int channels, struct lk_format *found);

/* lk_error is what an ALSA error means. */
const char *lk_error(int code);

/* lk_heap_in_use is how many bytes of C's heap are in use. */
size_t lk_heap_in_use(void);

#endif
