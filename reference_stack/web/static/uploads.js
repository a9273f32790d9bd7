/**
 * Files on their way to the server. Each goes on, or waits to be sent again, while another tab of
 * the page or another patient is looked at; it is its author's alone, and does not outlive a reload.
 */

import { PATIENCE_MS, newKey, request } from "./http.js";
import { session } from "./session.js";

const ANSWER_MS = 60000;
let waiting = [];

/** Event `change`: an upload began, went on, or ended. */
export const uploads = new EventTarget();

const author = () => session()?.clinician.id;
const changed = () => uploads.dispatchEvent(new CustomEvent("change"));

/** Whether a file is not stored yet. */
export const hasUploads = () => waiting.some((one) => one.state !== "stored");

export const uploadsOf = (patientId) => waiting.filter((one) => one.patientId === patientId && one.author === author());

/** Those that nobody is being shown, and that will not be sent again by themselves. */
export const leftAside = () => waiting.filter((one) => one.state === "failed" && !one.isShown && one.author === author());

/** Drop all files, or all but those of who is logged in now. */
export function forgetUploads(all = true) {
  for (const one of waiting) if (all || one.author !== author()) one.drop();
}

addEventListener("beforeunload", (event) => { if (hasUploads()) event.preventDefault(); });

/** Begin to send a file; `uploadsOf` gives it until it is dropped. */
export function upload(patientId, file, title) {
  const one = new Upload(patientId, file, title);
  waiting.push(one);
  one.send();
}

/** A file under one idempotency key for all its sendings: it is one document. `pending`, `stored`, `failed`. */
class Upload {
  constructor(patientId, file, title) {
    Object.assign(this, { patientId, file, title, author: author(), key: newKey(), state: "pending", words: "", isShown: false, sending: null });
  }

  async send() {
    const sending = new AbortController();
    this.sending = sending;
    this.tell("pending", `Enviando “${this.title}”…`);
    try {
      await request(`/v1/patients/${this.patientId}/documents?title=${encodeURIComponent(this.title)}`, {
        method: "POST", body: this.file, key: this.key, signal: sending.signal, timeoutMs: ANSWER_MS, patienceMs: PATIENCE_MS,
        headers: { "Content-Type": this.file.type || "application/octet-stream" },
        onWait: ({ tries, error }) => this.tell("pending", `${error.message}; enviando de novo “${this.title}” (${tries + 1}ª vez)…`),
      });
      this.tell("stored", "Documento guardado.");
    } catch (error) {
      if (!sending.signal.aborted) this.tell("failed", `O documento “${this.title}” não foi guardado: ${error.message}`);
    }
  }

  drop() {
    this.sending?.abort();
    waiting = waiting.filter((one) => one !== this);
    changed();
  }

  tell(state, words) {
    Object.assign(this, { state, words });
    changed();
  }
}
