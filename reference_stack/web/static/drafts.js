/**
 * Notes on their way. A note has one key from its first keystroke to the server's word that it is
 * stored, so that however often it is sent it is one note. It is kept in the tab's storage until
 * then: it outlives a reload, another patient, and a session that ends; it belongs to its author.
 */

import { ApiError, newKey, write } from "./http.js";
import { session } from "./session.js";

const PREFIX = "prontuario.draft.";
const drafts = new Map();

const place = (patientId) => `${PREFIX}${session()?.clinician.id}.${patientId}`;

/** The one draft of the author for a patient. */
export function draftOf(patientId) {
  const name = place(patientId);
  if (!drafts.has(name)) drafts.set(name, new Draft(name, patientId));
  return drafts.get(name);
}

/** After logging in: drafts of others are dropped, and what was being sent is sent. */
export function resumeDrafts() {
  const mine = place("");
  for (const name of storedNames()) {
    if (!name.startsWith(mine)) sessionStorage.removeItem(name);
    else if (draftOf(name.slice(mine.length)).wasSending) draftOf(name.slice(mine.length)).send();
  }
}

/** Whether anything typed is not stored yet. */
export const hasUnsent = () => storedNames().length > 0;

export function forgetDrafts() {
  for (const draft of drafts.values()) draft.stop();
  drafts.clear();
  storedNames().forEach((name) => sessionStorage.removeItem(name));
}

/** The session has ended: nothing is sent any more, the texts stay. */
export function pauseDrafts() {
  for (const draft of drafts.values()) draft.sending?.abort("session");
  drafts.clear();
}

const storedNames = () => Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX));

class Draft extends EventTarget {
  constructor(name, patientId) {
    super();
    Object.assign(this, { name, patientId, key: newKey(), text: "", sent: null, wasSending: false, sending: null, state: "", words: "", later: [] });
    try {
      const { key, text, sent, sending } = JSON.parse(sessionStorage.getItem(name)) ?? {};
      if (key) Object.assign(this, { key, text, sent, wasSending: sending });
    } catch { /* no usable draft */ }
  }

  /** What the box holds now. Another text under a key that was sent would be refused: it is a new note. */
  write(text) {
    if (this.sent !== null && this.sent !== text.trim()) Object.assign(this, { key: newKey(), sent: null });
    this.text = text;
    this.keep();
  }

  /** Words that come while the note is being sent begin the next one. */
  append(words) {
    if (this.sending) { this.later.push(words); return; }
    this.write(joined(this.text, words));
    this.changed();
  }

  keep() {
    if (!this.text) sessionStorage.removeItem(this.name);
    else sessionStorage.setItem(this.name, JSON.stringify({ key: this.key, text: this.text, sent: this.sent, sending: Boolean(this.sending) }));
  }

  /** Send until it is stored, refused, or `stop` is called. Resolves true when it is stored. */
  async send() {
    const text = this.text.trim();
    if (!text || this.sending) return false;
    const sending = new AbortController();
    Object.assign(this, { sending, sent: text });
    this.keep();
    this.tell("pending", "Guardando…");
    try {
      await write(`/v1/patients/${this.patientId}/notes`, { text }, {
        key: this.key, signal: sending.signal,
        onWait: ({ tries, error }) => this.tell("pending", `${error.message}. A nota está guardada aqui; enviando de novo (${tries + 1}ª vez)…`),
      });
    } catch (error) {
      this.sending = null;
      if (sending.signal.reason === "session" || error.status === 401) return false;
      this.keep();
      this.tell("failed", failure(error, sending.signal.aborted));
      return false;
    }
    Object.assign(this, { sending: null, key: newKey(), sent: null, text: this.later.splice(0).reduce(joined, "") });
    this.keep();
    this.tell("stored", "Nota guardada.");
    this.dispatchEvent(new CustomEvent("stored"));
    return true;
  }

  stop() { this.sending?.abort("stopped"); }

  tell(state, words) {
    Object.assign(this, { state, words });
    this.changed();
  }

  changed() { this.dispatchEvent(new CustomEvent("change")); }
}

export const joined = (before, words) => (before && !/\s$/.test(before) ? `${before} ${words}` : before + words);

function failure(error, stopped) {
  if (stopped) return "Envio interrompido; não se sabe se a nota foi guardada. Sem mudanças, enviá-la de novo não a duplica.";
  if (error instanceof ApiError) return `A nota foi recusada: ${error.message}. O texto continua aqui.`;
  return "A nota não foi guardada. O texto continua aqui.";
}
