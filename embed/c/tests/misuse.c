/* Every mistake that can be noticed gives a status and a text. Run under valgrind: misuse MODEL.safetensors */
#include "reslstm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect_at(int line, reslstm_status got, reslstm_status expected, const char *text) {
    const char *error = reslstm_last_error();
    if (got != expected || !strstr(error, text) || (got == RESLSTM_STATUS_OK) != (error[0] == 0)) {
        fprintf(stderr, "line %d: status %d (expected %d): \"%s\" (expected \"%s\")\n", line, got, expected, error, text);
        failures++;
    }
}
#define expect(call, status, text) expect_at(__LINE__, call, RESLSTM_STATUS_##status, text)

int main(int argc, char **argv) {
    static unsigned char bytes[1 << 22];
    static float samples[32000], with_nan[32000];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) return 2;
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (int n = 0; n < 32000; n++) samples[n] = 0.3f * sinf(0.05f * n) * sinf(0.0007f * n);
    memcpy(with_nan, samples, sizeof samples);
    with_nan[31000] = NAN;

    reslstm_model *model = (reslstm_model *)bytes; /* written over whatever happens */
    expect(reslstm_model_load(NULL, 5, &model), NULL, "bytes: expected a pointer, got NULL");
    expect(reslstm_model_load(bytes, length, NULL), NULL, "model: expected a pointer");
    expect(reslstm_model_load(bytes, 0, &model), MODEL, "expected a model file, got an empty one");
    expect(reslstm_model_load(bytes, length / 2, &model), MODEL, "expected a whole safetensors file");
    expect(reslstm_model_load(bytes, SIZE_MAX, &model), SIZE, "no memory holds");
    if (model) failures++;
    expect(reslstm_model_load(bytes, length, &model), OK, "");
    size_t classes = reslstm_model_classes(model);
    if (!classes || !reslstm_model_label(model, classes - 1) || !reslstm_model_sample_rate(model)) failures++;
    if (reslstm_model_label(model, classes) || reslstm_model_label(NULL, 0)) failures++;
    if (reslstm_model_classes(NULL) || reslstm_model_sample_rate(NULL) || reslstm_stream_classes(NULL)) failures++;

    expect(reslstm_model_enrol(NULL, NULL, 0), NULL, "model: expected");
    expect(reslstm_model_enrol(model, NULL, 5), NULL, "profile: expected");
    expect(reslstm_model_enrol(model, NULL, 0), OK, "");
    expect(reslstm_model_enrol(model, (const unsigned char *)"{}", 2), MODEL, "profile: ");
    expect(reslstm_model_enrol(model, bytes, length), MODEL, "profile: ");

    float probabilities[64] = {0};
    reslstm_sound sound;
    expect(reslstm_predict(NULL, samples, 32000, 16000, probabilities, classes, &sound), NULL, "model: expected");
    expect(reslstm_predict(model, NULL, 32000, 16000, probabilities, classes, &sound), NULL, "samples: expected");
    expect(reslstm_predict(model, samples, 32000, 16000, NULL, classes, &sound), NULL, "probabilities: expected");
    expect(reslstm_predict(model, samples, 32000, 16000, probabilities, classes + 1, &sound), SIZE, "classes: expected");
    expect(reslstm_predict(model, samples, 0, 16000, probabilities, classes, &sound), AUDIO, "at least one sample");
    expect(reslstm_predict(model, samples, 32000, 0, probabilities, classes, &sound), AUDIO, "expected a sample rate of");
    expect(reslstm_predict(model, with_nan, 32000, 16000, probabilities, classes, &sound), AUDIO, "at sample 31000");
    expect(reslstm_predict_wav(model, bytes, length, probabilities, classes, &sound), AUDIO, "");
    expect(reslstm_predict_wav(model, NULL, 0, probabilities, classes, &sound), AUDIO, "");
    expect(reslstm_predict(model, samples, 32000, 16000, probabilities, classes, NULL), OK, "");
    float sum = 0;
    for (size_t k = 0; k < classes; k++) sum += probabilities[k];
    if (fabsf(sum - 1) > 1e-5f) failures++;

    reslstm_stream *stream = NULL;
    double seconds = 0;
    expect(reslstm_stream_new(NULL, 16000, &stream), NULL, "model: expected");
    expect(reslstm_stream_new(model, 16000, NULL), NULL, "stream: expected");
    expect(reslstm_stream_new(model, 7, &stream), AUDIO, "expected a sample rate of");
    expect(reslstm_stream_push(NULL, samples, 10), NULL, "stream: expected");
    expect(reslstm_stream_finish(NULL), NULL, "stream: expected");
    expect(reslstm_stream_new(model, 16000, &stream), OK, "");
    reslstm_model_free(model); /* the stream has what it needs */
    expect(reslstm_stream_latest(stream, &seconds, probabilities, classes, &sound), STATE, "no prediction yet");
    expect(reslstm_stream_push(stream, NULL, 3), NULL, "samples: expected");
    expect(reslstm_stream_push(stream, with_nan, 32000), AUDIO, "at sample 31000");
    expect(reslstm_stream_push(stream, NULL, 0), OK, "");
    expect(reslstm_stream_push(stream, samples, 32000), OK, "");
    expect(reslstm_stream_finish(stream), OK, "");
    expect(reslstm_stream_push(stream, samples, 10), STATE, "the stream has ended");
    expect(reslstm_stream_finish(stream), STATE, "the stream has ended");
    expect(reslstm_stream_latest(stream, NULL, probabilities, classes + 1, NULL), SIZE, "classes: expected");
    if (reslstm_stream_classes(stream) != classes) failures++;

    reslstm_stream_free(stream);
    reslstm_stream_free(NULL);
    reslstm_model_free(NULL);
    if (failures) fprintf(stderr, "%d failures\n", failures);
    return failures != 0;
}
