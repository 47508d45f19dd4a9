// The page: it sends pictures, camera frames and videos to this server, and shows them with the
// server's answers. Texts come from file names and from the server: they are set only as text,
// never as markup.
"use strict";

const settings = JSON.parse(document.body.dataset.settings);
const classes = Object.keys(settings.colours);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const CAMERA_WIDTH = 640, OPEN_FACES = 3;
// Largest enlargement of a small picture.
const MOST_ENLARGED = 4;
// Milliseconds from one frame of the camera to the next. A tenth of the requests that an address may
// send is left for other uses.
const FRAME = settings.requests_a_minute ? 60_000 / (0.9 * settings.requests_a_minute) : 0;

// ---- Small helpers -------------------------------------------------------------------------

function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function shape(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function say(text, bad = false) {
  const state = byId("state");
  state.textContent = text;
  state.classList.toggle("bad", bad);
}

const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// The user has seen the notice before the first use; after that its title line is enough.
const foldNotice = () => { byId("notice").open = false; };

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Sends a file or form; waits and tries again while the server is busy. Throws the server's error.
async function post(path, body, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(path, { method: "POST", body, ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer. Is it still running?");
    }
    if (answer.ok) return answer;
    const wait = Number(answer.headers.get("Retry-After"));
    if ((answer.status === 429 || answer.status === 503) && wait && attempt < 3) {
      await pause(Math.min(wait, 10));
      continue;
    }
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.error || `The server answers with status ${answer.status}.`);
  }
}

function form(...files) {
  const data = new FormData();
  for (const file of files) data.append("file", file, file.name || "picture");
  return data;
}

// ---- Faces as boxes and bars ----------------------------------------------------------------

function bars(row) {
  const order = [...classes].sort((a, b) => row.probabilities[b] - row.probabilities[a]);
  const inside = new Set(row.set || [row.emotion]);
  const body = element("tbody");
  for (const name of order) {
    const fill = element("div", { className: "fill" });
    fill.style.width = `${100 * row.probabilities[name]}%`;
    const track = element("div", { className: "track" }, fill);
    track.setAttribute("aria-hidden", "true");
    body.append(element("tr", { className: inside.has(name) ? "in" : "" },
      element("th", { scope: "row", textContent: name }), element("td", {}, track),
      element("td", { className: "number", textContent: percent(row.probabilities[name]) })));
  }
  const table = element("table", { className: "bars" }, body);
  table.setAttribute("aria-label", "Probabilities of the expressions");
  return table;
}

function setText(row) {
  if (!row.set || settings.sets === null) return "";
  const line = element("p", { className: "set" }, "Prediction set: ");
  line.append(element("strong", { textContent: row.set.join(" or ") }),
    `. A set holds the true expression with a probability of ${percent(settings.sets)}.`);
  return line;
}

function faceTitle(row, number, several) {
  const name = several ? `${number + 1}: ${row.emotion}` : row.emotion;
  return [name, element("span", { className: "share", textContent: percent(row.confidence) })];
}

// Draws boxes into an overlay in units of the picture's pixels.
function drawBoxes(overlay, width, height, rows, { mirrored = false, choose = null } = {}) {
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  overlay.replaceChildren();
  const unit = Math.max(width, height) / 640;
  rows.forEach((row, k) => {
    if (row.left === undefined) return;
    const left = mirrored ? width - row.left - row.width : row.left;
    const box = { x: left, y: row.top, width: row.width, height: row.height, rx: 3 * unit };
    const text = `${rows.length > 1 ? `${(row.person ?? k) + 1}: ` : ""}${row.emotion}`;
    const group = shape("g", {}, shape("rect", { ...box, class: "shadow" }), shape("rect", box));
    if (row.width > 40 * unit) {
      const size = 15 * unit, above = row.top > 1.6 * size;
      const top = above ? row.top - 1.5 * size : row.top;
      group.append(
        shape("rect", { class: "label", x: left, y: top, width: (0.62 * text.length + 0.8) * size, height: 1.5 * size, rx: 3 * unit }),
        shape("text", { x: left + 0.4 * size, y: top + 1.1 * size, "font-size": size }, text));
    }
    if (choose) group.addEventListener("click", () => choose(k));
    overlay.append(group);
  });
}

function facePanel(row, k, several, open, explain) {
  const panel = element("details", { className: "face", open },
    element("summary", {}, ...faceTitle(row, k, several)), setText(row), bars(row));
  if (explain) {
    const button = element("button", { type: "button", className: "button", textContent: "Explain" });
    button.setAttribute("aria-label", `Explain face ${k + 1}, ${row.emotion}`);
    button.addEventListener("click", () => explain(k));
    panel.append(button);
  }
  return panel;
}

// ---- Pictures --------------------------------------------------------------------------------

// The pictures that the server has answered. `clears` counts how often the list was cleared: an
// answer to an older request is dropped.
let answered = [], clears = 0;
// Bytes of a file's head in a form, which contains its name.
const FORM_HEAD = 1200;
const mode = () => document.querySelector('input[name="faces"]:checked').value;

async function showPictures(list) {
  const files = [...list].slice(0, settings.pictures), clearsAtStart = clears;
  if (!files.length) return;
  foldNotice();
  byId("clear").hidden = false;
  let done = 0, faces = 0, failed = 0, last = null;
  for (const file of files) {
    say(files.length > 1 ? `Picture ${done + 1} of ${files.length}…` : "Looking…");
    // The newest pictures stand above earlier ones, and among themselves as they were chosen.
    const result = element("article", { className: "result" }, element("h3", { textContent: file.name || "picture" }));
    if (last) last.after(result); else byId("picture-results").prepend(result);
    last = result;
    const count = await showPicture(result, file, clearsAtStart);
    if (clearsAtStart !== clears) return;
    if (count === null) failed += 1; else faces += count;
    done += 1;
  }
  say(`${done} ${done === 1 ? "picture" : "pictures"}, ${faces} ${faces === 1 ? "face" : "faces"}.${withoutAnswer(failed, done)}${leftOut(list.length - done)}`);
}

const withoutAnswer = (failed, done) => {
  if (!failed) return "";
  return done === 1 ? " It has no answer: the reason stands below its name." : ` ${failed} of the pictures ${failed === 1 ? "has" : "have"} no answer: the reason stands below the name.`;
};

const leftOut = (count) => (count ? ` ${count} more ${count === 1 ? "is" : "are"} beyond the limit of this server.` : "");

// Returns the number of faces, or null for a picture that has no answer.
async function showPicture(result, file, clearsAtStart) {
  const facesMode = mode();
  try {
    if (file.size > settings.upload_bytes) throw new Error(`Larger than ${settings.upload_bytes / 1e6} MB, the limit of this server.`);
    const answer = await (await post(`api/faces?faces=${facesMode}`, form(file))).json();
    if (clearsAtStart !== clears) return 0;
    answered.push({ file, facesMode });
    byId("table").hidden = false;
    return fillResult(result, file, answer, facesMode);
  } catch (error) {
    result.append(element("p", { className: "problem", textContent: error.message }));
    return null;
  }
}

function fillResult(result, file, answer, facesMode) {
  const rows = answer.rows.filter((row) => row.status === "read");
  const image = element("img", { src: URL.createObjectURL(file), alt: `The picture ${file.name || ""}` });
  const overlay = shape("svg", { class: "boxes", "aria-hidden": "true" });
  const stage = element("div", { className: "stage" }, image, overlay);
  stage.classList.toggle("small", answer.width < 200);
  result.style.setProperty("--widest", `${MOST_ENLARGED * answer.width}px`);
  image.addEventListener("error", () => image.replaceWith(element("p", { className: "hint", textContent: "Your browser cannot show this kind of picture." })));
  const explain = settings.methods.length ? (k) => openExplanation(file, rows[k], k, facesMode) : null;
  const list = element("div", { className: "faces" });
  rows.forEach((row, k) => list.append(facePanel(row, k, rows.length > 1, k === 0 || rows.length <= OPEN_FACES, explain)));
  if (!rows.length) list.append(element("p", { textContent: "No face was found." }));
  if (answer.left_out) list.append(element("p", { className: "hint", textContent: `${answer.left_out} more faces are beyond the limit of this server.` }));
  drawBoxes(overlay, answer.width, answer.height, rows, { choose: (k) => {
    list.children[k].open = true;
    list.children[k].scrollIntoView({ block: "nearest" });
    if (explain) explain(k);
  } });
  result.append(stage, list);
  return rows.length;
}

// Returns the first files that one request may send.
function withinLimits(files) {
  const sent = [];
  let bytes = 0;
  for (const file of files) {
    const size = file.size + FORM_HEAD;
    if (sent.length === settings.pictures || (sent.length && bytes + size > settings.upload_bytes)) break;
    sent.push(file);
    bytes += size;
  }
  return sent;
}

// Every picture is read again as it was shown: there is one table for each choice of faces.
async function saveTables() {
  const modes = [...new Set(answered.map((one) => one.facesMode))];
  let count = 0;
  say("The table is made…");
  try {
    for (const facesMode of modes) {
      const sent = withinLimits(answered.filter((one) => one.facesMode === facesMode).map((one) => one.file));
      const answer = await post(`api/table?faces=${facesMode}`, form(...sent));
      save(await answer.blob(), modes.length === 1 ? "emotions.csv" : `emotions-${facesMode}.csv`);
      count += sent.length;
    }
    say(`The ${modes.length === 1 ? "table" : `${modes.length} tables`} of ${count} ${count === 1 ? "picture" : "pictures"} ${modes.length === 1 ? "is" : "are"} saved.${leftOut(answered.length - count)}`);
  } catch (error) { say(error.message, true); }
}

function clearPictures() {
  clears += 1;
  for (const image of document.querySelectorAll("#picture-results img")) URL.revokeObjectURL(image.src);
  byId("picture-results").replaceChildren();
  byId("table").hidden = byId("clear").hidden = true;
  answered = [];
  say("Cleared.");
}

// ---- Explanations ----------------------------------------------------------------------------

// `explanations` counts the requests: only the answer to the last one is shown.
let explained = null, explanations = 0;

function openExplanation(file, row, face, facesMode) {
  explained = { file, face, facesMode };
  byId("explain-emotion").value = row.emotion;
  byId("explain").showModal();
  showExplanation();
}

async function showExplanation() {
  const { file, face, facesMode } = explained, image = byId("explain-image");
  const method = byId("explain-method").value, emotion = byId("explain-emotion").value;
  const query = new URLSearchParams({ face, method, emotion, faces: facesMode });
  const request = explanations += 1;
  byId("explain-state").textContent = "Working…";
  URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.alt = "";
  try {
    const picture = await (await post(`api/explain?${query}`, form(file))).blob();
    if (request !== explanations) return;
    image.src = URL.createObjectURL(picture);
    image.alt = `The face with the places that speak for ${emotion}`;
    byId("explain-state").textContent = `What speaks for ${emotion}.`;
  } catch (error) {
    if (request === explanations) byId("explain-state").textContent = error.message;
  }
}

// ---- Camera ----------------------------------------------------------------------------------

// `starts` counts starts and stops: a stream that the browser gives after a later one is not used.
let camera = null, starts = 0;

const endTracks = (stream) => stream.getTracks().forEach((track) => track.stop());

async function startCamera() {
  if (!navigator.mediaDevices) {
    say("Browsers give a camera only to https and to this machine (localhost).", true);
    return;
  }
  const start = starts += 1, video = byId("camera-video");
  byId("camera-start").disabled = true;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: CAMERA_WIDTH } }, audio: false });
    if (start !== starts || byId("panel-camera").hidden) {
      endTracks(stream);
      return;
    }
    video.srcObject = camera = stream;
    await video.play();
  } catch (error) {
    if (start !== starts) return;
    stopCamera();
    say(`There is no camera, or it was not allowed (${error.name}).`, true);
    return;
  } finally {
    byId("camera-start").disabled = false;
  }
  if (start !== starts) return;
  foldNotice();
  byId("camera-start").hidden = true;
  byId("camera-stop").hidden = byId("camera-result").hidden = false;
  say("The camera runs.");
  followCamera(camera, video);
}

function stopCamera() {
  starts += 1;
  if (!camera) return;
  endTracks(camera);
  camera = null;
  byId("camera-video").srcObject = null;
  byId("camera-start").hidden = false;
  byId("camera-stop").hidden = byId("camera-result").hidden = true;
  byId("camera-speed").textContent = "";
  say("The camera is off.");
}

// Sends one frame at a time: the next frame is taken after the answer to the previous one. The page
// shows the answered frame, not a later one, so that the boxes are at their faces.
async function followCamera(stream, video) {
  const canvas = document.createElement("canvas"), paint = canvas.getContext("2d"), shown = byId("camera-frame");
  const overlay = document.querySelector("#camera-result .boxes"), list = byId("camera-faces");
  while (camera === stream) {
    const scale = Math.min(1, CAMERA_WIDTH / video.videoWidth), begun = performance.now();
    canvas.width = Math.round(scale * video.videoWidth);
    canvas.height = Math.round(scale * video.videoHeight);
    paint.drawImage(video, 0, 0, canvas.width, canvas.height);
    const frame = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    if (camera !== stream) return;
    try {
      const answer = await (await post("api/faces?faces=crop&view=camera&name=frame", frame, { headers: { "Content-Type": "image/jpeg" } })).json();
      if (camera !== stream) return;
      const rows = answer.rows.filter((row) => row.status === "read");
      shown.width = canvas.width;
      shown.height = canvas.height;
      shown.getContext("2d").drawImage(canvas, 0, 0);
      drawBoxes(overlay, answer.width, answer.height, rows, { mirrored: true });
      list.replaceChildren(...rows.slice(0, OPEN_FACES).map((row, k) => facePanel(row, k, rows.length > 1, true, null)));
      if (!rows.length) list.append(element("p", { textContent: "No face is in view." }));
      byId("camera-speed").textContent = `${Math.round(performance.now() - begun)} ms a frame`;
    } catch (error) {
      if (camera !== stream) return;
      stopCamera();
      say(error.message, true);
      return;
    }
    await pause(Math.max(0, begun + FRAME - performance.now()) / 1000);
    // A hidden tab sends no frames.
    await new Promise((done) => requestAnimationFrame(done));
  }
}

// ---- Videos ----------------------------------------------------------------------------------

// The newest request for a video; null before the first one.
let videoRequest = null;

async function showVideo(file) {
  if (file.size > settings.upload_bytes) {
    say(`${file.name} is larger than ${settings.upload_bytes / 1e6} MB, the limit of this server.`, true);
    return;
  }
  foldNotice();
  if (videoRequest) videoRequest.abort();
  const request = videoRequest = new AbortController();
  byId("video-results").replaceChildren();
  byId("video-table").hidden = true;
  byId("video-progress").hidden = byId("video-cancel").hidden = false;
  say("The video is worked on…");
  try {
    const answer = await (await post("api/clip?format=both", form(file), { signal: request.signal })).json();
    if (videoRequest !== request) return;
    fillVideo(file, answer);
    byId("video-table").hidden = false;
    byId("video-table").onclick = () => save(new Blob([answer.table], { type: "text/csv" }), "persons.csv");
  } catch (error) {
    if (videoRequest !== request) return;
    say(error.name === "AbortError" ? "Cancelled." : error.message, error.name !== "AbortError");
  }
  byId("video-progress").hidden = byId("video-cancel").hidden = true;
}

function fillVideo(file, answer) {
  const persons = new Map();
  for (const row of answer.rows) {
    if (row.person === undefined) continue;
    if (!persons.has(row.person)) persons.set(row.person, []);
    persons.get(row.person).push(row);
  }
  const video = element("video", { src: URL.createObjectURL(file), controls: true, playsInline: true, muted: true });
  const overlay = shape("svg", { class: "boxes", "aria-hidden": "true", "pointer-events": "none" });
  const list = element("div", { className: "faces" }), cursors = [];
  const last = answer.rows.length ? answer.rows[answer.rows.length - 1].seconds : 0;
  const longest = [...persons.entries()].sort((a, b) => b[1].length - a[1].length).slice(0, 8);
  for (const [person, rows] of longest) {
    const [chart, cursor] = timeline(rows, last);
    cursors.push(cursor);
    list.append(element("section", { className: "face" }, element("h3", { textContent: `Person ${person + 1}: ${rows.length} frames` }), chart));
  }
  if (persons.size) list.append(legend());
  const result = element("article", { className: "result" }, element("h3", { textContent: file.name }),
    element("div", { className: "stage" }, video, overlay), list);
  const draw = () => {
    const now = video.currentTime;
    const row = answer.rows.reduce((best, each) => (each.seconds <= now + 0.005 ? each : best), answer.rows[0]);
    if (row) drawBoxes(overlay, answer.width, answer.height, answer.rows.filter((each) => each.frame === row.frame && each.left !== undefined));
    for (const cursor of cursors) { cursor.setAttribute("x1", now); cursor.setAttribute("x2", now); }
    if (!video.paused) requestAnimationFrame(draw);
  };
  for (const event of ["play", "seeked", "loadeddata"]) video.addEventListener(event, draw);
  byId("video-results").replaceChildren(result);
  say(`${answer.frames} frames, ${persons.size} ${persons.size === 1 ? "person" : "persons"}.`);
}

function timeline(rows, last) {
  const chart = shape("svg", { class: "timeline", viewBox: `0 0 ${last || 1} 1`, preserveAspectRatio: "none", role: "img" });
  const mean = (name) => rows.reduce((sum, row) => sum + row.probabilities[name], 0) / rows.length;
  const strongest = [...classes].sort((a, b) => mean(b) - mean(a)).slice(0, 3);
  chart.setAttribute("aria-label", `Over time; on average ${strongest.map((name) => `${name} ${percent(mean(name))}`).join(", ")}`);
  for (const name of classes) {
    const points = rows.map((row, k) => `${k ? "L" : "M"}${row.seconds} ${(0.97 - 0.94 * row.probabilities[name]).toFixed(4)}`);
    chart.append(shape("path", { d: points.join(""), stroke: settings.colours[name] }));
  }
  const cursor = shape("line", { x1: 0, x2: 0, y1: 0, y2: 1 });
  chart.append(cursor);
  return [chart, cursor];
}

function legend() {
  const list = element("ul", { className: "legend" });
  for (const name of classes) {
    const sample = shape("svg", { viewBox: "0 0 14 8", "aria-hidden": "true" }, shape("line", { x1: 0, x2: 14, y1: 4, y2: 4, stroke: settings.colours[name], "stroke-width": 3 }));
    list.append(element("li", {}, sample, name));
  }
  return list;
}

// ---- Tabs, drops, and the start ----------------------------------------------------------------

const tabs = [...document.querySelectorAll('[role="tab"]')];

function openTab(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id !== "tab-camera") stopCamera();
}

tabs.forEach((tab, k) => {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    const index = { ArrowRight: k + 1, ArrowLeft: k - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (index === undefined) return;
    event.preventDefault();
    const next = tabs[(index + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
});

for (const area of document.querySelectorAll(".drop")) {
  const take = area.dataset.drop === "video" ? (files) => showVideo(files[0]) : showPictures;
  const input = area.querySelector("input");
  input.addEventListener("change", () => { if (input.files.length) take([...input.files]); input.value = ""; });
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    if (!input.disabled && event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
  if (files.length && !byId("pictures").disabled) { openTab(byId("tab-pictures")); showPictures(files); }
});
byId("table").addEventListener("click", saveTables);
byId("clear").addEventListener("click", clearPictures);
byId("camera-start").addEventListener("click", startCamera);
byId("camera-stop").addEventListener("click", stopCamera);
byId("video-cancel").addEventListener("click", () => videoRequest && videoRequest.abort());
byId("explain-close").addEventListener("click", () => byId("explain").close());
for (const id of ["explain-method", "explain-emotion"]) byId(id).addEventListener("change", showExplanation);
window.addEventListener("pagehide", stopCamera);

async function waitUntilReady() {
  for (;;) {
    const ready = await fetch("ready").then((answer) => answer.ok, () => false);
    if (ready) break;
    await pause(0.5);
  }
  for (const id of ["pictures", "camera-start", "video"]) byId(id).disabled = false;
  say("Ready.");
}
waitUntilReady();
