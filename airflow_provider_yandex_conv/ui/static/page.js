"use strict";
// The only script of these pages: it takes over Airflow's choice of light or dark, and copies ids.

const theme = localStorage.getItem("theme");
if (theme === "dark" || theme === "light") {
  document.documentElement.dataset.theme = theme;
}

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(node) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(node.textContent);
    return true;
  }
  // Without https there is no clipboard but this one.
  select(node);
  return document.execCommand("copy");
}

document.addEventListener("DOMContentLoaded", () => {
  if (window.top === window) {
    // In Airflow's tab it would show Airflow within Airflow.
    for (const link of document.querySelectorAll("a[data-alone]")) {
      link.hidden = false;
    }
  }
  for (const button of document.querySelectorAll("button[data-copies]")) {
    const node = document.getElementById(button.dataset.copies);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const copied = await copy(node).catch(() => false);
      if (!copied) {
        select(node);
      }
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
    });
  }
});
