/* What the two halves of the simulated device share. See pcm_linesim.c. */
#ifndef LINESIM_H
#define LINESIM_H

#include <stdint.h>

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

#define LOSSES 256 /* between two starts of a device; further ones do not happen */

/* What of a device outlives its handles. */
struct device {
	char *name;
	int64_t born; /* ns, when it was first started; 0 = never */
};

struct orders {
	unsigned long unplugged, stalled, held, lost, overruns;
};

struct loss {
	uint64_t at, frames;
};

struct linesim {
	snd_pcm_ioplug_t io;
	struct device *dev;
	const char *sound;
	size_t bytes;
	unsigned int channels, rate, bits;
	double speed;
	long unplug_ms, replug_ms, overrun_ms;
	char *control;
	int timer;

	struct orders now, done;
	int64_t began;	   /* ns, this start */
	uint64_t heard;	   /* frame of the endless file at which this start began */
	uint64_t hw;	   /* frames captured since this start */
	int64_t overrun;   /* ns, when the overrun under way is told; 0 = none */
	uint64_t lost;	   /* sum of losses[] */
	struct loss losses[LOSSES];
	int n_losses;
};

/* now_ns is the monotonic clock. */
int64_t now_ns(void);

/* read_orders takes the control file as it is now. A missing file gives no orders. */
void read_orders(struct linesim *s);

/* unplugged says whether the device is away now. */
int unplugged(struct linesim *s);

/* configure reads the device's part of asound.conf and opens its sound, or returns a negative error. */
int configure(struct linesim *s, snd_config_t *conf, const char *name);

#endif
