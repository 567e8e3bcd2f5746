// Runs on the audio thread: collects blocks of 128 samples into portions and hands those over.
const PORTION = 2048;

class Microphone extends AudioWorkletProcessor {
  portion = new Float32Array(PORTION);
  filled = 0;

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.portion[this.filled] = sample;
      this.filled += 1;
      if (this.filled === PORTION) {
        this.port.postMessage(this.portion, [this.portion.buffer]);
        [this.portion, this.filled] = [new Float32Array(PORTION), 0];
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
