/**
 * Talking with the assistant. An answer is whole only when the server has said so: one that breaks
 * off is shown as broken, never as an answer, and nothing of it is kept.
 */

import { fill, h, icon, say } from "./dom.js";
import { ApiError, attempt, newKey, pauseMs } from "./http.js";
import { events } from "./sse.js";

/** With the pauses between them these outlast a failover (30 s, B-04). */
const TRIES = 9;
const SILENCE_MS = 30000;
const threads = new Map();

/** Conversations end with the tab or the session: they are about patients. */
export function forgetConversations() {
  for (const thread of threads.values()) thread.asking?.abort();
  threads.clear();
}

export function chatPanel(patient, { chatFields }) {
  if (!threads.has(patient.id)) threads.set(patient.id, { turns: [], conversation: newKey(), asking: null });
  const thread = threads.get(patient.id);
  const log = h("ol", { class: "log", "aria-label": "Conversa", "aria-live": "polite", "aria-relevant": "additions" });
  const box = h("textarea", { id: "question", rows: 2, placeholder: "Pergunte sobre este paciente…", "aria-label": "Pergunta", maxlength: 4000 });
  const button = h("button", { type: "submit", class: "primary round", id: "ask", "aria-label": "Enviar" }, icon("send"));
  const form = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); submit(); } }, box, button);
  box.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); } });

  function draw() {
    fill(log, thread.turns.length ? thread.turns.map((turn) => bubble(turn, retry)) : [h("li", { class: "hint" }, "O assistente vê idade, sexo, diagnósticos e as últimas notas deste paciente. Ele erra: confira.")]);
    fill(button, icon(thread.asking ? "stop" : "send"));
    button.setAttribute("aria-label", thread.asking ? "Parar" : "Enviar");
    log.scrollTop = log.scrollHeight;
  }
  thread.draw = draw;

  function submit() {
    if (thread.asking) { thread.asking.abort(); return; }
    const question = box.value.trim();
    if (!question) return;
    box.value = "";
    ask(question);
  }

  function retry(turn) {
    thread.turns = thread.turns.filter((one) => one !== turn);
    ask(turn.question);
  }

  async function ask(question) {
    const turn = { question, answer: "", state: "waiting", note: "", site: null, saved: false, dropped: false };
    thread.turns.push(turn);
    thread.asking = new AbortController();
    const body = { message: question, patient_id: patient.id };
    if (chatFields.has("conversation_id")) body.conversation_id = thread.conversation;
    thread.draw();
    await answer(turn, body, thread.asking.signal, () => thread.draw());
    thread.asking = null;
    thread.draw();
    say(turn.state === "done" ? "Resposta completa" : turn.note);
  }

  draw();
  return { element: h("div", { class: "chat" }, log, form), close() { thread.draw = () => {}; } };
}

/**
 * Fill a turn from the server. Whatever happens, the turn ends `done`, `broken` or `failed`.
 *
 * All tries have one key: the server gives the answer it saved under it, or answers anew. What came
 * of an answer that broke off is thrown away before the next try, so no two are mixed.
 */
export async function answer(turn, body, signal, changed) {
  const key = newKey();
  for (let tries = 1; ; tries += 1) {
    try {
      await stream(turn, body, key, signal, changed);
      return;
    } catch (error) {
      const partial = turn.answer;
      if (signal.aborted) { end(turn, "broken", "Interrompida por você. Incompleta; não foi guardada."); return; }
      const again = !(error instanceof ApiError) || error.isAway;
      if (!again || tries === TRIES) {
        end(turn, partial ? "broken" : "failed", `${reason(error)}${partial ? " A resposta ficou incompleta e não foi guardada." : ""}`);
        return;
      }
      const lost = partial ? `A resposta${turn.site ? ` de ${turn.site}` : ""} caiu no meio e foi descartada.` : reason(error);
      Object.assign(turn, { state: "waiting", answer: "", note: `${lost} Perguntando de novo (${tries + 1}ª vez)…`, dropped: turn.dropped || Boolean(partial) });
      changed();
      await new Promise((resolve) => { setTimeout(resolve, pauseMs(tries, error.retryAfterMs)); signal.addEventListener("abort", resolve, { once: true }); });
    }
  }
}

function end(turn, state, note) {
  Object.assign(turn, { state, note });
}

function reason(error) {
  if (!(error instanceof ApiError)) return "A ligação caiu no meio da resposta.";
  if (error.status === 0) return "O sistema não respondeu.";
  return error.isAway ? `O assistente não está livre (${error.title}).` : `${error.title}.`;
}

async function stream(turn, body, key, signal, changed) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const both = AbortSignal.any([signal, silence.signal]);
  try {
    const response = await attempt("/v1/chat", {
      method: "POST", body: JSON.stringify(body), signal: both, timeoutMs: null,
      headers: { "Content-Type": "application/json", "Idempotency-Key": key, Accept: "text/event-stream" },
    });
    for await (const { event, data } of events(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      if (event === "error") throw broken(data);
      if (event === "meta") Object.assign(turn, metaOf(data));
      else if (event === "saved") turn.saved = true;
      else if (event === "message" && data === "[DONE]") { end(turn, "done", turn.disclaimer ?? ""); return; }
      else if (event === "message") { turn.answer += textOf(data); if (turn.answer) turn.state = "streaming"; changed(); }
    }
    throw new TypeError("the stream ended without its end");
  } finally {
    clearTimeout(timer);
  }
}

function metaOf(data) {
  try { const { site, disclaimer } = JSON.parse(data); return { site, disclaimer }; } catch { return {}; }
}

function broken(data) {
  try { const { status, type, title } = JSON.parse(data); return new ApiError(status ?? 502, type, title); } catch { return new ApiError(502, "", "O assistente parou"); }
}

function textOf(data) {
  try { return JSON.parse(data).choices?.[0]?.delta?.content ?? ""; } catch { return ""; }
}

function bubble(turn, retry) {
  const ended = turn.state !== "waiting" && turn.state !== "streaming";
  return h("li", { class: "turn", data: { state: turn.state } },
    h("div", { class: "question" }, turn.question),
    h("div", { class: `answer ${turn.state}` },
      turn.answer ? h("p", { class: "text" }, turn.answer) : turn.state === "waiting" ? h("p", { class: "typing", "aria-label": "Aguardando resposta" }, h("i"), h("i"), h("i")) : null,
      turn.note ? h("p", { class: "note" }, turn.note) : null,
      turn.state === "done" ? h("p", { class: "from" }, [turn.site ? `respondido por ${turn.site}` : null, turn.saved ? "guardada na conversa" : "não guardada", turn.dropped ? "depois de uma resposta que caiu" : null].filter(Boolean).join(" · ")) : null,
      ended && turn.state !== "done" ? h("button", { type: "button", class: "secondary", onclick: () => retry(turn) }, "Perguntar de novo") : null));
}
