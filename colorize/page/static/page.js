// The page: uploads photos, asks how they are getting on, paints and compares them.
// Names come from strangers' files: they are set as text, never as HTML.

import { askOfFilm, keepAsked, showFilm, wireFilms, wordsOfFilm } from "/films.js";
import { showFrames, wireFrames } from "/frames.js";
import { keepUnsent, pickColour, showHints, tellAt, wireHints } from "/hints.js";
import { paint, paintOriginal, unpack } from "/paint.js";
import { showReference, wireReference } from "/reference.js";
import { look, put, repaintPart, wireZoom } from "/zoom.js";

const BUSY = 400, IDLE = 3000; // milliseconds between questions
const element = (id) => document.getElementById(id);

let opened = null; // promised: a session, which uploads wait for
let base = ""; // of this page's addresses
let limits = {};
let photos = []; // as the server told last
let chosen = null; // id of the photo that is shown
let shown = null; // its preview: {id, version, preview}
let sending = []; // files that wait for their upload
const foldersOf = new WeakMap(); // the folders that files were dropped with
const filesOf = new Map(); // files whose photos wait, by id, to be shown grey
let uploading = false;
let ended = false;
const rows = new Map(); // what the list has of each photo, by id
const wanted = new Map(); // settings of photos that the server does not know yet
const saved = new Set(); // ids of photos that were downloaded

// -- Asking the server

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(base + path, options);
  } catch {
    throw new Error("The page cannot reach colorize. Was it closed? Start it again with:"
      + " colorize serve");
  }
  if (response.ok) return response;
  let reason = response.statusText;
  try {
    reason = (await response.json()).error ?? reason;
  } catch { /* not one of our own answers */ }
  const error = new Error(reason);
  error.status = response.status;
  throw error;
}

const post = (path, data) =>
  ask(path, { method: "POST", body: data === undefined ? null : JSON.stringify(data) });

function complain(text) {
  element("notice").textContent = text;
}

/** Whether anything can be pressed: not while there is nobody to answer. */
function offer(yes) {
  for (const id of ["drop", "work"]) element(id).inert = !yes;
}

function end(text) {
  ended = true;
  complain(text);
  for (const control of document.querySelectorAll("main button, main input")) {
    control.disabled = true;
  }
}

// -- Uploading

async function add(files) {
  complain("");
  sending.push(...files);
  if (uploading) return;
  uploading = true;
  await opened;
  const refused = [];
  let gone = 0; // photos of earlier visits, to make room
  while (sending.length && !ended) {
    const file = sending.shift();
    const large = file.size > limits.most_bytes;
    const query = `name=${encodeURIComponent(file.name)}&size=${file.size}`
      + `&folder=${encodeURIComponent(foldersOf.get(file) ?? "")}`;
    try {
      const options = { method: "POST", body: large ? null : file };
      const told = await (await ask(`/photos?${query}`, options)).json();
      merge(told);
      filesOf.set(told.id, file);
      gone += told.gone;
    } catch (error) {
      if (error.status === 410) end(error.message);
      refused.push(`${file.name}: ${error.message}`);
    }
    show();
  }
  uploading = false;
  if (refused.length && !ended) {
    const rest = refused.length > 5 ? `\nand ${refused.length - 5} more` : "";
    complain(`Not taken:\n${refused.slice(0, 5).join("\n")}${rest}`);
  } else if (gone) {
    complain(`To make room, ${gone} photos of earlier visits were removed.`);
  }
  show();
  soon();
}

/** Of a folder, what is a picture by its name; others are counted. */
async function addFolder(files) {
  await opened;
  if (ended) return;
  const visible = files.filter((file) => !file.name.startsWith("."));
  for (const file of visible) {
    const path = file.webkitRelativePath; // of a folder that was chosen
    if (path) foldersOf.set(file, path.split("/").slice(0, -1).join("/"));
  }
  const isRead = (name) => limits.suffixes.some((suffix) => name.endsWith(suffix));
  const pictures = visible.filter((file) => isRead(file.name.toLowerCase()));
  add(pictures);
  const others = visible.length - pictures.length;
  if (others) complain(`Left out, being no pictures or films by their names: ${others}`);
}

/** The files that were dropped, and those in dropped folders. */
async function dropped(items) {
  const files = [], folders = [];
  for (const item of items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) folders.push(entry);
    else files.push(item.getAsFile());
  }
  const inside = (await Promise.all(folders.map(filesIn))).flat();
  if (files.length) add(files);
  if (inside.length) addFolder(inside);
}

const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));

async function filesIn(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) { // it tells a hundred at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const entry of some) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory) {
        found.push(...await filesIn(entry));
        continue;
      }
      const file = await fileOf(entry);
      foldersOf.set(file, folder.fullPath.slice(1));
      found.push(file);
    }
  }
  return found;
}

// -- What is happening

function merge(told) {
  const place = photos.findIndex((photo) => photo.id === told.id);
  if (place < 0) photos.push(told);
  else if (told.version >= photos[place].version) photos[place] = keepUnsent(told); // else late
}

let timer = 0;
let asking = false;
let loading = true;
let able = {}; // what the network can do

async function poll() {
  if (ended || asking) return;
  asking = true;
  try {
    const state = await (await ask("")).json();
    // Settings that are on their way are not taken back.
    for (const photo of state.photos) Object.assign(photo, wanted.get(photo.id));
    photos = state.photos.map(keepUnsent).map(keepAsked);
    able = state;
    loading = state.loading;
    if (element("notice").dataset.away) {
      complain("");
      delete element("notice").dataset.away;
      offer(true);
    }
    show();
  } catch (error) {
    if (error.status === 410) {
      end(error.message);
    } else if (!ended) {
      complain(error.message);
      element("notice").dataset.away = "yes";
      offer(error.status !== undefined);
    }
  }
  asking = false;
  soon();
}

function soon() {
  clearTimeout(timer);
  const busy = loading || uploading || able.writing || photos.some(isWaiting);
  if (!ended) timer = setTimeout(poll, busy ? BUSY : IDLE);
}

const isWaiting = (photo) => ["queued", "reading", "colouring"].includes(photo.state);

function words(photo) {
  const ofFilm = photo.film && wordsOfFilm(photo, lasting);
  if (ofFilm) return ofFilm;
  switch (photo.state) {
    case "queued": {
      const place = photo.position ? `, number ${photo.position} in the queue` : "";
      const left = photo.seconds > 2 ? `, about ${lasting(photo.seconds)}` : "";
      return `waiting${place}${left}`;
    }
    case "reading": return "reading …";
    case "colouring": return "colouring …";
    case "failed": return `failed: ${photo.reason}`;
    case "left": return "in colour already: left as it is";
    default: return photo.reason ? `ready, but: ${photo.reason}` : "ready";
  }
}

const lasting = (seconds) =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} minutes`;

function show() {
  document.body.classList.toggle("working", photos.length > 0);
  element("work").hidden = !photos.length;
  const list = element("photos");
  const present = new Set(photos.map((photo) => photo.id));
  for (const [id, row] of rows) {
    if (present.has(id)) continue;
    row.item.remove();
    rows.delete(id);
    filesOf.delete(id);
  }
  for (const photo of photos) {
    if (!rows.has(photo.id)) {
      rows.set(photo.id, newRow(photo));
      list.append(rows.get(photo.id).item);
    }
    showRow(photo, rows.get(photo.id));
  }
  if (!present.has(chosen)) {
    chosen = (photos.find((photo) => photo.version) ?? photos[0])?.id ?? null;
  }
  showSummary();
  showViewer();
  remember();
}

function showSummary() {
  const ready = photos.filter((photo) => photo.state === "ready").length;
  const failed = photos.filter((photo) => photo.state === "failed").length;
  const left = photos.filter((photo) => photo.state === "left").length;
  const bar = element("progress");
  bar.max = Math.max(1, photos.length + sending.length);
  bar.value = ready + failed + left;
  element("all").disabled = ended || !ready;
  const parts = [];
  if (photos.length) parts.push(`${ready} of ${bar.max} ready`);
  if (failed) parts.push(`${failed} failed`);
  if (left) parts.push(`${left} in colour already`);
  if (able.writing) {
    const [done, all] = able.writing;
    bar.max = Math.max(1, all);
    bar.value = done;
    parts.push(`copy ${done} of ${all} written`);
  }
  const opening = loading ? "colorize is getting ready, which takes a few seconds." : "";
  say([parts.length ? `${parts.join(", ")}.` : "", opening].filter(Boolean).join(" "));
}

/** Tells what is new, also to who cannot see it. */
function say(text) {
  const status = element("status");
  if (status.textContent !== text) status.textContent = text;
}

// -- The list

function newRow(photo) {
  const item = document.createElement("li");
  const open = document.createElement("button");
  open.type = "button";
  open.className = "open";
  const thumbnail = document.createElement("span");
  thumbnail.className = "thumbnail";
  const about = document.createElement("span");
  about.className = "about";
  const title = document.createElement("span");
  title.className = "title";
  title.textContent = photo.name;
  title.title = photo.name;
  const state = document.createElement("span");
  state.className = "state";
  about.append(title, state);
  open.append(thumbnail, about);
  open.setAttribute("aria-keyshortcuts", "Delete");
  open.addEventListener("click", () => choose(photo.id));
  open.addEventListener("keydown", (event) => listKey(event, photo.id));
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "remove";
  remove.tabIndex = -1; // of the list, the chosen photo alone is a stop
  remove.textContent = "×";
  remove.setAttribute("aria-label", `Remove ${photo.name}`);
  remove.addEventListener("click", () => removePhoto(photo.id));
  item.append(open, remove);
  return { item, open, thumbnail, state, version: 0, preview: null };
}

function choose(id) {
  chosen = id;
  show();
  element("viewer").scrollIntoView({ block: "nearest" });
}

/** Within the list, arrows go from photo to photo. */
function listKey(event, id) {
  const place = photos.findIndex((photo) => photo.id === id);
  const next = { ArrowDown: place + 1, ArrowRight: place + 1, ArrowUp: place - 1,
    ArrowLeft: place - 1, Home: 0, End: photos.length - 1 }[event.key];
  if (event.key === "Delete") removePhoto(id);
  else if (photos[next]) {
    choose(photos[next].id);
    rows.get(photos[next].id).open.focus();
  } else if (next === undefined) return;
  event.preventDefault();
}

/** A photo that waits, grey, if the browser can read its file. */
async function greyOf(id, side) {
  const bitmap = await createImageBitmap(filesOf.get(id));
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  const context = canvas.getContext("2d");
  context.filter = "grayscale(1)";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

function showRow(photo, row) {
  row.item.className = isWaiting(photo) ? "busy" : photo.state;
  row.open.setAttribute("aria-current", String(photo.id === chosen));
  row.open.tabIndex = photo.id === chosen ? 0 : -1;
  if (!row.grey && !photo.version && filesOf.has(photo.id)) {
    row.grey = true;
    greyOf(photo.id, 160).then((canvas) => {
      if (!row.version) row.thumbnail.replaceChildren(canvas);
    }).catch(() => { /* it shows nothing until it is coloured */ });
  }
  const text = words(photo);
  if (row.state.textContent !== text) row.state.textContent = text;
  if (photo.film) row.thumbnail.classList.toggle("of-film", !row.thumbnail.firstChild);
  else if (photo.version > row.version) {
    row.version = photo.version;
    filesOf.delete(photo.id);
    fetchPreview(photo, "thumbnail").then((preview) => {
      row.preview = preview;
      const canvas = document.createElement("canvas");
      row.thumbnail.replaceChildren(canvas);
      paintThumbnail(photo.id);
    }).catch(() => { row.version = 0; }); // it is coloured again: ask anew
  }
}

function paintThumbnail(id) {
  const row = rows.get(id);
  const photo = photos.find((one) => one.id === id);
  const canvas = row?.thumbnail.querySelector("canvas");
  if (canvas && photo) put(canvas, row.preview, paint(row.preview, photo.saturation, photo.warmth));
}

async function removePhoto(id) {
  const place = photos.findIndex((photo) => photo.id === id);
  try {
    await post(`/photos/${id}/remove`);
  } catch (error) {
    if (error.status !== 404) return complain(error.message);
  }
  wanted.delete(id);
  photos = photos.filter((photo) => photo.id !== id);
  show();
  // The focus goes on to what took its place.
  const next = photos[Math.min(place, photos.length - 1)];
  (next ? rows.get(next.id).open : element("files")).focus();
}

async function removeAll() {
  const count = photos.length;
  if (!confirm(`Remove all ${count} photos, and what was chosen for them?`)) return;
  try {
    await post("/remove");
  } catch (error) {
    return complain(error.message);
  }
  wanted.clear();
  photos = [];
  show();
  element("files").focus();
}

// -- The photo that is shown

async function fetchPreview(photo, what) {
  const response = await ask(`/photos/${photo.id}/${what}?version=${photo.version}`);
  return unpack(await response.arrayBuffer());
}

const current = () => photos.find((photo) => photo.id === chosen);

function showViewer() {
  const photo = current();
  element("viewer").hidden = !photo;
  if (!photo) return;
  element("name").textContent = photo.name;
  const pages = photo.pages > 1 ? `, the first of ${photo.pages} pages` : "";
  element("facts").textContent = photo.version
    ? `${photo.width} × ${photo.height} pixels${pages}` : "";
  const stage = element("stage");
  const painted = shown?.id === photo.id;
  stage.classList.toggle("empty", !painted);
  stage.classList.toggle("grey", painted && !shown.preview);
  stage.classList.toggle("wrong", photo.state === "failed");
  const quiet = painted && shown.preview && photo.state === "ready" && !photo.reason;
  element("waiting").textContent = quiet ? "" : words(photo);
  element("controls").hidden = !photo.version;
  element("anyway").hidden = photo.state !== "left";
  for (const id of ["download", "share"]) {
    element(id).disabled = ended || photo.state !== "ready" || writing.has(photo.id);
  }
  element("download").textContent =
    writing.has(photo.id) ? "Writing the copy …" : "Download";
  element("warnings").replaceChildren(...photo.warnings.map((warning) => {
    const item = document.createElement("li");
    item.textContent = warning;
    return item;
  }));
  showSettings(photo);
  showFilm(photo, words);
  if (photo.film) return;
  showHints(able.takes_hints, able.colourings);
  look(photo, painted && shown.preview);
  showFrames(photo);
  showReference(photo, able.colourings > 1);
  if (!painted && !photo.version && filesOf.has(photo.id)) showGrey(photo);
  if (photo.version && (!painted || shown.version !== photo.version)) load(photo);
}

function showSettings(photo) {
  const values = { saturation: photo.saturation, warmth: photo.warmth, detail: photo.size };
  for (const [id, value] of Object.entries(values)) {
    const slider = element(id); // one that is being moved is left alone
    if (document.activeElement !== slider || shownSettings !== photo.id) slider.value = value;
    element(`${id}-value`).textContent =
      id === "detail" ? slider.value : Number(slider.value).toFixed(2);
  }
  shownSettings = photo.id;
}
let shownSettings = null;

async function showGrey(photo) {
  const key = `${photo.id} grey`;
  if (fetching === key) return;
  fetching = key;
  try {
    const canvas = await greyOf(photo.id, 1200);
    if (chosen !== photo.id || shown?.id === photo.id) return;
    shown = { id: photo.id, version: 0, preview: null };
    for (const id of ["before", "after"]) {
      Object.assign(element(id), { width: canvas.width, height: canvas.height });
      element(id).getContext("2d").drawImage(canvas, 0, 0);
    }
    showViewer();
  } catch { /* not a file that this browser shows */ }
}

let fetching = "";

async function load(photo) {
  const key = `${photo.id} ${photo.version}`;
  if (fetching === key) return;
  fetching = key;
  try {
    const preview = await fetchPreview(photo, "preview");
    if (chosen === photo.id) {
      shown = { id: photo.id, version: photo.version, preview };
      put(element("before"), preview, paintOriginal(preview));
      repaint();
      showViewer();
    }
  } catch (error) {
    if (error.status !== 409 && error.status !== 404) complain(error.message);
  }
  if (fetching === key) fetching = "";
}

function repaint() {
  const photo = current();
  if (photo && shown?.id === photo.id && shown.preview) {
    put(element("after"), shown.preview, paint(shown.preview, photo.saturation, photo.warmth));
    repaintPart(photo);
  }
}

// -- Settings

let frame = 0;
let later = 0;

/** Sets the saturation or warmth, which this page paints by itself. */
function tune(photo, what, value) {
  photo[what] = value;
  wanted.set(photo.id, { ...wanted.get(photo.id), [what]: value });
}

function sendLater(milliseconds) {
  clearTimeout(later);
  later = setTimeout(() => send().catch((error) => complain(error.message)), milliseconds);
}

/** Tells the server the settings that it does not know yet. */
async function send() {
  clearTimeout(later);
  for (const [id, settings] of [...wanted]) {
    try {
      const told = await (await post(`/photos/${id}/settings`, settings)).json();
      // Moved on meanwhile: that is sent next.
      if (wanted.get(id) === settings) {
        wanted.delete(id);
        if (photos.some((photo) => photo.id === id)) merge(told);
      }
    } catch (error) {
      wanted.delete(id);
      if (error.status !== 404) throw error;
    }
  }
  show();
  soon();
}

function wireSettings() {
  element("anyway").addEventListener("click", () => {
    const photo = current();
    wanted.set(photo.id, { ...wanted.get(photo.id), anyway: true });
    sendLater(0);
  });
  for (const what of ["saturation", "warmth"]) {
    element(what).addEventListener("input", (event) => {
      const photo = current();
      if (!photo) return;
      if (photo.film) {
        askOfFilm(photo, what, Number(event.target.value));
        element(`${what}-value`).textContent = photo[what].toFixed(2);
        return;
      }
      tune(photo, what, Number(event.target.value));
      element(`${what}-value`).textContent = photo[what].toFixed(2);
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        repaint();
        paintThumbnail(photo.id);
      });
      sendLater(300);
    });
  }
  element("detail").addEventListener("input", (event) => {
    element("detail-value").textContent = event.target.value;
  });
  element("detail").addEventListener("change", (event) => {
    const photo = current();
    if (!photo) return;
    const size = Number(event.target.value);
    photo.size = size;
    wanted.set(photo.id, { ...wanted.get(photo.id), size });
    sendLater(500); // arrow keys come one after the other
  });
  element("same").addEventListener("click", () => {
    const own = current();
    if (!own) return;
    for (const photo of photos) {
      if (photo.state === "failed" || photo.film) continue;
      const { saturation, warmth, size } = own;
      wanted.set(photo.id, { saturation, warmth, size });
      Object.assign(photo, wanted.get(photo.id));
      paintThumbnail(photo.id);
    }
    sendLater(0);
  });
  wireZoom({ ask, current, complain, clicked: tellAt });
  const told = (photo) => {
    merge(photo);
    show();
  };
  wireFilms({
    post, current, complain, told,
    base: () => base,
    pictured: (id, canvas) => rows.get(id)?.thumbnail.replaceChildren(canvas),
  });
  wireReference({ ask, current, complain, told, picked: pickColour });
  wireFrames({
    ask, post, current, complain,
    added: (parts) => {
      for (const part of parts) merge(part);
      chosen = parts[0].id;
      show();
      soon();
    },
  });
  wireHints({
    ask, post, current, complain,
    told,
    base: () => base,
    levelAt: (x, y) => {
      if (!shown?.preview) return 128;
      const { width, height, levels } = shown.preview;
      const column = Math.min(width - 1, Math.floor(x * width));
      return levels[Math.min(height - 1, Math.floor(y * height)) * width + column];
    },
  });
}

// -- Downloading

function save(path) {
  const link = document.createElement("a");
  link.href = base + path;
  link.download = "";
  link.click();
}

const writing = new Set(); // ids of photos whose copy is being written

/** Has the copy of the photo that is shown written, and does something with it. */
async function withCopy(use) {
  const photo = current();
  writing.add(photo.id);
  showViewer();
  try {
    await send();
    merge(await (await post(`/photos/${photo.id}/copy`)).json());
    await use(`/photos/${photo.id}/copy`);
    saved.add(photo.id);
  } catch (error) {
    if (error.name !== "AbortError") complain(`${photo.name}: ${error.message}`);
  }
  writing.delete(photo.id);
  show();
}

/** Hands a copy to another program, where the browser can. */
async function share(path) {
  const answer = await ask(path);
  const blob = await answer.blob();
  const named = /filename\*?=(?:utf-8'')?"?([^";]+)/i;
  const name = decodeURIComponent(
    named.exec(answer.headers.get("content-disposition"))[1]);
  const type = TYPES[name.split(".").pop().toLowerCase()] ?? blob.type;
  await navigator.share({ files: [new File([blob], name, { type })] });
}
const TYPES = { jpg: "image/jpeg", png: "image/png", webp: "image/webp", tif: "image/tiff" };

/** Whether this browser hands pictures to other programs. */
const canShare = () =>
  navigator.canShare?.({ files: [new File([], "photo.jpg", { type: "image/jpeg" })] });

async function downloadAll() {
  try {
    await send();
    save(`/photos.zip${element("report").checked ? "?report=1" : ""}`);
    setTimeout(poll, BUSY);
    for (const photo of photos) if (photo.state === "ready") saved.add(photo.id);
  } catch (error) {
    complain(error.message);
  }
}

// -- Beginning and ending

function wireDropping() {
  let depth = 0; // of elements that what is dragged has entered
  const marked = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragenter", () => marked(++depth > 0));
  addEventListener("dragleave", () => marked(--depth > 0));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    const taken = event.defaultPrevented; // by a part of the page
    event.preventDefault();
    depth = 0;
    marked(false);
    if (ended || taken) return;
    dropped(event.dataTransfer.items).catch(() => complain("This cannot be read."));
  });
  for (const [id, take] of [["files", add], ["folder", addFolder]]) {
    element(id).addEventListener("change", (event) => {
      take([...event.target.files]);
      event.target.value = ""; // so that the same file can be chosen again
    });
  }
}

// Whose photos these are: a secret that this browser has, and how many there were.
const KEY = "colorize";

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch { // forbidden, or not ours
    return {};
  }
}

function remember() {
  if (!limits.stays) return;
  try {
    const visit = { token: limits.token, photos: photos.length };
    localStorage.setItem(KEY, JSON.stringify(visit));
  } catch { /* forbidden: another tab will not find them */ }
}

async function openSession() {
  const before = remembered();
  try {
    const query = before.token ? `?token=${encodeURIComponent(before.token)}` : "";
    limits = await (await ask(`/api/sessions${query}`, { method: "POST" })).json();
    base = `/api/sessions/${limits.token}`;
  } catch (error) {
    return end(error.message);
  }
  if (limits.stays) {
    element("fate").textContent = "until you remove them";
    if (!limits.returned && before.photos) {
      complain("The photos of last time are no longer here: they were removed, or went"
        + " to make room for others.");
    }
  }
  element("files").accept = ["image/*", "video/*", ...limits.suffixes].join();
  [element("detail").min, element("detail").max] = limits.sizes;
  [element("saturation").min, element("saturation").max] = limits.saturations;
  element("limits").textContent += ` At most ${limits.most_photos} at a time, of`
    + ` ${Math.round(limits.most_bytes / 1e6)} MB each.`;
}

function begin() {
  opened = openSession();
  wireDropping();
  wireSettings();
  element("download").addEventListener("click", () => withCopy(save));
  element("all").addEventListener("click", downloadAll);
  element("share").addEventListener("click", () => withCopy(share));
  element("share").hidden = !canShare();
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length || ended) return;
    event.preventDefault();
    add(files);
  });
  element("empty").addEventListener("click", removeAll);
  addEventListener("beforeunload", (event) => {
    const unsaved = photos.some((p) => p.state === "ready" && !saved.has(p.id));
    const lost = !limits.stays && (unsaved || photos.some(isWaiting));
    if (!ended && (lost || uploading)) event.preventDefault();
  });
  addEventListener("pagehide", () => {
    if (base && !limits.stays) navigator.sendBeacon(`${base}/close`);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // it may have been closed meanwhile
  });
  opened.then(poll);
}

begin();
