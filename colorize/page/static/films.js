// A film: what there is of it in colour, played beside what it was. Its saturation and
// warmth are part of the file, so it is coloured again for others.

const element = (id) => document.getElementById(id);

let current, post, complain, told, base, pictured; // of page.js
let playing = ""; // what is played: id and version
const asked = new Map(); // saturation and warmth that were chosen, and not coloured yet

export function wireFilms(page) {
  ({ current, post, complain, told, base, pictured } = page);
  const film = element("film");
  element("play").addEventListener("click", () => {
    if (film.paused) film.play().catch((error) => complain(error.message));
    else film.pause();
  });
  for (const event of ["play", "pause", "ended"]) {
    film.addEventListener(event, () => {
      element("play").textContent = film.paused ? "Play" : "Pause";
    });
  }
  film.addEventListener("loadeddata", () => {
    const canvas = document.createElement("canvas");
    canvas.width = 160;
    canvas.height = Math.round(160 * film.videoHeight / film.videoWidth);
    canvas.getContext("2d").drawImage(film, 0, 0, canvas.width, canvas.height);
    pictured(playing.split(" ")[0], canvas);
  });
  film.addEventListener("timeupdate", showClock);
  film.addEventListener("loadedmetadata", () => {
    element("moment").max = film.duration || 1;
    showClock();
  });
  element("moment").addEventListener("input", (event) => {
    film.currentTime = Number(event.target.value);
  });
  element("sound").addEventListener("click", () => {
    film.muted = !film.muted;
    element("sound").textContent = film.muted ? "Sound on" : "Sound off";
  });
  element("film-split").addEventListener("input", (event) => {
    element("screen").style.setProperty("--split", `${event.target.value}%`);
  });
  element("colour-again").addEventListener("click", again);
}

function showClock() {
  const film = element("film");
  const clock = (seconds) => {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };
  element("clock").textContent =
    `${clock(film.currentTime)} of ${clock(film.duration || 0)}`;
  if (document.activeElement !== element("moment")) {
    element("moment").value = film.currentTime;
  }
}

/** What is happening to a film, in words; "" where that is not special to films. */
export function wordsOfFilm(photo, lasting) {
  if (photo.state !== "colouring") return "";
  const { frames, total } = photo.film;
  if (!frames) return "colouring …";
  const left = photo.seconds > 2 ? `, about ${lasting(photo.seconds)}` : "";
  return `frame ${frames} of ${total}${left}`;
}

/** Shows a film instead of a photo, or a photo instead of a film. */
export function showFilm(photo, words) {
  const isFilm = Boolean(photo.film);
  element("viewer").classList.toggle("of-film", isFilm);
  element("cinema").hidden = !isFilm;
  const film = element("film");
  const version = isFilm && photo.version ? `${photo.id} ${photo.version}` : "";
  if (version !== playing) {
    playing = version;
    film.pause();
    if (version) {
      film.src = `${base()}/photos/${photo.id}/player?version=${photo.version}`;
    } else {
      film.removeAttribute("src");
      film.load();
    }
  }
  if (!isFilm) {
    element("film-again").hidden = true;
    return;
  }
  element("screen").classList.toggle("empty", !version);
  element("screen").classList.toggle("wrong", photo.state === "failed");
  element("sound").hidden = !photo.film.sounds;
  element("film-controls").hidden = element("film-compared").hidden = !version;
  const pieces = version && !photo.film.whole ? "Pieces of it. The whole: " : "";
  element("film-waiting").textContent =
    photo.state === "ready" && !photo.reason ? "" : pieces + words(photo);
  showAgain(photo);
}

/** What was chosen for films, over what the server knows of it. */
export const keepAsked = (photo) => Object.assign(photo, asked.get(photo.id));

/** Chooses the saturation or warmth that a film is to be coloured with. */
export function askOfFilm(photo, what, value) {
  asked.set(photo.id, { ...asked.get(photo.id), [what]: value });
  keepAsked(photo);
  showAgain(photo);
}

/** Shows about how a film will look, and offers to colour it so. */
function showAgain(photo) {
  const { saturation, warmth } = photo.film;
  const same = photo.saturation === saturation && photo.warmth === warmth;
  element("film-again").hidden = same || photo.state !== "ready";
  element("film").style.filter =
    saturation > 0 && !same ? `saturate(${photo.saturation / saturation})` : "";
}

async function again() {
  const photo = current();
  const { id, saturation, warmth } = photo;
  try {
    const settings = { saturation, warmth, again: true };
    told(await (await post(`/photos/${id}/settings`, settings)).json());
    asked.delete(id);
  } catch (error) {
    complain(error.message);
  }
}
