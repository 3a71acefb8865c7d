// Operates the dashboard as a person would, in a real browser, and looks at every page with an accessibility checker.
//
// node dashboard.js ADDRESS TOKEN FOLDER [--update-images]
// Pictures go into FOLDER; with the flag, those of the documentation are replaced as well.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, token, folder, flag] = process.argv.slice(2);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const images = new URL("../../docs/images/", import.meta.url).pathname;
const GREETER = "com.acme.greeter";
const WAITER = "com.acme.reports";
const KEPT = new Set(["overview", "plugin", "commands", "config", "drain", "permissions", "audit"]);

const complaints = [];
const complain = (words) => { complaints.push(words); console.error(`✗ ${words}`); };
const check = (holds, words) => (holds ? console.log(`✓ ${words}`) : complain(words));

const profile = mkdtempSync(join(tmpdir(), "palisade-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  viewport: { width: 1280, height: 860 },
  colorScheme: "light",
  reducedMotion: "reduce",
});
context.setDefaultTimeout(20_000);
const page = context.pages()[0] ?? (await context.newPage());

// What the browser says itself when an answer is a refusal that the test provokes.
const isProvoked = (text) => /status of (401|403|404|409|412|422)/.test(text);
page.on("console", (message) => {
  if (message.type() === "error" && !isProvoked(message.text())) complain(`console: ${message.text()} at ${page.url()}`);
});
page.on("pageerror", (error) => complain(`script: ${error.message} at ${page.url()}`));
page.on("request", (request) => {
  const url = new URL(request.url());
  if (url.protocol !== "data:" && url.origin !== address) complain(`a request to ${url.origin}`);
});

const go = (path) => page.goto(`${address}/ui${path}`, { waitUntil: "load" });

const api = (path, init = {}) =>
  fetch(`${address}${path}`, { method: "POST", ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });

async function accessible(name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes } of violations) {
    if (impact === "serious" || impact === "critical") complain(`axe on ${name}: ${id}: ${nodes.map((node) => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
  }
}

async function picture(name) {
  const path = join(folder, `${name}.png`);
  // Hiding the caret would add a style to the page, which its policy forbids.
  await page.screenshot({ path, caret: "initial" });
  const kept = name.replace(/-(light|dark)$/, "");
  if (flag === "--update-images" && KEPT.has(kept)) copyFileSync(path, join(images, `${name}.png`));
}

// In both schemes, and as narrow as a telephone.
async function look(name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await accessible(`${name}, ${colorScheme}`);
    await picture(`${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 380, height: 800 });
  await accessible(`${name}, narrow`);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(excess <= 0, `${name} fits into 380 px`);
  await picture(`${name}-narrow`);
  await page.setViewportSize({ width: 1280, height: 860 });
}

async function logIn() {
  await go("/plugins");
  check(page.url().includes("/ui/login"), "nobody sees anything without a token");
  await page.fill("#token", "not a token");
  await page.click("text=Log in >> nth=-1");
  await page.getByRole("alert").waitFor();
  await look("login");
  await page.fill("#token", token);
  await page.click("button.primary");
  await page.waitForURL("**/ui/plugins");
  const cookies = await context.cookies();
  const session = cookies.find((cookie) => cookie.name === "palisade_session");
  check(session?.httpOnly && session.sameSite === "Strict" && session.path === "/ui", "the session is held as it should be");
  await page.keyboard.press("Tab");
  check(await page.evaluate(() => document.activeElement.className === "skip"), "the first stop of the keyboard skips to the content");
}

async function overview() {
  await go("");
  const first = await page.locator(".attention li").first().innerText();
  check(first.includes("failed") && first.includes("com.acme.broken"), "what failed comes first");
  await look("overview");
  await go("/plugins");
  await page.fill("#q", "greet");
  await page.getByText("1 of").waitFor();
  check((await page.locator("table.plugins tbody tr").count()) === 1, "the table is filtered as one types");
  await go("/plugins");
  await look("plugins");
}

async function command() {
  await go(`/plugins/${GREETER}/commands`);
  await page.locator("#command-greet summary").click();
  await page.locator('#command-greet [name="/times"]').fill("often");
  await page.locator('#command-greet [name="/name"]').fill("Ada <b>");
  await page.click("#run-greet");
  await page.locator("#command-greet .field-error", { hasText: "whole number" }).waitFor();
  await page.locator('#command-greet [name="/times"]').fill("2");
  await page.locator('#command-greet [name="/tags"]').fill("early\nloud");
  await page.click("#run-greet");
  const answer = await page.locator("#command-greet .answer").innerText();
  check(answer.includes('"Ada <b>"') && answer.includes('"loud"'), "a command runs on what its form holds");
  check((await page.locator("#command-greet .receipt").innerText()).includes("fuel"), "its receipt is shown");
  await look("commands");
}

// Half a minute of ordinary work, for the picture of the graphs.
async function work() {
  for (let second = 0; second < 32; second += 1) {
    const length = 60 + Math.round(45 * Math.sin(second / 4)) + (second * 37) % 23;
    const calls = [length, length + 9].map((size) => api(`/plugins/${GREETER}/commands/greet`, { body: JSON.stringify({ name: "x".repeat(size) }) }));
    await Promise.all(calls);
    if (second === 20) await api(`/plugins/reload?plugin=${GREETER}`);
    await page.waitForTimeout(1000);
  }
}

async function live() {
  for (let call = 0; call < 12; call += 1) {
    await api(`/plugins/${GREETER}/commands/greet`, { body: JSON.stringify({ name: "x".repeat(call * 9) }) });
  }
  await go(`/plugins/${GREETER}`);
  await page.locator("#now-memory", { hasText: "iB" }).waitFor();
  check((await page.locator(".plot canvas").count()) === 4, "four graphs are drawn");
  await page.getByRole("button", { name: "Reload" }).click();
  await page.locator("#outcome", { hasText: "Reloaded" }).waitFor();
  await page.locator("#fact-generation", { hasText: "2" }).waitFor();
  const before = await page.locator("#fact-health").boundingBox();
  await api(`/plugins/${GREETER}/commands/greet`, { body: JSON.stringify({ name: "again" }) });
  await page.locator("#now-latency", { hasText: /\d/ }).waitFor();
  const after = await page.locator("#fact-health").boundingBox();
  check(before.y === after.y, "nothing moves when figures change");
  if (flag === "--update-images") await work();
  await look("plugin");
}

async function drain() {
  await go(`/plugins/${WAITER}`);
  const running = [1, 2].map(() => api(`/plugins/${WAITER}/commands/report`));
  await page.locator("#fact-active", { hasText: "2" }).waitFor();
  await page.getByRole("button", { name: "Reload" }).click();
  await page.locator("#drain").waitFor({ state: "visible" });
  check((await page.locator("#drain-active").innerText()) === "2", "the drain says how many are still running");
  const left = await page.locator("#drain-left").innerText();
  await page.waitForFunction((seen) => Number(document.getElementById("drain-left").textContent) < Number(seen), left);
  check(true, "the drain counts down");
  await look("drain");
  await fetch(`${address}/test/go-on`, { method: "POST" });
  const answered = await Promise.all(running);
  check(answered.every((answer) => answer.ok), "no command is lost");
  await page.locator("#drain").waitFor({ state: "hidden" });
}

async function config() {
  await go(`/plugins/${GREETER}/config`);
  await page.locator('[name="/retries"]').fill("99");
  await page.click("#review");
  await page.locator(".field-error").waitFor();
  check(true, "a wrong configuration is refused at its field");
  await look("config-error");
  await page.locator('[name="/retries"]').fill("3");
  await page.locator('[name="/greeting"]').fill("Good morning");
  await page.click("#review");
  await page.locator("#config ins", { hasText: "Good morning" }).waitFor();
  check((await page.locator("#config del").innerText()).includes("Hello"), "the difference is shown before it is saved");
  await look("config");
  await page.click("#save");
  await page.waitForURL("**done=config");
  await go(`/plugins/${GREETER}/config`);
  check((await page.locator('[name="/greeting"]').inputValue()) === "Good morning", "the configuration is saved");
  check((await page.locator(".history > li").count()) >= 2, "the one before is in the history");
}

async function upgradeAndRollBack() {
  await go(`/plugins/${GREETER}/permissions`);
  const bundle = Buffer.from(await (await fetch(`${address}/test/upgrade`)).arrayBuffer());
  await page.setInputFiles("#bundle", { name: "greeter.zip", mimeType: "application/zip", buffer: bundle });
  await page.locator("#upgrade-review", { hasText: "storage:read" }).waitFor();
  await page.locator("#upgrade-review").scrollIntoViewIfNeeded();
  await look("permissions");
  await page.getByRole("button", { name: "Approve and upgrade" }).click();
  await page.waitForURL("**done=upgrade");
  check((await page.locator("#fact-version").innerText()) === "2.0.0", "the new version serves");
  await page.getByRole("link", { name: "Roll back" }).click();
  await page.locator("dialog[open]").waitFor();
  await look("confirm");
  await page.locator("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.waitForURL("**done=rollback");
  check((await page.locator("#fact-version").innerText()) === "1.0.0", "the version before is back");
}

async function refuses() {
  const form = await page.evaluate(async (path) => {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ csrf: "guessed" }) });
    return answer.status;
  }, `${address}/ui/plugins/${GREETER}/do/disable`);
  check(form === 403, "a form that is not of the session is refused");
}

async function everythingElse() {
  await go("/audit");
  check((await page.locator("#chain").innerText()).includes("intact"), "the audit chain is intact");
  check((await page.locator("table.audit tbody").innerText()).includes("rollback"), "what was done here is on record");
  await look("audit");
  for (const [name, path] of [["logs", `/plugins/${GREETER}/logs`], ["events", "/events"], ["trust", "/trust"], ["failed", "/plugins/com.acme.broken"], ["nothing", "/plugins/com.acme.nobody"]]) {
    await go(path);
    await look(name);
  }
  await go("/install");
  const bundle = Buffer.from(await (await fetch(`${address}/test/another`)).arrayBuffer());
  await page.setInputFiles("#bundle", { name: "another.zip", mimeType: "application/zip", buffer: bundle });
  await page.locator("#review", { hasText: "verified" }).waitFor();
  await look("install");
  await page.getByRole("button", { name: "Grant and install" }).click();
  await page.waitForURL("**done=install");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL("**/ui/login**");
}

try {
  mkdirSync(images, { recursive: true });
  for (const step of [logIn, overview, command, live, drain, config, upgradeAndRollBack, refuses, everythingElse]) await step();
} catch (error) {
  complain(error.stack);
  await page.screenshot({ path: join(folder, "failed-step.png") }).catch(() => {});
  writeFileSync(join(folder, "failed-step.html"), await page.content().catch(() => ""));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
if (complaints.length > 0) {
  console.error(`${complaints.length} complaints`);
  process.exit(1);
}
