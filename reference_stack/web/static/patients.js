/** Finding a patient: by the beginnings of names, or of the record number. */

import { fill, h, icon, say, trouble } from "./dom.js";
import { age, day } from "./format.js";
import { json } from "./http.js";

const TYPING_MS = 180;
const MOST = 30;

export function patientList({ selected }) {
  const list = h("ul", { class: "patients", "aria-label": "Pacientes" });
  const note = h("div", { class: "fine", role: "status" });
  const box = h("input", {
    type: "search", id: "search", placeholder: "Nome ou prontuário", "aria-label": "Buscar paciente",
    autocomplete: "off", spellcheck: "false", value: sessionStorage.getItem("prontuario.search") ?? "",
  });
  let timer;
  let latest;
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, TYPING_MS); });

  async function find() {
    latest?.abort();
    const asking = new AbortController();
    latest = asking;
    const words = box.value.trim();
    sessionStorage.setItem("prontuario.search", words);
    try {
      const found = await json(`/v1/patients?limit=${MOST}&query=${encodeURIComponent(words)}`, {
        signal: asking.signal,
      });
      fill(list, found.items.map((patient) => entry(patient, selected)));
      fill(note, found.items.length === 0 ? "Nenhum paciente encontrado." : found.items.length === MOST ? `Os primeiros ${MOST}; continue digitando para afinar.` : "");
      say(`${found.items.length} pacientes`);
    } catch (error) {
      if (asking.signal.aborted) return;
      fill(note, trouble(`A busca falhou: ${error.message}`, find));
    }
  }
  find();

  return {
    element: h("section", { class: "finder", "aria-label": "Buscar pacientes" }, h("div", { class: "searchbox" }, icon("search"), box), note, list),
    select(id) {
      for (const link of list.querySelectorAll("a")) {
        if (link.dataset.id === id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
  };
}

function entry(patient, selected) {
  return h("li", {}, h("a", { href: `#/patients/${patient.id}`, data: { id: patient.id }, "aria-current": patient.id === selected() ? "true" : null },
    h("span", { class: "name" }, patient.name),
    h("span", { class: "meta" }, `${age(patient.birth_date)} · ${day(patient.birth_date)}`),
    h("span", { class: "meta number" }, patient.medical_record_number)));
}
