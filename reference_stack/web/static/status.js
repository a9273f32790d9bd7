/** In which mode the system runs: polled, so that nobody has to press a button to be told (B-14). */

import { attempt, connection } from "./http.js";
import { fill, h } from "./dom.js";
import { leftAside, uploads } from "./uploads.js";

const EVERY_MS = 5000;
/** More often while something is wrong: the ward waits for the word. */
const EVERY_IN_TROUBLE_MS = 2000;
const ANSWER_MS = 4000;
const TICK_MS = 1000;
/** How long the page says that an outage is over. */
const BACK_MS = 12000;

/** What a function is called on the ward, by the API's name of it. */
const FUNCTIONS = {
  login: "Entrar", "face-login": "Entrar com o rosto", "look-up": "Consulta de pacientes", registration: "Cadastro", note: "Notas",
  chat: "Conversa com o assistente", dictation: "Ditado", "live-dictation": "Ditado ao vivo", speech: "Voz do assistente", document: "Documentos", "image-analysis": "Análise de imagens",
  "vital-signs": "Registro de sinais vitais", analytics: "Tendências", search: "Busca nos textos", report: "Relatórios",
  alert: "Alertas críticos", staff: "Equipe", audit: "Auditoria",
};
const OFF_IN_EMERGENCY = ["face-login", "document", "image-analysis", "analytics", "vital-signs", "search", "report", "live-dictation", "speech"];

export const status = Object.assign(new EventTarget(), { mode: "unknown", message: null, functions: null, users: null, site: null });

/** Whether a function is served now; while nothing is known to be off, everything is. */
export function isServed(name) {
  if (status.functions) return !status.functions.off.includes(name);
  return !(inEmergency() && OFF_IN_EMERGENCY.includes(name));
}

export const inEmergency = () => status.mode === "emergency" || connection.mode === "emergency";

/** The server's own word when it is the emergency site's; before that what B-14 leaves out. */
function offNow() {
  return status.functions?.off.length ? status.functions.off : OFF_IN_EMERGENCY;
}

export function watch(banner) {
  const look = async () => {
    const before = JSON.stringify([status.mode, status.message, status.functions]);
    try {
      const known = await (await attempt("/v1/status", { timeoutMs: ANSWER_MS })).json();
      Object.assign(status, {
        mode: known.mode, message: known.message ?? null, site: known.site, functions: known.functions ?? null, users: known.users ?? null,
      });
    } catch { /* the connection's state says that nobody answered */ }
    if (JSON.stringify([status.mode, status.message, status.functions]) !== before) status.dispatchEvent(new CustomEvent("change"));
    show(banner);
    setTimeout(look, inEmergency() || !connection.online ? EVERY_IN_TROUBLE_MS : EVERY_MS);
  };
  connection.addEventListener("state", () => {
    show(banner);
    if (connection.online) setTimeout(() => show(banner), BACK_MS + 1);
  });
  connection.addEventListener("site", () => { show(banner); status.dispatchEvent(new CustomEvent("change")); });
  uploads.addEventListener("change", () => show(banner));
  setInterval(() => tick(banner), TICK_MS);
  look();
}

/** The banner is built anew only when its words change: screen readers speak each change. */
function show(banner) {
  const rows = rowsNow();
  const said = JSON.stringify(rows.map(({ kind, strong, text, off, href }) => [kind, strong, text, off, href]));
  if (banner.dataset.said !== said) {
    banner.dataset.said = said;
    fill(banner, rows.map(row));
  }
  tick(banner);
}

/** What changes by the second is not spoken. */
function tick(banner) {
  const since = banner.querySelector(".since");
  if (since && connection.lostAt) fill(since, `há ${Math.round((Date.now() - connection.lostAt) / 1000)} s`);
  const places = banner.querySelector(".places");
  if (places) fill(places, status.users ? `${status.users.active} de ${status.users.limit} lugares ocupados` : "");
}

function rowsNow() {
  const rows = [];
  if (inEmergency()) {
    rows.push({
      kind: "emergency", strong: "Operação de emergência", ticking: "places", off: offNow().map((name) => FUNCTIONS[name] ?? name),
      text: status.message ?? "O hospital está sem seus servidores. Respostas básicas, consulta de pacientes, notas e alertas críticos continuam, a partir da nuvem.",
    });
  } else if (status.message) rows.push({ kind: "notice", text: status.message });
  if (!connection.online) {
    rows.push({ kind: "away", strong: "Sem resposta do sistema: reconectando…", ticking: "since", text: "Nada do que você escreve se perde." });
  } else if (connection.backAt && Date.now() - connection.backAt <= BACK_MS) {
    const seconds = ((connection.backAt - connection.lostAt) / 1000).toLocaleString("pt-BR", { maximumFractionDigits: 1 });
    rows.push({ kind: "restored", strong: "Reconectado.", text: `${connection.site ?? "O sistema"} responde, depois de ${seconds} s.` });
  }
  for (const one of leftAside()) rows.push({ kind: "away", text: one.words, href: `#/patients/${one.patientId}/documentos` });
  return rows;
}

function row({ kind, strong, ticking, text, off, href }) {
  return h("div", { class: kind },
    strong ? h("strong", {}, strong) : null,
    ticking ? h("span", { class: `${ticking} number`, "aria-hidden": "true" }) : null,
    h("p", {}, text),
    href ? h("a", { href }, "Abrir") : null,
    off ? h("details", {}, h("summary", {}, "O que está desligado"), h("ul", {}, off.map((name) => h("li", {}, name)))) : null);
}
