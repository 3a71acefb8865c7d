// Bundles: sent as they are, looked at first, and sent again once somebody agreed.

const files = new Map();

async function send(file, path, outcome) {
  outcome.setAttribute("aria-busy", "true");
  try {
    const headers = { "Content-Type": "application/zip", "HX-Request": "true", "X-CSRF-Token": document.body.dataset.csrf };
    const answer = await fetch(path, { method: "POST", body: file, headers });
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) location.assign(elsewhere);
    else outcome.innerHTML = await answer.text();
  } catch {
    outcome.textContent = "The server could not be reached. Try again.";
  } finally {
    outcome.removeAttribute("aria-busy");
  }
}

export function upload(place, path) {
  const [file] = place.querySelector("input[type=file]").files;
  const outcome = document.getElementById(place.dataset.outcome);
  outcome.replaceChildren();
  if (!file) return;
  files.set(outcome.id, file);
  outcome.textContent = "Looking at it…";
  send(file, path, outcome);
}

// The review that holds the button is within the place that the file was chosen for.
export async function sendAgain(button, path) {
  const review = [...files.keys()].find((id) => document.getElementById(id)?.contains(button));
  if (!review) return;
  const pressed = button.matches("button") ? button : button.querySelector("button[type=submit]");
  pressed.disabled = true;
  await send(files.get(review), path, document.getElementById(button.dataset.outcome));
  pressed.disabled = false;
}
