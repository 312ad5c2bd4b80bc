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
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

#define DEVICES 256 /* in one process: four times what one box carries */
#define LOSSES 256  /* between two starts of a device; further ones do not happen */

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

static struct device devices[DEVICES];
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static struct device *find_device(const char *name)
{
	struct device *found = NULL;

	pthread_mutex_lock(&devices_lock);
	for (int i = 0; i < DEVICES && !found; i++) {
		if (!devices[i].name)
			devices[i].name = strdup(name);
		if (devices[i].name && !strcmp(devices[i].name, name))
			found = &devices[i];
	}
	pthread_mutex_unlock(&devices_lock);
	return found;
}

/* read_orders takes the control file as it is now. A missing file gives no orders. */
static void read_orders(struct linesim *s)
{
	char text[256], *line, *rest = text;
	ssize_t n;
	int fd;

	if (!s->control || (fd = open(s->control, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return;
	text[n] = 0;
	while ((line = strsep(&rest, "\n"))) {
		char word[16];
		unsigned long value;

		if (sscanf(line, "%15s %lu", word, &value) != 2)
			continue;
		if (!strcmp(word, "unplugged"))
			s->now.unplugged = value;
		else if (!strcmp(word, "stalled"))
			s->now.stalled = value;
		else if (!strcmp(word, "held"))
			s->now.held = value;
		else if (!strcmp(word, "lost"))
			s->now.lost = value;
		else if (!strcmp(word, "overruns"))
			s->now.overruns = value;
	}
}

static int unplugged(struct linesim *s)
{
	int64_t age;

	if (s->now.unplugged)
		return 1;
	if (s->unplug_ms <= 0 || !s->dev->born)
		return 0;
	age = (now_ns() - s->dev->born) / 1000000;
	return age >= s->unplug_ms && (s->replug_ms <= 0 || age < s->unplug_ms + s->replug_ms);
}

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

static int map_sound(struct linesim *s, const char *file)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;
	void *sound;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if ((size_t)st.st_size < s->channels * s->bits / 8)
		err = -ENODATA;
	else if ((sound = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
		err = -errno;
	else {
		s->sound = sound;
		s->bytes = st.st_size;
	}
	close(fd);
	return err;
}

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

static int read_field(struct linesim *s, snd_config_t *n, const char *id, const char **file)
{
	const char *text = NULL;
	long whole;
	double real;

	if (!strcmp(id, "comment") || !strcmp(id, "type") || !strcmp(id, "hint"))
		return 0;
	if (!strcmp(id, "file"))
		return snd_config_get_string(n, file);
	if (!strcmp(id, "control")) {
		if (snd_config_get_string(n, &text) < 0 || !(s->control = strdup(text)))
			return -EINVAL;
		return 0;
	}
	if (!strcmp(id, "speed")) {
		if (snd_config_get_ireal(n, &real) < 0 || real <= 0)
			return -EINVAL;
		s->speed = real;
		return 0;
	}
	if (snd_config_get_integer(n, &whole) < 0 || whole < 0)
		return -EINVAL;
	if (!strcmp(id, "channels"))
		s->channels = whole;
	else if (!strcmp(id, "rate"))
		s->rate = whole;
	else if (!strcmp(id, "bits"))
		s->bits = whole;
	else if (!strcmp(id, "unplug_ms"))
		s->unplug_ms = whole;
	else if (!strcmp(id, "replug_ms"))
		s->replug_ms = whole;
	else if (!strcmp(id, "overrun_ms"))
		s->overrun_ms = whole;
	else
		return -ENOENT;
	return 0;
}

static int configure(struct linesim *s, snd_config_t *conf, const char *name)
{
	snd_config_iterator_t i, next;
	const char *file = NULL, *id;
	int err;

	snd_config_for_each(i, next, conf) {
		snd_config_t *n = snd_config_iterator_entry(i);

		if (snd_config_get_id(n, &id) < 0)
			continue;
		if ((err = read_field(s, n, id, &file)) < 0) {
			SNDERR("linesim: field %s", id);
			return err;
		}
	}
	if (!file || !s->channels || !s->rate || (s->bits != 16 && s->bits != 32) || !(s->dev = find_device(s->control ? s->control : name)))
		return -EINVAL;
	read_orders(s);
	s->done = s->now;
	if (unplugged(s))
		return -ENODEV;
	return map_sound(s, file);
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
