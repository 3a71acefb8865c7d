// The page of a plugin, live: its state, the drain, and the graphs.

const SECONDS = 180;
const RELOAD = "↻";

const text = (id, words) => {
  const place = document.getElementById(id);
  if (place && place.textContent !== String(words)) place.textContent = words;
};

const grouped = (number) => number.toLocaleString("en");

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
  return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

function short(number) {
  if (number >= 1e9) return `${number / 1e9}G`;
  if (number >= 1e6) return `${number / 1e6}M`;
  if (number >= 1e3) return `${number / 1e3}k`;
  return String(number);
}

const KINDS = {
  latency: { of: (second) => second.mean_ms ?? (second.slowest_ms || null), axis: (value) => `${value}`, now: (value) => (value < 10 ? value.toFixed(value < 1 ? 3 : 2) : grouped(Math.round(value))) },
  fuel: { of: (second) => second.most_fuel, limit: (state) => state.fuel_limit, axis: short, now: grouped },
  memory: { of: (second) => second.memory, limit: (state) => state.memory_limit, axis: size, now: size, isLine: true, steps: Array.from({ length: 34 }, (_, power) => 2 ** power) },
  active: { of: (second) => second.active, axis: (value) => (Number.isInteger(value) ? `${value}` : ""), now: grouped, isLine: true },
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

class Graph {
  constructor(figure, kind, samples, marks) {
    Object.assign(this, { figure, kind, samples, marks, place: figure.querySelector(".plot"), limit: null });
    new ResizeObserver(() => this.plot?.setSize(this.bounds())).observe(this.place);
    document.addEventListener("palisade:colours", () => this.draw(true));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(true));
  }

  bounds() {
    return { width: Math.max(120, this.place.clientWidth), height: 150 };
  }

  options() {
    const [ink, line, soft, brass] = ["accent", "line", "soft", "warn"].map(colour);
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const clock = (t) => new Date(t * 1000).toLocaleTimeString("en-GB");
    const spline = this.kind.isLine ? { fill: `${ink}22` } : { points: { show: true, size: 5, fill: ink } };
    return {
      ...this.bounds(),
      legend: { show: false },
      cursor: { y: false, points: { show: false } },
      scales: { x: { time: false, range: () => this.window() }, y: { range: (_, __, most) => [0, this.top(most)] } },
      axes: [{ ...axis, size: 28, space: 90, values: (_, ts) => ts.map(clock) }, { ...axis, size: 58, space: 32, ...(this.kind.steps && { incrs: this.kind.steps }), values: (_, values) => values.map(this.kind.axis) }],
      series: [{}, { stroke: ink, width: 2, spanGaps: false, ...spline }, { stroke: brass, width: 1.5, dash: [6, 4], points: { show: false } }],
      hooks: { draw: [(plot) => this.drawMarks(plot, brass, soft)] },
    };
  }

  window() {
    const last = this.samples.at(-1)?.t ?? 0;
    return [last - SECONDS, last];
  }

  // A limit that is far away would press the line to the floor: it is shown once it is within reach.
  top(most) {
    const least = this.kind === KINDS.active ? 4 : 1;
    if (this.kind === KINDS.fuel || this.kind === KINDS.memory) return Math.max(most ?? 0, this.limit ?? least) * 1.05;
    return Math.max(least, (most ?? 0) * 1.15);
  }

  drawMarks(plot, brass, soft) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.strokeStyle = brass;
    ctx.fillStyle = soft;
    ctx.lineWidth = devicePixelRatio;
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    for (const mark of this.marks) {
      const x = Math.round(plot.valToPos(mark.t, "x", true));
      if (x < left || x > left + width) continue;
      ctx.beginPath();
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.fillText(RELOAD, x + 3 * devicePixelRatio, top + 11 * devicePixelRatio);
    }
    ctx.restore();
  }

  data() {
    const xs = this.samples.map((second) => second.t);
    const limits = xs.map(() => this.limit ?? null);
    return [xs, this.samples.map((second) => this.kind.of(second) ?? null), limits];
  }

  draw(isAnew) {
    if (isAnew && this.plot) { this.plot.destroy(); this.plot = null; }
    if (this.plot) this.plot.setData(this.data());
    else this.plot = new window.uPlot(this.options(), this.data(), this.place);
  }

  take(state) {
    this.limit = this.kind.limit?.(state) ?? null;
    const latest = [...this.samples].reverse().map(this.kind.of).find((value) => value !== null && value !== undefined);
    const name = this.figure.dataset.graph;
    text(`now-${name}`, latest === undefined ? "–" : this.kind.now(latest));
    if (this.limit) this.figure.querySelector(".unit").textContent = `of ${this.kind.now(this.limit)}`;
    this.draw(false);
  }
}

function badge({ word, tone }) {
  const place = document.getElementById("badge");
  if (!place || place.textContent.trim() === word) return;
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${tone}`);
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("aria-hidden", "true");
  icon.append(use);
  const label = document.createElement("span");
  label.textContent = word;
  const shown = document.createElement("span");
  shown.className = `badge tone-${tone}`;
  shown.append(icon, label);
  place.replaceChildren(shown);
}

function showState(drain, state) {
  badge(state);
  text("fact-version", state.version);
  text("fact-health", state.health);
  text("fact-generation", state.generation ?? "–");
  text("fact-active", state.active);
  drain.hidden = !state.draining;
  if (!state.draining) return;
  text("drain-word", state.operation ? `Draining for ${state.operation}` : "Draining");
  text("drain-active", state.active);
  text("drain-left", state.draining.left);
  const bar = document.getElementById("drain-bar");
  bar.max = state.draining.timeout;
  bar.value = state.draining.left;
}

export function follow(drain) {
  const samples = [];
  const marks = [];
  const figures = window.uPlot ? [...document.querySelectorAll("[data-graph]")] : [];
  const graphs = figures.map((figure) => new Graph(figure, KINDS[figure.dataset.graph], samples, marks));
  const source = new EventSource(drain.dataset.liveFrom);
  source.addEventListener("gone", () => { source.close(); text("live-word", "The plugin is gone."); });
  source.addEventListener("error", () => text("live-word", "Connection lost; trying again…"));
  source.addEventListener("sample", (event) => {
    const { seconds, marks: marked, state } = JSON.parse(event.data);
    const known = samples.at(-1)?.t ?? 0;
    samples.push(...seconds.filter((second) => second.t > known));
    if (samples.length > 0) samples.at(-1).active = state.active;
    samples.splice(0, Math.max(0, samples.length - SECONDS));
    marks.push(...marked);
    marks.splice(0, Math.max(0, marks.length - 20));
    text("live-word", "The last three minutes, a sample a second");
    showState(drain, state);
    if (!document.hidden) graphs.forEach((graph) => graph.take(state));
  });
}
