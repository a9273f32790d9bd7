/** In which mode the system runs: polled, so that nobody has to press a button to be told (B-14). */

import { attempt, connection } from "./http.js";
import { fill, h } from "./dom.js";

const EVERY_MS = 5000;
/** More often while something is wrong: the ward waits for the word. */
const EVERY_IN_TROUBLE_MS = 2000;

/** What a function is called on the ward, by the API's name of it. */
const FUNCTIONS = {
  login: "Entrar", "face-login": "Entrar com o rosto", "look-up": "Consulta de pacientes", registration: "Cadastro", note: "Notas",
  chat: "Conversa com o assistente", dictation: "Ditado", document: "Documentos", "image-analysis": "Análise de imagens",
  "vital-signs": "Registro de sinais vitais", analytics: "Tendências", search: "Busca nos textos", report: "Relatórios",
  alert: "Alertas críticos", staff: "Equipe", audit: "Auditoria",
};
const OFF_IN_EMERGENCY = ["face-login", "document", "image-analysis", "analytics", "vital-signs", "search", "report"];

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
      const known = await (await attempt("/v1/status", { timeoutMs: 4000 })).json();
      Object.assign(status, {
        mode: known.mode, message: known.message ?? null, site: known.site, functions: known.functions ?? null, users: known.users ?? null,
      });
    } catch { /* the connection's state says that nobody answered */ }
    if (JSON.stringify([status.mode, status.message, status.functions]) !== before) status.dispatchEvent(new CustomEvent("change"));
    show(banner);
    setTimeout(look, inEmergency() || !connection.online ? EVERY_IN_TROUBLE_MS : EVERY_MS);
  };
  connection.addEventListener("state", () => show(banner));
  connection.addEventListener("site", () => { show(banner); status.dispatchEvent(new CustomEvent("change")); });
  look();
}

/** The banner is touched only when its words change: screen readers speak each change. */
function show(banner) {
  const [kind, ...children] = words().filter(Boolean);
  const said = kind + children.map((child) => child.textContent).join("|");
  if (banner.dataset.said === said) return;
  banner.dataset.said = said;
  banner.className = kind;
  fill(banner, ...children);
}

function words() {
  if (inEmergency()) {
    return ["emergency",
      h("strong", {}, "Operação de emergência"),
      status.users ? h("span", { class: "places" }, `${status.users.active} de ${status.users.limit} lugares ocupados`) : null,
      h("p", {}, status.message ?? "O hospital está sem seus servidores. Respostas básicas, consulta de pacientes, notas e alertas críticos continuam, a partir da nuvem."),
      h("details", {}, h("summary", {}, "O que está desligado"), h("ul", {}, offNow().map((name) => h("li", {}, FUNCTIONS[name] ?? name)))),
    ];
  }
  if (!connection.online) return ["away", h("strong", {}, "Sem resposta do sistema."), h("p", {}, "Tentando de novo; nada do que você escreve se perde.")];
  if (status.message) return ["notice", h("p", {}, status.message)];
  return ["quiet"];
}
