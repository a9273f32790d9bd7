/** The page: who is logged in, which patient is open, and what the system's state is. */

import { forgetConversations } from "./chat.js";
import { forgetDictations, hasRecordings, pauseDictations } from "./dictation.js";
import { fill, h, icon } from "./dom.js";
import { forgetDrafts, hasUnsent, pauseDrafts, resumeDrafts } from "./drafts.js";
import { ROLE } from "./format.js";
import { connection, json } from "./http.js";
import { loginView } from "./login.js";
import { patientView } from "./patient.js";
import { patientList } from "./patients.js";
import { logOut, restore, session } from "./session.js";
import { status, watch } from "./status.js";
import { forgetUploads, hasUploads } from "./uploads.js";

const THEME = "prontuario.theme";
const LEARN_MS = 1500;
const UNSENT = "Há algo que ainda não foi guardado: uma nota, uma gravação ou um documento. Sair e apagar?";
const bar = document.getElementById("bar");
const main = document.getElementById("main");
const context = { offers: () => false, chatFields: new Set() };
let finder = null;
let open = null;
let login = null;

/** What this server can do: asked once, so that the client fits older and newer ones. */
async function learn() {
  const contract = await json("/openapi.json");
  context.offers = (path) => path in contract.paths;
  context.chatFields = new Set(Object.keys(contract.components?.schemas?.ChatRequest?.properties ?? {}));
}

function route() {
  if (!session()) return;
  const [, id, tab] = /^#\/patients\/([0-9a-f-]{36})(?:\/(\w+))?$/.exec(location.hash) ?? [];
  document.body.classList.toggle("has-patient", Boolean(id));
  finder?.select(id);
  const place = main.querySelector(".detail");
  if (!place) return;
  if (!id) {
    open?.close();
    open = null;
    document.title = "Prontuário";
    fill(place, h("p", { class: "empty" }, icon("search"), "Escolha um paciente."));
  } else if (open?.id === id) {
    open.goTo(tab);
  } else {
    open?.close();
    open = patientView(id, tab, context);
    fill(place, open.element);
    main.focus({ preventScroll: true });
  }
}

function showWard() {
  login = null;
  forgetDictations(false);
  forgetUploads(false);
  resumeDrafts();
  finder = patientList({ selected: () => open?.id });
  fill(main, h("div", { class: "ward" }, finder.element, h("div", { class: "detail" })));
  bar.hidden = false;
  drawBar();
  route();
}

function showLogin(reason) {
  open?.close();
  login?.close();
  [open, finder] = [null, null];
  forgetConversations();
  bar.hidden = true;
  document.body.classList.remove("has-patient");
  document.title = "Entrar · Prontuário";
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
  login = loginView({ offers: (path) => context.offers(path), then: showWard, reason });
  fill(main, login.element);
  main.querySelector("#username").focus();
}

/** Ended by the server, a session leaves its author's unsent words here; ended by the author, nothing. */
function sessionEnded() {
  pauseDrafts();
  pauseDictations();
  showLogin(isAnythingUnsent() ? "A sessão terminou. Entre de novo: o que você escreveu está guardado aqui." : "A sessão terminou. Entre de novo.");
}

const isAnythingUnsent = () => hasUnsent() || hasRecordings() || hasUploads();

function leave() {
  if (isAnythingUnsent() && !confirm(UNSENT)) return;
  forgetDrafts();
  open?.close();
  open = null;
  forgetDictations();
  forgetUploads();
  logOut();
  showLogin();
}

function drawBar() {
  const who = session()?.clinician;
  if (!who) return;
  const site = connection.site ?? status.site ?? "…";
  fill(bar,
    h("a", { class: "home", href: "#/" }, h("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Prontuário")),
    h("span", { class: "site", id: "site", data: { state: connection.online ? "online" : "away" }, title: "Servidor que respondeu por último" }, h("i", { "aria-hidden": "true" }), connection.online ? site : "sem resposta"),
    h("span", { class: "clinician" }, h("b", {}, who.name), h("small", {}, ROLE[who.role] ?? who.role)),
    h("button", { type: "button", class: "bare", "aria-label": "Mudar entre claro e escuro", onclick: switchTheme }, icon("theme")),
    h("button", { type: "button", class: "bare", id: "logout", "aria-label": "Sair", onclick: leave }, icon("out")));
}

/** Drawn anew only when it says something else: whoever has the focus in it keeps it. */
function updateBar() {
  const site = bar.querySelector(".site");
  if (!site || !session()) return;
  site.dataset.state = connection.online ? "online" : "away";
  site.lastChild.replaceWith(connection.online ? connection.site ?? status.site ?? "…" : "sem resposta");
}

function switchTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
}

const theme = localStorage.getItem(THEME);
if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
connection.addEventListener("unauthorized", sessionEnded);
for (const event of ["state", "site"]) connection.addEventListener(event, updateBar);
status.addEventListener("change", updateBar);
addEventListener("hashchange", route);
watch(document.getElementById("banner"));
// What the server can do decides what is drawn; a server that is away must not keep the page blank.
const learned = learn().then(() => true, () => false);
const inTime = await Promise.race([learned, new Promise((resolve) => { setTimeout(resolve, LEARN_MS, false); })]);
if (restore()) showWard(); else showLogin();
if (!inTime && await learned) {
  login?.show();
  if (session()) { open?.close(); open = null; route(); }
}
