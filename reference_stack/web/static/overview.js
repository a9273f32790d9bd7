/** The overview: conditions and medicines, vital signs as small trends, and the early warning score. */

import { fill, h, s, trouble } from "./dom.js";
import { clock, years } from "./format.js";
import { json } from "./http.js";
import { session } from "./session.js";
import { isServed } from "./status.js";

const CLINICAL = new Set(["physician", "nurse", "pharmacist"]);

const HOURS = 48;
/** NEWS2 is for people of this age and older; the young have other levels. */
const YOUNGEST_YEARS = 16;
/** The range that scores nothing in NEWS2, drawn as a band. */
const SIGNS = [
  { code: "8867-4", label: "Frequência cardíaca", unit: "bpm", low: 51, high: 90, decimals: 0 },
  { code: "9279-1", label: "Frequência respiratória", unit: "irpm", low: 12, high: 20, decimals: 0 },
  { code: "59408-5", label: "Saturação de O₂", unit: "%", low: 96, high: 100, decimals: 0 },
  { code: "8310-5", label: "Temperatura", unit: "°C", low: 36.1, high: 38, decimals: 1 },
  { code: "8480-6", label: "Pressão sistólica", unit: "mmHg", low: 111, high: 219, decimals: 0 },
  { code: "8462-4", label: "Pressão diastólica", unit: "mmHg", low: null, high: null, decimals: 0 },
];
const RISK = { low: "baixo", "low-medium": "baixo a médio", medium: "médio", high: "alto" };

export function overviewPanel(patient, { offers }) {
  const signs = h("section", { class: "vitals", "aria-label": "Sinais vitais" });
  const leaving = new AbortController();
  const may = CLINICAL.has(session()?.clinician.role);
  if (may && offers("/v1/fhir/Observation") && isServed("analytics")) {
    fill(signs, h("p", { class: "waiting" }, "Lendo sinais vitais…"));
    read(patient, signs, offers, leaving.signal);
  } else if (!isServed("analytics")) {
    fill(signs, h("p", { class: "off-note" }, "Sinais vitais e tendências: desligados durante a operação de emergência."));
  }
  return {
    element: h("div", { class: "overview" }, signs,
      h("div", { class: "lists" },
        listed("Diagnósticos", patient.conditions, "Nenhum registrado."), listed("Medicamentos em uso", patient.medications, "Nenhum registrado."),
        patient.bloodType ? listed("Tipo sanguíneo", [patient.bloodType]) : null)),
    close: () => leaving.abort(),
  };
}

function listed(title, items, none) {
  return h("section", { class: "card" }, h("h2", {}, title), items.length ? h("ul", {}, items.map((item) => h("li", {}, item))) : h("p", { class: "fine" }, none));
}

async function read(patient, place, offers, signal) {
  try {
    const since = new Date(Date.now() - HOURS * 3600000).toISOString();
    const readings = await observations(patient.id, signal);
    const series = SIGNS.map((sign) => ({ ...sign, points: readings.filter((one) => one.code === sign.code) })).filter((one) => one.points.length);
    if (!series.length) { fill(place, h("h2", {}, "Sinais vitais"), h("p", { class: "fine" }, "Nenhum registrado.")); return; }
    const recent = readings.some((one) => one.at >= since);
    const warning = offers("/v1/patients/{patient_id}/insights") && recent && session().clinician.role !== "pharmacist" ? await json(`/v1/patients/${patient.id}/insights?window_h=${HOURS}`, { signal, patienceMs: 8000 }).catch(() => null) : null;
    const hasBands = years(patient.birthDate) >= YOUNGEST_YEARS;
    fill(place, h("h2", {}, "Sinais vitais"), hasBands ? null : h("p", { class: "fine" }, "Sem faixas de referência: as do NEWS2 valem a partir de 16 anos."), warning ? score(warning) : null, h("div", { class: "sparks" }, series.map((one) => spark(hasBands ? one : { ...one, low: null, high: null }))));
  } catch (error) {
    if (!signal.aborted) fill(place, trouble(`Os sinais vitais não abriram: ${error.message}`, () => read(patient, place, offers, signal)));
  }
}

/** The patient's numeric readings of the last `HOURS` before the latest one, oldest first. */
async function observations(id, signal) {
  const found = [];
  let url = `/v1/fhir/Observation?patient=${id}&_count=100`;
  for (let page = 0; url && page < 6; page += 1) {
    const bundle = await json(url, { signal, headers: { Accept: "application/fhir+json" } });
    for (const { resource } of bundle.entry ?? []) {
      if (resource.valueQuantity) found.push({ code: resource.code.coding[0].code, value: resource.valueQuantity.value, at: new Date(resource.effectiveDateTime).toISOString() });
    }
    const next = bundle.link?.find((link) => link.relation === "next")?.url;
    url = next ? new URL(next, location.href).pathname + new URL(next, location.href).search : null;
    const oldest = found.at(-1)?.at;
    if (oldest && Date.parse(found[0].at) - Date.parse(oldest) > HOURS * 3600000) break;
  }
  return found.sort((a, b) => a.at.localeCompare(b.at));
}

function score(warning) {
  if (warning.early_warning_score === null) return null;
  return h("p", { class: `score ${warning.risk}` }, h("strong", {}, `NEWS2 ${warning.early_warning_score}`), ` risco ${RISK[warning.risk]}`,
    h("span", { class: "fine" }, " Cálculo automático, não é diagnóstico: a decisão é do profissional."));
}

const WIDTH = 240;
const HEIGHT = 64;

export function spark({ label, unit, low, high, decimals, points }) {
  const values = points.map((point) => point.value);
  const bottom = Math.min(...values, low ?? Infinity);
  const top = Math.max(...values, Math.min(high ?? -Infinity, Math.max(...values) * 1.15));
  const start = Date.parse(points[0].at);
  const span = Math.max(1, Date.parse(points.at(-1).at) - start);
  const x = (at) => 4 + ((Date.parse(at) - start) / span) * (WIDTH - 12);
  const y = (value) => HEIGHT - 5 - ((value - bottom) / Math.max(1e-9, top - bottom)) * (HEIGHT - 10);
  const last = points.at(-1);
  const outside = (low !== null && last.value < low) || (high !== null && last.value > high);
  const shown = last.value.toLocaleString("pt-BR", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const path = points.map((point, index) => `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
  return h("figure", { class: outside ? "spark outside" : "spark" },
    h("figcaption", {}, h("span", { class: "label" }, label), h("span", { class: "value" }, h("b", {}, shown), ` ${unit}`, outside ? h("span", { class: "flag" }, last.value > high ? " ▲ acima" : " ▼ abaixo") : null)),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label}: de ${Math.min(...values)} a ${Math.max(...values)} ${unit} desde ${clock(points[0].at)}; agora ${shown}`, preserveAspectRatio: "none" },
      low === null ? null : s("rect", { class: "band", x: 0, width: WIDTH, y: y(Math.min(high, top)), height: Math.max(1, y(Math.max(low, bottom)) - y(Math.min(high, top))) }),
      s("path", { class: "line", d: path }), s("path", { class: "dot", d: `M${x(last.at).toFixed(1)} ${y(last.value).toFixed(1)}h0` })),
    h("span", { class: "when" }, `desde ${clock(points[0].at)}`));
}
