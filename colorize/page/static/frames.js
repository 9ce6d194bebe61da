// Which part of the photo counts: turned by quarters, cropped, or, of an album's page, cut
// into one photo each. Frames are found by the server and mended by hand.

import { reframe } from "/hints.js";

const element = (id) => document.getElementById(id);
const LEAST = 0.02; // of a side of the photo, of a frame
const STEP = 0.01; // of a side, by an arrow key
const CORNERS = [["left", "top"], ["right", "top"], ["right", "bottom"], ["left", "bottom"]];
const SIDES = ["left", "top", "right", "bottom"];

let post, ask, current, added, complain; // of page.js
let framing = null; // id of the photo whose frames are being chosen
let frames = []; // [left, top, right, bottom] each

export function wireFrames(page) {
  ({ post, ask, current, added, complain } = page);
  element("turn-left").addEventListener("click", () => change({ turn: 3 }));
  element("turn-right").addEventListener("click", () => change({ turn: 1 }));
  element("whole").addEventListener("click", () => change({ box: null }));
  element("crop").addEventListener("click", begin);
  element("add-frame").addEventListener("click", () => {
    frames.push([0.3, 0.3, 0.7, 0.7]);
    draw();
    element("frames").lastElementChild.focus();
  });
  element("use-frames").addEventListener("click", use);
  element("cancel-frames").addEventListener("click", end);
}

export function showFrames(photo) {
  if (framing !== null && framing !== photo.id) end();
  element("whole").hidden = !photo.box;
  element("crop").disabled = photo.pages > 1;
}

async function change(changes) {
  const photo = current();
  end();
  try {
    await reframe(photo, changes);
  } catch (error) {
    complain(error.message);
  }
}

async function begin() {
  const photo = current();
  try {
    if (photo.box) await change({ box: null });
    const { boxes } = await (await ask(`/photos/${photo.id}/album`)).json();
    if (current()?.id !== photo.id) return;
    framing = photo.id;
    frames = boxes.length ? boxes : [[0.05, 0.05, 0.95, 0.95]];
    draw();
    element("frames").firstElementChild.focus();
  } catch (error) {
    complain(error.message);
  }
}

function end() {
  framing = null;
  frames = [];
  draw();
}

async function use() {
  const photo = current();
  const boxes = frames;
  if (boxes.length === 1) return change({ box: boxes[0] });
  end();
  try {
    const { photos } = await (await post(`/photos/${photo.id}/split`, { boxes })).json();
    added(photos);
  } catch (error) {
    complain(error.message);
  }
}

function draw() {
  element("framing").hidden = framing === null;
  element("stage").classList.toggle("framing", framing !== null);
  element("frames").replaceChildren(...frames.map(newFrame));
  element("use-frames").disabled = !frames.length;
  element("use-frames").textContent =
    frames.length > 1 ? `Make ${frames.length} photos of it` : "Crop to the frame";
}

function newFrame(box, index) {
  const frame = document.createElement("div");
  frame.className = "frame";
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `Frame ${index + 1} of ${frames.length}. Arrows move it,`
    + " with Shift its lower right corner; Delete removes it.");
  for (const corner of CORNERS) {
    const handle = document.createElement("span");
    handle.className = `handle ${corner.join("-")}`;
    wireDrag(handle, index, corner);
    frame.append(handle);
  }
  wireDrag(frame, index, SIDES);
  frame.addEventListener("keydown", (event) => frameKey(event, index));
  lay(frame, box);
  return frame;
}

function lay(frame, [left, top, right, bottom]) {
  frame.style.left = `${100 * left}%`;
  frame.style.top = `${100 * top}%`;
  frame.style.width = `${100 * (right - left)}%`;
  frame.style.height = `${100 * (bottom - top)}%`;
}

/** A box whose sides are moved, within the photo, and never less than a little large. */
function moved(box, sides, x, y) {
  const next = box.map((share, i) => sides.includes(SIDES[i]) ? share + (i % 2 ? y : x) : share);
  for (const [low, high] of [[0, 2], [1, 3]]) {
    const whole = sides.includes(SIDES[low]) && sides.includes(SIDES[high]);
    const length = box[high] - box[low];
    if (whole) {
      next[low] = Math.min(1 - length, Math.max(0, next[low]));
      next[high] = next[low] + length;
    } else if (sides.includes(SIDES[low])) {
      next[low] = Math.min(next[high] - LEAST, Math.max(0, next[low]));
    } else {
      next[high] = Math.max(next[low] + LEAST, Math.min(1, next[high]));
    }
  }
  return next.map((share) => Math.min(1, Math.max(0, share)));
}

function wireDrag(handle, index, sides) {
  let from = null;
  handle.addEventListener("pointerdown", (event) => {
    if (event.button || event.target !== handle) return;
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
    from = { x: event.clientX, y: event.clientY, box: frames[index] };
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from) return;
    const { width, height } = element("view").getBoundingClientRect();
    const across = (event.clientX - from.x) / width;
    const down = (event.clientY - from.y) / height;
    frames[index] = moved(from.box, sides, across, down);
    lay(element("frames").children[index], frames[index]);
  });
  for (const type of ["pointerup", "pointercancel"]) {
    handle.addEventListener(type, () => { from = null; });
  }
}

function frameKey(event, index) {
  const [x, y] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP],
    ArrowDown: [0, STEP] }[event.key] ?? [0, 0];
  if (x || y) {
    frames[index] = moved(frames[index], event.shiftKey ? ["right", "bottom"] : SIDES, x, y);
    lay(element("frames").children[index], frames[index]);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    frames.splice(index, 1);
    draw();
    (element("frames").children[index] ?? element("frames").lastElementChild
      ?? element("add-frame")).focus();
  } else if (event.key === "Escape") {
    end();
    element("crop").focus();
  } else return;
  event.preventDefault();
}
