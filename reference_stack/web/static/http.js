/**
 * Requests that outlive a failover: repeated with growing pauses while the service is away, every
 * write under one idempotency key for all its repetitions.
 */

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
/** A whole failover takes less than this (B-04 promises 30 s); after it a person decides. */
export const PATIENCE_MS = 45000;
const ATTEMPT_MS = 8000;
const AWAY = new Set([502, 503, 504]);

const WORDS = {
  "emergency-full": "Os 50 lugares da emergência estão ocupados; alertas críticos continuam passando.",
  "not-permitted": "Seu perfil não permite isto.",
  "too-many-requests": "Muitos pedidos seguidos; aguarde um pouco.",
};

/** What the server said, or (status 0) that nobody answered. */
export class ApiError extends Error {
  constructor(status, kind, title, detail = "", retryAfterMs = null) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, kind, title, detail, retryAfterMs });
  }

  get isAway() {
    return this.status === 0 || AWAY.has(this.status);
  }
}

/** `site`: the last that answered; events `state` (online or not), `unauthorized`, `site`. */
export const connection = Object.assign(new EventTarget(), { online: true, site: null, mode: null });

function heard(response) {
  const site = response.headers.get("x-prontuario-site");
  const mode = response.headers.get("x-prontuario-mode");
  if (site && (site !== connection.site || mode !== connection.mode)) {
    const before = connection.site;
    Object.assign(connection, { site, mode });
    connection.dispatchEvent(new CustomEvent("site", { detail: { site, before } }));
  }
  setOnline(!AWAY.has(response.status));
}

function setOnline(online) {
  if (online === connection.online) return;
  connection.online = online;
  connection.dispatchEvent(new CustomEvent("state"));
}

let token = null;
export function useToken(value) { token = value; }

/** One attempt; resolves with a good response, rejects with an `ApiError`. */
export async function attempt(path, { method = "GET", headers = {}, body, signal, timeoutMs = ATTEMPT_MS } = {}) {
  const limit = timeoutMs ? AbortSignal.timeout(timeoutMs) : null;
  const signals = [signal, limit].filter(Boolean);
  const bearer = token;
  let response;
  try {
    response = await fetch(path, {
      method, body, cache: "no-store",
      headers: { ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}), ...headers },
      signal: signals.length ? AbortSignal.any(signals) : undefined,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    setOnline(false);
    throw new ApiError(0, "unreachable", "O sistema não respondeu");
  }
  heard(response);
  if (response.ok) return response;
  const error = await problem(response);
  if (response.status === 401 && bearer && bearer === token) connection.dispatchEvent(new CustomEvent("unauthorized", { detail: error }));
  throw error;
}

async function problem(response) {
  let said = {};
  try { said = await response.json(); } catch { /* no problem document: the status must do */ }
  const advice = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new ApiError(
    response.status, said.type ?? "", WORDS[said.type] ?? said.title ?? `O sistema respondeu ${response.status}`, said.detail ?? "",
    Number.isNaN(advice) ? null : advice * 1000,
  );
}

/**
 * A request that may be repeated: reads, and writes that carry a key. `read` takes the body, which
 * can break off like the rest; `onWait` hears of each pause. Rejects with the last `ApiError` when patience ends, at once with one that repeating won't mend.
 */
export async function request(path, { key, onWait, patienceMs = PATIENCE_MS, signal, read, ...options } = {}) {
  const headers = { ...(options.headers ?? {}), ...(key ? { "Idempotency-Key": key } : {}) };
  const since = performance.now();
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await attempt(path, { ...options, headers, signal });
      return read ? await whole(response, read, signal) : response;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isAway) throw error;
      const pause = pauseMs(tries, error.retryAfterMs);
      if (performance.now() - since + pause > patienceMs) throw error;
      onWait?.({ tries, pause, error });
      await sleep(pause, signal);
    }
  }
}

async function whole(response, read, signal) {
  try {
    return await read(response);
  } catch (error) {
    if (signal?.aborted) throw error;
    setOnline(false);
    throw new ApiError(0, "unreachable", "O sistema não respondeu");
  }
}

/** Doubling pauses, spread by half so that a ward's clients don't knock in step (D-16). */
export function pauseMs(tries, retryAfterMs = null, random = Math.random) {
  const grown = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
  return Math.max(Math.min(retryAfterMs ?? 0, LONGEST_PAUSE_MS), grown * (0.5 + 0.5 * random()));
}

export const json = (path, options) => request(path, { ...options, read: (response) => response.json() });

export function write(path, document, options = {}) {
  return request(path, {
    method: "POST", body: JSON.stringify(document), ...options,
    headers: { "Content-Type": "application/json", ...(options.headers ?? {}) },
  });
}

export const newKey = () => (crypto.randomUUID ? crypto.randomUUID() : fromRandom());

/** `randomUUID` needs a secure context; a ward without TLS in a test has none. */
function fromRandom() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
