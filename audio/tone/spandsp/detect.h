#ifndef LK_DETECT_H
#define LK_DETECT_H

#include <stdint.h>

/* Events waiting to be fetched. A 20 ms frame makes at most some five, and is followed by a poll; 64 is a reader a second late. */
#define LK_EVENTS 64
/* The longest message of an ADSI receiver (spandsp's buffer), without its checksum. */
#define LK_MESSAGE 256
/* Tone receivers of one detector: frequencies that cannot stand in one descriptor are put into another. */
#define LK_RECEIVERS 2

enum { LK_DIGIT = 1, LK_TONE = 2, LK_CALLER = 3 };

struct lk_event {
	int32_t kind;
	int32_t code;     /* LK_DIGIT: the key, or 0 when it ended; LK_TONE: the pattern, or -1 */
	int32_t receiver; /* LK_TONE */
	int32_t level;    /* LK_DIGIT: dBm0 */
	int64_t from;     /* LK_TONE: begin of the pattern that was found; with code -1, the end of its last burst */
	int64_t at;       /* how much had been fed and skipped when it was found */
	int32_t size;     /* LK_CALLER */
	uint8_t message[LK_MESSAGE];
};

struct lk_element {
	int32_t receiver, tone, f1, f2, min_ms, max_ms;
};

struct lk_setup {
	int32_t digits;
	int32_t least; /* dBm0 of each of a digit's two tones */
	int32_t caller; /* an ADSI_STANDARD of spandsp, or 0 */
	float cutoff;   /* of the caller ID's carrier, dBm0 */
	float notch[2]; /* Hz taken out before digits are looked for, or 0 */
};

struct lk_detector;

struct lk_detector *lk_new(const struct lk_setup *setup, const struct lk_element *elements, int count);
int lk_feed(struct lk_detector *d, const int16_t *samples, int count);
void lk_skip(struct lk_detector *d, int64_t count);
int lk_take(struct lk_detector *d, struct lk_event *e);
uint64_t lk_lost(const struct lk_detector *d);
void lk_free(struct lk_detector *d);

#endif
