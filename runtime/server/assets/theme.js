// Sets the chosen colours before the page is drawn, so that it does not flash.
try {
  const chosen = localStorage.getItem("palisade-colours");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off: the colours are those of the system.
}
