//go:build cgo

/*
 * One detector per channel over libspandsp: keypad digits, caller ID and call progress from one call per frame. spandsp calls
 * back into this file only, which writes to a ring that Go empties: no callback ever enters Go.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include <spandsp.h>
#include <spandsp/expose.h>

#include "detect.h"

#define RATE 8000.0f
#define DIGIT_BLOCK 102  /* dtmf.c */
#define EDGES 16         /* begins of segments kept: a pattern has at most 10 */
#define FILTERS 4        /* in front of digits: two stages of a low-pass, two notches */
/*
 * How much less than all power of a block digits are compared with. At 1, spandsp's own, keys 1.5 % off pitch are missed, which
 * ITU-T Q.24 wants found. No digit is heard in 140 minutes of five voices down to 0.90; at 0.87 there is one.
 */
#define EASE 0.95f
#define TWIST 10 /* dB by which a low tone may be the stronger: the 8 of spandsp, and what the low-pass takes of 1633 Hz */
#define EVEN 1.6f        /* 2 dB: how even an exchange's tone is from block to block. Notes of music fade and waver */

/* A filter of second order, direct form I: what it is given is whole numbers, and no state of it can run away. */
struct filter {
	float b0, b1, b2, a1, a2, x1, x2, y1, y2;
};

/* cadence is what is known of one super_tone receiver. */
struct cadence {
	super_tone_rx_descriptor_t *desc; /* the receiver points into it: freed after it, and by us */
	super_tone_rx_state_t *rx;
	int64_t edge[EDGES]; /* where the last segments began */
	unsigned int edges;
	int64_t burst;       /* where the last tone ended */
	int32_t found[2];    /* what one block told: an end, a begin, or both */
	int count;
	int steady;          /* a continuous tone that is not yet told, and 1; or 0 */
	float power, level;  /* of this block so far, and of the first block that was about as loud as all since */
	int even;            /* how many those are */
};

struct lk_detector {
	dtmf_rx_state_t *dtmf;
	adsi_rx_state_t *adsi;
	struct cadence cadence[LK_RECEIVERS];
	struct filter filter[FILTERS];
	int filters;
	int64_t fed, skipped, at; /* at: on the caller's timeline, how far whoever calls back has heard */
	struct lk_event ring[LK_EVENTS];
	unsigned int head, tail;
	uint64_t lost;
};

static struct lk_event *put(struct lk_detector *d, int kind, int code)
{
	struct lk_event *e = &d->ring[d->head % LK_EVENTS];

	if (d->head - d->tail == LK_EVENTS) {
		d->lost++;
		return NULL;
	}
	d->head++;
	e->kind = kind;
	e->code = code;
	e->at = d->at;
	return e;
}

static void on_digit(void *user, int code, int level, int delay)
{
	struct lk_event *e = put(user, LK_DIGIT, code);

	(void)delay;
	if (e)
		e->level = level;
}

static void on_message(void *user, const uint8_t *message, int size)
{
	struct lk_event *e;

	if (size <= 0 || size > LK_MESSAGE || !(e = put(user, LK_CALLER, 0)))
		return;
	e->size = size;
	memcpy(e->message, message, size);
}

static void on_tone(void *user, int code, int level, int delay)
{
	struct cadence *c = user;

	(void)level;
	(void)delay;
	if (c->count < 2)
		c->found[c->count++] = code;
}

/* on_segment is told that a segment ended, of tone f1 or, with f1 < 0, of no tone. */
static void on_segment(void *user, int f1, int f2, int duration)
{
	struct cadence *c = user;

	(void)f2;
	(void)duration;
	c->edges++;
	if (f1 >= 0)
		c->burst = -1; /* filled in by progress(), which knows the position */
}

static void tell(struct lk_detector *d, int which, int code, int changed)
{
	struct cadence *c = &d->cadence[which];
	struct lk_event *e = put(d, LK_TONE, code);

	if (!e)
		return;
	e->receiver = which;
	e->from = c->burst;
	if (code >= 0)
		e->from = c->edge[(c->edges + 1 - c->desc->tone_segs[code]) % EDGES];
	else if (!changed && c->rx->segments[9].f1 >= 0)
		e->from = d->at; /* it is the burst itself that went on for too long */
}

/* block is what follows when spandsp has judged a block. A continuous tone is held back until it has been even for as long. */
static void block(struct lk_detector *d, int which, unsigned int before)
{
	struct cadence *c = &d->cadence[which];
	int changed = c->edges != before;

	if (changed) { /* a change is believed when it has been seen in two blocks */
		c->edge[c->edges % EDGES] = d->at - 2 * SUPER_TONE_BINS;
		if (c->burst < 0)
			c->burst = d->at - 2 * SUPER_TONE_BINS;
	}
	c->even++;
	if (changed || c->power > c->level * EVEN || c->level > c->power * EVEN) {
		c->even = 0;
		c->level = c->power;
	}
	c->power = 0;
	for (int k = 0; k < c->count; k++) {
		int code = c->found[k];

		if (code >= 0 && c->desc->tone_segs[code] == 1)
			c->steady = code + 1;
		else if (code >= 0 || !c->steady)
			tell(d, which, code, changed);
		else
			c->steady = 0;
	}
	c->count = 0;
	if (c->steady && c->even * SUPER_TONE_BINS >= c->desc->tone_list[c->steady - 1][0].min_duration - 3 * SUPER_TONE_BINS) {
		tell(d, which, c->steady - 1, changed);
		c->steady = 0;
	}
}

/*
 * pure says whether two fifths of a block's power lie in its two strongest tones. spandsp means to ask for half, but as built it
 * compares with 1/64: noise and music pass, and a pure tone 40 Hz beside. So it is asked here, before a block's last sample.
 */
static int pure(const super_tone_rx_state_t *rx, float power, int16_t last)
{
	float best = 0, second = 0;

	for (int i = 0; i < rx->desc->monitored_frequencies; i++) {
		goertzel_state_t g = rx->state[i]; /* a copy: asking for the result resets it */
		float r;

		goertzel_update(&g, &last, 1);
		r = goertzel_result(&g);
		if (r > best)
			second = best, best = r;
		else if (r > second)
			second = r;
	}
	return best + second >= 0.4f * SUPER_TONE_BINS * power;
}

static void progress(struct lk_detector *d, int which, const int16_t *samples, int count)
{
	struct cadence *c = &d->cadence[which];

	for (int n, i = 0; i < count; i += n) {
		unsigned int before = c->edges;
		int left = SUPER_TONE_BINS - (int)((d->fed + i) % SUPER_TONE_BINS);

		n = left < count - i ? left : count - i;
		for (int j = i; j < i + n; j++)
			c->power += (float)samples[j] * (float)samples[j];
		d->at = d->skipped + d->fed + i + n;
		if (n < left) {
			super_tone_rx(c->rx, samples + i, n);
			continue;
		}
		super_tone_rx(c->rx, samples + i, n - 1);
		if (!pure(c->rx, c->power, samples[i + n - 1]))
			c->rx->energy = -1e20f; /* to spandsp: silence */
		super_tone_rx(c->rx, samples + i + n - 1, 1);
		block(d, which, before);
	}
}

static float pass(struct filter *f, float x)
{
	float y = f->b0 * x + f->b1 * f->x1 + f->b2 * f->x2 - f->a1 * f->y1 - f->a2 * f->y2;

	f->x2 = f->x1, f->x1 = x;
	f->y2 = f->y1, f->y1 = y;
	return y;
}

/*
 * Digits lie between 697 and 1633 Hz, and spandsp wants some four fifths of all power in two of their tones. What is above them
 * is taken out, so that they are found in 3 dB more noise; what is below stays, since that is what tells speech from digits.
 */
static void digits(struct lk_detector *d, const int16_t *samples, int count)
{
	int16_t clean[DIGIT_BLOCK];

	for (int n, i = 0; i < count; i += n) {
		int left = DIGIT_BLOCK - (int)((d->fed + i) % DIGIT_BLOCK);

		n = left < count - i ? left : count - i;
		for (int j = 0; j < n; j++) {
			float x = samples[i + j];

			for (int k = 0; k < d->filters; k++)
				x = pass(&d->filter[k], x);
			clean[j] = x > 32767 ? 32767 : x < -32768 ? -32768 : (int16_t)x;
		}
		d->at = d->skipped + d->fed + i + n;
		if (n < left) {
			dtmf_rx(d->dtmf, clean, n);
			continue;
		}
		dtmf_rx(d->dtmf, clean, n - 1);
		d->dtmf->energy *= EASE;
		dtmf_rx(d->dtmf, clean + n - 1, 1);
	}
}

static void low_pass(struct filter *f, float hz, float q)
{
	float w = 2 * (float)M_PI * hz / RATE, alpha = sinf(w) / (2 * q), a0 = 1 + alpha;

	*f = (struct filter){.b0 = (1 - cosf(w)) / 2 / a0, .b1 = (1 - cosf(w)) / a0, .b2 = (1 - cosf(w)) / 2 / a0,
			     .a1 = -2 * cosf(w) / a0, .a2 = (1 - alpha) / a0};
}

static void notch(struct filter *f, float hz)
{
	const float r = 0.98f; /* some 50 Hz wide */
	float c = 2 * cosf(2 * (float)M_PI * hz / RATE), gain = (1 + r * r) / 2;

	*f = (struct filter){.b0 = gain, .b1 = -gain * c, .b2 = gain, .a1 = -r * c, .a2 = r * r};
}

int lk_feed(struct lk_detector *d, const int16_t *samples, int count)
{
	if (d->dtmf)
		digits(d, samples, count);
	for (int i = 0; i < LK_RECEIVERS; i++)
		if (d->cadence[i].rx)
			progress(d, i, samples, count);
	d->fed += count;
	d->at = d->skipped + d->fed;
	if (d->adsi)
		adsi_rx(d->adsi, samples, count);
	return d->head - d->tail;
}

void lk_skip(struct lk_detector *d, int64_t count)
{
	d->skipped += count;
	for (int i = 0; i < LK_RECEIVERS && d->fed == 0; i++)
		d->cadence[i].edge[0] = d->skipped; /* where the first segment begins */
}

int lk_take(struct lk_detector *d, struct lk_event *e)
{
	if (d->head == d->tail)
		return 0;
	*e = d->ring[d->tail++ % LK_EVENTS];
	return 1;
}

uint64_t lk_lost(const struct lk_detector *d) { return d->lost; }

static int listen(struct lk_detector *d, const struct lk_setup *setup, const struct lk_element *e, int count)
{
	for (int i = 0; i < count; i++, e++) {
		struct cadence *c = &d->cadence[e->receiver];

		if (!c->desc && !(c->desc = super_tone_rx_make_descriptor(NULL)))
			return -1;
		while (c->desc->tones <= e->tone)
			super_tone_rx_add_tone(c->desc);
		super_tone_rx_add_element(c->desc, e->tone, e->f1, e->f2, e->min_ms, e->max_ms);
	}
	for (int i = 0; i < LK_RECEIVERS; i++) {
		struct cadence *c = &d->cadence[i];

		if (!c->desc)
			continue;
		if (!(c->rx = super_tone_rx_init(NULL, c->desc, on_tone, c)))
			return -1;
		super_tone_rx_segment_callback(c->rx, on_segment);
	}
	if (setup->caller) {
		if (!(d->adsi = adsi_rx_init(NULL, setup->caller, on_message, d)))
			return -1;
		/* Not in the public interface: the default of -30 dBm0 is deaf to a line of ordinary loss. */
		fsk_rx_signal_cutoff(&d->adsi->fskrx, setup->cutoff);
	}
	if (!setup->digits)
		return 0;
	if (!(d->dtmf = dtmf_rx_init(NULL, NULL, NULL)))
		return -1;
	dtmf_rx_set_realtime_callback(d->dtmf, on_digit, d);
	dtmf_rx_parms(d->dtmf, -1, TWIST, -1, setup->least);
	low_pass(&d->filter[d->filters++], 1800, 0.5412f); /* the two stages of a Butterworth filter of fourth order */
	low_pass(&d->filter[d->filters++], 1800, 1.3066f);
	for (int k = 0; k < 2; k++)
		if (setup->notch[k] > 0)
			notch(&d->filter[d->filters++], setup->notch[k]);
	return 0;
}

struct lk_detector *lk_new(const struct lk_setup *setup, const struct lk_element *elements, int count)
{
	/* dtmf_rx_init fills tables of the library the first time, and asks nobody whether another thread does so too. */
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct lk_detector *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return NULL;
	pthread_mutex_lock(&one);
	err = listen(d, setup, elements, count);
	pthread_mutex_unlock(&one);
	if (!err)
		return d;
	lk_free(d);
	return NULL;
}

void lk_free(struct lk_detector *d)
{
	for (int i = 0; i < LK_RECEIVERS; i++) {
		if (d->cadence[i].rx)
			super_tone_rx_free(d->cadence[i].rx);
		if (d->cadence[i].desc)
			super_tone_rx_free_descriptor(d->cadence[i].desc);
	}
	if (d->adsi)
		adsi_rx_free(d->adsi);
	if (d->dtmf)
		dtmf_rx_free(d->dtmf);
	free(d);
}
