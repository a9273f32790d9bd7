/** Documents and images: listed, looked at inside the page, added. */

import { fill, h, icon, trouble } from "./dom.js";
import { moment, size } from "./format.js";
import { PATIENCE_MS, json, request } from "./http.js";
import { session } from "./session.js";
import { upload, uploads, uploadsOf } from "./uploads.js";

const SHOWN = /^image\/(png|jpeg|gif|webp)$/;
const TEXT = /^text\/plain/;
const KINDS = { "application/pdf": "PDF", "application/dicom": "DICOM", "image/png": "imagem PNG", "image/jpeg": "imagem JPEG", "text/plain": "texto" };
const MAY_ADD = new Set(["physician", "nurse"]);

export function documentsPanel(patient) {
  const list = h("ul", { class: "documents", "aria-label": "Documentos" });
  const state = h("p", { class: "state", role: "status" });
  const sent = h("div", { class: "uploads", role: "status", id: "document-state" });
  const leaving = new AbortController();
  const urls = new Set();

  async function read() {
    try {
      const { items } = await json(`/v1/patients/${patient.id}/documents`, { signal: leaving.signal });
      fill(list, items.length ? items.map((one) => entry(one, open)) : [h("li", { class: "fine" }, "Nenhum documento ainda.")]);
    } catch (error) {
      if (!leaving.signal.aborted) fill(list, h("li", {}, trouble(`Os documentos não abriram: ${error.message}`, read)));
    }
  }

  async function open(version) {
    tell("pending", "Abrindo…");
    try {
      const content = await request(`/v1/documents/${version.document_id}/versions/${version.id}`, {
        signal: leaving.signal, timeoutMs: 30000, patienceMs: PATIENCE_MS, read: (response) => response.blob(),
        onWait: ({ error }) => tell("pending", `${error.message}; tentando de novo…`),
      });
      const url = URL.createObjectURL(new Blob([content], { type: version.content_type }));
      urls.add(url);
      tell("", "");
      show(version, content, url);
    } catch (error) {
      if (!leaving.signal.aborted) tell("failed", `O documento não abriu: ${error.message}`);
    }
  }

  async function show(version, content, url) {
    const name = `${version.title}.${(version.content_type.split("/")[1] ?? "bin").replace("dicom", "dcm")}`;
    const body = SHOWN.test(version.content_type) ? h("img", { src: url, alt: version.title })
      : version.content_type === "application/pdf" ? h("iframe", { src: url, title: version.title })
        : TEXT.test(version.content_type) ? h("pre", {}, await content.text())
          : h("p", {}, `Este tipo (${version.content_type}) não se mostra aqui: baixe o arquivo.`);
    const dialog = h("dialog", { class: "viewer", "aria-label": version.title, onclose: () => dialog.remove() },
      h("header", {}, h("h2", {}, version.title), h("a", { href: url, download: name, class: "secondary button" }, "Baixar"), h("button", { type: "button", class: "secondary", onclick: () => dialog.close() }, "Fechar")),
      h("div", { class: "content" }, body));
    document.body.append(dialog);
    dialog.showModal();
  }

  const listed = new Set();
  function showUploads() {
    const mine = uploadsOf(patient.id);
    fill(sent, mine.map((one) => row(one)));
    for (const one of mine) {
      one.isShown = true;
      if (one.state === "stored" && !listed.has(one)) { listed.add(one); read(); }
    }
  }

  function tell(kind, words) {
    state.className = `state ${kind}`;
    fill(state, words);
  }

  uploads.addEventListener("change", showUploads, { signal: leaving.signal });
  showUploads();
  read();
  const mayAdd = MAY_ADD.has(session()?.clinician.role);
  return {
    element: h("div", { class: "document-panel" }, mayAdd ? uploader((file, title) => upload(patient.id, file, title)) : null, sent, state, list),
    close() {
      leaving.abort();
      urls.forEach((url) => URL.revokeObjectURL(url));
      for (const one of uploadsOf(patient.id)) {
        one.isShown = false;
        if (one.state === "stored") one.drop();
      }
    },
  };
}

function row(one) {
  if (one.state !== "failed") return h("p", { class: `state ${one.state}` }, one.words);
  const line = trouble(one.words, () => one.send());
  line.append(h("button", { type: "button", class: "secondary", onclick: () => one.drop() }, "Descartar"));
  return line;
}

function uploader(add) {
  const file = h("input", { type: "file", id: "file", class: "visually-hidden", accept: "image/*,application/pdf,text/plain,.dcm" });
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    if (chosen) add(chosen, chosen.name.replace(/\.[^.]+$/, "").slice(0, 200) || "Documento");
    file.value = "";
  });
  return h("label", { class: "upload secondary button", for: "file" }, icon("up"), "Adicionar documento ou imagem", file);
}

function entry(document_, open) {
  const current = document_.versions.filter((version) => document_.current.includes(version.id));
  return h("li", { class: "card document" },
    document_.conflict ? h("p", { class: "conflict", role: "note" }, "Duas versões feitas ao mesmo tempo: confira as duas.") : null,
    current.map((version) => h("button", { type: "button", class: "open", onclick: () => open(version) }, icon("file"),
      h("span", { class: "name" }, version.title), h("span", { class: "meta" }, `${moment(version.recorded_at)} · ${size(version.size_bytes)} · ${KINDS[version.content_type.split(";")[0]] ?? version.content_type}`))));
}
