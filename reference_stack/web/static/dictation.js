/**
 * Dictation: the microphone as 16 kHz mono WAV (what Whisper hears), a level meter so that a muted
 * microphone is noticed, and the words put where the cursor is.
 */

import { fill, h, icon } from "./dom.js";
import { json } from "./http.js";
import { isServed } from "./status.js";

export const RATE_HZ = 16000;
const ROUTE = "/v1/audio/transcriptions";
const LONGEST_S = 120;

export function dictation({ insert, context }) {
  const offered = context.offers(ROUTE) && isServed("dictation");
  const meter = h("meter", { min: 0, max: 1, low: 0.02, value: 0, "aria-label": "Volume do microfone", hidden: true });
  const said = h("span", { class: "fine", role: "status" });
  const button = h("button", { type: "button", class: "secondary", id: "dictate", disabled: !offered, title: offered ? null : "O servidor não oferece ditado agora" }, icon("mic"), h("span", {}, "Ditar"));
  let recording = null;

  button.addEventListener("click", async () => {
    if (recording) { await finish(); return; }
    try {
      recording = await record((level) => { meter.value = level; }, () => finish());
      button.classList.add("on");
      fill(button, icon("stop"), h("span", {}, "Parar"));
      meter.hidden = false;
      fill(said, "");
    } catch {
      fill(said, "Sem acesso ao microfone.");
    }
  });

  async function finish() {
    const ended = recording;
    if (!ended) return;
    recording = null;
    button.classList.remove("on");
    button.disabled = true;
    meter.hidden = true;
    fill(button, icon("mic"), h("span", {}, "Ditar"));
    fill(said, "Transcrevendo…");
    try {
      const form = new FormData();
      form.append("file", await ended.stop(), "ditado.wav");
      form.append("model", "whisper-1");
      form.append("language", "pt");
      const { text } = await json(ROUTE, { method: "POST", body: form, timeoutMs: 60000 });
      fill(said, text.trim() ? "" : "Nada foi entendido.");
      if (text.trim()) insert(text.trim());
    } catch (error) {
      fill(said, `O ditado falhou: ${error.message}`);
    } finally {
      button.disabled = !offered;
    }
  }

  return { element: h("div", { class: "dictation" }, button, meter, said), close() { recording?.stop(); recording = null; } };
}

async function record(onLevel, onFull) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
  const audio = new AudioContext({ sampleRate: RATE_HZ });
  await audio.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
  const capture = new AudioWorkletNode(audio, "capture", { numberOfOutputs: 0 });
  const chunks = [];
  let samples = 0;
  capture.port.onmessage = ({ data }) => {
    chunks.push(data);
    samples += data.length;
    onLevel(Math.min(1, 3 * rms(data)));
    if (samples >= LONGEST_S * RATE_HZ) onFull();
  };
  audio.createMediaStreamSource(stream).connect(capture);
  return {
    async stop() {
      stream.getTracks().forEach((track) => track.stop());
      await audio.close();
      return wav(chunks, RATE_HZ);
    },
  };
}

function rms(samples) {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

/** 16-bit mono WAV of samples between -1 and 1, given in pieces. */
export function wav(chunks, rate) {
  const count = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const word = (at, text) => [...text].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  word(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const chunk of chunks) for (const value of chunk) { view.setInt16(at, Math.max(-1, Math.min(1, value)) * 32767, true); at += 2; }
  return new Blob([view], { type: "audio/wav" });
}
