/** Logging in: by password, or by face where the server takes faces and the device has a camera. */

import { h, icon, fill } from "./dom.js";
import { ApiError } from "./http.js";
import { logIn, logInByFace } from "./session.js";
import { isServed } from "./status.js";

export function loginView({ offers, then, reason }) {
  const username = h("input", { id: "username", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const problem = h("p", { class: "problem", role: "alert", id: "login-problem" }, reason ?? "");
  const button = h("button", { type: "submit", class: "primary", id: "login" }, "Entrar");

  async function submit(event) {
    event.preventDefault();
    await guarded(() => logIn(username.value.trim(), password.value, () => fill(problem, "O sistema não responde; tentando de novo…")));
  }

  async function guarded(enter) {
    button.disabled = true;
    fill(problem, "");
    try {
      await enter();
      then();
    } catch (error) {
      fill(problem, words(error));
      password.select();
    } finally {
      button.disabled = false;
    }
  }

  return h("section", { class: "login" },
    h("div", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 48, height: 48 }), h("h1", {}, "Prontuário")),
    h("form", { onsubmit: submit },
      h("label", { for: "username" }, "Usuário"), username,
      h("label", { for: "password" }, "Senha"), password,
      problem, button,
      offers("/v1/login/face") && isServed("face-login") && navigator.mediaDevices ? faceButton(() => username.value.trim(), guarded, problem) : null,
    ),
    h("p", { class: "fine" }, "Dados sintéticos: nenhum paciente é real."),
  );
}

function words(error) {
  if (!(error instanceof ApiError)) return "Não foi possível usar a câmera.";
  if (error.status === 401) return "Usuário ou senha incorretos, ou rosto não reconhecido.";
  if (error.status === 429) return "Muitas tentativas. Aguarde um minuto.";
  if (error.isAway) return "O sistema não respondeu. Nada foi feito; tente de novo.";
  return error.message;
}

function faceButton(usernameNow, guarded, problem) {
  const video = h("video", { autoplay: true, muted: true, playsinline: true, hidden: true, "aria-label": "Imagem da câmera" });
  const button = h("button", { type: "button", class: "secondary" }, icon("camera"), "Entrar com o rosto");
  let stream = null;
  button.addEventListener("click", () => guarded(async () => {
    if (!stream) {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: 640 } });
      Object.assign(video, { srcObject: stream, hidden: false });
      fill(problem, "Olhe para a câmera e toque de novo.");
      throw new ApiError(0, "camera", "Olhe para a câmera e toque de novo");
    }
    const picture = await still(video);
    stream.getTracks().forEach((track) => track.stop());
    [stream, video.hidden] = [null, true];
    await logInByFace(usernameNow(), picture);
  }).then(() => { if (stream) fill(problem, "Olhe para a câmera e toque de novo."); }));
  return [video, button];
}

function still(video) {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.9); });
}
