// A poster of one's own: chosen, dropped anywhere on the page, or pasted. It is shown from memory and sent with each question.
import { announce, byId, h } from "./dom.js";
import { heatMap } from "./heat.js";
import { icon } from "./icons.js";
import { currentPoster, setPoster, subscribe } from "./store.js";

const TYPES = ["image/jpeg", "image/png", "image/webp"];

let address = null;
let shown = null;
let picture;

export function setUpUpload() {
  const file = byId("file");
  file.addEventListener("change", () => {
    if (file.files[0]) take(file.files[0]);
    file.value = "";
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files].find((item) => item.type.startsWith("image/"));
    if (!pasted) return;
    event.preventDefault();
    take(pasted);
  });
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!carriesFile(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  subscribe(show);
}

function take(file) {
  announce(`${file.name || "A picture"} is taken.`);
  setPoster(file);
}

function show() {
  const poster = currentPoster();
  if (poster === shown) return;
  shown = poster;
  if (address) URL.revokeObjectURL(address);
  address = null;
  const view = byId("poster-view");
  view.hidden = poster === null;
  byId("drop").classList.toggle("compact", poster !== null);
  if (poster === null) return view.replaceChildren();
  address = URL.createObjectURL(poster);
  const image = h("img", { src: address, alt: "The poster you chose" });
  image.addEventListener("error", () => picture.classList.add("unreadable"));
  picture = h("div", { class: "poster-picture" }, image);
  view.replaceChildren(
    picture,
    h("div", { class: "poster-side" }, h("p", { class: "poster-name" }, poster.name || "Pasted picture"), h("div", { id: "poster-reads" }), h("button", { type: "button", class: "linkish", on: { click: () => { setPoster(null); byId("file").focus(); } } }, icon("cross"), "Take it away")),
  );
  if (!TYPES.includes(poster.type)) announce("This may not be a picture the service can read.");
}

/** What the service read in the poster: a button for each genre that shows where. Nothing for an answer of another kind. */
export function showReading(query) {
  const place = byId("poster-reads");
  if (!place || !query?.genres) return;
  place.replaceChildren(heatMap(currentPoster(), picture, query.genres));
}
