// What the pages do beyond forms and links. Without it everything is still there, but uploads and what is live.

import { follow } from "./live.js";
import { upload, sendAgain } from "./upload.js";

const root = document.documentElement;
const body = document.body;

export function say(words) {
  document.getElementById("said").textContent = words;
}

function isDark() {
  const chosen = root.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function themeButton() {
  const button = document.getElementById("theme");
  const word = document.getElementById("theme-word");
  const tell = () => { word.textContent = isDark() ? "Light colours" : "Dark colours"; };
  button.hidden = false;
  button.removeAttribute("aria-label");
  tell();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("palisade-colours", root.dataset.theme); } catch { /* switched off */ }
    tell();
    document.dispatchEvent(new Event("palisade:colours"));
  });
}

// Questions are asked in a dialog; without scripts their link leads to a page.
async function ask(link) {
  const dialog = document.getElementById("ask");
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
  if (answer.headers.has("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect"));
  const part = document.getElementById("ask-body");
  part.innerHTML = await answer.text();
  window.htmx?.process(part);
  dialog.showModal();
}

body.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-ask]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    ask(link).catch(() => location.assign(link.href));
  }
  if (event.target.closest("dialog [data-close]")) {
    event.preventDefault();
    document.getElementById("ask").close();
  }
  const send = event.target.closest("[data-send]");
  if (send) sendAgain(send, send.dataset.send);
});

body.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-send-form]");
  if (!form) return;
  event.preventDefault();
  const choices = new URLSearchParams(new FormData(form));
  sendAgain(form, `${form.dataset.sendForm}&${choices}`);
});

body.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.submit();
  const place = event.target.closest("[data-upload]");
  if (place && event.target.type === "file") upload(place, place.dataset.upload);
});

// What an answer says is read out, and its first wrong field is gone to.
body.addEventListener("htmx:afterSwap", (event) => {
  const wrong = event.target.querySelector?.("[aria-invalid]") ?? document.querySelector("#config [aria-invalid], .command [aria-invalid]");
  if (wrong) wrong.focus();
});

// Lists of what happens: new rows at their end.
function tail(list) {
  const atTop = list.dataset.tailEnd === "top";
  const most = 500;
  const source = new EventSource(list.dataset.tail);
  source.addEventListener("row", (event) => {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.insertAdjacentHTML(atTop ? "afterbegin" : "beforeend", event.data);
    while (list.children.length > most) (atTop ? list.lastElementChild : list.firstElementChild).remove();
    list.parentElement.querySelector(".empty")?.remove();
    if (!atTop && isAtEnd) list.scrollTop = list.scrollHeight;
  });
  if (!atTop) list.scrollTop = list.scrollHeight;
}

// Pages that show how all plugins are: asked for again when something happened, once a second at most.
function keepFresh() {
  const source = new EventSource(`${body.dataset.at}/events/live`);
  let due = 0;
  source.addEventListener("row", () => {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      if (!document.hidden) window.htmx?.trigger(body, "refresh");
    }, 1000);
  });
}

themeButton();
document.querySelectorAll("[data-tail]").forEach(tail);
if (document.querySelector("[data-live]")) keepFresh();
const drain = document.getElementById("drain");
if (drain) follow(drain);
