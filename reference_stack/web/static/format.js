/** Dates, ages and numbers as a Brazilian ward writes them. */

const DAY = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "short", year: "numeric", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit" });

export const day = (iso) => DAY.format(new Date(`${iso}T00:00:00Z`)).replaceAll(" de ", " ").replace(".", "");
export const moment = (iso) => MOMENT.format(new Date(iso));
export const clock = (iso) => CLOCK.format(new Date(iso));

/** Completed months of life. */
function months(birthIso, now) {
  const birth = new Date(`${birthIso}T00:00:00Z`);
  const whole = (now.getUTCFullYear() - birth.getUTCFullYear()) * 12 + now.getUTCMonth() - birth.getUTCMonth();
  return now.getUTCDate() < birth.getUTCDate() ? whole - 1 : whole;
}

/** Completed years of life. */
export const years = (birthIso, now = new Date()) => Math.floor(months(birthIso, now) / 12);

/** Age in words: years, or months and days for the youngest. */
export function age(birthIso, now = new Date()) {
  const lived = months(birthIso, now);
  if (lived >= 24) return `${Math.floor(lived / 12)} anos`;
  if (lived >= 1) return lived === 1 ? "1 mês" : `${lived} meses`;
  const days = Math.max(0, Math.floor((now - new Date(`${birthIso}T00:00:00Z`)) / 86400000));
  return days === 1 ? "1 dia" : `${days} dias`;
}

export const SEX = { female: "Feminino", male: "Masculino", other: "Outro", unknown: "Não informado" };

export const ROLE = {
  physician: "Medicina", nurse: "Enfermagem", pharmacist: "Farmácia", receptionist: "Recepção",
  administrator: "Administração", auditor: "Auditoria",
};

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes;
  let unit = -1;
  do { value /= 1024; unit += 1; } while (value >= 1024 && unit < units.length - 1);
  return `${value.toLocaleString("pt-BR", { maximumFractionDigits: 1 })} ${units[unit]}`;
}
