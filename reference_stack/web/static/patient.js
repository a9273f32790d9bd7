/** One patient: who it is, always in sight, and what can be done for them. */

import { chatPanel } from "./chat.js";
import { documentsPanel } from "./documents.js";
import { fill, h, icon, trouble } from "./dom.js";
import { SEX, age, day } from "./format.js";
import { json } from "./http.js";
import { notesPanel } from "./notes.js";
import { overviewPanel } from "./overview.js";
import { session } from "./session.js";
import { isServed, status } from "./status.js";

const CLINICAL = new Set(["physician", "nurse", "pharmacist"]);
const OWN = "urn:prontuario:";
const TABS = [
  { id: "resumo", label: "Resumo", icon: "heart", panel: overviewPanel },
  { id: "conversa", label: "Conversa", icon: "chat", panel: chatPanel, needs: "chat" },
  { id: "notas", label: "Notas", icon: "note", panel: notesPanel, needs: "note" },
  { id: "documentos", label: "Documentos", icon: "file", panel: documentsPanel, needs: "document" },
];

/** What the FHIR Patient says, in the words of the page. */
export function facts(resource) {
  const values = (name) => (resource.extension ?? []).filter((one) => one.url === OWN + name).map((one) => one.valueString ?? one.valueCodeableConcept?.text);
  const [name] = resource.name ?? [];
  return {
    id: resource.id,
    name: name?.text ?? [...(name?.given ?? []), name?.family].join(" "),
    birthDate: resource.birthDate,
    sex: SEX[resource.gender] ?? SEX.unknown,
    number: resource.identifier?.find((one) => one.use === "usual")?.value ?? "",
    bed: values("bed")[0], ward: values("ward")[0], bloodType: values("blood-type")[0],
    allergies: values("allergy"), conditions: values("condition"), medications: values("medication"),
  };
}

export function patientView(id, tab, context) {
  const view = h("article", { class: "patient" }, h("p", { class: "waiting" }, "Abrindo o prontuário…"));
  const leaving = new AbortController();
  const read = () => json(`/v1/patients/${id}`, { signal: leaving.signal })
    .then((resource) => show(facts(resource)))
    .catch((error) => { if (!leaving.signal.aborted) fill(view, trouble(`O prontuário não abriu: ${error.message}`, read), backLink()); });
  read();

  let open = null;
  function show(patient) {
    document.title = `${patient.name} · Prontuário`;
    const body = h("section", { class: "panel", id: "panel", tabindex: "-1" });
    const tabs = h("nav", { class: "tabs", "aria-label": "Partes do prontuário" });
    const draw = (wanted) => {
      // The server decides; what it would refuse anyway is not offered (see permissions of the API).
      const mine = TABS.filter((one) => !one.needs || CLINICAL.has(session()?.clinician.role));
      const chosen = mine.find((one) => one.id === wanted) ?? mine[0];
      fill(tabs, mine.map((one) => h("a", { href: `#/patients/${id}/${one.id}`, "aria-current": one === chosen ? "page" : null, class: one.needs && !isServed(one.needs) ? "off" : null }, icon(one.icon), h("span", {}, one.label), one.needs && !isServed(one.needs) ? h("span", { class: "visually-hidden" }, " (desligado)") : null)));
      open?.close?.();
      open = chosen.needs && !isServed(chosen.needs) ? off(chosen.label) : chosen.panel(patient, context);
      fill(body, open.element);
      body.setAttribute("aria-label", chosen.label);
      open.shown?.();
    };
    fill(view, heading(patient), tabs, body);
    let current = tab;
    let served = servedNow();
    draw(current);
    view.goTo = (wanted) => { current = wanted; draw(wanted); };
    // Only what was switched on or off is drawn anew: nobody's typing is swept away for less.
    status.addEventListener("change", () => {
      if (servedNow() === served) return;
      served = servedNow();
      draw(current);
    }, { signal: leaving.signal });
  }

  return { element: view, id, goTo: (wanted) => { tab = wanted; view.goTo?.(wanted); }, close() { leaving.abort(); open?.close?.(); } };
}

const servedNow = () => ["analytics", ...TABS.map((one) => one.needs).filter(Boolean)].map(isServed).join();
const off = (label) => ({ element: h("p", { class: "off-note", role: "note" }, `${label}: desligado durante a operação de emergência.`) });
const backLink = () => h("a", { class: "back", href: "#/", "aria-label": "Voltar à lista" }, icon("back"));

function heading(patient) {
  return h("header", { class: "who" }, backLink(),
    h("div", {},
      h("h1", {}, patient.name),
      h("dl", {},
        pair("Idade", `${age(patient.birthDate)}`), pair("Nasc.", day(patient.birthDate)), pair("Sexo", patient.sex),
        pair("Prontuário", patient.number), patient.bed ? pair("Leito", `${patient.bed} · ${patient.ward}`) : null)),
    patient.allergies.length
      ? h("p", { class: "allergy" }, h("strong", {}, "Alergias: "), patient.allergies.join(", "))
      : h("p", { class: "no-allergy" }, "Sem alergias registradas"));
}

const pair = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
