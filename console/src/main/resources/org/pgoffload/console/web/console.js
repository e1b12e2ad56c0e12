// What the pages do besides htmx. Every page works without it.
"use strict";

// Times in the reader's zone; the server writes UTC.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = format.format(at);
      time.title = time.dateTime;
    }
  }
}

// Buttons that copy an element's text.
function copyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
  }
}

function say(words) {
  document.getElementById("notice").textContent = words;
}

function prepare(root) {
  localTimes(root);
  copyButtons(root);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) {
    event.preventDefault();
    const text = document.getElementById(button.dataset.copy).textContent;
    navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("The browser does not let copy."));
  }
});

document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
document.addEventListener("htmx:responseError", (event) => {
  const problem = event.detail.xhr.getResponseHeader("X-Problem");
  say(problem ? decodeURIComponent(problem) : "The console does not answer as expected.");
});
document.addEventListener("htmx:sendError", () => say("The console does not answer."));
prepare(document);
