/** Who is logged in. The token lives as long as the tab and survives a failover (any site takes it). */

import { attempt, connection, useToken, write } from "./http.js";

const STORED = "prontuario.session";
let current = null;

export const session = () => current;

export function restore() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED));
    if (stored && stored.expiresAt > Date.now()) take(stored);
  } catch { /* nothing usable is stored: log in */ }
  return current;
}

function take(found) {
  current = found;
  useToken(found.token);
}

function begin(answer) {
  const found = {
    token: answer.access_token, clinician: answer.clinician, expiresAt: Date.now() + answer.expires_in * 1000,
  };
  take(found);
  sessionStorage.setItem(STORED, JSON.stringify(found));
  return found;
}

export async function logIn(username, password, onWait) {
  const answer = await write("/v1/login", { username, password }, { onWait, patienceMs: 20000, read: (response) => response.json() });
  return begin(answer);
}

/** By a picture of the face; the server says 401 when it knows nobody like it. */
export async function logInByFace(username, picture) {
  const asked = username ? `?username=${encodeURIComponent(username)}` : "";
  const answer = await attempt(`/v1/login/face${asked}`, {
    method: "POST", body: picture, headers: { "Content-Type": picture.type }, timeoutMs: 20000,
  });
  return begin(await answer.json());
}

/** Forget the session here at once, and tell the server: a lost answer must not keep anybody in. */
export function logOut() {
  const token = current?.token;
  forget();
  if (token) {
    fetch("/v1/logout", { method: "POST", headers: { Authorization: `Bearer ${token}` }, keepalive: true }).catch(() => {});
  }
}

export function forget() {
  current = null;
  useToken(null);
  sessionStorage.clear();
}

connection.addEventListener("unauthorized", forget);
