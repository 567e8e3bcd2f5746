// Where sound comes from: the page's clip, a file, the microphone.

/** The samples of a WAV file as the command writes it: 16 bits, one channel. */
function samplesOfWav(bytes) {
  const view = new DataView(bytes.buffer, 44);
  return Float32Array.from({ length: view.byteLength / 2 }, (_, n) => view.getInt16(2 * n, true) / 32768);
}

function useExample() {
  takeSound(samplesOfWav(bytesOf(data.clip)), data.rate, TEXTS.exampleName);
}

/** At most this many seconds of a file are shown; the microphone begins a new clip after as many. */
const MOST_SECONDS = 12;

async function useFile(file) {
  // Decoded at the model's rate: the browser resamples what has another one.
  const context = new OfflineAudioContext(1, 1, data.rate);
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    byId("about").textContent = TEXTS.cannotRead(file.name);
    return;
  }
  const [first, ...others] = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  const mean = first.map((sample, n) => others.reduce((sum, channel) => sum + channel[n], sample) / (1 + others.length));
  takeSound(mean.slice(0, MOST_SECONDS * data.rate), data.rate, file.name);
}

/** Runs on the audio thread: collects blocks of samples into portions and hands those over. */
const RECORDER = `
  registerProcessor("recorder", class extends AudioWorkletProcessor {
    portion = new Float32Array(2048);
    filled = 0;
    process([[samples]]) {
      for (const sample of samples ?? []) {
        this.portion[this.filled] = sample;
        this.filled += 1;
        if (this.filled === this.portion.length) {
          this.port.postMessage(this.portion);
          this.filled = 0;
        }
      }
      return true;
    }
  });`;

const microphone = { running: null, isStarting: false };

async function startMicrophone() {
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  // A page from a disk may not load what it made as a blob.
  await context.audioWorklet.addModule(`data:text/javascript;base64,${btoa(RECORDER)}`);
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  const running = { media, context, live: lab.live(context.sampleRate), frames: 0, drawn: 0, cost: 0 };
  recorder.port.onmessage = ({ data: portion }) => microphone.running === running && listenTo(portion);
  context.createMediaStreamSource(media).connect(recorder);
  microphone.running = running;
  byId("microphone").setAttribute("aria-pressed", "true");
  byId("microphone").textContent = TEXTS.stopMicrophone;
}

/** The next samples of the microphone. Each frame is computed once, and its answer is shown at once; all other values of the clip
    and their gradients, which change with every frame, as often as the machine manages. */
function listenTo(portion) {
  const { running } = microphone;
  if (running.live.frames() * data.seconds >= MOST_SECONDS) {
    running.live.free();
    Object.assign(running, { live: lab.live(running.context.sampleRate), drawn: 0 });
  }
  const rows = running.live.push(portion);
  if (rows.length === 0) return;
  running.frames += rows.length / LABELS.length;
  running.shares = [...rows.slice(-LABELS.length)];
  if (room.name === "listen" && running.drawn > 0) showAnswer(running.shares, true);
  // Half of the time is left to the frames.
  if (running.timer === undefined) running.timer = setTimeout(showLive, running.cost);
}

/** All values of the frames so far. */
function showLive() {
  const { running } = microphone;
  if (running === null) return;
  running.timer = undefined;
  if (running.live.frames() === 0) return;
  const start = performance.now();
  running.drawn = running.live.frames();
  const sound = running.live.sound();
  const source = { samples: sound, rate: data.rate, name: TEXTS.microphoneName, sound, answer: null };
  now.t = running.drawn - 1;
  takeClip(source, lab.live_clip(running.live, settings(state.label ?? indexOfLargest(running.shares))));
  running.cost = performance.now() - start;
}

function stopMicrophone() {
  const { media, context, live, timer } = microphone.running;
  clearTimeout(timer);
  if (live.frames() > 0) showLive();
  microphone.running = null;
  media.getTracks().forEach((track) => track.stop());
  context.close();
  live.free();
  byId("microphone").setAttribute("aria-pressed", "false");
  byId("microphone").textContent = TEXTS.microphone;
}

/** Plays the clip, and moves the frame with it. */
function togglePlay() {
  if (now.playing) {
    now.playing.stop();
    return;
  }
  const { sound, view } = state;
  const context = new AudioContext();
  const buffer = context.createBuffer(1, sound.length, data.rate);
  buffer.copyToChannel(sound, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  const start = now.t + 1 >= view.frames ? 0 : now.t * data.seconds;
  source.connect(context.destination);
  source.start(0, start);
  const began = context.currentTime;
  const follow = () => {
    if (now.playing !== playing) return;
    moveTo({ t: Math.floor((start + context.currentTime - began) / data.seconds) });
    requestAnimationFrame(follow);
  };
  const playing = {
    stop() {
      if (now.playing !== playing) return;
      now.playing = null;
      context.close();
      byId("play").textContent = TEXTS.play;
    },
  };
  source.onended = playing.stop;
  now.playing = playing;
  byId("play").textContent = TEXTS.pause;
  follow();
}

function buildSource() {
  const showError = (error) => { byId("about").textContent = TEXTS.noMicrophone(error.message); };
  byId("example").addEventListener("click", useExample);
  byId("file").addEventListener("change", ({ target }) => target.files[0] && useFile(target.files[0]));
  byId("open").addEventListener("click", () => byId("file").click());
  byId("microphone").addEventListener("click", () => {
    if (microphone.running) stopMicrophone();
    else if (!microphone.isStarting) {
      microphone.isStarting = true;
      startMicrophone().catch(showError).finally(() => { microphone.isStarting = false; });
    }
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) useFile(event.dataTransfer.files[0]);
  });
  if (data.branches.length > 1) {
    const names = data.branches.map(({ name }, n) => [n, TEXTS.branchName(n + 1, data.branches.length, name)]);
    const select = choice(names, (value) => chooseBranch(Number(value)), { id: "branch" });
    select.value = branch;
    byId("about").before(control(TEXTS.branch, select));
  }
  byId("play").addEventListener("click", togglePlay);
  byId("back").addEventListener("click", () => moveTo({ t: now.t - 1 }));
  byId("forward").addEventListener("click", () => moveTo({ t: now.t + 1 }));
  byId("time").addEventListener("input", ({ target }) => moveTo({ t: Number(target.value) }));
}
