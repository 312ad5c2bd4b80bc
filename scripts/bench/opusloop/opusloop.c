/*
 * The bare libopus loop: the least that any recorder with these settings can cost. It encodes 8 kHz mono 16-bit
 * samples, 20 ms at a time, as audio/opus does (speech mode, complexity 5, 24 kbit/s), and keeps nothing.
 *
 *	cc -O2 -o opusloop opusloop.c -lopus && ./opusloop speech.raw
 */
#include <opus/opus.h>
#include <stdio.h>

enum { FRAME = 160, PACKET = 1275 };

int main(int argc, char **argv)
{
	opus_int16 pcm[FRAME];
	unsigned char packet[PACKET];
	long frames = 0, bytes = 0;
	int err, n;

	FILE *in = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (in == NULL) {
		fprintf(stderr, "usage: opusloop FILE\n");
		return 2;
	}
	OpusEncoder *enc = opus_encoder_create(8000, 1, OPUS_APPLICATION_VOIP, &err);
	if (err != OPUS_OK || opus_encoder_ctl(enc, OPUS_SET_BITRATE(24000)) != OPUS_OK ||
	    opus_encoder_ctl(enc, OPUS_SET_COMPLEXITY(5)) != OPUS_OK) {
		fprintf(stderr, "set up encoder: %s\n", opus_strerror(err));
		return 1;
	}
	while (fread(pcm, sizeof *pcm, FRAME, in) == FRAME) {
		n = opus_encode(enc, pcm, FRAME, packet, PACKET);
		if (n < 0) {
			fprintf(stderr, "encode: %s\n", opus_strerror(n));
			return 1;
		}
		frames++;
		bytes += n;
	}
	printf("%ld frames, %ld bytes\n", frames, bytes);
	opus_encoder_destroy(enc);
	fclose(in);
	return 0;
}
