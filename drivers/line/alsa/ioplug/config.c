/* The simulated device's configuration, and the orders it is given while it runs. See pcm_linesim.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "linesim.h"

#define DEVICES 256 /* in one process: four times what one box carries */

static struct device devices[DEVICES];
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;

int64_t now_ns(void)
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

void read_orders(struct linesim *s)
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

int unplugged(struct linesim *s)
{
	int64_t age;

	if (s->now.unplugged)
		return 1;
	if (s->unplug_ms <= 0 || !s->dev->born)
		return 0;
	age = (now_ns() - s->dev->born) / 1000000;
	return age >= s->unplug_ms && (s->replug_ms <= 0 || age < s->unplug_ms + s->replug_ms);
}

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

int configure(struct linesim *s, snd_config_t *conf, const char *name)
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
