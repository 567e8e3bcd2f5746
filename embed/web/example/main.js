// Live prediction from the microphone: an AudioWorklet hands over the samples, the engine predicts one frame after the other.
import { Model } from "../pkg/reslstm.js";

const byId = (id) => document.getElementById(id);
const model = await Model.load();
const rows = model.labels.map((label) => {
  const [row, name, meter, output] = ["label", "span", "meter", "output"].map((tag) => document.createElement(tag));
  name.textContent = label;
  row.append(name, meter, output);
  byId("classes").append(row);
  return { label, meter, output };
});

function show({ hasSpeech, label, probabilities }) {
  byId("verdict").textContent = hasSpeech ? label : "nobody speaks";
  for (const { label, meter, output } of rows) {
    meter.value = probabilities[label];
    output.textContent = `${(100 * probabilities[label]).toFixed(0)} %`;
  }
}

let recording = null;

async function start() {
  // A second click would open the microphone twice.
  byId("start").disabled = true;
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule("microphone.js");
  const stream = model.stream(context.sampleRate);
  const microphone = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
  microphone.port.onmessage = ({ data: samples }) => {
    const latest = stream.push(samples).at(-1);
    if (latest) show(latest);
  };
  context.createMediaStreamSource(media).connect(microphone);
  recording = { media, context, stream, microphone };
  byId("stop").disabled = false;
}

async function stop() {
  const { media, context, stream, microphone } = recording;
  microphone.port.onmessage = null;
  media.getTracks().forEach((track) => track.stop());
  await context.close();
  stream.free();
  [byId("start").disabled, byId("stop").disabled] = [false, true];
}

byId("start").addEventListener("click", () => start().catch((error) => {
  byId("start").disabled = false;
  byId("verdict").textContent = error.message;
}));
byId("stop").addEventListener("click", stop);
