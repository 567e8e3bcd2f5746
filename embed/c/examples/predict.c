/* Predicts the emotion of a WAV file, of an enrolled speaker if a profile is given:
 * predict MODEL.safetensors CLIP.wav [PROFILE.json] */
#include "reslstm.h"

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file, or NULL. */
static unsigned char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    unsigned char *bytes = NULL;
    size_t room = 0, got;
    *length = 0;
    do {
        if (*length == room) {
            room = room ? 2 * room : 1 << 16;
            unsigned char *larger = realloc(bytes, room);
            if (!larger) {
                free(bytes);
                fclose(file);
                return NULL;
            }
            bytes = larger;
        }
        got = fread(bytes + *length, 1, room - *length, file);
        *length += got;
    } while (got > 0);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: predict MODEL.safetensors CLIP.wav [PROFILE.json]\n");
        return 2;
    }
    size_t model_length = 0, wav_length = 0, profile_length = 0;
    unsigned char *model_bytes = read_file(argv[1], &model_length);
    unsigned char *wav = read_file(argv[2], &wav_length);
    unsigned char *profile = argc == 4 ? read_file(argv[3], &profile_length) : NULL;
    reslstm_model *model = NULL;
    float *probabilities = NULL;
    int failed = 1;

    if (!model_bytes || !wav || (argc == 4 && !profile)) {
        fprintf(stderr, "error: cannot read %s\n", !model_bytes ? argv[1] : !wav ? argv[2] : argv[3]);
    } else if (reslstm_model_load(model_bytes, model_length, &model) != RESLSTM_STATUS_OK) {
        fprintf(stderr, "error: %s: %s\n", argv[1], reslstm_last_error());
    } else if (argc == 4 && reslstm_model_enrol(model, profile, profile_length) != RESLSTM_STATUS_OK) {
        fprintf(stderr, "error: %s: %s\n", argv[3], reslstm_last_error());
    } else {
        size_t classes = reslstm_model_classes(model);
        reslstm_sound sound;
        probabilities = calloc(classes, sizeof *probabilities);
        if (!probabilities) {
            fprintf(stderr, "error: no memory\n");
        } else if (reslstm_predict_wav(model, wav, wav_length, probabilities, classes, &sound) != RESLSTM_STATUS_OK) {
            fprintf(stderr, "error: %s: %s\n", argv[2], reslstm_last_error());
        } else {
            for (size_t k = 0; k < classes; k++)
                printf("%10s %.6f\n", reslstm_model_label(model, k), probabilities[k]);
            printf("level %.1f dBFS, speech %.0f %%%s, unlike %.2f\n", sound.level, 100 * sound.speech,
                   sound.has_speech ? "" : ": nobody speaks, so no label holds", sound.unlike);
            failed = 0;
        }
    }
    free(probabilities);
    reslstm_model_free(model);
    free(profile);
    free(wav);
    free(model_bytes);
    return failed;
}
