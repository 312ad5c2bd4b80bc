//go:build cgo

/*
 * Asks an ALSA capture device what it offers, without starting it. It is opened without blocking: a plain open of a device that
 * another process has would wait for it for ever, and so would miniaudio's; so this comes before each.
 */
#include <errno.h>
#include <malloc.h>

#include <alsa/asoundlib.h>

#include "probe.h"

static const unsigned int rates[] = {8000, 48000, 44100};

static const struct {
	snd_pcm_format_t format;
	unsigned int bytes;
} formats[] = {{SND_PCM_FORMAT_S16_LE, 2}, {SND_PCM_FORMAT_S32_LE, 4}, {SND_PCM_FORMAT_S24_3LE, 3}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* alsa-lib prints every failed open to stderr; a device that is away would fill the journal. */
static void quiet(const char *file, int line, const char *function, int err, const char *fmt, ...)
{
	(void)file;
	(void)line;
	(void)function;
	(void)err;
	(void)fmt;
}

static int choose(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned int channels, struct lk_format *found)
{
	int err;

	if ((err = snd_pcm_hw_params_any(pcm, hw)) < 0)
		return err;
	if ((err = snd_pcm_hw_params_set_rate_resample(pcm, hw, 0)) < 0 ||
	    (err = snd_pcm_hw_params_set_access(pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED)) < 0)
		return err;
	for (size_t i = 0; i < COUNT(formats) && !found->sample_bytes; i++)
		if (snd_pcm_hw_params_set_format(pcm, hw, formats[i].format) == 0)
			found->sample_bytes = formats[i].bytes;
	for (size_t i = 0; i < COUNT(rates) && !found->rate; i++)
		if (snd_pcm_hw_params_set_rate(pcm, hw, rates[i], 0) == 0)
			found->rate = rates[i];
	if (!found->sample_bytes || !found->rate)
		return -EINVAL;
	if ((err = snd_pcm_hw_params_set_channels_min(pcm, hw, &channels)) < 0)
		return err;
	return snd_pcm_hw_params_get_channels_min(hw, &found->channels);
}

int lk_probe(const char *name, unsigned int channels, struct lk_format *found)
{
	snd_pcm_hw_params_t *hw;
	snd_pcm_t *pcm;
	int err;

	snd_lib_error_set_handler(quiet);
	*found = (struct lk_format){0};
	if ((err = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK)) < 0)
		return err;
	if ((err = snd_pcm_hw_params_malloc(&hw)) == 0) {
		err = choose(pcm, hw, channels, found);
		snd_pcm_hw_params_free(hw);
	}
	snd_pcm_close(pcm);
	return err;
}

const char *lk_error(int code) { return snd_strerror(code); }

size_t lk_heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
