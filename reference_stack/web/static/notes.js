/**
 * Notes: written, dictated, read. A note has one key from its first keystroke to the server's word
 * that it is stored, so that however often it is sent it is one note; the draft outlives a reload.
 */

import { dictation } from "./dictation.js";
import { fill, h, icon, say } from "./dom.js";
import { moment } from "./format.js";
import { ApiError, json, newKey, write } from "./http.js";
import { session } from "./session.js";

const MOST = 50;

export function notesPanel(patient, context) {
  const stored = `prontuario.draft.${patient.id}`;
  let draft = load(stored);
  const list = h("ol", { class: "notes", "aria-label": "Notas" });
  const state = h("p", { class: "state", role: "status", id: "note-state" });
  const box = h("textarea", { id: "note", rows: 5, "aria-label": "Nova nota", placeholder: "Escreva ou dite a evolução…", maxlength: 20000, value: draft.text });
  const save = h("button", { type: "submit", class: "primary", id: "save-note" }, "Guardar nota");
  const leaving = new AbortController();

  box.addEventListener("input", keep);
  function keep() {
    // Another text under the same key would be refused: once sent, a changed text is a new note.
    if (draft.sent && draft.text !== box.value) draft = { key: newKey(), sent: false };
    draft.text = box.value;
    sessionStorage.setItem(stored, JSON.stringify(draft));
  }

  function insert(text) {
    const at = box.selectionStart ?? box.value.length;
    const before = box.value.slice(0, at);
    box.setRangeText(before && !/\s$/.test(before) ? ` ${text}` : text, at, box.selectionEnd ?? at, "end");
    keep();
    box.focus();
  }

  async function submit(event) {
    event.preventDefault();
    keep();
    const text = draft.text.trim();
    if (!text) return;
    save.disabled = true;
    box.readOnly = true;
    Object.assign(draft, { sent: true, body: text });
    sessionStorage.setItem(stored, JSON.stringify(draft));
    tell("pending", "Guardando…");
    try {
      await write(`/v1/patients/${patient.id}/notes`, { text }, {
        key: draft.key,
        onWait: ({ tries }) => tell("pending", `O sistema não respondeu; enviando de novo (${tries + 1}ª vez). A nota está segura aqui.`),
      });
      draft = { key: newKey(), text: "", sent: false };
      box.value = "";
      sessionStorage.removeItem(stored);
      tell("stored", "Nota guardada.");
      await read();
    } catch (error) {
      if (session()) tell("failed", failure(error));
    } finally {
      save.disabled = false;
      box.readOnly = false;
    }
  }

  function tell(kind, text) {
    state.className = `state ${kind}`;
    fill(state, text);
    say(text);
  }

  async function read() {
    try {
      const { items } = await json(`/v1/patients/${patient.id}/notes?limit=${MOST}`, { signal: leaving.signal });
      fill(list, items.length ? items.map(entry) : [h("li", { class: "fine" }, "Nenhuma nota ainda.")]);
    } catch (error) {
      if (!leaving.signal.aborted) fill(list, h("li", { class: "problem" }, `As notas não abriram: ${error.message}`));
    }
  }

  read();
  const speech = dictation({ insert, context });
  return {
    element: h("div", { class: "note-panel" },
      h("form", { class: "note-form card", onsubmit: submit }, h("label", { for: "note", class: "visually-hidden" }, "Nova nota"), box,
        h("div", { class: "actions" }, speech.element, state, save)),
      list),
    close() { leaving.abort(); speech.close(); },
  };
}

function load(name) {
  try { const found = JSON.parse(sessionStorage.getItem(name)); if (found?.key) return found; } catch { /* no usable draft */ }
  return { key: newKey(), text: "", sent: false };
}

function failure(error) {
  if (!(error instanceof ApiError)) return "A nota não foi guardada. O texto continua aqui.";
  if (error.kind === "outcome-unknown") return "Não se sabe se a nota foi guardada. Envie de novo: ela não será duplicada.";
  if (error.isAway) return "A nota ainda não foi guardada; o texto continua aqui. Envie de novo quando o sistema responder: ela não será duplicada.";
  return `A nota foi recusada: ${error.message}`;
}

function entry(note) {
  return h("li", { class: "card note", data: { id: note.id } }, h("p", { class: "meta" }, icon("note"), h("time", { datetime: note.recorded_at }, moment(note.recorded_at))), h("p", { class: "text" }, note.text));
}
