/* Predicts while the sound arrives: 16-bit little-endian PCM of one channel on stdin, one line per second.
 *
 *   arecord -t raw -f S16_LE -r 16000 | stream MODEL.safetensors 16000
 */
#include "reslstm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void print_latest(const reslstm_model *model, const reslstm_stream *stream) {
    size_t classes = reslstm_model_classes(model), best = 0;
    float *probabilities = calloc(classes, sizeof *probabilities);
    double seconds = 0;
    reslstm_sound sound;
    if (probabilities &&
        reslstm_stream_latest(stream, &seconds, probabilities, classes, &sound) == RESLSTM_STATUS_OK) {
        for (size_t k = 1; k < classes; k++)
            if (probabilities[k] > probabilities[best]) best = k;
        printf("%.2f s: %s %.6f%s\n", seconds, reslstm_model_label(model, best), probabilities[best],
               sound.has_speech ? "" : " (nobody speaks)");
    }
    free(probabilities);
}

int main(int argc, char **argv) {
    long rate = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || rate <= 0) {
        fprintf(stderr, "usage: stream MODEL.safetensors SAMPLE_RATE < PCM\n");
        return 2;
    }
    long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (length < 0) {
        fprintf(stderr, "error: %s: expected a file, whose length can be found\n", argv[1]);
        return 1;
    }
    rewind(file);
    unsigned char *bytes = malloc(length > 0 ? (size_t)length : 1);
    size_t got = bytes ? fread(bytes, 1, (size_t)length, file) : 0;
    fclose(file);

    reslstm_model *model = NULL;
    reslstm_stream *stream = NULL;
    reslstm_status status = reslstm_model_load(bytes, got, &model);
    free(bytes); /* the model has a copy */
    if (status == RESLSTM_STATUS_OK) status = reslstm_stream_new(model, (uint32_t)rate, &stream);

    unsigned char pcm[2 * 480];
    float samples[480];
    long taken = 0;
    size_t count;
    while (status == RESLSTM_STATUS_OK && (count = fread(pcm, 2, 480, stdin)) > 0) {
        for (size_t n = 0; n < count; n++)
            samples[n] = (float)(int16_t)(pcm[2 * n] | pcm[2 * n + 1] << 8) / 32768.0f;
        status = reslstm_stream_push(stream, samples, count);
        if ((taken + (long)count) / rate > taken / rate) print_latest(model, stream);
        taken += (long)count;
    }
    if (status == RESLSTM_STATUS_OK) status = reslstm_stream_finish(stream);
    if (status == RESLSTM_STATUS_OK)
        print_latest(model, stream);
    else
        fprintf(stderr, "error: %s\n", reslstm_last_error());
    reslstm_stream_free(stream);
    reslstm_model_free(model);
    return status != RESLSTM_STATUS_OK;
}
