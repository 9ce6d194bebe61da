// What the person knows of the colours: dots on the photo, colours to choose from, undo,
// and other colourings. The server colours the photo again and answers when it is done.

import { abOf, hexOf } from "/paint.js";
import { setSplit, shareAt } from "/zoom.js";

const element = (id) => document.getElementById(id);
const NEAR = 5; // pixels that a click may move by
const STEP = 0.01; // of the width, by an arrow key

let ask, post, current, told, complain, base, levelAt; // of page.js
let selected = -1; // the dot whose colour is chosen
let place = null; // a place without a colour yet: {x, y}
const past = new Map(), future = new Map(); // what was told before, by photo
const unsent = new Map(); // points and colourings that the server does not know yet
let sending = null; // promised: that the server knows all of them
let travels = Promise.resolve(); // turns, crops, undo and redo, one after the other
let asking = 0; // a timer
let questions = 0; // about likely colours: only the last one's answer counts

export function wireHints(page) {
  ({ ask, post, current, told, complain, base, levelAt } = page);
  wirePalette();
  element("point").addEventListener("click", () => {
    begin({ x: 0.5, y: 0.5 });
    element("dots").lastElementChild.focus();
  });
  element("undo").addEventListener("click", () => travel(past, future));
  element("redo").addEventListener("click", () => travel(future, past));
  element("reset").addEventListener("click", () => tell({ points: [], colouring: 0 }));
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) travel(future, past);
    else travel(past, future);
  });
}

// Places of points are those in the frame, so it is remembered with them.
const state = ({ points, colouring, turned, box }) => ({ points, colouring, turned, box });
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const sameFrame = (one, other) => same([one.turned, one.box], [other.turned, other.box]);
const stack = (stacks, photo) => {
  if (!stacks.has(photo.id)) stacks.set(photo.id, []);
  return stacks.get(photo.id);
};

/** Tells the server what has changed, and remembers how it was. */
function tell(changes) {
  const photo = current();
  if (!photo) return;
  const waiting = unsent.get(photo.id);
  if (waiting && !sameFrame(waiting, photo)) { // which these colours would replace
    return complain("The colour told before is on its way; try again in a moment.");
  }
  stack(past, photo).push(state(photo));
  future.delete(photo.id);
  change(photo, changes);
}

/** Turns or crops a photo, which is undone like colours. */
export function reframe(photo, changes) {
  const reframed = travels.then(() => frame(photo, changes));
  travels = reframed.catch(() => {}); // whoever asked for it is told
  return reframed;
}

async function frame(pressed, changes) {
  const photo = current()?.id === pressed.id ? current() : pressed; // as it is by now
  const before = state(photo);
  await send(); // what was told before is meant for the frame from before
  const answer = await (await post(`/photos/${photo.id}/frame`, changes)).json();
  const steps = stack(past, photo);
  if (!same(before, steps.at(-1))) steps.push(before); // else a colour told meanwhile has
  future.delete(photo.id);
  told(answer);
}

function travel(from, to) {
  travels = travels.then(() => step(from, to)).catch((error) => complain(error.message));
}

/** Goes one step back or forth, to the frame of then and what was told in it. */
async function step(from, to) {
  const photo = current();
  const before = photo && stack(from, photo).pop();
  if (!before) return;
  const now = state(photo);
  stack(to, photo).push(now);
  selected = -1;
  place = null;
  if (sameFrame(now, before)) return change(photo, before);
  if (element("stage").classList.contains("framing")) element("cancel-frames").click();
  const turn = (4 + before.turned - now.turned) % 4;
  let answer;
  try {
    await send();
    answer = await (await post(`/photos/${photo.id}/frame`, { turn, box: before.box })).json();
  } catch (error) {
    stack(to, photo).pop();
    stack(from, photo).push(before);
    showHints();
    throw error;
  }
  told(answer);
  // Its hints came with it, unless others were told or the frame could not be had.
  if (!sameFrame(answer, before) || same(state(answer), before)) return;
  change(answer, before);
}

function change(photo, { points = photo.points, colouring = photo.colouring }) {
  Object.assign(photo, { points, colouring });
  unsent.set(photo.id, state(photo)); // which may be turned before the server knows
  showHints();
  send();
}

/** Sends the latest of each photo; what changes meanwhile is sent next. */
function send() {
  sending ??= sendAll().finally(() => { sending = null; });
  return sending;
}

async function sendAll() {
  while (unsent.size) {
    const [[id, body]] = unsent;
    try {
      const answer = await (await post(`/photos/${id}/hints`, body)).json();
      if (unsent.get(id) !== body) continue;
      unsent.delete(id);
      told(answer);
    } catch (error) {
      if (unsent.get(id) === body) unsent.delete(id);
      complain(error.message);
    }
  }
}

/** What the server does not know yet is not taken back. */
export function keepUnsent(photo) {
  const waiting = unsent.get(photo.id);
  if (waiting && sameFrame(photo, waiting)) Object.assign(photo, waiting);
  return photo;
}

// -- The photo

/** A click on the photo: the colour of a place, or the divider's, if none is told. */
export function tellAt(event) {
  const [x, y] = shareAt(event);
  if (element("tell").hidden) setSplit(100 * x);
  else begin({ x: round(x), y: round(y) });
}

const round = (share) => Math.round(1e4 * share) / 1e4;

/** A new place: nothing is told before a colour is chosen. */
function begin(there) {
  place = there;
  selected = -1;
  showHints();
  suggest(there);
  element("palette").scrollIntoView({ block: "nearest" });
}

function choose(index) {
  place = null;
  selected = index;
  showHints();
  suggest(current().points[index]);
}

/** Which colours are likely there; the likeliest first. */
async function suggest({ x, y }) {
  const photo = current();
  const asked = ++questions;
  const swatches = element("swatches");
  swatches.replaceChildren();
  try {
    const answer = await ask(`/photos/${photo.id}/likely?x=${x}&y=${y}`);
    const { colours } = await answer.json();
    if (asked !== questions) return; // another place was asked about meanwhile
    swatches.replaceChildren(...colours.map((colour, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "swatch";
      button.style.background = colour;
      button.setAttribute("aria-label", `Likely colour ${index + 1}: ${colour}`);
      button.addEventListener("click", () => setColour(colour));
      return button;
    }));
  } catch (error) {
    complain(error.message);
  }
}

function setColour(colour) {
  const photo = current();
  const points = photo.points.map((point) => ({ ...point }));
  if (place) {
    points.push({ ...place, color: colour });
    selected = points.length - 1;
    place = null;
  } else if (points[selected]) {
    points[selected].color = colour;
  } else {
    return;
  }
  tell({ points });
}

/** Gives the marked place the hue and chroma of any colour, at its own lightness. */
export function pickColour(colour) {
  setColour(hexOf(level(), ...abOf(colour)));
}

function forget() {
  if (place) {
    place = null;
    return showHints();
  }
  const points = current().points.filter((_, index) => index !== selected);
  selected = -1;
  tell({ points });
}

/** Moves a dot; one without a colour yet is told to nobody. */
function move(index, x, y) {
  const points = current().points.map((point) => ({ ...point }));
  const inside = (share) => round(Math.min(1, Math.max(0, share)));
  if (index === points.length) {
    place = { x: inside(x), y: inside(y) };
    showHints();
    clearTimeout(asking);
    asking = setTimeout(() => place && suggest(place), 200);
    return;
  }
  Object.assign(points[index], { x: inside(x), y: inside(y) });
  selected = index;
  tell({ points });
}

function newDot(point, index) {
  const dot = document.createElement("button");
  dot.type = "button";
  dot.className = "dot";
  dot.style.left = `${100 * point.x}%`;
  dot.style.top = `${100 * point.y}%`;
  dot.style.background = point.color ?? "transparent";
  dot.classList.toggle("chosen", index === selected);
  const where = `${Math.round(100 * point.x)} % from the left, `
    + `${Math.round(100 * point.y)} % from the top`;
  dot.setAttribute("aria-label", point.color
    ? `Colour ${index + 1}, ${point.color}, ${where}` : `No colour yet, ${where}`);
  dot.addEventListener("keydown", (event) => {
    const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
      ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (across || down) {
      event.preventDefault();
      const step = event.shiftKey ? 5 * STEP : STEP;
      move(index, point.x + step * across, point.y + step * down);
      element("dots").children[index]?.focus();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (point.color) selected = index;
      forget();
    }
  });
  if (!point.color) return dot;
  let box = null;
  dot.addEventListener("pointerdown", (event) => {
    box = element("view").getBoundingClientRect();
    dot.setPointerCapture(event.pointerId);
  });
  dot.addEventListener("pointermove", (event) => {
    if (!box) return;
    dot.style.left = `${100 * (event.clientX - box.left) / box.width}%`;
    dot.style.top = `${100 * (event.clientY - box.top) / box.height}%`;
  });
  dot.addEventListener("pointercancel", () => {
    box = null;
    showHints();
  });
  dot.addEventListener("pointerup", (event) => {
    if (!box) return;
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    const far = Math.hypot((x - point.x) * box.width, (y - point.y) * box.height);
    box = null;
    if (far > NEAR) move(index, x, y);
  });
  dot.addEventListener("click", () => { if (selected !== index) choose(index); });
  return dot;
}

// -- The colours to choose from

function wirePalette() {
  const slide = () => setColour(hexOf(level(), ...polar()));
  for (const id of ["hue", "strength"]) {
    element(id).addEventListener("input", showGradients);
    element(id).addEventListener("change", slide);
  }
  element("forget").addEventListener("click", forget);
  element("pick").hidden = !window.EyeDropper;
  element("pick").addEventListener("click", async () => {
    try {
      pickColour((await new window.EyeDropper().open()).sRGBHex);
    } catch { /* nothing was picked */ }
  });
}

/** The grey level under the dot that is chosen. */
const level = () => {
  const point = place ?? current()?.points[selected];
  return point ? levelAt(point.x, point.y) : 128;
};

function polar() {
  const angle = Number(element("hue").value) * Math.PI / 180;
  const strength = Number(element("strength").value);
  return [strength * Math.cos(angle), strength * Math.sin(angle)];
}

/** The sliders show colours of that lightness and no others. */
function showGradients() {
  const grey = level();
  const strength = Math.max(15, Number(element("strength").value));
  const around = Array.from({ length: 25 }, (_, i) => {
    const angle = i * Math.PI / 12;
    return hexOf(grey, strength * Math.cos(angle), strength * Math.sin(angle));
  });
  const angle = Number(element("hue").value) * Math.PI / 180;
  const along = Array.from({ length: 9 }, (_, i) =>
    hexOf(grey, 12.5 * i * Math.cos(angle), 12.5 * i * Math.sin(angle)));
  element("hue").style.background = `linear-gradient(90deg, ${around})`;
  element("strength").style.background = `linear-gradient(90deg, ${along})`;
}

export function showHints(takesHints, colourings) {
  const photo = current();
  if (takesHints !== undefined) {
    element("tell").hidden = !takesHints;
    element("colourings").hidden = colourings < 2;
    fillColourings(colourings);
  }
  if (!photo) return;
  if (shownPhoto !== photo.id) {
    shownPhoto = photo.id;
    selected = -1;
    place = null;
  }
  const points = place ? [...photo.points, place] : photo.points;
  const text = JSON.stringify([points, selected]);
  if (element("dots").dataset.shown !== text) {
    element("dots").dataset.shown = text;
    element("dots").replaceChildren(...points.map(newDot));
  }
  const active = place !== null || selected >= 0;
  element("palette").hidden = !active;
  element("tell-help").hidden = active;
  const colour = photo.points[selected]?.color;
  if (active && element("palette").dataset.colour !== `${text}${colour}`) {
    element("palette").dataset.colour = `${text}${colour}`;
    if (colour) {
      const [a, b] = abOf(colour);
      element("hue").value = (Math.atan2(b, a) * 180 / Math.PI + 360) % 360;
      element("strength").value = Math.hypot(a, b);
    }
    showGradients();
  }
  for (const button of element("colourings").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.value) === photo.colouring));
  }
  element("undo").disabled = !stack(past, photo).length;
  element("redo").disabled = !stack(future, photo).length;
  element("reset").disabled = !photo.points.length && !photo.colouring;
  element("hints-file").hidden = !photo.points.length;
  element("hints-file").href = base() + `/photos/${photo.id}/hints`;
}
let shownPhoto = null;

function fillColourings(count) {
  const group = element("colourings");
  if (group.querySelectorAll("button").length === count) return;
  for (let number = 0; number < count; number++) {
    const button = document.createElement("button");
    button.type = "button";
    button.value = number;
    button.textContent = number + 1;
    button.setAttribute("aria-label", `Colouring ${number + 1} of ${count}`);
    button.addEventListener("click", () => tell({ colouring: number }));
    group.append(button);
  }
}
