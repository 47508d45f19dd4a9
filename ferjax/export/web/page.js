// The page of a browser bundle: camera or picture → square → network → bars.
import * as ort from "./runtime/ort.wasm.min.mjs";
import { networkInput, square } from "./picture.js";

const get = (id) => document.getElementById(id);
const canvas = get("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
const video = document.createElement("video");
video.muted = true;
video.playsInline = true;
// A frame of the camera, or a picture, at its own size; a new canvas would be 300 x 150.
const whole = document.createElement("canvas"), wholeContext = whole.getContext("2d", { willReadFrequently: true });
whole.width = whole.height = 0;
// Milliseconds between two frames, and between two sentences that a screen reader speaks.
const FRAME = 100, SENTENCE = 2000;
let network, session, stream = null, starts = 0, busy = false, again = false, spoken = 0;

function list(id, lines) {
  get(id).replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
}

function say(text) {
  get("status").textContent = text;
}

// A probability that would be rounded to 0 % or 100 % is shown as "< 1 %" or "> 99 %".
const percent = (p) => (p > 0.995 && p < 1 ? "> 99 %" : p > 0 && p < 0.005 ? "< 1 %" : `${Math.round(100 * p)} %`);

function buildBars() {
  get("bars").replaceChildren(...network.classes.map((emotion) => {
    const item = document.createElement("li");
    item.dataset.emotion = emotion;
    for (const [kind, text] of [["label", emotion], ["track", ""], ["percent", "–"]]) {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = text;
      item.append(part);
    }
    const fill = document.createElement("div");
    fill.className = "fill";
    item.children[1].append(fill);
    item.children[1].setAttribute("aria-hidden", "true");
    return item;
  }));
}

function show(probabilities, milliseconds) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  [...get("bars").children].forEach((item, k) => {
    item.dataset.probability = probabilities[k];
    item.querySelector(".fill").style.width = `${100 * probabilities[k]}%`;
    item.querySelector(".percent").textContent = percent(probabilities[k]);
    item.classList.toggle("first", k === best);
  });
  get("speed").textContent = `${milliseconds.toFixed(1)} ms for this face`;
  const now = performance.now();
  if (!stream || now - spoken > SENTENCE) {
    spoken = now;
    say(`Most likely: ${network.classes[best]}, ${percent(probabilities[best])}.`);
  }
}

// Draws the picture in `whole` with the square, and runs the network on the square.
async function recognise() {
  if (!whole.width || !session) return;
  get("square").disabled = false;
  const { side, x, y } = square(whole.width, whole.height, get("size").value, get("left").value, get("top").value);
  canvas.width = whole.width;
  canvas.height = whole.height;
  context.drawImage(whole, 0, 0);
  context.lineWidth = Math.max(1, whole.width / 200);
  context.strokeStyle = "#ffd54f";
  context.strokeRect(x, y, side, side);
  // Only one run at a time. After it, the last change that came meanwhile is run.
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const image = wholeContext.getImageData(x, y, side, side);
    const data = networkInput(image, network.height, network.width, network.channels);
    const shape = [1, network.height, network.width, network.channels];
    const start = performance.now();
    const outputs = await session.run({ images: new ort.Tensor("uint8", data, shape) });
    show(Array.from(outputs.probabilities.data), performance.now() - start);
  } catch (error) {
    say(`The network failed: ${error.message}`);
  }
  busy = false;
  if (again) {
    again = false;
    recognise();
  }
}

function stopCamera() {
  starts += 1;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  get("camera").textContent = "Start the camera";
  canvas.classList.remove("mirrored");
}

async function startCamera() {
  if (!navigator.mediaDevices) {
    say("No camera here: a browser gives it to pages of this machine or over https only.");
    return;
  }
  // If the user chooses a picture while the browser asks for permission, this start is cancelled.
  const thisStart = starts += 1;
  get("camera").disabled = true;
  try {
    const newStream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    if (thisStart !== starts) {
      newStream.getTracks().forEach((track) => track.stop());
      return;
    }
    video.srcObject = stream = newStream;
    await video.play();
  } catch (error) {
    if (thisStart !== starts) return;
    stopCamera();
    say(`The camera cannot be used (${error.name}). Allow it in the browser, or choose a picture.`);
    return;
  } finally {
    get("camera").disabled = false;
  }
  if (thisStart !== starts) return;
  get("camera").textContent = "Stop the camera";
  canvas.classList.add("mirrored");
  get("size").value = 70;
  const thisStream = stream;
  const frame = async () => {
    if (stream !== thisStream) return;
    whole.width = video.videoWidth;
    whole.height = video.videoHeight;
    wholeContext.drawImage(video, 0, 0);
    await recognise();
    setTimeout(frame, FRAME);
  };
  frame();
}

async function openPicture(file) {
  if (!file) return;
  stopCamera();
  try {
    const picture = await createImageBitmap(file);
    whole.width = picture.width;
    whole.height = picture.height;
    wholeContext.drawImage(picture, 0, 0);
  } catch {
    say(`${file.name} is no picture that this browser can read.`);
    return;
  }
  get("size").value = 100;
  await recognise();
}

async function start() {
  network = await (await fetch("network.json")).json();
  document.title = `${network.name}: emotions in faces`;
  get("name").textContent = network.name;
  list("intended", network.intended_use);
  list("limits", network.limits);
  list("licence", Object.entries(network.licence).map(([part, text]) => `${part}: ${text}`));
  buildBars();
  ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
  // More threads need headers that a plain server does not send.
  ort.env.wasm.numThreads = 1;
  session = await ort.InferenceSession.create("network.onnx", { executionProviders: ["wasm"] });
  get("camera").disabled = get("file").disabled = false;
  document.body.dataset.state = "ready";
  say("Ready: start the camera, or choose a picture.");
  // A picture may have been dropped while the network was loaded.
  recognise();
}

get("camera").addEventListener("click", () => (stream ? (stopCamera(), say("The camera is off.")) : startCamera()));
get("file").addEventListener("change", (event) => openPicture(event.target.files[0]));
for (const id of ["size", "left", "top"]) get(id).addEventListener("input", recognise);
const drop = get("drop");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  openPicture(event.dataTransfer.files[0]);
});
start().catch((error) => say(`The page could not start: ${error.message}`));
