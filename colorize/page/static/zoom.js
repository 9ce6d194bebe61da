// The photo seen closely: zoom and pan by wheel, fingers, keys and buttons, the divider
// between before and after, and the parts of the photo that the screen can show sharper.

import { paint, paintOriginal, unpack } from "/paint.js";

const element = (id) => document.getElementById(id);
const NEAR = 5; // pixels that a click may move by
const HANDLE = 22; // pixels around the divider that it is dragged by, when zoomed
const STEP = 1.5; // of one press or key
const CLOSEST = 8; // screen pixels for a pixel of the photo, and times the whole
const REST = 150; // milliseconds without a movement, after which a part is asked for

let current, ask, clicked, complain; // of page.js and hints.js
let scale = 1, left = 0, top = 0; // of the photo in the stage: times, and pixels
let part = null; // a sharper part that is shown: {id, version, box, preview}
let looking = null; // the photo that is looked at
let resting = 0;
let questions = 0;

export function wireZoom(page) {
  ({ current, ask, clicked, complain } = page);
  wirePointers();
  const stage = element("stage");
  stage.addEventListener("wheel", (event) => {
    if (isEmpty()) return;
    event.preventDefault();
    const lines = event.deltaMode ? 30 : 1;
    zoomBy(2 ** (-lines * event.deltaY / (event.ctrlKey ? 100 : 300)), at(event));
  }, { passive: false });
  element("smaller").addEventListener("click", () => zoomBy(1 / STEP));
  element("larger").addEventListener("click", () => zoomBy(STEP));
  element("fit").addEventListener("click", () => zoomBy(1 / scale));
  element("one-to-one").addEventListener("click", () => zoomBy(exact() / scale));
  element("split").addEventListener("input", place);
  addEventListener("keydown", key);
  new ResizeObserver(() => zoomBy(1)).observe(stage);
  place();
}

const isEmpty = () => /\b(empty|grey)\b/.test(element("stage").className);
const stageBox = () => element("stage").getBoundingClientRect();

function at(event) {
  const box = stageBox();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** The share of the photo that is under a pointer. */
export function shareAt(event) {
  const box = element("view").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    .map((value) => Math.min(1, Math.max(0, value)));
}

/** How many times the whole a photo is at a pixel for a pixel of the screen. */
function exact() {
  const wide = element("view").offsetWidth * devicePixelRatio;
  return wide ? (current()?.width || wide) / wide : 1;
}

function key(event) {
  const busy = event.target.closest?.("input, .dot, .frame, #photos") || isEmpty();
  if (busy || !current() || event.ctrlKey || event.metaKey || event.altKey) return;
  const pan = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1],
    ArrowDown: [0, -1] }[event.key];
  if (pan && scale > 1) {
    const { width, height } = stageBox();
    moveBy(pan[0] * width / 8, pan[1] * height / 8);
  } else if (event.key === "+" || event.key === "=") zoomBy(STEP);
  else if (event.key === "-") zoomBy(1 / STEP);
  else if (event.key === "0") zoomBy(1 / scale);
  else if (event.key === "1") zoomBy(exact() / scale);
  else return;
  event.preventDefault();
}

/** Zooms about a place of the stage, which stays where it is; its middle, if none. */
function zoomBy(factor, about) {
  const { width, height } = stageBox();
  const [x, y] = about ?? [width / 2, height / 2];
  const next = Math.min(Math.max(1, scale * factor), CLOSEST * Math.max(1, exact()));
  const share = next / scale;
  scale = next;
  [left, top] = [x - share * (x - left), y - share * (y - top)];
  moveBy(0, 0);
}

function moveBy(x, y) {
  const { offsetWidth: width, offsetHeight: height } = element("view");
  left = Math.min(0, Math.max(left + x, width * (1 - scale)));
  top = Math.min(0, Math.max(top + y, height * (1 - scale)));
  place();
  clearTimeout(resting);
  resting = setTimeout(sharpen, REST);
}

export function setSplit(percent) {
  element("split").value = percent;
  place();
}

/** Puts the photo, and the divider, where they are to be. */
function place() {
  const stage = element("stage"), view = element("view"), split = element("split");
  view.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  view.style.setProperty("--scale", scale);
  stage.classList.toggle("zoomed", scale > 1);
  stage.style.setProperty("--split", `${split.value}%`);
  const width = view.offsetWidth || 1;
  const share = (split.value / 100 * width - left) / (scale * width);
  element("coloured").style.clipPath = `inset(0 0 0 ${100 * Math.max(0, share)}%)`;
  element("zoom-value").textContent = `${Math.round(100 * scale / exact())} %`;
  element("smaller").disabled = element("fit").disabled = scale <= 1;
  split.setAttribute(
    "aria-valuetext", `${split.value} % as it was, ${100 - split.value} % in colour`);
}

// -- Pointers

function wirePointers() {
  const stage = element("stage");
  const fingers = new Map(); // where each is
  let from = null; // of one that is down: {x, y, moved, dividing}
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("button")) return;
    fingers.set(event.pointerId, at(event));
    stage.setPointerCapture(event.pointerId);
    if (fingers.size > 1) {
      Object.assign(from ?? {}, { moved: true, dividing: false });
      return;
    }
    const [x, y] = at(event);
    const line = element("split").value / 100 * stageBox().width;
    const dividing = scale === 1 || Math.abs(x - line) < HANDLE;
    from = { x, y, moved: false, dividing };
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before || !from) return;
    const now = at(event);
    if (fingers.size > 1) {
      const [still] = [...fingers].filter(([id]) => id !== event.pointerId)[0].slice(1);
      const span = (place) => Math.hypot(place[0] - still[0], place[1] - still[1]);
      zoomBy(span(now) / Math.max(1, span(before)), still);
    } else {
      from.moved ||= Math.hypot(now[0] - from.x, now[1] - from.y) > NEAR;
      if (from.moved && from.dividing) setSplit(100 * now[0] / stageBox().width);
      else if (from.moved) moveBy(now[0] - before[0], now[1] - before[1]);
    }
    fingers.set(event.pointerId, now);
  });
  const up = (event) => {
    const wasThere = fingers.delete(event.pointerId);
    if (!wasThere || fingers.size) return;
    const still = from && !from.moved && event.type === "pointerup";
    from = null;
    const framing = stage.classList.contains("framing");
    if (still && !framing && !isEmpty()) clicked(event);
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
}

// -- Sharper parts

/** Begins anew with another photo; one that is coloured again is looked at as before. */
export function look(photo, painted) {
  element("zoom").hidden = !painted;
  const which = `${photo.id} ${photo.width} ${photo.height}`; // it may be turned, too
  if (looking !== which) {
    looking = which;
    [scale, left, top] = [1, 0, 0];
  }
  if (part && (part.id !== photo.id || part.version !== photo.version)) dropPart();
  if (painted) moveBy(0, 0);
}

function dropPart() {
  part = null;
  for (const id of ["before-part", "after-part"]) element(id).hidden = true;
}

async function sharpen() {
  const photo = current();
  const canvas = element("before");
  const wide = element("view").offsetWidth * scale * devicePixelRatio;
  const sharp = !photo || isEmpty() || canvas.width >= Math.min(wide, photo.width);
  const asked = ++questions;
  if (sharp) return dropPart();
  const box = visible();
  const width = Math.ceil((box[2] - box[0]) * wide);
  const key = `${photo.id} ${photo.version} ${box} ${width}`;
  if (part?.key === key) return;
  const query = ["left", "top", "right", "bottom"].map((name, i) => `${name}=${box[i]}`);
  try {
    const answer = await ask(`/photos/${photo.id}/part?${query.join("&")}&width=${width}`);
    const preview = unpack(await answer.arrayBuffer());
    if (asked !== questions || current()?.version !== photo.version) return;
    const exactly = answer.headers.get("x-box").split(" ").map(Number);
    part = { key, id: photo.id, version: photo.version, preview };
    for (const id of ["before-part", "after-part"]) {
      const { style } = element(id);
      element(id).hidden = false;
      style.left = `${100 * exactly[0]}%`;
      style.top = `${100 * exactly[1]}%`;
      style.width = `${100 * (exactly[2] - exactly[0])}%`;
      style.height = `${100 * (exactly[3] - exactly[1])}%`;
    }
    put(element("before-part"), preview, paintOriginal(preview));
    repaintPart(photo);
  } catch (error) {
    if (error.status !== 409 && error.status !== 404) complain(error.message);
  }
}

/** The part of the photo that is seen, as shares: left, top, right, bottom. */
function visible() {
  const { width, height } = stageBox();
  const view = element("view");
  const [wide, high] = [view.offsetWidth * scale, view.offsetHeight * scale];
  return [-left / wide, -top / high, (width - left) / wide, (height - top) / high]
    .map((share) => Math.min(1, Math.max(0, Math.round(1e5 * share) / 1e5)));
}

/** Paints the part again, at another saturation or warmth. */
export function repaintPart(photo) {
  if (part?.id === photo.id) {
    put(element("after-part"), part.preview, paint(part.preview, photo.saturation, photo.warmth));
  }
}

export function put(canvas, { width, height }, rgba) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
}
