/** What the engine says of a sound. */
export interface Prediction {
  /** The most probable class. Where nobody speaks, it says nothing of an emotion. */
  label: string;
  /** Probability of every class; they add up to 1. */
  probabilities: Record<string, number>;
  /** Level, dB of full scale. */
  level: number;
  /** Share of the sound in which somebody speaks, 0 to 1. */
  speech: number;
  hasSpeech: boolean;
  /** How unlike the training clips: near 1 for one of them; undefined for a model that cannot say it. */
  unlike: number | undefined;
}

/** The prediction for a whole clip. */
export interface ClipPrediction extends Prediction {
  /** Seconds. */
  duration: number;
}

/** The prediction for a recording so far. */
export interface Moment extends Prediction {
  /** Seconds from the beginning to the middle of the latest frame. */
  time: number;
}

/** One channel, full scale -1 to 1. */
export type Samples = Float32Array | Float64Array | number[];

/** The WebAssembly build: with vector instructions, or for machines without. */
export type Build = "simd128" | "scalar";

/** A trained model. */
export class Model {
  private constructor();
  /** Reads a model file, as `reslstm train` writes it; without bytes, the model that comes with the package. */
  static load(bytes?: ArrayBuffer | Uint8Array, options?: { build?: Build }): Promise<Model>;
  readonly build: Build;
  readonly labels: string[];
  /** Rate of the training recordings, Hz. Sound at another rate is resampled. */
  readonly sampleRate: number;
  /** The description in the model file. */
  readonly metadata: Record<string, unknown> | undefined;
  /** Predicts the speaker of a profile that `reslstm enrol` wrote, or any speaker again. */
  setProfile(profile?: string | object): void;
  /** Prediction for a clip at `rate` Hz. */
  predict(samples: Samples, rate: number): ClipPrediction;
  /** A stream of samples at `rate` Hz. `adapt`: normalise by the speaker's own statistics as they become known. */
  stream(rate: number, options?: { adapt?: boolean }): Stream;
  /** Gives the memory back at once, instead of some time after the last use. */
  free(): void;
}

/** A recording that is still going on. It keeps what it needs of its model. */
export class Stream {
  private constructor();
  /** One moment for each frame that these samples complete: none, one or several. */
  push(samples: Samples): Moment[];
  /** Ends the recording: its last frames. The next push begins another one. */
  finish(): Moment[];
  free(): void;
}
