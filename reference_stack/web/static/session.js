/**
 * Who is logged in. The token lives as long as the tab (`sessionStorage`, read by this origin's own
 * scripts only: see the page's Content-Security-Policy) and survives a failover: any site takes it.
 */

import { attempt, connection, useToken, write } from "./http.js";

const STORED = "prontuario.session";
const SEARCH = "prontuario.search";
const LOGIN_PATIENCE_MS = 20000;
let current = null;

export const session = () => current;

export function restore() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED));
    if (stored && stored.expiresAt > Date.now()) take(stored);
    else if (stored) forget();
  } catch { /* nothing usable is stored: log in */ }
  return current;
}

function take(found) {
  current = found;
  useToken(found.token);
}

function begin(answer) {
  take({ token: answer.access_token, clinician: answer.clinician, expiresAt: Date.now() + answer.expires_in * 1000 });
  sessionStorage.setItem(STORED, JSON.stringify(current));
}

export async function logIn(username, password, onWait) {
  begin(await write("/v1/login", { username, password }, { onWait, patienceMs: LOGIN_PATIENCE_MS, read: (response) => response.json() }));
}

/** By a picture of the face (a JPEG or PNG blob); the server says 401 when it knows nobody like it. */
export async function logInByFace(picture) {
  const answer = await attempt("/v1/login/face", { method: "POST", body: picture, headers: { "Content-Type": picture.type }, timeoutMs: LOGIN_PATIENCE_MS });
  begin(await answer.json());
}

/** Forget the session here at once, and tell the server: a lost answer must not keep anybody in. */
export function logOut() {
  const token = current?.token;
  forget();
  if (token) {
    fetch("/v1/logout", { method: "POST", headers: { Authorization: `Bearer ${token}` }, keepalive: true }).catch(() => {});
  }
}

/** What a session leaves behind of a search; drafts are kept apart (drafts.js). */
function forget() {
  current = null;
  useToken(null);
  sessionStorage.removeItem(STORED);
  sessionStorage.removeItem(SEARCH);
}

connection.addEventListener("unauthorized", forget);
