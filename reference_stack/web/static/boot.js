/**
 * Loads the client. In the middle of a failover a part of it may not arrive, and a page cannot ask
 * for a lost part alone: it says so and is opened again, instead of staying empty for ever.
 */

const AGAIN_MS = 2000;

import("./app.js").catch((error) => {
  const opening = document.getElementById("opening");
  if (!opening) throw error; // the client runs: the fault is its own, and opening it again would lose what it shows
  opening.firstElementChild.textContent = "O servidor não respondeu. Tentando de novo…";
  setTimeout(() => location.reload(), AGAIN_MS);
});
