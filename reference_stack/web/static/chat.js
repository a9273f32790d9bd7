/**
 * Talking with the assistant. An answer is whole only when the server has said so: one that breaks
 * off is shown as broken, never as an answer, and nothing of it is kept.
 */

import { fill, h, icon, say } from "./dom.js";
import { ApiError, PATIENCE_MS, attempt, newKey, pauseMs, problemOf, sleep, waitingFor } from "./http.js";
import { events } from "./sse.js";

const SILENCE_MS = 30000;
/** Nearer to its end than this the log follows what is written; a reader further up is left alone. */
const NEAR_PX = 80;
const threads = new Map();

/** Conversations end with the tab or the session: they are about patients. */
export function forgetConversations() {
  for (const thread of threads.values()) thread.asking?.abort();
  threads.clear();
}

export function chatPanel(patient, { chatFields }) {
  if (!threads.has(patient.id)) threads.set(patient.id, { turns: [], conversation: newKey(), asking: null, question: "" });
  const thread = threads.get(patient.id);
  const log = h("ol", { class: "log", "aria-label": "Conversa" });
  const hint = h("li", { class: "hint" }, "O assistente vê idade, sexo, diagnósticos e as últimas notas deste paciente. Ele erra: confira.");
  const box = h("textarea", { id: "question", rows: 2, placeholder: "Pergunte sobre este paciente…", "aria-label": "Pergunta", maxlength: 4000, value: thread.question });
  const button = h("button", { type: "submit", class: "primary round", id: "ask" });
  const form = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); submit(); } }, box, button);
  const drawn = new Map();
  box.addEventListener("input", () => { thread.question = box.value; });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); } });

  /** Only the turn that changed is drawn: what is being read or selected further up stays. */
  thread.draw = (turn) => {
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    const item = bubble(turn, retry);
    if (drawn.has(turn)) drawn.get(turn).replaceWith(item);
    else log.append(item);
    drawn.set(turn, item);
    hint.remove();
    if (follows) log.scrollTop = log.scrollHeight;
    showButton();
  };

  function showButton() {
    fill(button, icon(thread.asking ? "stop" : "send"));
    button.setAttribute("aria-label", thread.asking ? "Parar" : "Enviar");
  }

  function submit() {
    if (thread.asking) { thread.asking.abort(); return; }
    const question = box.value.trim();
    if (!question) return;
    box.value = thread.question = "";
    const body = { message: question, patient_id: patient.id };
    if (chatFields.has("conversation_id")) body.conversation_id = thread.conversation;
    const turn = { question, body, key: newKey(), dropped: false };
    thread.turns.push(turn);
    ask(turn);
    log.scrollTop = log.scrollHeight;
  }

  /** Under the same key: what was saved after all is given, and nothing is saved twice. */
  function retry(turn) {
    if (!thread.asking) ask(turn);
  }

  async function ask(turn) {
    Object.assign(turn, { answer: "", state: "waiting", note: "", site: null, disclaimer: "", saved: false, lost: "" });
    thread.asking = new AbortController();
    thread.draw(turn);
    await answer(turn, thread.asking.signal, () => thread.draw(turn));
    thread.asking = null;
    thread.draw(turn);
    say(turn.state === "done" ? `Resposta completa: ${turn.answer}` : turn.note);
  }

  showButton();
  if (thread.turns.length) thread.turns.forEach((turn) => thread.draw(turn));
  else log.append(hint);
  return { element: h("div", { class: "chat" }, log, form), shown() { log.scrollTop = log.scrollHeight; }, close() { thread.draw = () => {}; } };
}

/**
 * Fill a turn from the server. Whatever happens, the turn ends `done`, `broken` or `failed`.
 *
 * All tries have the turn's key: the server gives the answer it saved under it, or answers anew.
 * What came of an answer that broke off is thrown away before the next try, so no two are mixed.
 */
export async function answer(turn, signal, changed) {
  let answered = null;
  let failedAt = null;
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        await stream(turn, signal, changed);
        return;
      } catch (error) {
        const partial = turn.answer;
        if (signal.aborted) { end(turn, "broken", turn.saved ? "Interrompida por você; a resposta já estava guardada." : "Interrompida por você. Incompleta; não foi guardada."); return; }
        failedAt ??= performance.now();
        const pause = pauseMs(tries, error.retryAfterMs);
        const again = !(error instanceof ApiError) || error.isAway;
        // Longer than a failover (30 s, B-04); then a person decides.
        if (!again || performance.now() - failedAt + pause > PATIENCE_MS) { end(turn, partial ? "broken" : "failed", reason(error) + fate(error, turn)); return; }
        if (error.isOutage !== false) answered ??= waitingFor();
        // What was on the screen and is gone stays explained through all tries.
        if (partial) turn.lost = `A resposta${turn.site ? ` de ${turn.site}` : ""} caiu no meio: nada dela foi guardado.`;
        Object.assign(turn, { state: "waiting", answer: "", saved: false, note: `${turn.lost || reason(error)} Perguntando de novo (${tries + 1}ª vez)…`, dropped: turn.dropped || Boolean(partial) });
        changed();
        await sleep(pause, signal).catch(() => {});
      }
    }
  } finally {
    answered?.();
  }
}

function end(turn, state, note) {
  Object.assign(turn, { state, note });
}

function reason(error) {
  return error instanceof ApiError ? `${error.title}.` : "A ligação caiu no meio da resposta.";
}

/** What became of a question that got no whole answer. */
function fate(error, turn) {
  if (turn.saved) return " A resposta ficou guardada: pergunte de novo para recebê-la.";
  if (error.kind === "outcome-unknown") return " Não se sabe se a resposta foi guardada; perguntar de novo não a duplica.";
  return turn.answer ? " A resposta ficou incompleta: nada foi guardado." : " Nada foi guardado.";
}

async function stream(turn, signal, changed) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const both = AbortSignal.any([signal, silence.signal]);
  try {
    const response = await attempt("/v1/chat", {
      method: "POST", body: JSON.stringify(turn.body), signal: both, timeoutMs: null,
      headers: { "Content-Type": "application/json", "Idempotency-Key": turn.key, Accept: "text/event-stream" },
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
  } catch (error) {
    if (silence.signal.aborted && !signal.aborted) throw new ApiError(504, "inference-unavailable", "O assistente não respondeu a tempo");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function metaOf(data) {
  try { const { site, disclaimer, replayed } = JSON.parse(data); return { site, disclaimer, saved: replayed === true }; } catch { return {}; }
}

function broken(data) {
  try { const said = JSON.parse(data); return problemOf(said.status ?? 502, said); } catch { return new ApiError(502, "inference-broken", "O assistente parou no meio"); }
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
