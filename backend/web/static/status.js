// Keeps the page up to date: fetches it again and changes only what differs, so that scrolling, open parts
// and the button under the finger stay where they are.
"use strict";
const PAUSE_MS = 2000;
const live = document.getElementById("live");
const notice = document.getElementById("notice");
let asked = 0, noticed = 0;

function patch(old, next) {
  if (old.isEqualNode(next)) return;
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || old.id !== next.id) return old.replaceWith(next.cloneNode(true));
  if (old.nodeType !== Node.ELEMENT_NODE) { old.data = next.data; return; }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  patchChildren(old, next);
}

// What has an id is moved rather than made anew. Between the parts of the page there is only white space.
function patchChildren(parent, next) {
  const kind = parent.nodeName === "MAIN" ? "children" : "childNodes";
  [...next[kind]].forEach((node, index) => {
    const kept = node.id && [...parent.children].find(each => each.id === node.id);
    const here = parent[kind][index];
    if (kept && kept !== here) parent.insertBefore(kept, here);
    const old = parent[kind][index];
    if (!old) parent.append(node.cloneNode(true));
    else if (old.id && old.id !== node.id) parent.insertBefore(node.cloneNode(true), old);
    else patch(old, node);
  });
  while (parent[kind].length > next[kind].length) parent[kind][parent[kind].length - 1].remove();
}

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const main = page.querySelector("main"), summary = page.getElementById("summary");
  if (!page.getElementById("live")) throw new Error("not the status page");
  patch(document.querySelector("main"), main);
  patch(document.getElementById("summary"), summary);
  return page.getElementById("notice");
}

function say(text, mood) {
  clearTimeout(noticed);
  notice.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.className = "banner " + mood;
  line.textContent = text;
  notice.append(line);
  noticed = setTimeout(() => notice.replaceChildren(), 8000);
}

async function get(address, options) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(10000) });
  const text = await answer.text();
  if (!answer.ok) {
    const told = new DOMParser().parseFromString(text, "text/html").querySelector("main p");
    throw new Error(told ? told.textContent : "the backend answered " + answer.status);
  }
  return text;
}

async function refresh() {
  clearTimeout(asked);
  const began = performance.now();
  if (!document.hidden) {
    try {
      show(await get("/status"));
      live.className = "live";
      live.textContent = "live";
    } catch {
      live.className = "live lost";
      live.textContent = "no answer; trying again";
    }
  }
  asked = setTimeout(refresh, Math.max(PAUSE_MS, 10 * (performance.now() - began))); // a busy server is asked less
}

document.addEventListener("submit", async event => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  try {
    const said = show(await get(event.target.action, { method: "POST" }));
    say(said.textContent.trim(), "good");
  } catch (error) {
    say("That did not work: " + error.message, "bad");
  }
  button.disabled = false;
  refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
if (location.search) history.replaceState(null, "", location.pathname + location.hash);
if (notice.textContent.trim()) say(notice.textContent.trim(), "good");
asked = setTimeout(refresh, PAUSE_MS);
