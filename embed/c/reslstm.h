/* C interface of reslstm. Made from src/lib.rs by cbindgen: change that file, not this one.
 *
 * Every function may be called with NULL and with any length. What cannot be done gives a status other than
 * RESLSTM_STATUS_OK, and reslstm_last_error() says why. A handle may be used by several threads; calls wait for each other.
 * A handle must not be used after it was freed: that is the one mistake that cannot be noticed.
 */

#ifndef RESLSTM_H
#define RESLSTM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// What came of a call.
typedef enum reslstm_status {
  // Done.
  RESLSTM_STATUS_OK = 0,
  // A pointer is NULL that must not be.
  RESLSTM_STATUS_NULL = 1,
  // An array has not one place per class.
  RESLSTM_STATUS_SIZE = 2,
  // The model file is damaged, or of another kind; or the model or the profile does not allow what was asked for.
  RESLSTM_STATUS_MODEL = 3,
  // The sound cannot be decoded, is empty, or has samples that are not finite.
  RESLSTM_STATUS_AUDIO = 4,
  // The stream has ended, or has no prediction yet.
  RESLSTM_STATUS_STATE = 5,
  // A fault of the library. Please report it.
  RESLSTM_STATUS_INTERNAL = 6,
} reslstm_status;

// A trained model.
typedef struct reslstm_model reslstm_model;

// A recording that is still going on.
typedef struct reslstm_stream reslstm_stream;

// Level of a sound, whether somebody speaks in it, and how unlike the sounds of the training it is. Where nobody speaks, the most
// probable label says nothing.
typedef struct reslstm_sound {
  // Mean level in dB of full scale; minus infinity for digital silence.
  double level;
  // Share of the sound in which a voice is heard, 0 to 1.
  double speech;
  // Whether somebody speaks.
  bool has_speech;
  // How unlike the clips of the training: near 1 for one of them, larger the less the model knows such sounds; NaN for a
  // model that cannot say it.
  float unlike;
} reslstm_sound;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Why the last call of this thread that returns a status failed: what, where, expected, got, what to do. Empty if it did not.
// Valid until the thread's next call.
const char *reslstm_last_error(void);

// The version of the library, such as "0.1.0".
const char *reslstm_version(void);

// Reads a model from the bytes of its file. They are copied. The model is written to `model`; free it with reslstm_model_free.
//
// # Safety
// `bytes` is NULL or has `length` bytes; `model` is NULL or may be written.
enum reslstm_status reslstm_model_load(const uint8_t *bytes,
                                       size_t length,
                                       struct reslstm_model **model);

// Frees a model. NULL is ignored.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load, and is not used any more.
void reslstm_model_free(struct reslstm_model *model);

// Enrols a speaker: from now on, predictions and new streams are of the speaker whose profile these bytes are, a file that
// `reslstm enrol` wrote. With a `length` of 0, they are of any speaker again. The status is RESLSTM_STATUS_MODEL for a model that
// was not trained with enrolment, and for a profile of other features.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load; `profile` is NULL or has `length` bytes.
enum reslstm_status reslstm_model_enrol(const struct reslstm_model *model,
                                        const uint8_t *profile,
                                        size_t length);

// Number of classes; 0 for NULL.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load.
size_t reslstm_model_classes(const struct reslstm_model *model);

// Name of class `index`, from 0, in UTF-8; NULL for NULL and for a class that there is not. Valid as long as the model.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load.
const char *reslstm_model_label(const struct reslstm_model *model,
                                size_t index);

// The sample rate of the model's training recordings, Hz; 0 for NULL. Sound at other rates is resampled to it.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load.
uint32_t reslstm_model_sample_rate(const struct reslstm_model *model);

// Predicts the emotion of a recording: `length` samples of one channel, full scale -1 to 1, at `sample_rate` Hz. Writes the
// probability of each class, and level and speech of the sound to `sound`, which may be NULL.
//
// # Safety
// `model` comes from reslstm_model_load; `samples` has `length` values, `probabilities` has `classes` places; each, and
// `sound`, may be NULL.
enum reslstm_status reslstm_predict(const struct reslstm_model *model,
                                    const float *samples,
                                    size_t length,
                                    uint32_t sample_rate,
                                    float *probabilities,
                                    size_t classes,
                                    struct reslstm_sound *sound);

// Predicts the emotion of a WAV file, given its bytes; several channels become their mean. As reslstm_predict otherwise.
//
// # Safety
// As reslstm_predict; `wav` is NULL or has `length` bytes.
enum reslstm_status reslstm_predict_wav(const struct reslstm_model *model,
                                        const uint8_t *wav,
                                        size_t length,
                                        float *probabilities,
                                        size_t classes,
                                        struct reslstm_sound *sound);

// Begins a recording at `sample_rate` Hz whose samples come in portions. The stream is written to `stream`; free it with
// reslstm_stream_free. The model may be freed before.
//
// # Safety
// `model` is NULL or comes from reslstm_model_load; `stream` is NULL or may be written.
enum reslstm_status reslstm_stream_new(const struct reslstm_model *model,
                                       uint32_t sample_rate,
                                       struct reslstm_stream **stream);

// Takes the next `length` samples of a stream, full scale -1 to 1. Memory does not grow.
//
// # Safety
// `stream` is NULL or comes from reslstm_stream_new; `samples` is NULL or has `length` values.
enum reslstm_status reslstm_stream_push(const struct reslstm_stream *stream,
                                        const float *samples,
                                        size_t length);

// Ends a stream: the last frames are read. Nothing can be pushed after it.
//
// # Safety
// `stream` is NULL or comes from reslstm_stream_new.
enum reslstm_status reslstm_stream_finish(const struct reslstm_stream *stream);

// The latest prediction of a stream: of all of it so far. Writes the time of its last frame, in seconds from the beginning, to
// `seconds` and level and speech to `sound`, both of which may be NULL, and the probability of each class. The status is
// RESLSTM_STATUS_STATE as long as there is none.
//
// # Safety
// `stream` comes from reslstm_stream_new; `probabilities` has `classes` places; each, `seconds` and `sound` may be NULL.
enum reslstm_status reslstm_stream_latest(const struct reslstm_stream *stream,
                                          double *seconds,
                                          float *probabilities,
                                          size_t classes,
                                          struct reslstm_sound *sound);

// Number of classes of a stream's model; 0 for NULL.
//
// # Safety
// `stream` is NULL or comes from reslstm_stream_new.
size_t reslstm_stream_classes(const struct reslstm_stream *stream);

// Frees a stream. NULL is ignored.
//
// # Safety
// `stream` is NULL or comes from reslstm_stream_new, and is not used any more.
void reslstm_stream_free(struct reslstm_stream *stream);

#ifdef __cplusplus
} // extern "C"
#endif // __cplusplus

#endif /* RESLSTM_H */
