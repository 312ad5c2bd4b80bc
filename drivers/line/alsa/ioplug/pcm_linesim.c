/*
 * linesim: an ALSA capture device made of a file, a test tool.
 *
 * It is an external PCM of alsa-lib (ioplug), so a program that captures from it runs through the whole of
 * the real alsa-lib, and needs no sound card, no kernel module and no root. A timerfd paces it: one period
 * at a time becomes readable when a card would have captured it. The file (headerless S16_LE or S32_LE, frames
 * interleaved) is what the card hears: it runs on while nobody listens, from the first start on, and begins
 * again at its end. So what a recorder must find in a recording is known to the sample, and so is what is lost.
 *
 *   pcm_type.linesim { lib "DIR/libasound_module_pcm_linesim.so" }
 *   pcm.tap { type linesim file "sound.raw" channels 2 rate 8000 }
 *
 *   file, channels, rate   what it hears; the device offers this rate and these channels, nothing else
 *   bits       16 or 32    of a sample
 *   speed      1.0002      its clock against ours: 200 parts per million fast
 *   unplug_ms  2000        it goes away so long after its first start, as a USB card pulled out does
 *   replug_ms  500         and can be opened again so long after that; 0 = never
 *   overrun_ms 60          how much each overrun ordered by the control file loses
 *   control    "path"      a file that can be changed while the device runs: lines of a word and a number
 *
 *   unplugged 1   away: a running stream turns DISCONNECTED, an open fails with ENODEV
 *   stalled 1     open, but it gives no interrupts; what it would have heard is lost
 *   held 1        it hears, but wakes nobody; let go in time it gives all it has at once
 *   lost N        so many frames in all were dropped on the way, without a word from ALSA
 *   overruns N    so many times in all it ran over: the next read says EPIPE
 *
 * Once started, state that must outlive a handle (the time of the first start, whether it is unplugged)
 * lives in a table of this library, which is linked -z nodelete so that alsa-lib cannot unload it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "linesim.h"

/* frames_in is what the device's clock counts in ns, in whole periods if period is not 0. */
static uint64_t frames_in(struct linesim *s, int64_t ns, uint64_t period)
{
	uint64_t frames = ns * (s->rate * s->speed) / 1e9;

	return period ? frames - frames % period : frames;
}

static void arm(struct linesim *s, int64_t at)
{
	struct itimerspec when = {.it_value = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000}};

	timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* arm_next wakes the reader when the next period is complete. */
static void arm_next(struct linesim *s)
{
	uint64_t period = s->io.period_size;
	uint64_t next = (frames_in(s, now_ns() - s->began, period) / period + 1) * period;

	arm(s, s->began + (int64_t)(next * 1e9 / (s->rate * s->speed)) + 1);
}

static void lose(struct linesim *s, uint64_t frames)
{
	if (s->n_losses && s->losses[s->n_losses - 1].at == s->hw)
		s->losses[s->n_losses - 1].frames += frames;
	else if (s->n_losses < LOSSES)
		s->losses[s->n_losses++] = (struct loss){s->hw, frames};
	else
		return;
	s->lost += frames;
}

/* advance brings hw up to the present and returns a negative error if the stream has broken. */
static int advance(struct linesim *s)
{
	uint64_t captured;

	read_orders(s);
	if (unplugged(s)) {
		snd_pcm_ioplug_set_state(&s->io, SND_PCM_STATE_DISCONNECTED);
		return -ENODEV;
	}
	captured = frames_in(s, now_ns() - s->began, s->io.period_size) - s->lost;
	if (s->now.lost > s->done.lost)
		lose(s, s->now.lost - s->done.lost);
	s->done.lost = s->now.lost;
	if (s->now.overruns > s->done.overruns && !s->overrun)
		s->overrun = now_ns() + s->overrun_ms * 1000000;
	s->done.overruns = s->now.overruns;
	if (s->overrun)
		return now_ns() >= s->overrun ? -EPIPE : 0;
	if (s->now.stalled) { /* time goes by, and what it brought is lost */
		if ((int64_t)(captured - s->hw) > 0)
			lose(s, captured - s->hw);
		return 0;
	}
	captured = frames_in(s, now_ns() - s->began, s->io.period_size) - s->lost;
	if ((int64_t)(captured - s->hw) > 0)
		s->hw = captured;
	return s->hw - s->io.appl_ptr >= s->io.buffer_size ? -EPIPE : 0;
}

static snd_pcm_sframes_t sim_pointer(snd_pcm_ioplug_t *io)
{
	struct linesim *s = io->private_data;
	int err = advance(s);

	if (err == -ENODEV)
		return s->hw; /* an error here would turn DISCONNECTED into XRUN */
	return err < 0 ? err : (snd_pcm_sframes_t)s->hw;
}

/* sim_transfer copies by absolute position, since a reader by mmap asks for the same frames more than once. */
static snd_pcm_sframes_t sim_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				      snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct linesim *s = io->private_data;
	size_t frame = s->channels * s->bits / 8, frames = s->bytes / frame;

	for (snd_pcm_uframes_t i = 0; i < size; i++) {
		uint64_t index = io->appl_ptr + i, at = s->heard + index;

		for (int k = 0; k < s->n_losses && s->losses[k].at <= index; k++)
			at += s->losses[k].frames;
		for (unsigned int c = 0; c < s->channels; c++)
			memcpy((char *)areas[c].addr + (areas[c].first + (offset + i) * areas[c].step) / 8,
			       s->sound + (at % frames) * frame + c * s->bits / 8, s->bits / 8);
	}
	return size;
}

static int sim_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int nfds, unsigned short *revents)
{
	struct linesim *s = io->private_data;
	int err = io->state == SND_PCM_STATE_RUNNING ? advance(s) : 0;

	(void)pfd;
	(void)nfds;
	*revents = 0;
	if (err == -EPIPE)
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_XRUN);
	if (err < 0 || io->state == SND_PCM_STATE_DISCONNECTED || io->state == SND_PCM_STATE_XRUN)
		*revents = POLLIN | POLLERR; /* the timer stays readable, as the poll of a dead card does */
	else if (s->hw > io->appl_ptr && !s->now.held)
		*revents = POLLIN;
	else
		arm_next(s); /* clears what was readable; a time gone by meanwhile fires at once */
	return 0;
}

static int sim_start(snd_pcm_ioplug_t *io)
{
	struct linesim *s = io->private_data;

	s->began = now_ns();
	if (!s->dev->born)
		s->dev->born = s->began;
	s->heard = frames_in(s, s->began - s->dev->born, 0);
	s->hw = s->lost = s->n_losses = 0;
	s->overrun = 0;
	arm_next(s);
	return 0;
}

static int sim_stop(snd_pcm_ioplug_t *io)
{
	struct linesim *s = io->private_data;
	struct itimerspec never = {0};

	timerfd_settime(s->timer, 0, &never, NULL);
	return 0;
}

static int sim_prepare(snd_pcm_ioplug_t *io)
{
	struct linesim *s = io->private_data;

	s->hw = s->lost = s->n_losses = 0;
	return unplugged(s) ? -ENODEV : 0;
}

static void sim_free(struct linesim *s)
{
	if (s->sound)
		munmap((void *)s->sound, s->bytes);
	if (s->timer >= 0)
		close(s->timer);
	free(s->control);
	free(s);
}

static int sim_close(snd_pcm_ioplug_t *io)
{
	sim_free(io->private_data);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = sim_start,
	.stop = sim_stop,
	.pointer = sim_pointer,
	.transfer = sim_transfer,
	.close = sim_close,
	.prepare = sim_prepare,
	.poll_revents = sim_poll_revents,
};

/* Both ways of access: plugins on top of this one (rate, route) open it by mmap, miniaudio by readi. */
static int offer(struct linesim *s)
{
	const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
	const unsigned int format[] = {s->bits == 32 ? SND_PCM_FORMAT_S32_LE : SND_PCM_FORMAT_S16_LE};
	unsigned int frame = s->channels * s->bits / 8;
	int err;

	if ((err = snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_ACCESS, 2, access)) < 0 ||
	    (err = snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_FORMAT, 1, format)) < 0 ||
	    (err = snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_CHANNELS, s->channels, s->channels)) < 0 ||
	    (err = snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_RATE, s->rate, s->rate)) < 0 ||
	    (err = snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 32 * frame, 65536 * frame)) < 0 ||
	    (err = snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64)) < 0)
		return err;
	return snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 64 * frame, 4194304 * frame);
}

SND_PCM_PLUGIN_DEFINE_FUNC(linesim)
{
	struct linesim *s = calloc(1, sizeof(*s));
	int err;

	(void)root;
	if (!s)
		return -ENOMEM;
	s->timer = -1;
	s->channels = 1;
	s->rate = 8000;
	s->bits = 16;
	s->speed = 1;
	s->overrun_ms = 60;
	err = stream == SND_PCM_STREAM_CAPTURE ? configure(s, conf, name ? name : "") : -EINVAL;
	if (err >= 0 && (s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
		err = -errno;
	if (err < 0) {
		sim_free(s);
		return err;
	}
	s->io.version = SND_PCM_IOPLUG_VERSION;
	s->io.name = "Linekeep simulated tap";
	s->io.flags = SND_PCM_IOPLUG_FLAG_BOUNDARY_WA | SND_PCM_IOPLUG_FLAG_MONOTONIC;
	s->io.poll_fd = s->timer;
	s->io.poll_events = POLLIN;
	s->io.callback = &callbacks;
	s->io.private_data = s;
	if ((err = snd_pcm_ioplug_create(&s->io, name, stream, mode)) < 0) {
		sim_free(s);
		return err;
	}
	if ((err = offer(s)) < 0) {
		snd_pcm_ioplug_delete(&s->io); /* calls sim_close */
		return err;
	}
	*pcmp = s->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(linesim);
