/**
 * Requests that outlive a failover: repeated with growing pauses while the system is away, every
 * write under one idempotency key for all its repetitions.
 */

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
/** What a person waits for in front of a form (logging in); reads and notes wait longer. */
export const PATIENCE_MS = 45000;
const ATTEMPT_MS = 8000;
const WAKE_WITHIN_MS = 300;
const AWAY = new Set([502, 503, 504]);
/** Problems that repeating won't mend, and those of one function while the system itself answers. */
const SETTLED = new Set(["off-in-emergency"]);
const LOCAL = new Set(["off-in-emergency", "emergency-full", "inference-unavailable", "inference-broken", "documents-unavailable"]);

const WORDS = {
  "emergency-full": "Os 50 lugares da emergência estão ocupados; alertas críticos continuam passando",
  "not-permitted": "Seu perfil não permite isto",
  "too-many-requests": "Muitos pedidos seguidos; aguarde um pouco",
  "database-unavailable": "O banco de dados está trocando de servidor",
  "read-only": "O banco de dados está trocando de servidor",
  "outcome-unknown": "A resposta do banco de dados se perdeu",
  overloaded: "O sistema está sobrecarregado",
  "documents-unavailable": "Os documentos estão fora do ar",
  "inference-unavailable": "O serviço de IA não está livre",
  "inference-broken": "O serviço de IA parou no meio",
  "off-in-emergency": "Desligado durante a operação de emergência",
  "audio-too-large": "A gravação é longa demais (na emergência, até 30 s)",
};

/** What the server said, or (status 0) that nobody answered. */
export class ApiError extends Error {
  constructor(status, kind, title, detail = "", retryAfterMs = null) {
    super(detail && !WORDS[kind] ? `${title}: ${detail}` : title);
    Object.assign(this, { status, kind, title, detail, retryAfterMs });
  }

  /** Whether the same request may succeed a moment later. */
  get isAway() {
    return this.status === 0 || (AWAY.has(this.status) && !SETTLED.has(this.kind));
  }

  /** Whether the system as a whole is away, not one function of it. */
  get isOutage() {
    return this.isAway && !LOCAL.has(this.kind);
  }
}

/**
 * What is known of the way to the system. `online`: nobody waits for it; `lostAt`, `backAt` (ms of
 * the clock): the last outage. `site`, `mode`: of who answered last. Events: `state`, `site`,
 * `unauthorized`.
 */
export const connection = Object.assign(new EventTarget(), { online: true, lostAt: null, backAt: null, site: null, mode: null });

/** Requests between two tries. One that waits for the database counts though others are answered. */
const waiting = new Set();
let reached = true;

function look() {
  const online = reached && waiting.size === 0;
  if (online === connection.online) return;
  connection.online = online;
  connection[online ? "backAt" : "lostAt"] = Date.now();
  connection.dispatchEvent(new CustomEvent("state"));
}

function setReached(now) {
  const wakes = now && !reached;
  reached = now;
  look();
  if (wakes) connection.dispatchEvent(new CustomEvent("reached"));
}

/** Someone waits for the system; call what is returned when they don't any more. */
export function waitingFor() {
  const one = Symbol("request");
  waiting.add(one);
  look();
  return () => { waiting.delete(one); look(); };
}

function heard(response) {
  const site = response.headers.get("x-prontuario-site");
  const mode = response.headers.get("x-prontuario-mode");
  if (site && (site !== connection.site || mode !== connection.mode)) {
    Object.assign(connection, { site, mode });
    connection.dispatchEvent(new CustomEvent("site"));
  }
  // A balancer that has nobody behind it answers too, without a site's name.
  setReached(Boolean(site) || !AWAY.has(response.status));
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
    throw lost(error, signal);
  }
  heard(response);
  if (response.ok) return response;
  const error = await problem(response);
  if (response.status === 401 && bearer && bearer === token) connection.dispatchEvent(new CustomEvent("unauthorized", { detail: error }));
  throw error;
}

/** Nobody answered, or the answer broke off; a caller's own abort is passed on as it is. */
function lost(error, signal) {
  if (signal?.aborted) return error;
  setReached(false);
  return new ApiError(0, "unreachable", "O sistema não respondeu");
}

async function problem(response) {
  let said = {};
  try { said = await response.json(); } catch { /* no problem document: the status must do */ }
  const advice = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return problemOf(response.status, said, Number.isNaN(advice) ? null : advice * 1000);
}

/** A problem document (RFC 9457) as an error. */
export function problemOf(status, said, retryAfterMs = null) {
  return new ApiError(status, said.type ?? "", WORDS[said.type] ?? said.title ?? `O sistema respondeu ${status}`, said.detail ?? "", retryAfterMs);
}

/**
 * A request that may be repeated: reads, and writes that carry a key. `read` takes the body, which
 * can break off like the rest; `onWait` hears of each pause. Without `patienceMs` it is repeated
 * until `signal` aborts it. Rejects with the last `ApiError`, at once with one that repeating won't mend.
 */
export async function request(path, { key, onWait, patienceMs = Infinity, signal, read, ...options } = {}) {
  const headers = { ...(options.headers ?? {}), ...(key ? { "Idempotency-Key": key } : {}) };
  const since = performance.now();
  const bearer = token;
  let answered = null;
  try {
    for (let tries = 1; ; tries += 1) {
      // Whoever asked has logged out: nothing is asked again, least of all in another person's name.
      if (bearer && bearer !== token) throw new ApiError(401, "session-ended", "A sessão terminou");
      try {
        const response = await attempt(path, { ...options, headers, signal });
        return read ? await whole(response, read, signal) : response;
      } catch (error) {
        if (!(error instanceof ApiError) || !error.isAway) throw error;
        const pause = pauseMs(tries, error.retryAfterMs);
        if (performance.now() - since + pause > patienceMs) throw error;
        if (error.isOutage) answered ??= waitingFor();
        onWait?.({ tries, error });
        await sleep(pause, signal);
      }
    }
  } finally {
    answered?.();
  }
}

async function whole(response, read, signal) {
  try {
    return await read(response);
  } catch (error) {
    throw lost(error, signal);
  }
}

/**
 * Doubling pauses, spread by half so that a ward's clients don't knock in step (D-16); never
 * shorter than what the server asks for.
 */
export function pauseMs(tries, retryAfterMs = null, random = Math.random) {
  const grown = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
  return Math.max((retryAfterMs ?? 0) * (1 + 0.25 * random()), grown * (0.5 + 0.5 * random()));
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

/** Ends early, still spread, when somebody else's request has reached the system again. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    let timer = setTimeout(done, ms);
    function done() { ended.abort(); resolve(); }
    connection.addEventListener("reached", () => { clearTimeout(timer); timer = setTimeout(done, WAKE_WITHIN_MS * Math.random()); }, { once: true, signal: ended.signal });
    const stop = () => { clearTimeout(timer); ended.abort(); reject(signal.reason); };
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true, signal: ended.signal });
  });
}
