// Another photo beside the one that is shown: its colours are taken where it shows the
// same kind of thing, and a click on it takes one for the place that is marked.

const element = (id) => document.getElementById(id);
const SIDE = 600; // pixels of its longer side, here

let ask, current, told, complain, picked; // of page.js and hints.js
let shown = null; // which one is drawn, "" for none
const filesOf = new Map(); // what was chosen here, by photo: it need not come back

export function wireReference(page) {
  ({ ask, current, told, complain, picked } = page);
  element("reference").addEventListener("change", (event) => {
    refer(event.target.files[0]);
    event.target.value = "";
  });
  element("beside").addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault(); // which says that it is no further photo
    refer(file);
  });
  element("no-reference").addEventListener("click", () => refer(null));
  element("reference-shown").addEventListener("click", pick);
}

async function refer(file) {
  const photo = current();
  const path = `/photos/${photo.id}/reference?name=${encodeURIComponent(file?.name ?? "")}`;
  try {
    const answer = await (await ask(path, { method: "POST", body: file })).json();
    filesOf.set(photo.id, file);
    shown = null; // or another file of the same name would not be drawn
    told(answer);
  } catch (error) {
    complain(error.message);
  }
}

export function showReference(photo, suggests) {
  element("beside").hidden = !suggests;
  element("no-reference").hidden = !photo.reference;
  const key = photo.reference && `${photo.id} ${photo.reference}`;
  if (shown === key) return;
  shown = key;
  element("reference-shown").hidden = true;
  if (key) draw(photo, key);
}

async function draw(photo, key) {
  const canvas = element("reference-shown");
  canvas.title = photo.reference;
  try {
    const file = filesOf.get(photo.id)
      ?? await (await ask(`/photos/${photo.id}/reference`)).blob();
    const bitmap = await createImageBitmap(file);
    if (shown !== key) return;
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    canvas.width = Math.max(1, Math.round(scale * bitmap.width));
    canvas.height = Math.max(1, Math.round(scale * bitmap.height));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    canvas.hidden = false;
  } catch { /* not a file that this browser shows */ }
}

function pick(event) {
  const canvas = element("reference-shown");
  const box = canvas.getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left) / box.width * canvas.width);
  const y = Math.floor((event.clientY - box.top) / box.height * canvas.height);
  const { data } = canvas.getContext("2d").getImageData(x, y, 1, 1);
  picked(`#${[...data.slice(0, 3)].map((v) => v.toString(16).padStart(2, "0")).join("")}`);
}
