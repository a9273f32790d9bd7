/**
 * Dictation: the microphone as 16 kHz mono WAV (what Whisper hears), a level meter so that a muted
 * microphone is noticed, and the words put where the cursor is. A recording is kept in the page's
 * memory until the server has understood it or its author throws it away.
 */

import { fill, h, icon } from "./dom.js";
import { draftOf } from "./drafts.js";
import { json, newKey } from "./http.js";
import { record } from "./recorder.js";
import { session } from "./session.js";
import { isServed, status } from "./status.js";

const ROUTE = "/v1/audio/transcriptions";
const LONGEST_S = 120;
const ANSWER_MS = 60000;
const OUT_OF_SERVICE = "O servidor não oferece ditado agora";
const NO_MICROPHONE = "Este navegador só dá o microfone a páginas com TLS";

const takes = new Map();
const name = (patientId) => `${session()?.clinician.id}.${patientId}`;

function takeOf(patientId) {
  const own = name(patientId);
  if (!takes.has(own)) takes.set(own, new Take(patientId));
  return takes.get(own);
}

/** The session has ended: nothing is sent any more, recordings stay for their author. */
export function pauseDictations() {
  for (const take of takes.values()) take.pause();
}

/** Drop all recordings, or all but those of who is logged in now. */
export function forgetDictations(all = true) {
  for (const [own, take] of takes) {
    if (all || !own.startsWith(name(""))) { take.drop(); takes.delete(own); }
  }
}

export const hasRecordings = () => [...takes.values()].some((take) => take.phase !== "idle");
addEventListener("beforeunload", (event) => { if (hasRecordings()) event.preventDefault(); });

/** One recording of one patient: `idle`, `asking` for the microphone, `recording`, `hearing`, `kept`. */
class Take extends EventTarget {
  constructor(patientId) {
    super();
    Object.assign(this, { patientId, phase: "idle", words: "", level: 0, seconds: 0, recorder: null, sound: null, hearing: null, insert: null });
  }

  async start() {
    if (this.phase !== "idle") return;
    this.tell("asking", "");
    try {
      const recorder = await record((level, seconds) => this.hear(level, seconds));
      // The page may have been left, or the recording dropped, while the browser asked for consent.
      if (this.phase !== "asking") { recorder.discard(); return; }
      this.recorder = recorder;
      this.tell("recording", "");
    } catch {
      if (this.phase === "asking") this.tell("idle", "Sem acesso ao microfone.");
    }
  }

  hear(level, seconds) {
    Object.assign(this, { level, seconds });
    this.dispatchEvent(new CustomEvent("level"));
    if (seconds >= LONGEST_S) this.finish();
  }

  /** Stop recording; whoever leaves the page in mid-sentence is not robbed of what they said. */
  async finish() {
    if (this.phase === "asking") this.tell("idle", "");
    if (this.phase !== "recording") return;
    this.tell("hearing", "Transcrevendo…");
    const wav = await this.recorder.stop();
    this.recorder = null;
    if (this.phase !== "hearing") return;
    this.sound = { wav, key: newKey() };
    await this.transcribe();
  }

  async transcribe() {
    const form = new FormData();
    form.append("file", this.sound.wav, "ditado.wav");
    // Any site's model, in its own language: which site answers is not known beforehand.
    form.append("model", "default");
    this.hearing = new AbortController();
    this.tell("hearing", "Transcrevendo…");
    try {
      const { text } = await json(ROUTE, {
        method: "POST", body: form, key: this.sound.key, timeoutMs: ANSWER_MS, signal: this.hearing.signal,
        onWait: ({ tries, error }) => this.tell("hearing", `${error.message}. A gravação está guardada aqui; enviando de novo (${tries + 1}ª vez)…`),
      });
      this.sound = null;
      this.tell("idle", text.trim() ? "" : "Nada foi entendido.");
      if (text.trim()) this.put(text.trim());
    } catch (error) {
      if (!this.sound) return;
      this.tell("kept", this.hearing.signal.aborted ? "A gravação está guardada aqui." : `O ditado falhou: ${error.message}. A gravação está guardada aqui.`);
    }
  }

  put(text) {
    if (this.insert) this.insert(text);
    else draftOf(this.patientId).append(text);
  }

  async pause() {
    if (this.phase === "recording") {
      this.phase = "kept";
      this.sound = { wav: await this.recorder.stop(), key: newKey() };
      this.recorder = null;
    }
    if (this.phase === "asking") this.phase = "idle";
    this.hearing?.abort();
  }

  drop() {
    this.recorder?.discard();
    [this.recorder, this.sound] = [null, null];
    this.hearing?.abort();
    this.tell("idle", "");
  }

  tell(phase, words) {
    Object.assign(this, { phase, words });
    this.dispatchEvent(new CustomEvent("change"));
  }
}

export function dictation({ patientId, insert, context }) {
  const take = takeOf(patientId);
  const leaving = new AbortController();
  const meter = h("meter", { min: 0, max: 1, low: 0.02, value: 0, "aria-label": "Volume do microfone" });
  const clock = h("span", { class: "fine number", "aria-hidden": "true" });
  const said = h("p", { class: "state", role: "status", id: "dictation-state" });
  const button = h("button", { type: "button", class: "secondary", id: "dictate", onclick: press });
  const drop = h("button", { type: "button", class: "secondary", id: "drop-dictation", onclick: () => take.drop() }, "Apagar gravação");

  function press() {
    if (take.phase === "idle") take.start();
    else if (take.phase === "kept") take.transcribe();
    else take.finish();
  }

  function show() {
    const { phase } = take;
    const offered = context.offers(ROUTE) && isServed("dictation");
    const why = !offered ? OUT_OF_SERVICE : navigator.mediaDevices ? null : NO_MICROPHONE;
    const recording = phase === "recording";
    fill(button, icon(recording ? "stop" : "mic"), h("span", {}, recording ? "Parar" : phase === "kept" ? "Transcrever de novo" : "Ditar"));
    button.classList.toggle("on", recording);
    button.disabled = phase === "asking" || phase === "hearing" || (phase === "idle" && why !== null);
    button.title = phase === "idle" && why ? why : "";
    meter.hidden = clock.hidden = !recording;
    drop.hidden = phase !== "kept" && phase !== "hearing";
    said.className = phase === "kept" ? "state failed" : "state pending";
    if (said.textContent !== take.words) fill(said, take.words);
  }

  take.insert = insert;
  take.addEventListener("change", show, { signal: leaving.signal });
  take.addEventListener("level", () => {
    meter.value = take.level;
    fill(clock, `${Math.floor(take.seconds / 60)}:${String(Math.floor(take.seconds % 60)).padStart(2, "0")}`);
  }, { signal: leaving.signal });
  status.addEventListener("change", show, { signal: leaving.signal });
  show();
  return {
    element: h("div", { class: "dictation" }, button, drop, meter, clock),
    said,
    close() { leaving.abort(); take.insert = null; take.finish(); },
  };
}

