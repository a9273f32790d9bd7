/**
 * Logging in by face: a still of the camera, or where the page gets no camera (no TLS) a picture
 * that the device takes. There is no liveness detection: a photograph will do.
 */

import { fill, h, icon } from "./dom.js";
import { logInByFace } from "./session.js";

const WIDTH_PX = 640;
const QUALITY = 0.9;

export function faceLogin({ then, failed }) {
  let stream = null;
  const video = h("video", { autoplay: true, playsinline: true, hidden: true, "aria-label": "Imagem da câmera" });
  video.muted = true;
  const said = h("p", { class: "fine", role: "status", id: "face-state" });
  const button = h("button", { type: "button", class: "secondary", id: "face" });
  const file = h("input", { type: "file", id: "face-file", class: "visually-hidden", accept: "image/jpeg,image/png", capture: "user" });

  async function send(picture) {
    fill(said, "Reconhecendo…");
    button.disabled = true;
    try {
      await logInByFace(picture);
      then();
    } catch (error) {
      failed(error);
    } finally {
      button.disabled = false;
      fill(said);
    }
  }

  async function look() {
    button.disabled = true;
    try {
      const camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: WIDTH_PX } });
      if (!button.isConnected) { camera.getTracks().forEach((track) => track.stop()); return; }
      stream = camera;
      Object.assign(video, { srcObject: stream, hidden: false });
      await video.play();
      fill(said, "Olhe para a câmera e confirme.");
    } catch (error) {
      close();
      failed(error);
    } finally {
      button.disabled = false;
      show();
      button.scrollIntoView({ block: "nearest" });
    }
  }

  async function take() {
    const picture = await still(video);
    close();
    await send(picture);
  }

  function close() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    Object.assign(video, { srcObject: null, hidden: true });
    fill(said);
    show();
  }

  function show() {
    fill(button, icon("camera"), stream ? "Confirmar: este é o meu rosto" : "Entrar com o rosto");
  }

  button.addEventListener("click", () => (stream ? take() : look()));
  file.addEventListener("change", () => { if (file.files[0]) send(file.files[0]); file.value = ""; });
  show();
  const pick = h("label", { class: "secondary button", for: "face-file" }, icon("camera"), "Entrar com uma foto do rosto", file);
  return { element: h("div", { class: "face" }, video, said, navigator.mediaDevices ? button : pick), close };
}

function still(video) {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
}
