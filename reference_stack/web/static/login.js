/** Logging in: by password, or by face where the server takes faces. */

import { faceLogin } from "./face.js";
import { fill, h } from "./dom.js";
import { ApiError } from "./http.js";
import { logIn } from "./session.js";
import { isServed, status } from "./status.js";

export function loginView({ offers, then, reason }) {
  const username = h("input", { id: "username", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const problem = h("p", { class: "problem", role: "alert", id: "login-problem" }, reason ?? "");
  const button = h("button", { type: "submit", class: "primary", id: "login" }, "Entrar");
  const leaving = new AbortController();
  const face = faceLogin({ then: enter, failed: (error) => fill(problem, words(error)) });

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(problem);
    try {
      await logIn(username.value.trim(), password.value, ({ error }) => fill(problem, `${error.message}; tentando de novo…`));
      enter();
    } catch (error) {
      fill(problem, words(error));
      password.select();
    } finally {
      button.disabled = false;
    }
  }

  function enter() {
    close();
    then();
  }

  function close() {
    leaving.abort();
    face.close();
  }

  /** What the server can do may be known only later, and changes in an emergency (B-17). */
  function show() {
    face.element.hidden = !(offers("/v1/login/face") && isServed("face-login"));
  }
  status.addEventListener("change", show, { signal: leaving.signal });
  show();

  return {
    element: h("section", { class: "login" },
      h("div", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 48, height: 48 }), h("h1", {}, "Prontuário")),
      h("form", { onsubmit: submit },
        h("label", { for: "username" }, "Usuário"), username,
        h("label", { for: "password" }, "Senha"), password,
        problem, button),
      face.element,
      h("p", { class: "fine" }, "Dados sintéticos: nenhum paciente é real.")),
    show, close,
  };
}

function words(error) {
  if (!(error instanceof ApiError)) return "Não foi possível usar a câmera.";
  if (error.kind === "face-unknown") return "Rosto não reconhecido. Tente de novo, ou entre com a senha.";
  if (error.kind === "no-face") return "A imagem precisa mostrar um rosto, e só um.";
  if (error.status === 401) return "Usuário ou senha incorretos.";
  if (error.status === 429) return "Muitas tentativas. Aguarde um minuto.";
  if (error.isAway) return `${error.message}. Nada foi feito; tente de novo.`;
  return error.message;
}
