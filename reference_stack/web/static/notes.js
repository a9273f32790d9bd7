/** Notes: written, dictated, read. How they are kept and sent: drafts.js. */

import { dictation } from "./dictation.js";
import { fill, h, icon, say, trouble } from "./dom.js";
import { draftOf } from "./drafts.js";
import { moment } from "./format.js";
import { json } from "./http.js";

const MOST = 50;

export function notesPanel(patient, context) {
  const draft = draftOf(patient.id);
  const leaving = new AbortController();
  const list = h("ol", { class: "notes", "aria-label": "Notas" });
  const state = h("p", { class: "state", role: "status", id: "note-state" });
  const box = h("textarea", { id: "note", rows: 5, "aria-label": "Nova nota", placeholder: "Escreva ou dite a evolução…", maxlength: 20000 });
  const save = h("button", { type: "submit", class: "primary", id: "save-note" });

  box.addEventListener("input", () => draft.write(box.value));
  draft.addEventListener("change", show, { signal: leaving.signal });
  draft.addEventListener("stored", read, { signal: leaving.signal });

  function show() {
    if (box.value !== draft.text) box.value = draft.text;
    box.readOnly = Boolean(draft.sending);
    fill(save, draft.sending ? "Parar de enviar" : "Guardar nota");
    save.className = draft.sending ? "secondary" : "primary";
    state.className = `state ${draft.state}`;
    if (state.textContent !== draft.words) fill(state, draft.words);
  }

  /** Dictated words go where the cursor is, or to the end of a note that is not on the screen. */
  function insert(text) {
    if (!box.isConnected || draft.sending) { draft.append(text); return; }
    const at = box.selectionStart;
    const before = box.value.slice(0, at);
    box.setRangeText(before && !/\s$/.test(before) ? ` ${text}` : text, at, box.selectionEnd, "end");
    draft.write(box.value);
    box.focus();
    say("Texto ditado inserido");
  }

  function submit(event) {
    event.preventDefault();
    if (draft.sending) draft.stop();
    else draft.send();
  }

  async function read() {
    try {
      const { items } = await json(`/v1/patients/${patient.id}/notes?limit=${MOST}`, { signal: leaving.signal });
      fill(list, items.length ? items.map(entry) : [h("li", { class: "fine" }, "Nenhuma nota ainda.")]);
    } catch (error) {
      if (!leaving.signal.aborted) fill(list, h("li", {}, trouble(`As notas não abriram: ${error.message}`, read)));
    }
  }

  show();
  read();
  const speech = dictation({ patientId: patient.id, insert, context });
  return {
    element: h("div", { class: "note-panel" },
      h("form", { class: "note-form card", onsubmit: submit }, box, h("div", { class: "actions" }, speech.element, save), speech.said, state),
      list),
    close() { leaving.abort(); speech.close(); },
  };
}

function entry(note) {
  return h("li", { class: "card note", data: { id: note.id } }, h("p", { class: "meta" }, icon("note"), h("time", { datetime: note.recorded_at }, moment(note.recorded_at))), h("p", { class: "text" }, note.text));
}
